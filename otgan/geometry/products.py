"""Products: several ground costs on one point, weighted and combined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from otgan.geometry.base import Geometry, MetricSpace, NormedSpace, positive

Combine = Literal["sum", "max", "l2"]

_EXPONENTS = {"sum": 1.0, "max": math.inf, "l2": 2.0}
_DUALS = {"sum": math.inf, "max": 1.0, "l2": 2.0}


def Product(
    parts: Sequence[tuple[Geometry, Sequence[int]]],
    weights: Sequence[float] | None = None,
    combine: Combine = "sum",
) -> Geometry:
    """One ground cost on points of several parts: combine over weight_i * d_i(x_i, y_i).

    A point is a vector: the flattened parts, one after another. A product of norms is a
    `NormedSpace`, whose dual norm combines dual_i / weight_i by "max" where combine is "sum", by
    "sum" where it is "max", and by "l2" where it is "l2". Any other product is a `MetricSpace`: its
    slopes are secants.

    Args:
        parts: (geometry, shape of its points), in the order of the coordinates.
        weights: one positive factor for each part; 1 by default.
        combine: "sum", "max" or "l2".

    Raises:
        ValueError: no parts, weights that do not fit or are not positive, an unknown combination;
            later, points of another length.

    Example:
        >>> from otgan.geometry import Angles, Lp
        >>> dihedral_and_place = Product([(Angles(360), (1,)), (Lp(2), (3,))], weights=[0.1, 1])
        >>> x, y = torch.tensor([[350.0, 0, 0, 0]]), torch.tensor([[10.0, 0, 3, 4]])
        >>> dihedral_and_place.distance(x, y)
        tensor([7.])
    """
    normed = all(isinstance(geometry, NormedSpace) for geometry, _ in parts)
    return (ProductNorm if normed else ProductMetric)(parts, weights, combine)


class _Parts(Geometry):
    def __init__(
        self,
        parts: Sequence[tuple[Geometry, Sequence[int]]],
        weights: Sequence[float] | None,
        combine: Combine,
    ):
        super().__init__()
        weights = [1.0] * len(parts) if weights is None else list(weights)
        if not parts or len(weights) != len(parts):
            raise ValueError(f"a product of {len(parts)} parts cannot have {len(weights)} weights")
        if combine not in _EXPONENTS:
            raise ValueError(f"combine is {combine!r}: use 'sum', 'max' or 'l2'")
        self.parts = nn.ModuleList(geometry for geometry, _ in parts)
        self.shapes = [tuple(shape) for _, shape in parts]
        self.weights = [positive(weight, "the weight of a part") for weight in weights]
        self.combine = combine
        self.metric = all(geometry.metric for geometry, _ in parts)

    def __repr__(self) -> str:
        terms = zip(self.weights, self.parts, self.shapes, strict=True)
        return f"{self.combine}({', '.join(f'{w:g} {g!r} on {s}' for w, g, s in terms)})"

    def split(self, x: Tensor) -> list[tuple[Geometry, Tensor]]:
        """Points (n, total) -> each part's geometry and its (n, *shape).

        Raises:
            ValueError: points of another length.
        """
        sizes = [math.prod(shape) for shape in self.shapes]
        if x.dim() != 2 or x.shape[1] != sum(sizes):
            raise ValueError(
                f"points of shape {tuple(x.shape[1:])} are no vectors of length {sum(sizes)}: "
                f"flatten and join the parts of shapes {', '.join(map(str, self.shapes))}"
            )
        pieces = zip(self.parts, x.split(sizes, 1), self.shapes, strict=True)
        parts = [(cast(Geometry, g), v.reshape(len(x), *shape)) for g, v, shape in pieces]
        return [(g, g.from_numbers(v)) for g, v in parts]

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        pairs = zip(self.split(x), self.split(y), strict=True)
        return self._combined([g.distance(a, b) for (g, a), (_, b) in pairs])

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        pairs = zip(self.split(x), self.split(y), strict=True)
        return self._combined([g.pairwise(a, b) for (g, a), (_, b) in pairs])

    def _combined(self, costs: list[Tensor]) -> Tensor:
        weighted = [w * d for w, d in zip(self.weights, costs, strict=True)]
        return torch.linalg.vector_norm(torch.stack(weighted), _EXPONENTS[self.combine], dim=0)


class ProductMetric(_Parts, MetricSpace):
    """A product of which some part is no norm."""


class ProductNorm(_Parts, NormedSpace):
    """A product of norms."""

    def norm(self, v: Tensor) -> Tensor:
        return self._combined([cast(NormedSpace, part).norm(a) for part, a in self.split(v)])

    def dual_norm(self, g: Tensor) -> Tensor:
        pairs = zip(self.split(g), self.weights, strict=True)
        duals = [cast(NormedSpace, part).dual_norm(a) / w for (part, a), w in pairs]
        return torch.linalg.vector_norm(torch.stack(duals), _DUALS[self.combine], dim=0)
