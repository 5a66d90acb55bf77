"""A W1 estimate between a proven lower and a proven upper side."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from otgan.certify.bounds import (
    coupled_in_blocks,
    mean_error,
    permutation_p_value,
    plug_in_error,
    transported,
)
from otgan.certify.fitting import contest
from otgan.geometry import Geometry, Lp, NormedSpace, Potential
from otgan.monitors import largest_slope
from otgan.networks.potentials import Cones, Landmarks

_LARGEST = 3000
"""Points of the larger sample up to which W1 between the samples is computed exactly."""

_LEAST = 20


@dataclass(frozen=True)
class Bracket:
    """What two samples say about W1 between them, and between the populations they are from.

    Attributes:
        lower, upper: W1 of the populations is between them at this confidence.
        estimate: the critic's mean difference on data it has not seen.
        confidence: 1 where the populations are known.
        sample_lower, sample_upper: W1 of the samples themselves; equal where it is exact.
        p_value: of both samples being from one distribution; None where they are known measures.
        critic: what gave the lower side.
        slope: the largest slope found of that critic, in double precision.
        assumption: what the two sides rest on.
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
) -> Bracket:
    """W1 between two samples and between their populations, each from below and from above.

    Below, for the populations: half of each sample trains certified critics, a fifth selects one,
    and its mean difference on the rest, less its error, is a lower bound, whatever the critic. Above:
    W1 between samples is never less than W1 of the populations on average, as it is convex in both;
    so the observed one, plus its error, is an upper bound. In many dimensions that side is loose
    by nature: it falls like n^(-1/d). Each side takes half of the error level.

    Args:
        x, y: independent samples, (n, *E) and (m, *E).
        geometry: the ground cost, a metric.
        seconds: for the critics; what exact transport takes comes on top.
        a, b: known weights, (n,) and (m,): the two measures are then all there is, and both sides
            meet.
        diameter: an upper bound of all distances between points of the populations. With it both
            errors hold at every sample size; without, as samples grow.

    Raises:
        ValueError: samples that transport refuses, fewer than 20 points on a side without weights,
            a cost that is no metric, a confidence outside (0, 1), no seconds, a diameter that the
            samples exceed.
    """
    _check(x, y, geometry, seconds, confidence, diameter, a is not None or b is not None)
    x, y = _double(x), _double(y)
    geometry = copy.deepcopy(geometry).double()
    if a is not None or b is not None:
        cost, potential = transported(x, y, geometry, a, b)
        slope = largest_slope(potential, *_matched(x, y), geometry)
        return Bracket(
            cost, cost, cost, 1.0, cost, cost, None, "transport", slope, "the weights are known"
        )
    generator = torch.Generator().manual_seed(seed)
    (x_train, x_judge, x_rest), (y_train, y_judge, y_rest) = (_split(v, generator) for v in (x, y))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        name, f = _critic((x_train, y_train), (x_judge, y_judge), geometry, seconds, generator)
    level = (1 - confidence) / 2
    with torch.no_grad():
        on_x, on_y = f(x_rest), f(y_rest)
        gap = (on_x.mean() - on_y.mean()).item()
        whole = (f(x).mean() - f(y).mean()).item()
    lower = max(0.0, gap - mean_error(on_x, on_y, level, diameter))
    if max(len(x), len(y)) <= _LARGEST:
        cost, potential = transported(x, y, geometry)
        sample_lower, up_x, up_y = cost, potential(x), potential(y)
    else:
        cost, up_x, up_y = coupled_in_blocks(x, y, geometry, _LARGEST // 2, generator)
        sample_lower = max(0.0, whole)
    return Bracket(
        lower,
        max(gap, 0.0),
        cost + plug_in_error(up_x, up_y, level, diameter),
        confidence,
        sample_lower,
        cost,
        permutation_p_value(on_x, on_y, seed=seed),
        name,
        largest_slope(f, *_matched(x_rest, y_rest), geometry),
        "distances are bounded by the diameter" if diameter else "finite variances, large samples",
    )


def _critic(
    train: tuple[Tensor, Tensor],
    judge: tuple[Tensor, Tensor],
    geometry: Geometry,
    seconds: float,
    generator: torch.Generator,
) -> tuple[str, Potential]:
    """The certified critic that separates the judge's data best, in double precision."""

    def score(f: Potential) -> float:
        with torch.no_grad():
            return (f(judge[0]).mean() - f(judge[1]).mean()).item()

    few = [v[: _LARGEST // 2] for v in train]
    _, potential = transported(few[0], few[1], geometry)
    if not train[0].is_floating_point():
        return "transport", potential
    single = [v.float() for v in train]
    plain = copy.deepcopy(geometry).float()

    def draw(n: int) -> tuple[Tensor, Tensor]:
        x, y = (v[torch.randint(len(v), (n,), generator=generator)] for v in single)
        return x, y

    makers = candidates(plain, *single)
    best, critic = contest(
        makers,
        draw,
        lambda f: score(copy.deepcopy(f).double()),
        plain,
        seconds,
        dict.fromkeys(makers, 0.02),
    )
    critic = critic.double()
    if score(potential) > score(critic):
        return "transport", potential
    return best, critic


def candidates(geometry: Geometry, x: Tensor, y: Tensor) -> dict[str, Callable[[], nn.Module]]:
    """Certified critics for a ground cost, by name, each from a sample of either side."""
    kinds: dict[str, Callable[..., nn.Module]] = {"landmarks": Landmarks}
    if isinstance(geometry, NormedSpace) and (
        isinstance(geometry, Lp) or geometry.whiten(x[:1]) is not None
    ):
        kinds["cones"] = Cones
    number = {"landmarks": 256, "cones": 64}

    def make(kind: str, side: str) -> Callable[[], nn.Module]:
        points = x if side == "peaks" else y
        return lambda: kinds[kind](geometry, points[: number[kind]], side)

    return {f"{kind}, {side}": make(kind, side) for kind in kinds for side in ("peaks", "valleys")}


def _split(v: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Half to train on, a fifth to select by, the rest to certify with."""
    v = v[torch.randperm(len(v), generator=generator)]
    return v[: len(v) // 2], v[len(v) // 2 : len(v) * 7 // 10], v[len(v) * 7 // 10 :]


def _matched(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    n = min(len(x), len(y))
    return x[:n], y[:n]


def _double(x: Tensor) -> Tensor:
    return x.double() if x.is_floating_point() else x


def _check(
    x: Tensor,
    y: Tensor,
    geometry: Geometry,
    seconds: float,
    confidence: float,
    diameter: float | None,
    known: bool,
) -> None:
    if not geometry.metric:
        raise ValueError(
            f"{geometry!r} is no metric, so no critic bounds it from below: use otgan.transport"
        )
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence is between 0 and 1, got {confidence}")
    if not seconds > 0:
        raise ValueError(f"the critics need some seconds, got {seconds}")
    if not known and min(len(x), len(y)) < _LEAST:
        raise ValueError(
            f"a statement about populations needs {_LEAST} points a side, got {len(x)} and "
            f"{len(y)}: otgan.transport.exact compares the samples, weights make them known"
        )
    if diameter is not None and not diameter > 0:
        raise ValueError(f"a diameter is positive, got {diameter}")
    if diameter is not None and len(x) and len(y):
        seen = geometry.pairwise(x[:200], y[:200]).max().item()
        if seen > diameter:
            raise ValueError(
                f"a distance of {seen:.6g} between samples exceeds --diameter {diameter:g}"
            )
