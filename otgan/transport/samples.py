"""Distances between samples under a ground cost."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from otgan.geometry import Geometry


def exact(x: Tensor, y: Tensor, geometry: Geometry) -> Tensor:
    """Exact W1 between two samples, uniform weights (network simplex of POT).

    Differentiable in x and y: the optimal plan is held fixed (envelope theorem).

    Args:
        x, y: samples, (n, *E) and (m, *E).
        geometry: the ground cost.

    Returns:
        (), in units of the ground cost.

    Raises:
        ValueError: an empty sample, different shapes, or a cost that is not finite.
        RuntimeError: the solver stopped before the optimum.

    Example:
        >>> from otgan.geometry import Lp
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> exact(x, x + 3, Lp(2))
        tensor(3.)
    """
    if not len(x) or not len(y):
        raise ValueError(f"transport needs points on both sides, got {len(x)} and {len(y)}")
    if x.shape[1:] != y.shape[1:]:
        raise ValueError(
            f"points of shape {tuple(x.shape[1:])} cannot move to {tuple(y.shape[1:])}"
        )
    cost = geometry.pairwise(x, y)
    matrix = cost.detach().cpu().double().numpy()
    if not np.isfinite(matrix).all():
        raise ValueError("the ground cost between some points is not finite: look for NaN in them")

    import ot  # seconds to import, so only when needed

    plan, log = ot.emd([], [], matrix, numItermax=1_000_000_000, log=True)
    if log["warning"] is not None:
        raise RuntimeError(f"exact transport did not finish: {log['warning']}")
    return (cost * torch.as_tensor(plan, dtype=cost.dtype, device=cost.device)).sum()
