"""How a node is linked: statistics of points, and which of them repeat a node of the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.nn.functional import cosine_similarity

from otgan.geometry import GraphMetric
from otgan_domains.graphs.features import landmarks
from otgan_domains.graphs.hiding import unpadded

LANDMARKS = 16


class Patterns:
    """Statistics of points (n, k + most) of a graph: features, then links.

    Args:
        metric: the graph.
        features: of its nodes, (nodes, k), the last `classes` columns one-hot.
    """

    def __init__(self, metric: GraphMetric, features: Tensor, classes: int):
        self.nodes, self.k, self.classes = metric.nodes, features.shape[1], classes
        self.linked = metric.paths.adjacency
        self.features = features.double()
        self.distances = landmarks(metric, LANDMARKS)[1].T

    def maps(self) -> Mapping[str, Callable[[Tensor], Tensor]]:
        """By name, points -> (n, d)."""
        found = {
            "degree": self.degree,
            "triangles": self.triangles,
            "clustering": self.clustering,
            "distance profile": self.profile,
        }
        if self.classes:
            found["neighbours' classes"] = self.class_mix
        if self.k > self.classes:
            found["cosine to neighbours"] = self.cosine
        return found

    def degree(self, x: Tensor) -> Tensor:
        """How many links, (n, 1)."""
        return self._column(self._links(x).sum(1))

    def triangles(self, x: Tensor) -> Tensor:
        """How many pairs of neighbours are linked, (n, 1)."""
        links = self._links(x)
        return self._column((links @ self.linked).multiply(links).sum(1) / 2)

    def clustering(self, x: Tensor) -> Tensor:
        """Which share of the pairs of neighbours is linked, 0 where there is none, (n, 1)."""
        degree = self.degree(x)
        return self.triangles(x) / (degree * (degree - 1) / 2).clamp_min(1)

    def profile(self, x: Tensor) -> Tensor:
        """The distance of each landmark to the nearest of the neighbours, (n, landmarks): with
        edges of length 1 the node's own, less 1."""
        rows = [self.distances[list(there)].min(0) for there in self._ids(x)]
        return torch.from_numpy(np.stack(rows))

    def class_mix(self, x: Tensor) -> Tensor:
        """Shares of the classes among the neighbours, (n, classes)."""
        return self._means(x, self.features[:, self.k - self.classes :])

    def cosine(self, x: Tensor) -> Tensor:
        """Between the node's features, without classes, and the mean of its neighbours', (n, 1)."""
        numbers = slice(0, self.k - self.classes)
        around = self._means(x, self.features[:, numbers])
        return cosine_similarity(x[:, numbers].double(), around, dim=1)[:, None]

    def repeated(self, x: Tensor) -> Tensor:
        """Which points have exactly the links of a node of the graph, (n,) bool."""
        taken = {tuple(row) for row in np.split(self.linked.indices, self.linked.indptr[1:-1])}
        return torch.tensor([tuple(sorted(there)) in taken for there in self._ids(x)])

    def _ids(self, x: Tensor) -> list[list[int]]:
        return unpadded(x[:, self.k :])

    def _links(self, x: Tensor) -> sparse.csr_array:
        ids = self._ids(x)
        starts = np.cumsum([0, *map(len, ids)])
        there = np.concatenate(ids).astype(int)
        return sparse.csr_array((np.ones(len(there)), there, starts), (len(ids), self.nodes))

    def _means(self, x: Tensor, of: Tensor) -> Tensor:
        return torch.from_numpy(self._links(x) @ of.numpy()) / self.degree(x)

    @staticmethod
    def _column(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.asarray(values, float))[:, None]
