"""One feature of the data is broken: what becomes of the others, with one critic and with several?

    python benchmarks/committee.py [--constraints penalty] [--steps N] [--seeds N]

Data: 16 features, eight independent rings in the plane, a pair of features each. The generator ends
in a bounded activation, as for data of known range. Broken: in a fifth of the training data the
first feature is 40, as of a stuck sensor, far outside what the generator can make.

1. Critics alone, between broken data and standard normal points in the generator's range: the share
   of the squared gradient that goes to the broken feature, and the mean exact W1 that the critic's
   values certify for the seven whole rings together (its mean difference when only these differ).
2. The game: mean exact W1 of each whole ring's samples to held-out ones, over the floor.

Constraint `certified` (nothing to tune) and `slope-penalty` with an automatic weight; committees
look at eight random halves of the features, or at four disjoint sets of four.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import torch
import tyro
from torch import Tensor

import otgan
from otgan.data import Samples
from otgan.domain import Domain
from otgan.geometry import Lp
from otgan.networks import mlp
from otgan.preprocess import Scaling
from otgan.transport import exact

RINGS, FAR, SHARE, RANGE = 8, 40.0, 0.2, 2.0
CRITICS = {
    "one": {},
    "random halves": {"committee": 8, "look": "random"},
    "disjoint fours": {"committee": 4, "look": "columns"},
}
CONSTRAINTS = {
    "certified": {"preset": "certified"},
    "penalty": {"preset": "wgan-lp", "constraint": {"weight": "auto"}},
}


def rings(n: int, random: torch.Generator) -> Tensor:
    """(n, 2 * RINGS)."""
    angle = 2 * torch.pi * torch.rand(n, RINGS, generator=random)
    points = torch.stack([angle.cos(), angle.sin()], 2)
    return (points + 0.05 * torch.randn(points.shape, generator=random)).flatten(1)


def broken(x: Tensor, random: torch.Generator) -> Tensor:
    x = x.clone()
    hit = torch.rand(len(x), generator=random) < SHARE
    x[hit, 0] = FAR
    return x


def domain(hurt: bool, seed: int) -> Domain:
    random = torch.Generator().manual_seed(seed)
    train, held_out = rings(5000, random), rings(2000, random)
    chart = Scaling(-RANGE, RANGE)
    return Domain(
        Lp(2),
        Samples(broken(train, random) if hurt else train),
        Samples(held_out),
        chart,
        {"mlp": lambda *a, **k: mlp(*a, **{"width": 128, "depth": 3, **k})},
    )


def fit(hurt: bool, critic: str, constraint: str, seed: int, steps: int) -> otgan.model.Model:
    chosen = {**CONSTRAINTS[constraint]}
    return otgan.fit(
        domain=domain(hurt, seed), steps=steps, seed=seed, quiet=True, monitor_every=steps,
        network=CRITICS[critic], optimiser={"rate": 1e-3}, average=0.99, **chosen,
    )  # fmt: skip


def whole(model: otgan.model.Model, seed: int) -> float:
    """Mean W1 of the whole rings over their floor."""
    random = torch.Generator().manual_seed(1000 + seed)
    real, other, made = rings(500, random), rings(500, random), model.sample(500, seed)

    def mean(x: Tensor) -> float:
        pairs = [slice(2 * k, 2 * k + 2) for k in range(1, RINGS)]
        return statistics.mean(exact(x[:, p], real[:, p], Lp(2)).item() for p in pairs)

    return mean(made) / mean(other)


def gradients(model: otgan.model.Model, seed: int) -> float:
    """Share of the critic's squared gradient that goes to the broken feature."""
    random = torch.Generator().manual_seed(2000 + seed)
    real = model.domain.chart.encode(rings(500, random))
    made = model.domain.chart.encode(model.sample(500, seed))
    x = torch.cat([real, made]).requires_grad_()
    (g,) = torch.autograd.grad(model.critic(x).sum(), x)
    return (g[:, 0].square().sum() / g.square().sum()).item()


def main(
    steps: int = 600,
    seeds: int = 3,
    constraints: tuple[str, ...] = tuple(CONSTRAINTS),
    json_file: Path | None = None,
) -> None:
    """Prints a row for each constraint and kind of critic: medians over seeds, and their range."""
    print(
        f"{'constraint':>10} {'critic':>15} {'W1/floor clean':>24} {'broken':>24} {'gradient':>8}"
    )
    rows = []
    for constraint in constraints:
        for critic in CRITICS:
            found: dict[bool, list[float]] = {False: [], True: []}
            share = []
            for seed in range(seeds):
                for hurt in (False, True):
                    model = fit(hurt, critic, constraint, seed, steps)
                    found[hurt].append(whole(model, seed))
                share.append(gradients(model, seed))
            cells = [
                f"{statistics.median(v):.2f} ({min(v):.2f} to {max(v):.2f})" for v in found.values()
            ]
            row = {
                "constraint": constraint,
                "critic": critic,
                "clean": found[False],
                "broken": found[True],
            }
            rows.append({**row, "gradient": share})
            print(
                f"{constraint:>10} {critic:>15} {cells[0]:>24} {cells[1]:>24} "
                f"{statistics.median(share):8.2f}",
                flush=True,
            )
    if json_file:
        json_file.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    tyro.cli(main)
