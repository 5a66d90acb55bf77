"""How often the two sides of `otgan.certify.bracket` hold, each against its own target.

    python benchmarks/coverage.py [--repetitions 200] [--whole 100] [--steps 200]
        [--cases NAME ...] [--json FILE]

Lower side: below the population's mean difference of the critic it is for, and below W1. The
statement is conditional on the critic, so a critic is trained once a case and certified again and
again on fresh data. Upper side: above the expected W1 between samples of that size (the mean of
1,000), and above W1. Each at the level that a bracket of 95 % uses, 2.5 %, and at 5 %; errors for
large samples ("normal") and for a known diameter, where there is one. Samples of 200 and 150
points, of which 80 and 60 certify. `whole`: brackets of 95 %, critic and all, that hold W1.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from otgan.certify import bracket
from otgan.certify.bounds import mean_error, plug_in_error
from otgan.certify.couplings import transported
from otgan.certify.critics import candidates, certified, split, values
from otgan.geometry import Geometry, GraphMetric, Lp
from otgan.pairs import dilation, funnels, node_funnels, product_of_lines

SIZES = (200, 150)
LEVELS = (0.025, 0.05)
LARGE = 400_000


@dataclass(frozen=True)
class Case:
    """Two populations whose W1 is known; `draw` takes n, m and a generator."""

    geometry: Geometry
    draw: Callable[[int, int, torch.Generator], tuple[Tensor, Tensor]]
    w1: float
    diameter: float | None = None


def of_pair(pair, diameter=None):
    def draw(n, m, generator):
        return pair.coupled(n, generator)[0].double(), pair.coupled(m, generator)[1].double()

    return Case(pair.geometry, draw, pair.cost(LARGE), diameter)


def shifted(sample, shift, w1, geometry=None, diameter=None):
    """The same distribution twice, the one moved."""

    def draw(n, m, generator):
        return sample(n, generator) + shift, sample(m, generator)

    return Case(geometry or Lp(2), draw, w1, diameter)


def cube(dim):
    return lambda n, g: torch.rand(n, dim, generator=g, dtype=torch.float64)


def along(dim):
    return 0.5 * torch.eye(dim, dtype=torch.float64)[0]


def student(n, g):
    """Three degrees of freedom: a variance, and no third moment."""
    z = torch.randn(n, 4, generator=g, dtype=torch.float64)
    return z[:, :1] / (z[:, 1:].square().sum(1, keepdim=True) / 3).sqrt()


def log_normal(n, m, g):
    x, y = (torch.randn(k, 1, generator=g, dtype=torch.float64).exp() for k in (n, m))
    return 1.5 * x, y


def nodes():
    side, rng = 8, np.random.default_rng(0)
    at = np.arange(side * side).reshape(side, side)
    edges = np.concatenate([
        np.stack([at[1:].ravel(), at[:-1].ravel()], 1),
        np.stack([at[:, 1:].ravel(), at[:, :-1].ravel()], 1),
    ])  # fmt: skip
    pair = node_funnels(GraphMetric(edges, rng.uniform(0.5, 1.5, len(edges))))

    def draw(n, m, g):
        a, b = pair.masses
        return torch.multinomial(a, n, True, generator=g), torch.multinomial(
            b, m, True, generator=g
        )

    everything = torch.arange(pair.geometry.nodes)
    diameter = pair.geometry.double().pairwise(everything, everything).max().item()
    return Case(pair.geometry, draw, pair.cost, diameter)


CASES = {
    "line, N(1, 1.5) and N(0, 1)": lambda: of_pair(product_of_lines([1.0], [1.5])),
    "line, Student t3 + 1": lambda: shifted(student, 1.0, 1.0),
    "line, log-normal, 1.5 times": lambda: Case(Lp(2), log_normal, 0.5 * math.exp(0.5)),
    "line, equal uniform": lambda: shifted(cube(1), 0.0, 0.0, diameter=1.0),
    "plane, equal normal": lambda: shifted(
        lambda n, g: torch.randn(n, 2, generator=g, dtype=torch.float64), 0.0, 0.0
    ),
    "plane, cubes + 0.5": lambda: shifted(cube(2), along(2), 0.5, diameter=math.hypot(1.5, 1)),
    "d = 5, cubes + 0.5": lambda: shifted(cube(5), along(5), 0.5, diameter=math.sqrt(2.25 + 4)),
    "d = 5, normal, 1.5 times": lambda: of_pair(dilation(Lp(2), 5, 1.5)),
    "d = 8, funnels": lambda: of_pair(funnels(Lp(2), 8, "points", 4), 5 * math.sqrt(8)),
    "d = 4, l1, funnels": lambda: of_pair(funnels(Lp(1), 4, "points", 4), 20.0),
    "graph, 64 nodes, funnels": nodes,
}


def measure(name, case, repetitions, steps):
    """Rows of counts, one for each kind of error, out of so many repetitions."""
    generator = torch.Generator().manual_seed(1)
    torch.manual_seed(1)
    geometry = case.geometry.double()
    x, y = (split(v, generator) for v in case.draw(1000, 1000, generator))
    train, judge, _ = zip(x, y, strict=True)
    tried = candidates(geometry, *train) if train[0].is_floating_point() else ()
    plan = (steps // 5,) * len(tried) + (steps,) if tried else ()
    critic, f, _ = certified(train, judge, geometry, 1, plan, generator)
    large = case.draw(LARGE, LARGE, generator)
    target = (values(f, large[0]).mean() - values(f, large[1]).mean()).item()

    def plug_in():
        x, y = case.draw(*SIZES, generator)
        cost, g = transported(x, y, geometry)
        return cost, values(g, x), values(g, y)

    expected = float(np.mean([plug_in()[0] for _ in range(1000)]))
    kinds = {"normal": None} | ({"diameter": case.diameter} if case.diameter else {})
    held = {(k, side, level): np.zeros(2, int) for k in kinds for side in "lu" for level in LEVELS}
    widths = {k: [] for k in kinds}
    for _ in range(repetitions):
        x, y = (v[-2 * len(v) // 5 :] for v in case.draw(*SIZES, generator))
        on_x, on_y, before = values(f, x), values(f, y), tuple(values(f, v) for v in judge)
        gap, (cost, up_x, up_y) = (on_x.mean() - on_y.mean()).item(), plug_in()
        for kind, diameter in kinds.items():
            for level in LEVELS:
                low = max(0.0, gap - mean_error(on_x, on_y, level, diameter, before))
                high = cost + plug_in_error(up_x, up_y, level, diameter)
                # rounding, and the error of targets that are means themselves
                held[kind, "l", level] += [low <= max(target, 0) + 1e-9, low <= case.w1 + 1e-9]
                held[kind, "u", level] += [high >= expected, high >= case.w1]
                if level == LEVELS[0]:
                    widths[kind].append((low, high))
    return [
        {
            "case": name,
            "errors": kind,
            "critic": critic,
            "w1": case.w1,
            "critic_target": target,
            "plug_in_target": expected,
            "mean_lower": float(np.mean([low for low, _ in widths[kind]])),
            "mean_upper": float(np.mean([high for _, high in widths[kind]])),
            "repetitions": repetitions,
            **{
                f"{'lower' if side == 'l' else 'upper'}_{level}_{what}": int(
                    held[kind, side, level][i]
                )
                for side in "lu"
                for level in LEVELS
                for i, what in enumerate(("target", "w1"))
            },
        }
        for kind in kinds
    ]


def whole(case, repetitions):
    """How many brackets of 95 % hold W1, each with a critic of its own."""
    generator, count = torch.Generator().manual_seed(2), 0
    for seed in range(repetitions):
        x, y = case.draw(*SIZES, generator)
        found = bracket(x, y, case.geometry, steps=(3, 3, 3, 3, 12), seed=seed)
        count += found.lower <= case.w1 <= found.upper
    return int(count)


def show(rows):
    print(f"{'':28}{'errors':9}{'W1':>6}{'critic':>8}{'E plug-in':>10}{'mean bracket':>16}", end="")
    print("   lower <= critic's, W1   upper >= E plug-in, W1    (2.5 % | 5 %)")
    for row in rows:
        counts = [
            " | ".join(
                f"{row[f'{side}_{level}_target']:3}, {row[f'{side}_{level}_w1']:3}"
                for level in LEVELS
            )
            for side in ("lower", "upper")
        ]
        print(
            f"{row['case']:28}{row['errors']:9}{row['w1']:6.3f}{row['critic_target']:8.3f}"
            f"{row['plug_in_target']:10.3f}  {row['mean_lower']:6.3f},{row['mean_upper']:7.3f}"
            f"   {counts[0]}    {counts[1]}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--whole", type=int, default=100)
    parser.add_argument("--steps", type=int, default=200, help="of a critic's training")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    start, rows = time.perf_counter(), []
    for name in arguments.cases:
        rows += measure(name, CASES[name](), arguments.repetitions, arguments.steps)
    show(rows)
    if arguments.whole:
        name = "plane, cubes + 0.5"
        held = whole(CASES[name](), arguments.whole)
        print(f"\n{name}: {held} of {arguments.whole} whole brackets of 95 % hold W1")
        rows.append({"case": name, "whole": held, "repetitions": arguments.whole})
    print(f"{time.perf_counter() - start:.0f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
