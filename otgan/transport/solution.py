"""What exact transport finds: a plan, and the potential that proves it optimal."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from otgan.geometry import Geometry

_CHUNK = 1 << 24


@dataclass(frozen=True)
class Extension:
    """f(z) = min_j c(z, y_j) + g_j, kept within [low, high]: (n, *E) -> (n,).

    For a metric c this is 1-Lipschitz on the whole space, whatever y and g are (McShane 1934,
    'Extension of range of functions'), up to the rounding of c: for a certificate, use float64.

    Args:
        y, g: the points it hangs on, (m, *E), and their values, (m,).
        low, high: bounds; finite where mass may stay.
    """

    y: Tensor
    g: Tensor
    geometry: Geometry
    low: float = -torch.inf
    high: float = torch.inf

    def __call__(self, z: Tensor) -> Tensor:
        rows = max(1, _CHUNK // len(self.y))
        values = [(self.geometry.pairwise(part, self.y) + self.g).amin(1) for part in z.split(rows)]
        return torch.cat(values).clamp(self.low, self.high)


@dataclass(frozen=True)
class Solution:
    """An optimal plan and the potentials that prove it optimal.

    potential_x[i] - potential_y[j] <= c(x_i, y_j), with equality where plan[i, j] > 0, and

        cost = dual = sum a * potential_x - sum b * potential_y - left * (high - low)

    where `left` is the mass that may stay on each side and low, high bound the potentials; the last
    term is absent if no mass may stay. If the ground cost is a metric, both are the values
    of one 1-Lipschitz function, `potential`, at x and at y. Otherwise `potential` extends
    potential_x alone and no such single function exists.

    Attributes:
        cost: (), differentiable in points and weights.
        dual: (), a lower bound of the cost whatever the solver did, up to rounding.
        plan: mass moved from x_i to y_j, (n, m).
        potential_x, potential_y: (n,) and (m,).
        potential: any points (k, *E) -> (k,).
    """

    cost: Tensor
    dual: Tensor
    plan: Tensor
    potential_x: Tensor
    potential_y: Tensor
    potential: Extension
