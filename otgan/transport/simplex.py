"""The linear program of transport, on matrices alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Optimum:
    """Plan (n, m), potentials f (n,), g (m,) with f_i - g_j <= cost_ij, both in [low, high].

    moves, (2, k), are the pairs that carry mass at a positive cost. float64, on the CPU.
    """

    a: Tensor
    b: Tensor
    plan: Tensor
    moves: Tensor
    f: Tensor
    g: Tensor
    low: float
    high: float
    leave_out: float


def simplex(cost: Tensor, a: Tensor, b: Tensor, leave_out: float = 0.0) -> Optimum:
    """The cheapest plan from masses a (n,) to b (m,) at a cost (n, m), float64 on the CPU.

    With leave_out, a dummy point on each side takes in what stays, at no cost; nothing moves
    between the dummies (Chapel et al. 2020, section 3.1). Its dual bounds both potentials by those
    of the dummies, low and high, and charges the mass that stays with their difference.

    Raises:
        RuntimeError: the solver stopped before the optimum.
    """
    n, m = cost.shape
    # The solver's tolerances are absolute: unscaled, costs near 1e-12 come out wrong, silently.
    unit, mass = cost.abs().max().item() or 1.0, a.sum()
    matrix, from_x, from_y = cost / unit, a / mass, b / mass
    if leave_out:
        matrix = torch.nn.functional.pad(matrix, (0, 1, 0, 1))
        matrix[n, m] = 2  # dearer than any real pair, so never used
        share = torch.tensor([leave_out], dtype=cost.dtype)
        from_x, from_y = torch.cat([from_x, share]), torch.cat([from_y, share])
    plan, u, v = _emd(matrix, from_x, from_y)
    low, high = (u[n].item(), -v[m].item()) if leave_out else (-np.inf, np.inf)

    # POT leaves the potentials of massless points loose; these are the tightest ones.
    matrix, g = matrix[:n, :m], -v[:m]
    f = (matrix + g)[:, b > 0].amin(1).clamp(low, high)
    g = (f[:, None] - matrix).amax(0).clamp(low, high)
    moves = ((plan[:n, :m] > 0) & (cost != 0)).nonzero().T
    plan = plan[:n, :m] * mass
    return Optimum(a, b, plan, moves, f * unit, g * unit, low * unit, high * unit, leave_out)


def _emd(cost: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    import ot  # seconds to import, so only when needed

    plan, log = ot.emd(a.numpy(), b.numpy(), cost.numpy(), numItermax=1_000_000_000, log=True)
    if log["warning"] is not None:
        raise RuntimeError(f"exact transport did not finish: {log['warning']}")
    return torch.from_numpy(plan), torch.from_numpy(log["u"]), torch.from_numpy(log["v"])
