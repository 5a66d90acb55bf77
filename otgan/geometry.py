"""Metric spaces that can measure slopes: the ground cost of a Wasserstein distance.

For a metric d, Kantorovich and Rubinstein say

    W(mu, nu) = sup { E_mu f - E_nu f  :  |f(x) - f(y)| <= d(x, y) for all x, y }.

A geometry therefore knows two things: `distance`, and `slope`, how steeply a critic climbs
between two points per unit of ground cost. A critic is 1-Lipschitz if and only if no slope
exceeds 1. Write one method of the base class that fits what you know; the rest is derived.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

Potential = Callable[[Tensor], Tensor]
"""A critic closed over its condition: (n, *E) -> (n,)."""

_CHUNK = 1 << 24


class Geometry(nn.Module, ABC):
    """A space of points of shape E with a metric and a way to measure slopes.

    A module, so that a metric's own tensors, registered as buffers, follow the run to its device.
    """

    slopes: ClassVar[Literal["secant", "gradient"]]

    @abstractmethod
    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """Ground cost of matched points, (n, *E), (n, *E) -> (n,)."""

    @abstractmethod
    def slope(self, f: Potential, x: Tensor, y: Tensor) -> Tensor:
        """Steepness of f somewhere between matched points, (n, *E), (n, *E) -> (n,), at least 0.

        Differentiable in the parameters of f where gradients are enabled.
        """

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        """All ground costs between two sets, (n, *E), (m, *E) -> (n, m), in bounded memory."""
        n, m = len(x), len(y)
        rows = max(1, _CHUNK // max(1, m * math.prod(x.shape[1:])))
        blocks = [
            self.distance(
                part.repeat_interleave(m, 0), y.repeat(len(part), *[1] * (y.dim() - 1))
            ).view(len(part), m)
            for part in x.split(rows)
        ]
        return torch.cat(blocks) if blocks else x.new_zeros(n, m)


class MetricSpace(Geometry):
    """A space of which only the metric is known; its slopes are secants |f(x) - f(y)| / d(x, y).

    Example:
        >>> class Torus(MetricSpace):
        ...     def distance(self, x, y):
        ...         turn = torch.remainder(x - y, 1)
        ...         return torch.minimum(turn, 1 - turn).sum(1)
        >>> Torus().distance(torch.tensor([[0.1]]), torch.tensor([[0.9]]))
        tensor([0.2000])
    """

    slopes = "secant"

    def slope(self, f: Potential, x: Tensor, y: Tensor) -> Tensor:
        d = self.distance(x, y)
        values = f(torch.cat([x, y]))
        climb = (values[: len(x)] - values[len(x) :]).abs()
        return torch.where(d > 0, climb / torch.where(d > 0, d, 1), 0)


class NormedSpace(Geometry):
    """A vector space with d(x, y) = ||x - y||; its slopes are dual norms of gradients.

    The gradient is taken at a uniformly random point of the segment from x to y, one for each
    pair (Gulrajani et al. 2017, 'Improved Training of Wasserstein GANs'; for norms other than l2,
    Adler and Lunz 2018, 'Banach Wasserstein GAN'). The largest slope on the segment is at least
    the secant, and no slope exceeds 1 if and only if f is 1-Lipschitz.
    """

    slopes = "gradient"

    @abstractmethod
    def norm(self, v: Tensor) -> Tensor:
        """(n, *E) -> (n,)."""

    @abstractmethod
    def dual_norm(self, g: Tensor) -> Tensor:
        """sup { <g, v> : ||v|| <= 1 }, (n, *E) -> (n,); its own gradient is finite at 0."""

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        return self.norm(x - y)

    def between(self, x: Tensor, y: Tensor) -> Tensor:
        """One uniformly random point of each segment, (n, *E), (n, *E) -> (n, *E)."""
        t = torch.rand(len(x), *[1] * (x.dim() - 1), dtype=x.dtype, device=x.device)
        return x + t * (y - x)

    def slope(self, f: Potential, x: Tensor, y: Tensor) -> Tensor:
        training = torch.is_grad_enabled()
        point = self.between(x, y).detach()
        with torch.enable_grad():
            point.requires_grad_()
            (gradient,) = torch.autograd.grad(f(point).sum(), point, create_graph=training)
        return self.dual_norm(gradient)


class Lp(NormedSpace):
    """The lp norm of all coordinates of a point, 1 <= p <= inf; the dual exponent is p / (p - 1).

    Args:
        p: the exponent; `float("inf")` for the largest coordinate.

    Raises:
        ValueError: p is below 1, where the triangle inequality fails.

    Example:
        >>> x, y = torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])
        >>> [Lp(p).distance(x, y).item() for p in (1, 2, float("inf"))]
        [7.0, 5.0, 4.0]
    """

    def __init__(self, p: float = 2):
        super().__init__()
        if not p >= 1:
            raise ValueError(f"Lp needs p >= 1, got {p}: below 1 the triangle inequality fails")
        self.p = float(p)
        self.q = 1.0 if math.isinf(p) else math.inf if p == 1 else p / (p - 1)

    def __repr__(self) -> str:
        return f"l{self.p:g}"

    def norm(self, v: Tensor) -> Tensor:
        return _lp_norm(v, self.p)

    def dual_norm(self, g: Tensor) -> Tensor:
        return _lp_norm(g, self.q)

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        if self.p not in (1, 2, math.inf):  # |v| ** p underflows in cdist when p is large
            return super().pairwise(x, y)
        exact = "donot_use_mm_for_euclid_dist"
        return torch.cdist(x.flatten(1), y.flatten(1), self.p, compute_mode=exact)


def _lp_norm(v: Tensor, p: float) -> Tensor:
    v = v.flatten(1)
    if p in (1, 2, math.inf):
        return torch.linalg.vector_norm(v, p, dim=1)
    largest = v.detach().abs().amax(1, keepdim=True)
    largest = torch.where(largest > 0, largest, 1)
    return largest[:, 0] * torch.linalg.vector_norm(v / largest, p, dim=1)
