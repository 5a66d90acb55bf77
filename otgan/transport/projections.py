"""Sliced transport: W1 between one-dimensional projections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import compress
from typing import Literal

import torch
from torch import Tensor

from otgan.geometry import Geometry, NormedSpace
from otgan.geometry.base import flat
from otgan.transport.line import area, jumps
from otgan.transport.measures import check_points

_CHUNK = 1 << 20  # projected points at once; sorting and summing takes up to 100 bytes for each


def sliced(
    x: Tensor,
    y: Tensor,
    geometry: Geometry,
    projections: int = 500,
    seed: int = 0,
    a: Tensor | None = None,
    b: Tensor | None = None,
    *,
    reduce: Literal["mean", "max"] = "mean",
) -> Tensor:
    """W1 of one-dimensional projections <theta, x>, mean or largest over random directions.

    Directions are uniform on the sphere, each divided by its dual norm: every projection is then
    1-Lipschitz, and both mean and maximum are lower bounds of W1. The mean is the distance of
    Bonneel et al. 2015, 'Sliced and Radon Wasserstein barycenters of measures', the maximum, over
    the directions drawn and no others, that of Deshpande et al. 2019, 'Max-sliced Wasserstein
    distance'. Differentiable in points and weights. Memory does not grow with the number of
    projections.

    Args:
        x, y: samples, (n, *E) and (m, *E).
        geometry: the ground cost, a norm.
        projections: how many directions.
        seed: draws the directions, the same ones on every device.
        a, b: weights of x and y, (n,) and (m,), at least 0, of equal sums; uniform by default.

    Returns:
        (), in units of the ground cost.

    Raises:
        TypeError: the ground cost is no norm.
        ValueError: no projections, an unknown `reduce`, or bad samples or weights as in `exact`.

    Example:
        >>> from otgan.geometry import Lp
        >>> x = torch.zeros(1, 2)
        >>> sliced(x, x + 3, Lp(1), reduce="max") <= 6
        tensor(True)
    """
    if not isinstance(geometry, NormedSpace):
        raise TypeError(
            f"{geometry} is no norm, so it has no projections: use `exact` or `sinkhorn` instead"
        )
    if projections < 1 or reduce not in ("mean", "max"):
        raise ValueError(
            "sliced transport takes at least 1 projection and reduce='mean' or 'max', "
            f"got {projections} and {reduce!r}"
        )
    check_points(x, y)
    step, scale = jumps(len(x), len(y), a, b, x)
    theta = _directions(x, geometry, projections, seed)
    parts = theta.split(max(1, _CHUNK // (len(x) + len(y))))

    def on_lines(x: Tensor, y: Tensor, step: Tensor, theta: Tensor) -> Tensor:
        return area(theta @ flat(x).T, theta @ flat(y).T, step, scale)

    if reduce == "max":
        with torch.no_grad():
            values = torch.cat([on_lines(x, y, step, part) for part in parts])
        return on_lines(x, y, step, theta[values.argmax()][None])[0]
    return _summed(on_lines, [x, y, step], parts) / projections


def _summed(f: Callable[..., Tensor], inputs: list[Tensor], parts: Iterable[Tensor]) -> Tensor:
    """The sum of f(*inputs, part), differentiated part by part.

    Held for one backward pass, a graph over all parts would not fit in memory.
    """
    tracked = [torch.is_grad_enabled() and v.requires_grad for v in inputs]
    leaves = [v.detach().requires_grad_(t) for v, t in zip(inputs, tracked, strict=True)]
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    gradients = [torch.zeros_like(leaf) for leaf in wanted]
    total = inputs[0].new_zeros(())
    for part in parts:
        value = f(*leaves, part).sum()
        total += value.detach()
        if wanted:
            for gradient, term in zip(gradients, torch.autograd.grad(value, wanted), strict=True):
                gradient += term
    for v, gradient in zip(compress(inputs, tracked), gradients, strict=True):
        total = total + ((v - v.detach()) * gradient).sum()
    return total


def _directions(x: Tensor, geometry: NormedSpace, count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(count, x[0].numel(), generator=generator, dtype=torch.float64)
    theta = normal.to(x)
    return theta / geometry.dual_norm(theta.view(count, *x.shape[1:])).detach()[:, None]
