"""Metrics of nearest neighbours, in any ground cost."""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.geometry import Geometry
from otgan.metrics.estimate import Estimate

_CHUNK = 256


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

    The influence of a point is its own share, balls and neighbours held fixed.

    Raises:
        ValueError: not more than k points on a side.
    """
    if min(len(x), len(y)) <= k:
        raise ValueError(f"{min(len(x), len(y))} points have no {k}-th neighbour")
    across, in_x, in_y = (geometry.pairwise(*pair) for pair in ((x, y), (x, x), (y, y)))
    ball_x, ball_y = (within.kthvalue(k + 1, dim=1).values for within in (in_x, in_y))
    in_ball_of_y, in_ball_of_x = across <= ball_y, across <= ball_x[:, None]
    none_x, none_y = torch.zeros(len(x)), torch.zeros(len(y))
    precision, density = in_ball_of_y.any(1).double(), in_ball_of_y.sum(1).double() / k
    recall, coverage = in_ball_of_x.any(0).double(), in_ball_of_y.any(0).double()
    own_x, own_y = _own(in_x, across), _own(in_y, across.T)
    return {
        "precision": Estimate(precision.mean().item(), precision, none_y),
        "recall": Estimate(recall.mean().item(), none_x, recall),
        "density": Estimate(density.mean().item(), density, none_y),
        "coverage": Estimate(coverage.mean().item(), none_x, coverage),
        "1-NN accuracy": Estimate(
            (own_x.mean().item() + own_y.mean().item()) / 2, own_x / 2, own_y / 2
        ),
    }


def memorisation(x_to_train: Tensor, y_to_train: Tensor) -> Estimate:
    """Probability that a generated point is nearer to the training data than a held-out one.

    1/2 where the generator is as far from its training data as new data are, 1 for copies; a tie
    counts half. It is the Mann-Whitney statistic U / (n m) whose z-score is the C_T of Meehan et
    al. 2020, 'A Non-Parametric Test to Detect Data-Copying in Generative Models', without cells.

    Args:
        x_to_train, y_to_train: distances of generated and held-out points to the nearest training
            point, (n,) and (m,), as `nearest` gives them.

    Example:
        >>> memorisation(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 1.0])).value
        0.5
    """
    x, y = x_to_train[:, None], y_to_train[None]
    nearer = (x < y).double() + 0.5 * (x == y).double()
    return Estimate(nearer.mean().item(), nearer.mean(1), nearer.mean(0))


def nearest(query: Tensor, reference: Tensor, geometry: Geometry, rank: int = 1) -> Tensor:
    """Distance to the nearest reference point, or to that of another rank, (n, *E) -> (n,)."""
    parts = query.split(_CHUNK)
    return torch.cat([geometry.pairwise(q, reference).kthvalue(rank).values for q in parts])


def nearest_classes(
    query: Tensor, reference: Tensor, labels: Tensor, geometry: Geometry, k: int = 5
) -> Tensor:
    """Majority label among the k nearest reference points, (m, *E) -> (m,)."""
    nearest = torch.cat(
        [
            geometry.pairwise(q, reference).topk(k, largest=False).indices
            for q in query.split(_CHUNK)
        ]
    )
    return labels[nearest].mode(1).values


def class_shares(
    samples: Tensor, train: Tensor, labels: Tensor, classes: int, geometry: Geometry, k: int = 5
) -> Tensor:
    """Share of each class among samples, by the k nearest training points, (classes,)."""
    found = nearest_classes(samples, train, labels, geometry, k)
    return found.bincount(minlength=classes) / len(samples)


def _own(within: Tensor, across: Tensor) -> Tensor:
    """Whether the nearest other point is one of the own sample, (n, n), (n, m) -> (n,)."""
    own = (within + torch.diag(torch.full((len(within),), torch.inf).to(within))).amin(1)
    other = across.amin(1)
    return (own < other).double() + 0.5 * (own == other).double()
