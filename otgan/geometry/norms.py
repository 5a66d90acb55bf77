"""Norms as ground costs, each with its dual."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from otgan.geometry.base import NormedSpace


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
