"""W1 on the line: the area between two distribution functions."""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.transport.measures import check_points, masses, tracked


def one_dimensional(
    x: Tensor, y: Tensor, a: Tensor | None = None, b: Tensor | None = None
) -> Tensor:
    """W1 between samples of real numbers under |x - y| (Vallender 1974).

    Differentiable in the points and, where they are given, in the weights.

    Args:
        x, y: points, (n,) and (m,).
        a, b: weights, (n,) and (m,), at least 0, of equal sums; uniform by default.

    Returns:
        ().

    Raises:
        ValueError: an empty sample, another shape, NaN or infinity, or bad weights.

    Example:
        >>> one_dimensional(torch.tensor([0.0, 1.0]), torch.tensor([2.0]))
        tensor(1.5000)
    """
    if x.dim() != 1 or y.dim() != 1:
        raise ValueError(
            f"points on a line have shapes (n,) and (m,), got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    check_points(x, y)
    return area(x, y, *jumps(len(x), len(y), a, b, x))


def jumps(n: int, m: int, a: Tensor | None, b: Tensor | None, like: Tensor) -> tuple[Tensor, int]:
    """What F - G gains at each point, (n + m,), and what to divide it by; errors as above.

    Uniform weights are counted in integers, so that equal samples are at distance exactly 0.
    """
    if a is None and b is None:
        device = like.device
        up, down = torch.full((n,), m, device=device), torch.full((m,), -n, device=device)
        return torch.cat([up, down]), n * m
    up, down = masses(a, b, n, m, like)
    return torch.cat([tracked(up, a), -tracked(down, b)]), 1


def area(x: Tensor, y: Tensor, step: Tensor, scale: int) -> Tensor:
    """The integral of |F - G| on each of many lines, (*B, n) and (*B, m) -> (*B)."""
    points, order = torch.cat([x, y], -1).sort(-1)
    excess = step[order].cumsum(-1)[..., :-1]
    return (excess.abs() * points.diff()).sum(-1) / scale
