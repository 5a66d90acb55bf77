"""Metrics of nearest neighbours, in any ground cost."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from otgan.geometry import Geometry
from otgan.metrics.estimate import SHARE, Estimate


def neighbours(x: Tensor, y: Tensor, geometry: Geometry, k: int = 5) -> dict[str, Estimate]:
    """Metrics of generated x (n, *E) against real y (m, *E), by the balls of k-th neighbours.

    - precision: share of x in the ball of some y; recall: of y in the ball of some x (Kynkaanniemi
      et al. 2019, 'Improved Precision and Recall Metric', equation 2).
    - density: number of balls of y that hold a point of x, over k, in the mean; 1 for equal
      distributions, and not bounded by it. coverage: share of y whose ball holds some x (Naeem et
      al. 2020, 'Reliable Fidelity and Diversity Metrics', section 3).
    - 1-NN accuracy: how often the nearest other point, of both samples together, is of a point's
      own sample; 1/2 for equal distributions, 1 for samples apart, below 1/2 where x sits on
      points of y (Lopez-Paz and Oquab 2017, 'Revisiting Classifier Two-Sample Tests'). Each
      sample counts half, a tie half.

    The influence of a point is what leaving it out changes: the jackknife, whose variance is not
    too small in the mean (Efron and Stein 1981, 'The Jackknife Estimate of Variance').

    Raises:
        ValueError: not more than k points on a side.
    """
    if min(len(x), len(y)) <= k:
        raise ValueError(f"{min(len(x), len(y))} points have no {k}-th neighbour")
    across, in_x, in_y = (geometry.pairwise(*pair) for pair in ((x, y), (x, x), (y, y)))
    precision, density, coverage = _balls(across, in_y, k)
    recall, _, _ = _balls(across.T, in_x, k)
    return {
        "precision": precision,
        "recall": Estimate(recall.value, recall.y, recall.x, SHARE),
        "density": density,
        "coverage": coverage,
        "1-NN accuracy": _two_sample(across, in_x, in_y),
    }


def _balls(across: Tensor, within: Tensor, k: int) -> tuple[Estimate, Estimate, Estimate]:
    """Precision, density and coverage, from distances of x to y (n, m) and within y (m, m)."""
    n, m = across.shape
    # Without a point, the balls that reached to or past it take in one neighbour more.
    ranked = _with_infinity(within).topk(k + 2, dim=1, largest=False).values
    inside = (across <= ranked[:, k]).double()
    added = (across <= ranked[:, k + 1]).double() - inside
    near = (within <= ranked[:, k, None]).double().fill_diagonal_(0)
    balls, held = inside.sum(1), inside.sum(0)
    without = balls[:, None] - inside + added @ near  # balls around x once a y is gone, (n, m)
    covered, widely = (held > 0).double(), (held + added.sum(0) > 0).double()
    found, alone = (balls > 0).double(), inside @ (held == 1).double()
    return (
        Estimate(found.mean().item(), found, (1 - m) * (without > 0).double().mean(0), SHARE),
        Estimate(balls.mean().item() / k, balls / k, (1 - m) * without.mean(0) / k, (0, math.inf)),
        Estimate(
            covered.mean().item(), (n - 1) / m * alone, covered - (widely - covered) @ near, SHARE
        ),
    )


def _two_sample(across: Tensor, in_x: Tensor, in_y: Tensor) -> Estimate:
    """1-NN accuracy, from distances of x to y (n, m) and within both."""
    sides = [_Votes(in_x, across), _Votes(in_y, across.T)]
    value = sum(side.right.mean().item() for side in sides) / 2
    influence = []
    for mine, other in (sides, sides[::-1]):
        n, m = len(mine.right), len(other.right)
        influence.append((mine.right - mine.if_own_goes - (n - 1) / m * other.if_other_goes) / 2)
    return Estimate(value, influence[0], influence[1], SHARE)


class _Votes:
    """Whether the nearest other point of each is of its own sample, and what that hangs on.

    `right` (n,): 1, 0, or 1/2 for a tie. `if_own_goes` (n,) and `if_other_goes` (m,): how many more
    votes are right once a point of the own or of the other sample is gone.
    """

    def __init__(self, within: Tensor, across: Tensor):
        n, m = across.shape
        apart = within + torch.diag(torch.full((n,), torch.inf).to(within))
        own, by_own = _with_infinity(apart).topk(2, dim=1, largest=False)
        other, by_other = _with_infinity(across).topk(2, dim=1, largest=False)
        self.right = _vote(own[:, 0], other[:, 0])
        more = _vote(own[:, 1], other[:, 0]) - self.right
        self.if_own_goes = torch.zeros(n).to(more).index_add(0, by_own[:, 0], more)
        more = _vote(own[:, 0], other[:, 1]) - self.right
        self.if_other_goes = torch.zeros(m).to(more).index_add(0, by_other[:, 0], more)


def _vote(own: Tensor, other: Tensor) -> Tensor:
    return (own < other).double() + 0.5 * (own == other).double()


def _with_infinity(distances: Tensor) -> Tensor:
    """With one more column, so that there is always a next neighbour."""
    return torch.cat([distances, distances.new_full((len(distances), 1), torch.inf)], 1)
