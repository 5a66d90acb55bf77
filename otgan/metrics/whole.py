"""Scores of whole samples that a domain brings, each beside what training points would score."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from otgan.config import InputError
from otgan.data import Samples
from otgan.preprocess import Chart

Scores = Callable[[Tensor, Tensor], Mapping[str, float]]
"""Generated (n, *E) and held-out (m, *E) in data units -> numbers by name; NaN is not defined."""


def whole(
    sample: Callable[[int], Tensor],
    train: Samples,
    held_out: Samples,
    chart: Chart,
    scores: Scores,
    *,
    limit: int = 1000,
    draws: int = 5,
) -> dict[str, dict[str, float | None]]:
    """Scores of samples against held-out data, and of training points in their place (floor).

    Sizes and draws are those of `otgan.metrics.evaluate`. There is no interval: a number says
    nothing of what each point adds to it.

    Args:
        sample: n -> generated points in chart coordinates.

    Returns:
        By name, `value` and `floor`, means over draws, and `spread` and `floor_spread`, standard
        deviations of one draw; None where a score is NaN or infinite in some draw.

    Raises:
        InputError: other names from draw to draw, or something that is no number.
    """
    n = min(limit, len(held_out), len(train))
    real = held_out.draw(n, seed=0)
    generated = [scores(chart.decode(sample(n)), real) for _ in range(draws)]
    floors = [scores(train.draw(n, seed), real) for seed in range(draws)]
    _check([*generated, *floors])
    found: dict[str, dict[str, float | None]] = {}
    for name in generated[0]:
        value, spread = _summary([float(g[name]) for g in generated])
        floor, floor_spread = _summary([float(f[name]) for f in floors])
        found[name] = {
            "value": value,
            "spread": spread,
            "floor": floor,
            "floor_spread": floor_spread,
        }
    return found


def _check(draws: Sequence[Mapping[str, float]]) -> None:
    for one in draws:
        if set(one) != set(draws[0]):
            odd = sorted(set(one) ^ set(draws[0]))
            raise InputError(
                f"the domain's scores give '{odd[0]}' of some samples and not of others: give NaN "
                "where a score is not defined"
            )
        for name, value in one.items():
            if torch.as_tensor(value).numel() != 1:
                shape = tuple(torch.as_tensor(value).shape)
                raise InputError(f"the domain's score '{name}' has shape {shape}: give a number")


def _summary(values: Sequence[float]) -> tuple[float | None, float | None]:
    if not all(map(math.isfinite, values)):
        return None, None
    return statistics.fmean(values), statistics.pstdev(values)
