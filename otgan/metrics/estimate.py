"""A metric of two samples, what each point adds to it, and the interval that follows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

LEVEL = 0.95
RESAMPLES = 1000
SHARE = (0.0, 1.0)


@dataclass(frozen=True)
class Estimate:
    """A metric between samples x and y.

    Args:
        value: the metric.
        x, y: the influence of each point, (n,) and (m,), up to a constant: to first order, samples
            drawn again from these points change the value by the change of the means of x and y
            (the infinitesimal jackknife of Efron 1982, 'The Jackknife, the Bootstrap and Other
            Resampling Plans', chapter 6).
        range: least and largest value the metric can have.
    """

    value: float
    x: Tensor
    y: Tensor
    range: tuple[float, float] = (-math.inf, math.inf)

    def scaled(self, factor: float) -> Estimate:
        """The same in other units."""
        low, high = (factor * end for end in self.range)
        return Estimate(factor * self.value, factor * self.x, factor * self.y, (low, high))


@dataclass(frozen=True)
class Score:
    """A metric of generated samples, and of training points in their place (floor).

    `value` and `floor` are means over draws, `spread` and `floor_spread` standard deviations of one
    draw, the intervals those of the means, at 95 %.
    """

    value: float
    spread: float
    interval: tuple[float, float]
    floor: float
    floor_spread: float
    floor_interval: tuple[float, float]

    @classmethod
    def of(cls, generated: Sequence[Estimate], floor: Sequence[Estimate]) -> Score:
        """From estimates of several draws, all against the same held-out points."""
        return cls(*_summary(generated), *_summary(floor))


def interval(
    draws: Sequence[Estimate],
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap of the mean over draws that share their y (Efron 1979).

    Points are resampled, and the metric follows through the influence of each. So no transport is
    solved again, and neighbours stay what they are: computed anew, points drawn twice would be
    their own neighbours and would bias every distance between samples upwards.

    Args:
        draws: estimates with fresh x and the same points y, at least one.
        level: probability that the interval is to contain the expectation.

    Example:
        >>> ones = Estimate(1.0, torch.ones(9), torch.zeros(9))
        >>> interval([ones])
        (1.0, 1.0)
    """
    generator = torch.Generator().manual_seed(seed)
    shift = _means(torch.stack([e.y for e in draws]).mean(0), resamples, generator)
    for estimate in draws:
        shift += _means(estimate.x, resamples, generator) / len(draws)
    tail = (1 - level) / 2
    low, high = shift.quantile(torch.tensor([tail, 1 - tail], dtype=shift.dtype)).tolist()
    value = sum(e.value for e in draws) / len(draws)
    least, largest = draws[0].range
    return max(least, value + low), min(largest, value + high)


def _means(influence: Tensor, resamples: int, generator: torch.Generator) -> Tensor:
    """Centred means of so many resamples, (resamples,)."""
    n = len(influence)
    centred = (influence - influence.mean()).cpu().double()
    return centred[torch.randint(n, (resamples, n), generator=generator)].mean(1)


def _summary(draws: Sequence[Estimate]) -> tuple[float, float, tuple[float, float]]:
    values = torch.tensor([e.value for e in draws], dtype=torch.float64)
    return values.mean().item(), values.std(correction=0).item(), interval(draws)
