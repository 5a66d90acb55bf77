"""Transport distances as metrics: exact and sliced W1, with the influence of every point."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from otgan.geometry import Geometry
from otgan.metrics.estimate import Estimate
from otgan.transport import exact, sliced


def w1(x: Tensor, y: Tensor, geometry: Geometry) -> Estimate:
    """Exact W1 of samples (n, *E) and (m, *E), in units of the ground cost.

    The influence of a point is its Kantorovich potential, as in the central limit theorem of del
    Barrio and Loubes 2019, 'Central limit theorems for empirical transportation cost in general
    dimension': about the expectation of W1 between samples of this size, not about the
    populations' W1, which is smaller.
    """
    return _by_weights(lambda a, b: exact(x, y, geometry, a, b), len(x), len(y))


def sliced_w1(x: Tensor, y: Tensor, geometry: Geometry, projections: int = 500) -> Estimate:
    """Mean W1 of 1-Lipschitz projections (Bonneel et al. 2015), in units of the ground cost.

    Raises:
        TypeError: the ground cost is no norm.
    """
    return _by_weights(lambda a, b: sliced(x, y, geometry, projections, a=a, b=b), len(x), len(y))


def _by_weights(metric: Callable[[Tensor, Tensor], Tensor], n: int, m: int) -> Estimate:
    """A metric at uniform weights, and its derivative in the weight of each point."""
    with torch.enable_grad():
        a, b = (torch.full((k,), 1 / k, dtype=torch.float64).requires_grad_() for k in (n, m))
        value = metric(a, b)
        on_x, on_y = torch.autograd.grad(value, (a, b))
    return Estimate(value.item(), on_x, on_y)
