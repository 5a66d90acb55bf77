"""Time of one critic step of wgan-gp on the 32x32 DCGAN, against what one would write by hand.

    python benchmarks/critic_step.py [--threads 2] [--json FILE]

Textbook: three forward passes (real, generated, interpolated), `autograd.grad`, Adam. All variants
take turns in one run on the same machine, and the median of 20 is printed, with its ratio to the
textbook's penalised step and to the textbook's clipped step.
"""

import argparse
import copy
import json
import statistics
import time
from functools import partial
from itertools import cycle
from pathlib import Path

import torch
from lightning_fabric import Fabric

from otgan.config import Config
from otgan.constraints import SlopePenalty, WeightClipping
from otgan.engine import Game, Schedule
from otgan.geometry import Lp
from otgan.networks import dcgan
from otgan.networks.layers import LeakyReLU
from otgan.objectives import Kantorovich

BATCH, LATENT, ROUNDS = 64, 64, 20


def textbook(generator, critic, optimiser, clip=None):
    """WGAN-GP as in a tutorial; with `clip`, the WGAN of 2017."""

    def step(real):
        with torch.no_grad():
            fake = generator(torch.randn(BATCH, LATENT))
        loss = critic(fake).mean() - critic(real).mean()
        if clip is None:
            t = torch.rand(BATCH, 1, 1, 1)
            middle = (t * real + (1 - t) * fake).requires_grad_(True)
            value = critic(middle)
            (gradient,) = torch.autograd.grad(
                value, middle, torch.ones_like(value), create_graph=True, retain_graph=True
            )
            norm = gradient.view(BATCH, -1).norm(2, dim=1)
            loss = loss + 10 * ((norm - 1) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if clip is not None:
            for weight in critic.parameters():
                weight.data.clamp_(-clip, clip)

    return step


def ours(generator, critic, constraint):
    """The critic's part of `otgan.engine.train`."""
    chosen = Config().optimiser
    adam = partial(torch.optim.Adam, lr=chosen.rate, betas=(chosen.beta1, chosen.beta2), fused=True)
    game = Game.start(
        Fabric(accelerator="cpu", devices=1),
        generator,
        critic,
        adam,
        adam,
        geometry=Lp(2),
        objective=Kantorovich(),
        constraint=constraint,
        schedule=Schedule(1),
    )

    def step(real):
        with torch.no_grad():
            fake = game.generator(torch.randn(BATCH, LATENT), None)
        loss, penalty, _ = game.critic_loss(real, fake, None, 0)
        game.critic_optimiser.zero_grad()
        game.fabric.backward(loss + penalty)
        game.critic_optimiser.step()
        game.constraint.project(game.critic)

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    players = dcgan((3, 32, 32), (-1.0, 1.0), latent=LATENT, width=64, depth=0)
    torch.nn.init.normal_(players[1][-1].weight, std=0.01)

    def fresh():
        return copy.deepcopy(players)

    def plain():
        """The same weights under torch's own activation."""
        generator, critic = fresh()
        for i, layer in enumerate(critic):
            if isinstance(layer, LeakyReLU):
                critic[i] = torch.nn.LeakyReLU(layer.slope)
        return generator, critic

    def adam(critic):
        return torch.optim.Adam(critic.parameters(), 2e-4, betas=(0.0, 0.9))

    (g1, c1), (g2, c2) = plain(), plain()
    variants = {
        "textbook, penalty": textbook(g1, c1, adam(c1)),
        "textbook, clipped": textbook(g2, c2, adam(c2), clip=0.01),
        "otgan, penalty": ours(*fresh(), SlopePenalty()),
        "otgan, clipped": ours(*fresh(), WeightClipping()),
    }
    batches = cycle([torch.rand(BATCH, 3, 32, 32) * 2 - 1 for _ in range(4)])
    times = {name: [] for name in variants}
    for k in range(ROUNDS + 3):
        for name, step in variants.items():
            batch = next(batches)
            start = time.perf_counter()
            step(batch)
            if k >= 3:  # warm-up
                times[name].append(time.perf_counter() - start)

    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{arguments.threads} threads, batch {BATCH}, median of {ROUNDS}")
    for name, median in medians.items():
        print(
            f"{name:20} {1e3 * median:7.1f} ms   {median / medians['textbook, penalty']:.2f} x "
            f"textbook   {median / medians['textbook, clipped']:.2f} x clipped"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(medians, indent=2) + "\n")


if __name__ == "__main__":
    main()
