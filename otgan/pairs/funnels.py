"""Funnels: each point moves towards the nearest of several sets, as far as one says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from otgan.geometry import Lp, NormedSpace
from otgan.pairs.pair import Pair

Sets = Literal["points", "lines", "flats", "spheres", "segments", "boxes", "curves"]
_HALF_SIDE = 2.5  # of the cube that points are drawn from, as in the paper


class _Family(NamedTuple):
    """Closed sets S_1, ..., S_k.

    Attributes:
        distances: to every set, (n, d) -> (n, k).
        nearest: each point's nearest in a set of its own, (n, d), (n,) -> (n, d).
    """

    distances: Callable[[Tensor], Tensor]
    nearest: Callable[[Tensor, Tensor], Tensor]


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
    family = _family(sets, dim, number, hilbert, metric, generator)
    bias = 0.1 * torch.randn(number, generator=generator)

    def cones(x: Tensor) -> Tensor:
        white = geometry.whiten(x)
        return family.distances(x if white is None else white) + bias.to(x)

    def coupled(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        y = _HALF_SIDE * (2 * torch.rand(n, dim, generator=generator) - 1)
        target = family.nearest(y, (family.distances(y) + bias).argmin(1))
        way = y - target
        x = target + (_ray(y, way) if keep == "ray" else keep) * way
        return x @ colour, y @ colour

    def kink(x: Tensor) -> Tensor:
        low, sets_ = cones(x).topk(min(2, number), 1, largest=False)
        own = low[:, 0] - bias.to(x)[sets_[:, 0]]
        return torch.minimum(own, low[:, 1] - low[:, 0]) if number > 1 else own

    return Pair(geometry, coupled, lambda x: -cones(x).amin(1), kink)


def _ray(y: Tensor, way: Tensor) -> Tensor:
    ahead = (_HALF_SIDE * way.sign() - y) / torch.where(way == 0, 1e-12, way)
    return (1 + ahead.amin(1, keepdim=True).clamp_min(0)) ** -7


def _family(
    sets: Sets,
    dim: int,
    number: int,
    hilbert: bool,
    metric: NormedSpace,
    generator: torch.Generator,
) -> _Family:
    def cube(*shape: int) -> Tensor:
        return _HALF_SIDE * (2 * torch.rand(*shape, generator=generator) - 1)

    a = cube(number, dim)
    if sets == "points":
        return _clouds(a[:, None], metric)
    if sets == "curves":
        t = torch.linspace(0, 2 * torch.pi, 301)[:-1, None] * torch.arange(1, 4)
        waves = torch.cat([t.sin(), t.cos()], 1)
        size = torch.randn(number, 6, dim, generator=generator)
        return _clouds(a[:, None] + 0.6 * waves @ size, metric)
    if sets == "boxes":
        half = cube(number, dim).abs() / 2
        return _projections(
            lambda x: a.to(x) + (x[:, None] - a.to(x)).clamp(-half.to(x), half.to(x)), metric
        )
    if not hilbert and sets not in ("lines", "flats"):
        raise ValueError(f"nearest points of {sets} under {metric!r} have no closed form")
    m = 1 if sets in ("lines", "segments") else max(1, dim // 2)
    m = min(dim, m + 1) if sets == "spheres" else m
    if hilbert:
        v = torch.linalg.qr(torch.randn(number, dim, m, generator=generator))[0]
    else:
        axes = torch.rand(number, dim, generator=generator).argsort(1)[:, :m]
        v = torch.eye(dim)[axes].mT

    def project(x: Tensor) -> Tensor:
        along = torch.einsum("nkd,kdm->nkm", x[:, None] - a.to(x), v.to(x))
        if sets == "segments":
            along = along.clamp(-_HALF_SIDE, _HALF_SIDE)
        if sets == "spheres":
            centre = (along == 0).all(-1, keepdim=True)  # as near to one side as to all others
            along = _HALF_SIDE * normalize(along + centre.to(along), dim=-1)
        return a.to(x) + torch.einsum("nkm,kdm->nkd", along, v.to(x))

    return _projections(project, metric)


def _clouds(points: Tensor, metric: NormedSpace) -> _Family:
    """Sets of finitely many points, (k, m, d)."""

    def all_distances(x: Tensor) -> Tensor:
        return metric.pairwise(x, points.to(x).flatten(0, 1)).view(len(x), *points.shape[:2])

    def nearest(x: Tensor, which: Tensor) -> Tensor:
        if points.shape[1] == 1:
            return points.to(x)[which, 0]
        index = all_distances(x)[torch.arange(len(x)), which].argmin(1)
        return points.to(x)[which, index]

    return _Family(lambda x: all_distances(x).amin(2), nearest)


def _projections(project: Callable[[Tensor], Tensor], metric: NormedSpace) -> _Family:
    """Sets by their projections, (n, d) -> (n, k, d)."""

    def distances(x: Tensor) -> Tensor:
        away = x[:, None] - project(x)
        return metric.norm(away.flatten(0, 1)).view(away.shape[:2])

    return _Family(distances, lambda x, which: project(x)[torch.arange(len(x)), which])
