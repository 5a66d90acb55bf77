"""What a ground cost is: the base classes, by what their author knows."""

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


def flat(x: Tensor) -> Tensor:
    """Points as vectors, (n, *E) -> (n, size of E)."""
    return x.unsqueeze(-1).flatten(1)


def positive(value: float, what: str) -> float:
    """The value, if it is positive and finite.

    Raises:
        ValueError: it is not.
    """
    if not 0 < value < math.inf:
        raise ValueError(f"{what} is {value}: it must be a positive number")
    return float(value)


class Geometry(nn.Module, ABC):
    """A space of points of shape E with a metric and a way to measure slopes.

    A module, so that a metric's own tensors, registered as buffers, follow the run to its device.
    """

    slopes: ClassVar[Literal["secant", "gradient", "edge"]]

    metric: bool = True
    """False for a cost that is no metric, e.g. squared: it can be transported under, but has no
    critic."""

    @abstractmethod
    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """Ground cost of matched points, (n, *E), (n, *E) -> (n,)."""

    @abstractmethod
    def slope(self, f: Potential, x: Tensor, y: Tensor) -> Tensor:
        """Steepness of f somewhere between matched points, (n, *E), (n, *E) -> (n,), at least 0.

        Differentiable in the parameters of f where gradients are enabled.
        """

    def from_numbers(self, x: Tensor) -> Tensor:
        """Points from real numbers, as part of a vector has them, (n, *E) -> (n, *E)."""
        return x

    def join(self, x: Tensor, y: Tensor) -> Tensor:
        """Two samples as one, (n, *E), (m, *E) -> (n + m, *E)."""
        return torch.cat([x, y])

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        """All ground costs between two sets, (n, *E), (m, *E) -> (n, m), in bounded memory."""
        rows = max(1, _CHUNK // max(1, len(y) * math.prod(x.shape[1:])))
        blocks = []
        for part in x.split(rows):
            grid = (len(part), *y.shape)
            a, b = part.unsqueeze(1).expand(grid), y.expand(grid)
            blocks.append(self.distance(a.flatten(0, 1), b.flatten(0, 1)).view(grid[:2]))
        return torch.cat(blocks)


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

    def whiten(self, v: Tensor) -> Tensor | None:
        """A v, (n, *E) -> (n, k), where the norm is |A v| in l2 for a linear map A; else None."""
        return None

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
