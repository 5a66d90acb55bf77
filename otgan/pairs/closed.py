"""Pairs with a formula: translations, dilations, products of lines."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from otgan.geometry import Lp, NormedSpace
from otgan.pairs.pair import Pair


def translation(geometry: NormedSpace, shift: Tensor, spread: float = 1.0) -> Pair:
    """A Gaussian and its translate: W1 = ||shift|| under every norm, and the critic is linear.

    Args:
        shift: (d,); x = y + shift.
        spread: deviation of y in each coordinate; 0 for two point masses.
    """
    v = shift[None].double().requires_grad_()
    (steepest,) = torch.autograd.grad(geometry.norm(v).sum(), v)

    def coupled(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        y = spread * torch.randn(n, len(shift), generator=generator)
        return y + shift, y

    return Pair(geometry, coupled, lambda x: x @ steepest[0].to(x))


def point_masses(geometry: NormedSpace, at: Tensor) -> Pair:
    """All mass at one point, (d,), and all mass at 0: W1 = ||at||."""
    return translation(geometry, at, spread=0.0)


def dilation(geometry: NormedSpace, dim: int, factor: float) -> Pair:
    """A standard Gaussian y and x = factor * y: W1 = |factor - 1| E||y|| under every norm.

    In l2 these are concentric isotropic Gaussians; the critic is the norm.

    Raises:
        ValueError: a negative factor, where points would pass through 0.
    """
    if factor < 0:
        raise ValueError(f"a dilation has a factor of at least 0, got {factor}")
    sign = 1 if factor > 1 else -1

    def coupled(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        y = torch.randn(n, dim, generator=generator)
        return factor * y, y

    return Pair(geometry, coupled, lambda x: sign * geometry.norm(x), geometry.norm)


def product_of_lines(means: Sequence[float], deviations: Sequence[float]) -> Pair:
    """Independent Gaussian coordinates, x_i ~ N(mean_i, deviation_i^2), and y standard, under l1.

    W1 is the sum of those of the coordinates, each E|mean + (deviation - 1) Z|. One coordinate
    gives the 1-D Gaussians.
    """
    m, s = torch.tensor(means), torch.tensor(deviations)
    grows = s != 1
    fixed = torch.where(grows, m / torch.where(grows, 1 - s, 1), 0)

    def coupled(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        y = torch.randn(n, len(m), generator=generator)
        return m + s * y, y

    def potential(x: Tensor) -> Tensor:
        away = (x - fixed.to(x)).abs() * torch.sign(s - 1).to(x)
        return torch.where(grows, away, m.sign().to(x) * x).sum(1)

    def kink(x: Tensor) -> Tensor:
        return torch.where(grows, (x - fixed.to(x)).abs(), torch.inf).amin(1)

    return Pair(Lp(1), coupled, potential, kink)
