"""New nodes as vectors: what a critic may look at of (features, link distribution, degree).

The ground cost between two nodes is

    weights . ( |f - f'|,  W1 on the graph between p and p',  |log degree - log degree'| ),

each term in units of its mean over pairs of the graph's own nodes. Of p, critics see functions that
are 1-Lipschitz from W1 to a norm (Kantorovich and Rubinstein), so that a critic that is certified,
or charged, for the norm of what it sees is so for the ground cost:

- mean distances to landmarks, (sum_v p(v) d(a_k, v))_k, in l-infinity;
- half the mean distance of two neighbours, cut at c: sum_uv p(u) p(v) min(d(u, v), c) / 2. With
  edges of length 1 and c = 2 that is how many neighbours are linked to each other: triangles;
- the neighbours' mean log degree, and in l2 their mean features, each divided by its largest slope
  over an edge.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy import sparse
from scipy.sparse import csgraph
from torch import Tensor, nn

from otgan.geometry import GraphMetric, Leading, Lp, Product
from otgan.geometry.base import Geometry, NormedSpace
from otgan_domains.graphs.features import landmarks

LANDMARKS = 16
PAIRS = 1000


class View(nn.Module):
    """Features (n, k), link distributions (n, nodes) and log degrees (n,) as vectors (n, size).

    Args:
        metric: the graph.
        features: of its nodes, (nodes, k); k may be 0.
        weights: of features, links and degree in the ground cost.

    Attributes:
        norm: the ground cost of the vectors: a lower bound of that of the nodes.
        units: of features, links and log degree, the mean over pairs of nodes.
    """

    places: Tensor
    features: Tensor
    pairs: Tensor
    close: Tensor
    units: Tensor

    def __init__(self, metric: GraphMetric, features: Tensor, weights: tuple[float, float, float]):
        super().__init__()
        self.nodes, self.k = metric.nodes, features.shape[1]
        self.cut = 2 * float(np.median(metric.paths.lengths))
        degree = metric.edges.flatten().bincount(minlength=self.nodes).float()
        logs = degree.log()[:, None]
        far = torch.from_numpy(landmarks(metric, LANDMARKS)[1].T).float()
        close = _close(metric, self.cut)
        for name, value in (
            ("places", torch.cat([far, logs / _slope(logs, metric)], 1)),
            ("features", features),
            ("pairs", torch.from_numpy(np.stack([close.row, close.col])).long()),
            ("close", torch.from_numpy(close.data).float()),
            ("units", torch.ones(3)),
        ):
            self.register_buffer(name, value, persistent=False)
        self.slope = _slope(features, metric)
        size = self.places.shape[1] + 1
        links: NormedSpace = Lp(float("inf"))
        if self.k:
            links = _normed(Product([(links, (size,)), (Lp(2), (self.k,))], combine="max"))
        parts: list[tuple[NormedSpace, tuple[int]]] = [
            (Lp(2), (self.k,)),
            (links, (size + self.k,)),
            (Lp(1), (1,)),
        ]
        self.size = size + 2 * self.k + 1
        self._measure([norm for norm, _ in parts], metric, features, degree)
        used = slice(0 if self.k else 1, None)
        self.norm = _normed(Product(parts[used], list(weights)[used]))

    def geometry(self) -> Leading:
        """The ground cost of vectors that carry their link distribution."""
        return Leading(self.norm, self.size)

    def forward(self, features: Tensor, p: Tensor, log_degree: Tensor) -> Tensor:
        """(n, k), (n, nodes), (n,) -> (n, size)."""
        close = torch.sparse_coo_tensor(
            self.pairs,
            self.close,
            (self.nodes, self.nodes),
            is_coalesced=True,
            check_invariants=False,
        )
        near = (torch.sparse.mm(close, p.T).T * p).sum(1)
        itself = self.cut * p.square().sum(1)  # 1 / degree, if links are as probable as each other
        spread = (self.cut - near + itself - itself.detach()) / 2  # so no matter of where they lead
        around = p @ self.features / self.slope
        links = torch.cat([spread[:, None], p @ self.places, around], 1)
        f, w, d = self.units.unbind()
        return torch.cat([features / f, links / w, log_degree[:, None] / d], 1)

    def _measure(
        self, norms: Sequence[NormedSpace], metric: GraphMetric, features: Tensor, degree: Tensor
    ) -> None:
        """Sets the units."""
        some = torch.from_numpy(np.random.default_rng(0).integers(self.nodes, size=2 * PAIRS))
        p = (
            torch.from_numpy(metric.paths.adjacency[some.numpy()].toarray()).float()
            / degree[some, None]
        )
        x, y = self(features[some], p, degree[some].log()).chunk(2)
        parts = (x - y).split([self.k, self.size - self.k - 1, 1], 1)
        for i, (norm, part) in enumerate(zip(norms, parts, strict=True)):
            mean = norm.norm(part).mean() if part.shape[1] else 0
            self.units[i] = mean if mean > 0 else 1


def _normed(product: Geometry) -> NormedSpace:
    assert isinstance(product, NormedSpace)  # as all its parts are
    return product


def _close(metric: GraphMetric, cut: float) -> sparse.coo_array:
    """max(cut - d(u, v), 0), block by block of rows."""
    rows = max(1, (1 << 24) // metric.nodes)
    blocks = []
    for start in range(0, metric.nodes, rows):
        some = np.arange(start, min(start + rows, metric.nodes))
        d = csgraph.dijkstra(metric.paths.links, indices=some, limit=cut)
        blocks.append(sparse.coo_array(np.maximum(cut - d, 0)))
    return sparse.coo_array(sparse.vstack(blocks, "csr"))


def _slope(values: Tensor, metric: GraphMetric) -> float:
    """The largest |values(u) - values(v)| / length over the edges, in l2, or 1 if that is 0."""
    u, v = metric.edges.T
    steepest = (torch.linalg.vector_norm(values[u] - values[v], dim=1) / metric.lengths).max()
    return steepest.item() or 1.0
