"""Size and time of every network of images: parameters, and processor seconds of a training step.

    python benchmarks/image_networks.py [--shape 3 32 32] [--width 16] [--batch 64] [--json FILE]

A step is one of the critic, with the one-sided slope penalty, and one of the generator, on one
thread; networks take turns, and the median of 5 is printed. Growing networks are fully grown.
"""

import argparse
import json
import statistics
import time
from functools import partial
from pathlib import Path

import torch
from lightning_fabric import Fabric

from otgan.constraints import SlopePenalty
from otgan.engine import Game, Schedule, train
from otgan.geometry import Lp
from otgan.networks import biggan, dcgan, progan, r3gan, resnet, stylegan
from otgan.objectives import Kantorovich

NETWORKS = {
    "dcgan": dcgan,
    "plain-dcgan": partial(dcgan, depth=0),
    "resnet": resnet,
    "progan": partial(progan, phases=(1,)),
    "stylegan": stylegan,
    "biggan": biggan,
    "r3gan": r3gan,
}
LATENT, ROUNDS, WARM = 64, 5, 15
"""Steps before the first that counts: enough for what grows by a step a phase."""


def player(build, shape, width, batch):
    """Steps of a game, endlessly, and the parameters of generator and critic."""
    networks = build(shape, (-1.0, 1.0), latent=LATENT, width=width)
    adam = partial(torch.optim.Adam, lr=1e-4, betas=(0.0, 0.9), fused=True)
    game = Game.start(
        Fabric(accelerator="cpu", devices=1),
        *networks,
        adam,
        adam,
        geometry=Lp(2),
        objective=Kantorovich(),
        constraint=SlopePenalty("one"),
        schedule=Schedule(10**9),
        critic_steps=1,
    )

    def batches():
        while True:
            yield torch.rand(games["batch"], *shape) * 2 - 1, None

    games = {"batch": 2}
    steps = train(game, batches(), lambda n: torch.randn(n, LATENT))
    for _ in range(WARM):
        next(steps)
    games["batch"] = batch
    return steps, [sum(p.numel() for p in network.parameters()) for network in networks]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=(3, 32, 32))
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    players = {
        name: player(build, tuple(chosen.shape), chosen.width, chosen.batch)
        for name, build in NETWORKS.items()
    }
    times = {name: [] for name in players}
    for _ in range(1 + ROUNDS):
        for name, (steps, _) in players.items():
            start = time.process_time()
            next(steps)
            times[name].append(time.process_time() - start)
    rows = {
        name: {"generator": sizes[0], "critic": sizes[1], "seconds": statistics.median(t[1:])}
        for (name, (_, sizes)), t in zip(players.items(), times.values(), strict=True)
    }
    print(f"{'network':12} {'generator':>10} {'critic':>10} {'s / step':>9}")
    for name, row in rows.items():
        size = f"{row['generator']:>10,} {row['critic']:>10,}"
        print(f"{name:12} {size} {row['seconds']:>9.2f}")
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
