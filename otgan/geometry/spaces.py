"""Metrics that are no norms; their slopes are secants."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from otgan.geometry.base import Geometry, MetricSpace, flat, positive
from otgan.geometry.norms import Lp


class Pullback(MetricSpace):
    """d(x, y) = d'(phi(x), phi(y)): a geometry seen through a fixed embedding.

    A pseudo-metric where phi is not injective: points with the same image are at distance 0, slopes
    between them are 0 too, and W1 compares distributions of images alone. Slopes are secants
    whatever d' measures: gradients in x bound nothing unless phi can be inverted, and gradients in
    phi(x) need a critic of phi(x).

    Args:
        geometry: d', on points of shape E'.
        embedding: phi, (n, *E) -> (n, *E'). A module is copied and frozen: evaluation mode, no
            gradients for its weights, its own precision. Any other callable is left as it is, and
            its tensors do not follow the run to its device.

    Example:
        >>> ruler = Pullback(Lp(2), torch.nn.Flatten())
        >>> ruler, ruler.distance(torch.zeros(1, 2, 2), torch.ones(1, 2, 2))
        (Pullback(l2, Flatten), tensor([2.]))
    """

    def __init__(self, geometry: Geometry, embedding: Callable[[Tensor], Tensor]):
        super().__init__()
        self.geometry, self.embedding = geometry, embedding
        self.metric = geometry.metric
        if isinstance(embedding, nn.Module):
            self.embedding = copy.deepcopy(embedding).requires_grad_(False).eval()

    def __repr__(self) -> str:
        name = getattr(self.embedding, "__name__", type(self.embedding).__name__)
        return f"Pullback({self.geometry!r}, {name})"

    def train(self, mode: bool = True) -> Pullback:
        super().train(mode)
        if isinstance(self.embedding, nn.Module):
            self.embedding.eval()  # training around it must not move its batch statistics
        return self

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        return self._as(x, self.geometry.distance(self._embed(x), self._embed(y)))

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        return self._as(x, self.geometry.pairwise(self._embed(x), self._embed(y)))

    def _embed(self, x: Tensor) -> Tensor:
        weights = self.embedding.parameters() if isinstance(self.embedding, nn.Module) else ()
        if x.is_floating_point() and (weight := next(iter(weights), None)) is not None:
            x = x.to(weight.dtype)
        with torch.autocast(x.device.type, enabled=False):  # a ruler in bfloat16 is none
            return self.embedding(x)

    @staticmethod
    def _as(x: Tensor, d: Tensor) -> Tensor:
        return d.to(x.dtype) if x.is_floating_point() else d


class Discrete(MetricSpace):
    """One distance between any two points that differ; W1 is length times total variation.

    Args:
        length: the distance.

    Raises:
        ValueError: length is not positive.

    Example:
        >>> Discrete().distance(torch.tensor([1, 2]), torch.tensor([1, 3]))
        tensor([0., 1.])
    """

    def __init__(self, length: float = 1.0):
        super().__init__()
        self.length = positive(length, "the length of a discrete metric")

    def __repr__(self) -> str:
        return f"Discrete({self.length:g})"

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
        return self.length * flat(x != y).any(1).to(dtype)


class Angles(MetricSpace):
    """Points of a torus: each coordinate the short way round its circle, combined by lp.

    Args:
        period: length of every circle; 2 pi for radians.
        p: exponent over the coordinates.

    Raises:
        ValueError: period is not positive, p is below 1.

    Example:
        >>> Angles(360).distance(torch.tensor([[359.0, 10.0]]), torch.tensor([[1.0, 5.0]]))
        tensor([7.])
    """

    translation_invariant = True

    def __init__(self, period: float = 2 * math.pi, p: float = 1):
        super().__init__()
        self.period, self.over_coordinates = positive(period, "the period of angles"), Lp(p)

    def __repr__(self) -> str:
        return f"Angles(period={self.period:g}, p={self.over_coordinates.p:g})"

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        turn = x - y
        return self.over_coordinates.norm(turn - self.period * (turn / self.period).round())


class GreatCircle(MetricSpace):
    """Arc between directions on a sphere: the angle between two vectors times the radius.

    2 atan2(|u - v|, |u + v|) of the unit vectors, accurate at every angle, as arccos is not (Kahan
    2006, 'How Futile are Mindless Assessments of Roundoff', section 12). Lengths of vectors do not
    count, and the vector 0 has no direction: its distances are NaN.

    Args:
        radius: of the sphere; 1 gives radians.

    Raises:
        ValueError: radius is not positive, points of fewer than 2 coordinates.

    Example:
        >>> GreatCircle().distance(torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 3.0, 0.0]]))
        tensor([1.5708])
    """

    def __init__(self, radius: float = 1.0):
        super().__init__()
        self.radius = positive(radius, "the radius of a sphere")

    def __repr__(self) -> str:
        return f"GreatCircle({self.radius:g})"

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        u, v = _direction(x), _direction(y)
        across, along = (torch.linalg.vector_norm(w, dim=1) for w in (u - v, u + v))
        return 2 * self.radius * torch.atan2(across, along)


class Power(MetricSpace):
    """d^exponent: a metric for exponents up to 1 ('snowflake'), a mere cost above.

    Args:
        geometry: d.
        exponent: above 0. A squared distance fails the triangle inequality: `metric` is False.

    Raises:
        ValueError: exponent is not positive.

    Example:
        >>> Power(Lp(2), 0.5).distance(torch.zeros(1, 2), torch.tensor([[0.0, 9.0]]))
        tensor([3.])
    """

    def __init__(self, geometry: Geometry, exponent: float):
        super().__init__()
        self.geometry, self.exponent = geometry, positive(exponent, "the exponent of a power")
        self.metric = geometry.metric and self.exponent <= 1
        self.translation_invariant = geometry.translation_invariant

    def __repr__(self) -> str:
        return f"Power({self.geometry!r}, {self.exponent:g})"

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        return self._raise(self.geometry.distance(x, y))

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        return self._raise(self.geometry.pairwise(x, y))

    def _raise(self, d: Tensor) -> Tensor:
        # the gradient of a root at 0 is infinite, and times 0 NaN: there it is 0
        return torch.where(d > 0, torch.where(d > 0, d, 1).pow(self.exponent), d.detach())


def _direction(x: Tensor) -> Tensor:
    """(n, *E) -> unit vectors (n, size).

    Raises:
        ValueError: points on a line have no angles.
    """
    x = flat(x)
    if x.shape[1] < 2:
        raise ValueError(f"angles need vectors of 2 or more coordinates, got {x.shape[1]}")
    return x / torch.linalg.vector_norm(x, dim=1, keepdim=True)
