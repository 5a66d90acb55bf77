"""A ground cost on the first coordinates of a point."""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.geometry.base import Geometry, NormedSpace, Potential


class Leading(Geometry):
    """The norm of the first coordinates; the others are carried along and cost nothing.

    For points that are measured by a part, or by numbers made of them, and kept whole. A
    pseudo-metric: points that differ in what they carry alone are at distance 0. Unlike in a
    `Pullback`, slopes are gradients, in the first coordinates alone, so a critic should look at
    no others (`networks.leading.LeadingCritic`).

    Args:
        norm: of vectors of `size` coordinates.

    Raises:
        ValueError: later, points that are no vectors of at least `size` coordinates.

    Example:
        >>> from otgan.geometry import Lp
        >>> Leading(Lp(2), 2).distance(torch.zeros(1, 3), torch.tensor([[3.0, 4.0, 9.0]]))
        tensor([5.])
    """

    slopes = "gradient"

    def __init__(self, norm: NormedSpace, size: int):
        super().__init__()
        self.norm, self.size = norm, size

    def __repr__(self) -> str:
        return f"{self.norm!r} of the first {self.size} coordinates"

    def first(self, x: Tensor) -> Tensor:
        """(n, size or more) -> (n, size)."""
        if x.dim() != 2 or x.shape[1] < self.size:
            raise ValueError(
                f"points of shape {tuple(x.shape[1:])} are no vectors of {self.size} coordinates "
                "or more"
            )
        return x[:, : self.size]

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        return self.norm.distance(self.first(x), self.first(y))

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        return self.norm.pairwise(self.first(x), self.first(y))

    def slope(self, f: Potential, x: Tensor, y: Tensor) -> Tensor:
        carried = x[:, self.size :].detach()
        return self.norm.slope(
            lambda v: f(torch.cat([v, carried], 1)), self.first(x), self.first(y)
        )
