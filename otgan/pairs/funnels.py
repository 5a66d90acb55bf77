"""Funnels: each point moves towards the nearest of several sets, as far as one says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from otgan.geometry import Lp, NormedSpace
from otgan.pairs.pair import Pair

Sets = Literal["points", "lines", "flats", "spheres", "segments", "boxes", "curves"]
HALF_SIDE = 2.5
"""Points are drawn from the cube [-2.5, 2.5]^d, as in the paper."""


def funnels(
    geometry: NormedSpace,
    dim: int,
    sets: Sets = "points",
    number: int = 4,
    keep: float | Literal["ray"] = "ray",
    seed: int = 0,
) -> Pair:
    """The uniform distribution on a cube, and the same with each point moved towards a set.

    With u(x) = min_k d(x, S_k) + b_k and x the moved point, W1 = E d(x, y) = E u(y) - E u(x), and
    -u is an optimal critic (for points in l2, Korotin, Kolesov, Burnaev 2022, 'Kantorovich Strikes
    Back!'). The sets have random places in the cube and random biases (deviation .1). Flats and
    spheres have dimension d / 2 and a random direction where the norm is l2 in some coordinates;
    under other lp norms flats are parallel to the axes. Boxes have sides parallel to the axes.
    Curves are 300 points each on closed curves with three random frequencies.

    Args:
        geometry: the norm, on vectors of length dim.
        keep: the share of the way that is left after moving. "ray": t^7, where t is how far the
            point has come on its ray from the set to the side of the cube, the small displacements
            of the paper; a number: the same share for every point.

    Raises:
        ValueError: sets whose nearest points are not known in closed form under this norm.
    """
    generator = torch.Generator().manual_seed(seed)
    matrix = geometry.whiten(torch.eye(dim))  # rows: where the axes go
    hilbert = matrix is not None
    colour = torch.linalg.pinv(matrix) if matrix is not None else torch.eye(dim)
    metric = Lp(2) if hilbert else geometry
    nearest = _nearest(sets, dim, number, hilbert, metric, generator)
    bias = 0.1 * torch.randn(number, generator=generator)

    def enter(v: Tensor) -> Tensor:
        white = geometry.whiten(v)
        return v if white is None else white

    def reach(v: Tensor) -> tuple[Tensor, Tensor]:
        targets = nearest(v)
        away = v[:, None] - targets
        d = metric.norm(away.flatten(0, 1)).view(len(v), number) + bias.to(v)
        return d, targets

    def coupled(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        y = HALF_SIDE * (2 * torch.rand(n, dim, generator=generator) - 1)
        d, targets = reach(y)
        target = targets[torch.arange(n), d.argmin(1)]
        way = y - target
        share = _ray(y, way) if keep == "ray" else keep
        x = target + share * way
        return x @ colour, y @ colour

    def kink(x: Tensor) -> Tensor:
        d = reach(enter(x))[0]
        lowest = d.topk(min(2, number), 1, largest=False)
        between = lowest.values[:, 1] - lowest.values[:, 0] if number > 1 else torch.inf
        own = lowest.values[:, 0] - bias.to(x)[lowest.indices[:, 0]]
        return torch.minimum(own, torch.as_tensor(between))

    return Pair(geometry, coupled, lambda x: -reach(enter(x))[0].amin(1), kink)


def _ray(y: Tensor, way: Tensor) -> Tensor:
    ahead = (HALF_SIDE * way.sign() - y) / torch.where(way == 0, 1e-12, way)
    return (1 + ahead.amin(1, keepdim=True).clamp_min(0)) ** -7


def _nearest(
    sets: Sets,
    dim: int,
    number: int,
    hilbert: bool,
    metric: NormedSpace,
    generator: torch.Generator,
) -> Callable[[Tensor], Tensor]:
    """(n, d) -> (n, k, d), the nearest point of each set."""

    def cube(*shape: int) -> Tensor:
        return HALF_SIDE * (2 * torch.rand(*shape, generator=generator) - 1)

    a = cube(number, dim)
    if sets == "points":
        return lambda x: a.to(x).expand(len(x), number, dim)
    if sets == "boxes":
        half = cube(number, dim).abs() / 2
        return lambda x: a.to(x) + (x[:, None] - a.to(x)).clamp(-half.to(x), half.to(x))
    if sets == "curves":
        t = torch.linspace(0, 2 * torch.pi, 301)[:-1, None] * torch.arange(1, 4)
        waves = torch.cat([t.sin(), t.cos()], 1)
        curve = (
            1.5
            * torch.einsum("tw,kdw->ktd", waves, torch.randn(number, dim, 6, generator=generator))
            / 6**0.5
        )
        curve = a[:, None] + curve

        def on_curves(x: Tensor) -> Tensor:
            return torch.stack([c[metric.pairwise(x, c).argmin(1)] for c in curve.to(x)], 1)

        return on_curves
    if not hilbert and sets not in ("lines", "flats"):
        raise ValueError(f"nearest points of {sets} under {metric!r} have no closed form")
    m = 1 if sets in ("lines", "segments") else max(1, dim // 2)
    m = min(dim, m + 1) if sets == "spheres" else m
    if hilbert:
        v = torch.linalg.qr(torch.randn(number, dim, m, generator=generator))[0]
    else:
        axes = torch.rand(number, dim, generator=generator).argsort(1)[:, :m]
        v = torch.eye(dim)[axes].mT

    def nearest(x: Tensor) -> Tensor:
        along = torch.einsum("nkd,kdm->nkm", x[:, None] - a.to(x), v.to(x))
        if sets == "segments":
            along = along.clamp(-HALF_SIDE, HALF_SIDE)
        if sets == "spheres":
            along = HALF_SIDE * normalize(along, dim=-1)
        return a.to(x) + torch.einsum("nkm,kdm->nkd", along, v.to(x))

    return nearest
