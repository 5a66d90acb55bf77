"""What every solver checks and fills in before it starts: points, weights, costs, memory."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from otgan.geometry.base import flat

_SUMS_AGREE = 1e-5  # relative: a float32 softmax over 100,000 points is off by less


def check_points(x: Tensor, y: Tensor) -> None:
    """Raise ValueError unless x (n, *E) and y (m, *E) are finite points of one shape."""
    if not len(x) or not len(y):
        raise ValueError(f"transport needs points on both sides, got {len(x)} and {len(y)}")
    if x.shape[1:] != y.shape[1:]:
        raise ValueError(
            f"points of shape {tuple(x.shape[1:])} cannot move to {tuple(y.shape[1:])}"
        )
    for name, points in (("x", x), ("y", y)):
        broken = ~torch.isfinite(flat(points)).all(1)
        if broken.any():
            raise ValueError(
                f"{name} holds NaN or infinity in {int(broken.sum())} of its {len(points)} points, "
                f"first in point {int(broken.nonzero()[0])}: drop or repair them"
            )


def check_cost(cost: Tensor) -> None:
    """Raise ValueError unless all ground costs (n, m) between finite points are finite."""
    broken = ~torch.isfinite(cost)
    if broken.any():
        i, j = broken.nonzero()[0].tolist()
        advice = "use float64 if it overflows, or keep to one component of a graph"
        if cost[i, j].isnan():
            advice = "mend the geometry's distance"
        raise ValueError(
            f"the ground cost from x[{i}] to y[{j}] is {cost[i, j].item()}, though both are finite "
            f"points: {advice}"
        )


def check_memory(n: int, m: int, bytes_each: int) -> None:
    """Raise ValueError if n * m pairs at so many bytes each exceed this machine's memory."""
    needed, present = n * m * bytes_each, memory()
    if needed > present:
        raise ValueError(
            f"{n} x {m} ground costs need {needed / 1e9:.3g} GB, this machine has "
            f"{present / 1e9:.3g}: draw fewer points, or use `sliced`, which needs no matrix"
        )


def memory() -> float:
    """Bytes of memory this machine has; infinity where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return float("inf")


def masses(
    a: Tensor | None, b: Tensor | None, n: int, m: int, like: Tensor
) -> tuple[Tensor, Tensor]:
    """Checked weights (n,) and (m,) of equal sums, detached, in the dtype and device of `like`.

    A side without weights is uniform, with the sum of the other side, or 1.

    Raises:
        ValueError: a wrong length, a NaN, infinite or negative weight, or sums that differ.
    """
    a = None if a is None else _checked(a, n, "a", "x")
    b = None if b is None else _checked(b, m, "b", "y")
    sums = [w.sum().item() for w in (a, b) if w is not None] or [1.0]
    if abs(sums[0] - sums[-1]) > _SUMS_AGREE * max(sums):
        raise ValueError(
            f"a sums to {sums[0]:.6g} and b to {sums[-1]:.6g}: scale one of them to the other's sum"
        )
    return (
        like.new_full((n,), sums[0] / n) if a is None else a.to(like),
        like.new_full((m,), sums[0] / m) if b is None else (b * (sums[0] / sums[-1])).to(like),
    )


def _checked(weights: Tensor, count: int, name: str, points: str) -> Tensor:
    if weights.shape != (count,):
        raise ValueError(
            f"{name} has shape {tuple(weights.shape)}, but {points} has {count} points: "
            f"give weights of shape ({count},)"
        )
    weights = weights.detach().cpu().double()
    if not torch.isfinite(weights).all():
        raise ValueError(f"{name} holds NaN or infinity: weights are finite and at least 0")
    if (weights < 0).any():
        raise ValueError(
            f"{name} holds a negative weight, {weights.min():.6g}: at least 0 is needed"
        )
    if not weights.sum() > 0:
        raise ValueError(f"{name} sums to 0: some point needs a positive weight")
    return weights


def tracked(mass: Tensor, weights: Tensor | None) -> Tensor:
    """The mass (n,) unchanged, with the gradient of the weights (n,) it came from."""
    return mass if weights is None else mass + (weights - weights.detach()).to(mass)


def through(weights: Tensor | None, slope: Tensor, value: Tensor) -> Tensor:
    """The value unchanged, whose gradient in the weights (n,) is the slope (n,)."""
    if weights is None or not weights.requires_grad:
        return value
    return value + ((weights - weights.detach()) * slope.to(weights)).sum().to(value)
