"""How often the 95 % intervals of `otgan.metrics` hold the metric's expectation.

    python benchmarks/metric_intervals.py [--repetitions 200] [--n 100] [--d 5]

Two Gaussians, alike or half a deviation apart in every coordinate, one draw. The expectation is the
mean over repetitions. `length` is that of the mean interval over what 95 % needs (3.92 standard
deviations between repetitions).
"""

import argparse

import torch

from otgan.geometry import Lp
from otgan.metrics import compare, interval


def main(repetitions: int, n: int, d: int) -> None:
    for shift in (0.0, 0.5):
        found, bounds = [], []
        for seed in range(repetitions):
            generator = torch.Generator().manual_seed(seed)
            x = torch.randn(n, d, generator=generator) + shift
            estimates = compare(x, torch.randn(n, d, generator=generator), Lp(2))
            found.append([e.value for e in estimates.values()])
            bounds.append([interval([e], seed=seed) for e in estimates.values()])
        values, ends = torch.tensor(found), torch.tensor(bounds)
        mean, spread = values.mean(0), values.std(0)
        held = ((ends[..., 0] <= mean) & (mean <= ends[..., 1])).float().mean(0)
        length = (ends[..., 1] - ends[..., 0]).mean(0) / (3.92 * spread)
        for k, name in enumerate(estimates):
            print(
                f"shift {shift:g}  {name:14} {mean[k]:8.4f}  held {held[k]:6.1%}  "
                f"length {length[k]:.2f}"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--d", type=int, default=5)
    main(**vars(parser.parse_args()))
