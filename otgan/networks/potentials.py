"""Critics made of distances: envelopes of cones, 1-Lipschitz by construction for their ground cost.

A maximum or minimum of 1-Lipschitz functions is 1-Lipschitz, and so is a soft one at any
temperature, whose gradient is a convex combination of theirs. By Kantorovich duality every optimal
critic is an envelope of distances to points; cones around sets need fewer of them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn

from otgan.conditions import Condition
from otgan.geometry import Geometry, Lp, NormedSpace
from otgan.geometry.base import flat
from otgan.networks.conditional import Shift

Side = Literal["peaks", "valleys"]


class Envelope(nn.Module, ABC):
    """peaks: max_k -(h_k + b_k); valleys: min_k (h_k + b_k), for 1-Lipschitz functions h_k.

    Hard when the temperature is 0, as it is unless `anneal` is called while training: at a
    temperature every function has a gradient and can find its place.

    Args:
        unit: typical deviation of the values h_k, in which biases are learned and temperatures
            given.
        number: of functions.
        condition: moves the biases, so the envelope is 1-Lipschitz at each condition.
    """

    unit: Tensor

    def __init__(self, number: int, unit: Tensor, side: Side, condition: Condition | None = None):
        super().__init__()
        self.condition = condition
        self.shift = None if condition is None else Shift(condition.width, number)
        self.register_buffer("unit", torch.where(unit > 0, unit, 1).detach())
        self.bias = nn.Parameter(torch.zeros(number))
        self.sign = -1 if side == "peaks" else 1
        self.temperature = 0.0

    @abstractmethod
    def heads(self, x: Tensor) -> Tensor:
        """The functions h_k in units, (n, *E) -> (n, K)."""

    def anneal(self, done: float) -> None:
        """Sets the temperature for a share of the training that is done, 0 at its end."""
        self.temperature = 0.35 * (1 - done) ** 2

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(n, *E) and, where there is a condition, (n, k) -> (n,)."""
        h = self.heads(x) + self.bias
        if self.condition is not None and self.shift is not None:
            h = self.shift(h, self.condition.features(y))
        t = self.temperature
        low = -t * torch.logsumexp(-h / t, 1) if t > 0 else h.amin(1)
        return self.sign * self.unit * low


class Landmarks(Envelope):
    """Distances to points and to spheres around them, |d(x, a_k) - r_k|: certified for any metric
    (McShane 1934, Kuratowski 1935).

    Where points are real vectors the landmarks move; elsewhere (the nodes of a graph) they stay and
    only their radii and biases are learned. Under a norm that is l2 in some coordinates, distances
    are products of matrices.

    Args:
        points: where the landmarks start, (K, *E): a sample of the data.

    Example:
        >>> f = Landmarks(Lp(1), torch.tensor([[0.0, 0.0]]))
        >>> f(torch.tensor([[3.0, 4.0]]))
        tensor([-7.], grad_fn=<MulBackward0>)
    """

    centre: Tensor
    spread: Tensor

    def __init__(
        self,
        geometry: Geometry,
        points: Tensor,
        side: Side = "peaks",
        condition: Condition | None = None,
    ):
        d = geometry.pairwise(points, points)
        off = ~torch.eye(len(points), dtype=torch.bool, device=points.device)
        unit = d[off].std() if len(points) > 2 else d.mean()
        super().__init__(len(points), unit, side, condition)
        self.geometry = geometry
        self.moves = points.is_floating_point()
        self.register_buffer("centre", points.mean(0) if self.moves else points)
        if self.moves:
            away = points - self.centre
            spread = away.square().mean().sqrt()
            self.register_buffer("spread", torch.where(spread > 0, spread, 1))
            if isinstance(geometry, NormedSpace):
                away = away * _start(away[0].numel())
            self.places = nn.Parameter((away / self.spread).detach())
        self.radii = nn.Parameter(torch.zeros_like(self.bias))

    def heads(self, x: Tensor) -> Tensor:
        return (self._distances(x) - self.radii).abs()

    def _distances(self, x: Tensor) -> Tensor:
        """(n, *E) -> (n, K), in units."""
        if not self.moves:
            return self.geometry.pairwise(x, self.centre) / self.unit
        away = self.spread * self.places
        if isinstance(self.geometry, NormedSpace):
            white = [self.geometry.whiten(v) for v in (x - self.centre, away)]
            if white[0] is not None and white[1] is not None:
                return _square_distances(white[0] / self.unit, white[1] / self.unit).sqrt()
        return self.geometry.pairwise(x, self.centre + away) / self.unit


class Cones(Envelope):
    """Distances to points, flats, spheres and products of them, in a norm.

    h_k(x) = || (||B_k1 z|| - r_k1, ..., ||B_kG z|| - r_kG) || with z = Q_k (A x - a_k), where A
    whitens the norm to l2, Q_k is orthogonal (Cayley), and the diagonal matrices B_kg >= 0 share
    their squares: sum_g B_kg^2 <= 1. With B = 1 that is a point, with zeros in B a flat, with a
    radius a sphere or a cylinder. Under an lp norm that is not l2 there is no rotation, and the sum
    is over p-th powers.

    Args:
        geometry: `Lp`, or a norm that is l2 in other coordinates.
        points: where the cones start, (K, *E): a sample of the data.
        blocks: G.
        rank: rows of Q_k; what is orthogonal to all of them is one coordinate more. The dimension,
            at most 64, by default.

    Raises:
        ValueError: another geometry.
    """

    centre: Tensor

    def __init__(
        self,
        geometry: NormedSpace,
        points: Tensor,
        side: Side = "peaks",
        blocks: int = 3,
        rank: int | None = None,
    ):
        white = geometry.whiten(points)
        if white is None and not isinstance(geometry, Lp):
            raise ValueError(
                f"cones are for lp norms and those l2 can be: use Landmarks with {geometry!r}"
            )
        rotates = white is not None
        white = flat(points) if white is None else white
        centre = white.mean(0)
        super().__init__(len(points), (white - centre).square().mean().sqrt(), side)
        self.geometry = geometry
        self.p = geometry.p if isinstance(geometry, Lp) else 2.0
        self.register_buffer("centre", centre)
        number, size = white.shape
        start = _start(size) * (white - centre) / self.unit
        self.places = nn.Parameter(start.detach())
        rank = min(size, 64 if rank is None else rank) if rotates else size
        self.turns = (
            nn.Parameter(0.3 / math.sqrt(size) * torch.randn(number, size, rank))
            if rotates
            else None
        )
        rows = rank + (rank < size)
        self.shares = nn.Parameter(0.5 * torch.randn(number, rows, blocks))
        self.fading = nn.Parameter(torch.full((number, rows, 1), 0.3))
        self.radii = nn.Parameter(0.1 * torch.rand(number, 1, blocks))

    def heads(self, x: Tensor) -> Tensor:
        white = self.geometry.whiten(x)
        x = ((flat(x) if white is None else white) - self.centre) / self.unit
        z = (x - self.places[:, None]).abs() if self.turns is None else self._turned(x, self.turns)
        total = 1 / (1 + self.fading.square())  # 1 can be reached
        if math.isinf(self.p):  # a maximum has nothing to share
            share = total * torch.sigmoid(self.shares + 2)
        else:
            share = total * torch.softmax(self.shares, -1)
        inner = _blocks(z, share, self.p) - self.radii  # (K, n, G)
        return _norm(inner, self.p).mT

    def _turned(self, x: Tensor, turns: Tensor) -> Tensor:
        q = cayley(turns)
        start = (self.places[:, None] @ q).neg()
        z = torch.baddbmm(start, x.expand(len(q), *x.shape), q)
        if q.shape[2] == x.shape[1]:
            return z
        rest = _square_distances(self.places, x) - z.square().sum(2)
        return torch.cat([z, (rest.clamp_min(0) + _FLAT).sqrt()[..., None]], 2)


_FLAT = 1e-6
"""Added under square roots, in squared units: a norm without a kink is still 1-Lipschitz."""


def _square_distances(x: Tensor, y: Tensor) -> Tensor:
    """|x - y|^2 + _FLAT as a product of matrices, (n, d), (m, d) -> (n, m)."""
    squares = x.square().sum(1, keepdim=True) + y.square().sum(1)
    return torch.addmm(squares, x, y.mT, alpha=-2).clamp_min(0) + _FLAT


def _start(size: int) -> float:
    """Where on its way from the mean to a point of the data a landmark starts.

    In many dimensions the mean is nearer to every point than the other points are. Landmarks that
    start at points of the data then go to the mean one after another, each a rival of the first,
    and stay; those that start near it divide the data by direction.
    """
    return min(1.0, math.sqrt(8 / size))


def _blocks(z: Tensor, share: Tensor, p: float) -> Tensor:
    """(sum_i share_ig |z_i|^p)^(1/p), (K, n, d), (K, d, G) -> (K, n, G)."""
    if p == 2:
        return (z.square() @ share + _FLAT).sqrt()
    if p == 1:
        return z @ share
    if math.isinf(p):
        return torch.stack([(z * s[:, None]).amax(2) for s in share.unbind(2)], 2)
    scale = z.detach().amax(2, keepdim=True).clamp_min(1e-6)
    return scale * ((z / scale) ** p @ share + 1e-12) ** (1 / p)


def _norm(v: Tensor, p: float) -> Tensor:
    if p == 2:
        return (v.square().sum(2) + _FLAT).sqrt()
    return torch.linalg.vector_norm(v, p, dim=2)


def cayley(w: Tensor) -> Tensor:
    """Matrices with orthonormal columns from any, (..., n, m) -> (..., n, m), n >= m.

    The Cayley transform of Trockman and Kolter 2021, 'Orthogonalizing Convolutional Layers with the
    Cayley Transform', section 4.
    """
    m = w.shape[-1]
    u, v = w[..., :m, :], w[..., m:, :]
    a = u - u.mT + v.mT @ v
    one = torch.eye(m, dtype=w.dtype, device=w.device)
    inverse = torch.linalg.inv(one + a)
    return torch.cat([2 * inverse - one, -2 * v @ inverse], -2)  # (1 + a)^-1 (1 - a) on top
