"""How badly nodes fit places of a graph: a certified critic between links and chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, svds
from torch import Tensor

from otgan.certify.critics import Scaled
from otgan.certify.fitting import fit
from otgan.config import InputError
from otgan.geometry import GraphMetric, Lp
from otgan.networks import mlp
from otgan.networks.lipschitz import lipschitz
from otgan.randomness import seeded

RANK = 32
"""Coordinates of a node's features, at most."""

PAIRS = 20_000
"""Random pairs of nodes that say what is chance."""

_ROWS = 1 << 16
_CPU = torch.device("cpu")


class Coordinates:
    """Features as points of the unit ball, whatever their units.

    Columns get mean 0 and deviation 1, rows length 1, and the `RANK` principal axes are kept.

    Args:
        features: (n, d), a NumPy array or a SciPy sparse array, which stays sparse.

    Raises:
        InputError: no column that varies.
    """

    def __init__(self, features: Any):
        mean, square = (np.asarray(f.mean(0)).ravel() for f in (features, features * features))
        variance = square - mean**2
        varies = variance > 1e-12 * square
        if not varies.any():
            raise InputError(f"all {len(mean)} features are constant: drop them")
        self.scale = np.where(varies, 1 / np.sqrt(np.where(varies, variance, 1)), 0)
        self.offset = mean * self.scale
        self.axes = None
        n, d = features.shape
        if min(n, d) > RANK:
            norm = self._norms(features)
            seen = LinearOperator(
                (n, d),
                lambda w: self._standard(features, w.reshape(d)) / norm,
                lambda w: self._transposed(features, w.reshape(n) / norm),
            )
            start = np.random.default_rng(0).standard_normal(min(n, d))
            self.axes = svds(seen, RANK, v0=start, return_singular_vectors="vh")[2].T

    def __call__(self, features: Any) -> np.ndarray:
        """(n, d) -> (n, k)."""
        norms = self._norms(features)[:, None]
        if self.axes is not None:
            return self._standard(features, self.axes) / norms
        dense = features.toarray() if sparse.issparse(features) else features
        return (dense * self.scale - self.offset) / norms

    def _standard(self, features: Any, w: np.ndarray) -> np.ndarray:
        """The standardised columns times w (d,) or (d, k)."""
        return features @ (w.T * self.scale).T - self.offset @ w

    def _transposed(self, features: Any, w: np.ndarray) -> np.ndarray:
        return self.scale * (features.T @ w) - self.offset * w.sum()

    def _norms(self, features: Any) -> np.ndarray:
        squares = features * features @ self.scale**2
        squares = squares - 2 * (features @ (self.scale * self.offset)) + self.offset @ self.offset
        return np.sqrt(np.where(squares > 1e-12, squares, np.inf))


class Linked:
    """Nodes in coordinates, and the places that the nodes around them make.

    The place of v is the mean of v and its neighbours. A link (u, v) is judged as if it were new:
    u is left out of the place of v.

    Args:
        metric: the graph.
        z: coordinates of its nodes, (nodes, k).
    """

    def __init__(self, metric: GraphMetric, z: np.ndarray):
        links = metric.paths.links
        self.u, self.v = (ends.astype(np.int64) for ends in links.nonzero())
        self.degree = np.diff(links.indptr)
        self.z, self.around = z, z + metric.paths.adjacency @ z

    def pairs(self, u: np.ndarray, v: np.ndarray, linked: bool) -> Tensor:
        """u and the place of v, side by side, (m,), (m,) -> (m, 2 k)."""
        place = (self.around[v] - linked * self.z[u]) / (self.degree[v] + 1 - linked)[:, None]
        return torch.from_numpy(np.concatenate([self.z[u], place], 1)).float()

    def chance(self, number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of different nodes, each drawn with probability proportional to its degree."""
        rng = np.random.default_rng(seed)
        u, v = rng.choice(self.u, (2, number))
        return u[u != v], v[u != v]


def train(linked: Linked, steps: int, seed: int) -> torch.nn.Module:
    """The critic of W1 between links and chance, 1-Lipschitz by construction.

    Points are pairs (a node, a place), their ground cost l2. Links are u at the place of its
    neighbour v; chance pairs the u of one link with the place of another, so that nodes and places
    are as frequent as among links, and only what they have to do with each other is different.

        W1(links, chance) >= E f(u, place of v) - E f(u, place of v')

    Returns:
        (n, 2 k) -> (n,), large where links are.
    """
    k = linked.z.shape[1]
    generator = torch.Generator().manual_seed(seed)

    def some(n: int) -> Tensor:
        chosen = torch.randint(len(linked.u), (n,), generator=generator).numpy()
        return linked.pairs(linked.u[chosen], linked.v[chosen], True)

    def draw(n: int) -> tuple[Tensor, Tensor]:
        return some(n), torch.cat([some(n)[:, :k], some(n)[:, k:]], 1)

    geometry = Lp(2)
    with seeded(seed, _CPU):
        points = some(256)
        network = mlp((2 * k,), latent=1, width=128)[1]
        critic = Scaled(lipschitz(network, geometry, points), points)
        fit(critic, draw, geometry, 1.0, rate=5e-3, steps=steps)
    return critic


class Context:
    """What a graph taught of features and places: coordinates, a critic, and what chance is.

    Args:
        metric, features: the graph, (nodes, d).
        steps, seed: of the critic's training.
    """

    def __init__(self, metric: GraphMetric, features: Any, steps: int, seed: int):
        self.coordinates = Coordinates(features)
        linked = Linked(metric, self.coordinates(features))
        self.critic = train(linked, steps, seed)
        u, v = linked.chance(PAIRS, seed)
        both = self._misfit(linked, u, v, False) + self._misfit(linked, v, u, False)
        self.chance = np.sort(both)

    def misfits(self, metric: GraphMetric, features: Any) -> tuple[np.ndarray, np.ndarray]:
        """How little u fits the place of its neighbour v, for every link in the order of
        `metric.paths.links`, (2 m,), and how little the ends of each edge fit each other, (m,).

        Raises:
            InputError: another number of features than was learned from.
        """
        if features.shape[1] != len(self.coordinates.scale):
            raise InputError(
                f"the detector was fitted to {len(self.coordinates.scale)} features, got "
                f"{features.shape[1]}"
            )
        linked = Linked(metric, self.coordinates(features))
        one_way = self._misfit(linked, linked.u, linked.v, True)
        edge = metric.paths.edge(linked.u, linked.v)
        return one_way, np.bincount(edge, one_way, len(metric.paths.ends))

    def surprise(self, misfits: np.ndarray) -> np.ndarray:
        """The share of random pairs that fit better, in (0, 1)."""
        return (np.searchsorted(self.chance, misfits) + 0.5) / (len(self.chance) + 1)

    @torch.no_grad()
    def _misfit(self, linked: Linked, u: np.ndarray, v: np.ndarray, known: bool) -> np.ndarray:
        """-f(u, place of v), (m,), (m,) -> (m,); `known` says that they are linked."""
        rows = (slice(i, i + _ROWS) for i in range(0, len(u), _ROWS))
        found = [self.critic(linked.pairs(u[row], v[row], known)) for row in rows]
        return -torch.cat(found).double().numpy()
