"""The researcher's way: a few objects, and a loop over records that you drive.

    python examples/02_the_game_by_hand.py

Moves noise onto a ring under the l1 ground cost and prints the exact distance on the way.
"""

import argparse
from functools import partial

import torch
from lightning_fabric import Fabric

from otgan.constraints import SlopePenalty
from otgan.data import Batches, Samples
from otgan.engine import Game, Schedule, train
from otgan.geometry import Lp
from otgan.monitors import Collapse, HeldOut
from otgan.networks import mlp
from otgan.objectives import Kantorovich
from otgan.preprocess import Identity


def ring(n):
    """n points around the unit circle."""
    angle = 2 * torch.pi * torch.rand(n)
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(n, 2)


def main(steps=600, every=100):
    torch.manual_seed(0)
    fabric = Fabric()
    adam = partial(torch.optim.Adam, lr=1e-3, betas=(0.0, 0.9))
    game = Game.start(
        fabric,
        *mlp((2,), latent=8, width=128),
        adam,
        adam,
        geometry=Lp(1),
        objective=Kantorovich(),
        constraint=SlopePenalty("one"),
        schedule=Schedule(steps),
        critic_steps=3,
    )
    batches = Batches(Samples(ring(5000)), Identity(), 128, fabric, seed=0)

    def noise(n):
        return torch.randn(n, 8, device=fabric.device)

    monitor = HeldOut(*(fabric.to_device(ring(500)) for _ in range(2)), noise)
    collapse, figures = Collapse(), {}
    for record in train(game, batches, noise):
        if record.step % every == 0:
            figures = monitor(game)
            print(record.step, {name: round(value, 3) for name, value in figures.items()})
            if told := collapse(figures):
                print(told)
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=600)
    main(parser.parse_args().steps)
