"""A W1 estimate between a proven lower and a proven upper side."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from otgan.certify.bounds import heavy, mean_error, permutation_p_value, plug_in_error
from otgan.certify.checks import check_bracket
from otgan.certify.couplings import affordable, coupled_in_blocks, transported
from otgan.certify.critics import FEW, certified, split, steepest, values
from otgan.geometry import Geometry, NormedSpace, Potential
from otgan.randomness import seeded

_LARGEST = 3000
"""Samples of so many points each are compared exactly, larger ones by a good coupling."""


@dataclass(frozen=True)
class Bracket:
    """What two samples say about W1 between them, and between the populations they are from.

    Attributes:
        lower, upper: W1 of the populations is between them at this confidence.
        estimate: the critic's mean difference on data it has not seen; itself below W1 on average.
        confidence: 1 where the populations are known.
        sample_lower, sample_upper: W1 of the samples themselves; equal where it is exact.
        p_value: of both samples being from one distribution; None where they are known measures.
        critic: what gave the lower side.
        slope: the largest slope found of that critic, in double precision.
        assumption: what the two sides rest on.
        steps: of every training; with them and the seed, a repeat is exact.
        potential: the critic itself, in double precision.
        scored: its values on the points of either sample that the estimate is from.
    """

    lower: float
    estimate: float
    upper: float
    confidence: float
    sample_lower: float
    sample_upper: float
    p_value: float | None
    critic: str
    slope: float
    assumption: str
    steps: tuple[int, ...]
    potential: Potential = field(repr=False, compare=False)
    scored: tuple[Tensor, Tensor] = field(repr=False, compare=False)


def bracket(
    x: Tensor,
    y: Tensor,
    geometry: Geometry,
    seconds: float = 30,
    confidence: float = 0.95,
    *,
    a: Tensor | None = None,
    b: Tensor | None = None,
    diameter: float | None = None,
    seed: int = 0,
    steps: Sequence[int] = (),
) -> Bracket:
    """W1 between two samples and between their populations, each from below and from above.

    Below, for the populations: 45 % of each sample train certified critics, 15 % choose one, and
    its mean difference on the rest, less its error, is a lower bound, whatever the critic. Above:
    W1 between samples is not less than W1 of the populations on average, as it is convex in both;
    so the observed one, plus its error, is an upper bound. In many dimensions that side is loose
    by nature: it falls like n^(-1/d). Each side takes half of the error level.

    Args:
        x, y: independent draws, (n, *E) and (m, *E), independent of each other too.
        geometry: the ground cost, a metric.
        seconds: for the critics; what exact transport takes comes on top.
        a, b: known weights, (n,) and (m,): the two measures are then all there is, and both sides
            meet.
        diameter: an upper bound of all distances between points of the populations. With it both
            errors hold at every sample size; without, as samples grow.
        seed: of the split, the critics and the permutations; the global generator is left alone.
        steps: instead of seconds, the `steps` of an earlier bracket, which is repeated exactly.

    Raises:
        ValueError: samples that transport refuses, fewer than 20 points on a side without weights,
            a cost that is no metric, nodes that no path connects, a confidence outside (0, 1), no
            seconds, a diameter that the samples exceed, other steps than there are trainings.

    Example:
        >>> from otgan.geometry import Lp
        >>> x, half = torch.tensor([[0.0], [1.0]]), torch.tensor([0.5, 0.5])
        >>> found = bracket(x, x + 2, Lp(2), a=half, b=half)
        >>> found.lower, found.upper, found.confidence
        (2.0, 2.0, 1.0)
    """
    x, y = (_points(v, geometry) for v in (x, y))
    geometry = copy.deepcopy(geometry).cpu().double()
    known = a is not None or b is not None
    check_bracket(x, y, geometry, seconds, confidence, diameter, known)
    with seeded(seed, torch.device("cpu")):
        if known:
            return _known(x, y, geometry, a, b)
        generator = torch.Generator().manual_seed(seed)
        train, judge, rest = zip(split(x, generator), split(y, generator), strict=True)
        name, f, done = certified(train, judge, geometry, seconds, steps, generator)
        level = (1 - confidence) / 2
        on_x, on_y = (values(f, v) for v in rest)
        gap = (on_x.mean() - on_y.mean()).item()
        before = (values(f, judge[0]), values(f, judge[1]))
        below = gap - mean_error(on_x, on_y, level, diameter, before)
        sample_lower, sample_upper, up_x, up_y = _samples(x, y, geometry, f, generator)
        upper = sample_upper + plug_in_error(up_x, up_y, level, diameter, (len(x), len(y)))
        return Bracket(
            max(below, 0.0),
            min(max(gap, 0.0), upper),
            upper,
            confidence,
            sample_lower,
            sample_upper,
            permutation_p_value(on_x, on_y, seed),
            name,
            steepest(f, *rest, geometry),
            _assumption(diameter, heavy(up_x) or heavy(up_y)),
            done,
            f,
            (on_x, on_y),
        )


def _known(x: Tensor, y: Tensor, geometry: Geometry, a: Tensor | None, b: Tensor | None) -> Bracket:
    cost, f = transported(x, y, geometry, *(None if w is None else w.cpu() for w in (a, b)))
    slope = steepest(f, x, y, geometry)
    why = "the weights are known, so nothing is estimated"
    scored = values(f, x), values(f, y)
    return Bracket(cost, cost, cost, 1.0, cost, cost, None, "transport", slope, why, (), f, scored)


def _samples(
    x: Tensor, y: Tensor, geometry: Geometry, f: Potential, generator: torch.Generator
) -> tuple[float, float, Tensor, Tensor]:
    """W1 between the samples from below and from above, and optimal potentials at points of x
    and of y."""
    if affordable(x, y, geometry, _LARGEST):
        cost, best = transported(x, y, geometry)
        return cost, cost, values(best, x), values(best, y)
    cost = coupled_in_blocks(x, y, geometry, generator)
    gap = (values(f, x).mean() - values(f, y).mean()).item()
    x, y = (v[torch.randperm(len(v), generator=generator)[:FEW]] for v in (x, y))
    best = transported(x, y, geometry)[1]
    return max(gap, 0.0), cost, values(best, x), values(best, y)


def _assumption(diameter: float | None, doubtful: bool) -> str:
    if diameter is not None:
        return f"no two points of the populations are farther apart than {diameter:g}"
    normal = "finite variances, and samples so large that means are near normal"
    doubt = ", which is doubtful: one point makes much of a variance, so give a diameter"
    return normal + doubt * doubtful


def _points(v: Tensor, geometry: Geometry) -> Tensor:
    """In double precision, but for integers that are no coordinates, such as nodes."""
    v = v.detach().cpu()
    return v.double() if v.is_floating_point() or isinstance(geometry, NormedSpace) else v
