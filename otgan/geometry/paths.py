"""Shortest paths of an undirected graph: double precision, on the CPU, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np
from scipy.sparse import coo_array, csgraph, csr_array

_CHUNK = 1 << 22
"""Entries of the largest table held at once beside a result: 32 MiB of distances."""


class Paths:
    """Edges u < v, sorted and without repetition, and what Dijkstra (1959) makes of them.

    Args:
        ends: (m, 2) int32.
        lengths: (m,) positive float64.
        nodes: how many nodes there are.
    """

    def __init__(self, ends: np.ndarray, lengths: np.ndarray, nodes: int):
        self.ends, self.lengths, self.nodes = ends, lengths, nodes
        both = np.concatenate([ends, ends[:, ::-1]]).T
        self.links = coo_array((np.tile(lengths, 2), (both[0], both[1])), (nodes, nodes)).tocsr()

    @cached_property
    def adjacency(self) -> csr_array:
        """1 where an edge is, whatever its length, (nodes, nodes)."""
        ones = np.ones(self.links.nnz)
        return csr_array((ones, self.links.indices, self.links.indptr), self.links.shape)

    @cached_property
    def components(self) -> np.ndarray:
        """The number of each node's connected component, (nodes,)."""
        return csgraph.connected_components(self.links, directed=False)[1]

    def trees(self, sources: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Shortest-path trees, a chunk of sources at a time.

        Yields:
            which sources; their distances to all nodes, (k, nodes), inf where there is no path;
            the node before each on the way, (k, nodes), negative at the source and off its tree.
        """
        rows = max(1, _CHUNK // self.nodes)
        for start in range(0, len(sources), rows):
            chosen = slice(start, start + rows)
            yield (
                chosen,
                *csgraph.dijkstra(self.links, indices=sources[chosen], return_predecessors=True),
            )

    def table(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Distances of all pairs, (n,), (m,) -> (n, m)."""
        sources, row = np.unique(x, return_inverse=True)
        targets, column = np.unique(y, return_inverse=True)
        if len(sources) > len(targets):
            return self.table(y, x).T
        table = np.empty((len(sources), len(targets)))
        for chosen, distance, _ in self.trees(sources):
            table[chosen] = distance[:, targets]
        return table[row[:, None], column]

    def matched(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Distances of matched pairs, (n,), (n,) -> (n,)."""
        result = np.empty(len(x))
        for pairs, row, end, distance, *_ in self._pairs(x, y):
            result[pairs] = distance[row, end]
        return result

    def edges_between(self, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One uniformly random edge of a shortest path for each pair, (n,), (n,) -> (n,).

        -1 where there is none, since x = y or since the two are not connected.
        """
        result = np.full(len(x), -1)
        for step, pairs, edge, _ in self._steps(x, y):  # reservoir sampling: the k-th edge is
            kept = rng.random(len(pairs)) * step < 1  # kept with probability 1/k
            result[pairs[kept]] = edge[kept]
        return result

    def carry(self, x: np.ndarray, y: np.ndarray, mass: np.ndarray) -> np.ndarray:
        """The flow that takes masses from x to y along shortest paths, (n,), (n,), (n,) -> (m,),
        from the lower to the higher node of every edge."""
        flow = np.zeros(len(self.ends))
        for _, pairs, edge, forward in self._steps(x, y):
            np.add.at(flow, edge, np.where(forward, 1, -1) * mass[pairs])
        return flow

    def edge(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The numbers of the edges between neighbours, (n,), (n,) -> (n,)."""
        keys = self.ends[:, 0].astype(np.int64) * self.nodes + self.ends[:, 1]
        return np.searchsorted(
            keys, np.minimum(u, v).astype(np.int64) * self.nodes + np.maximum(u, v)
        )

    def envelope(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """min over u of values(u) + d(u, v) at every v, and a u that attains it, (nodes,) -> both
        (nodes,); v itself where it does, but for rounding.

        One Dijkstra from a node beyond the graph, tied to every u by an edge of length values(u)
        above the lowest. Edges of length 0 are edges to scipy as long as they are stored.
        """
        given = np.flatnonzero(np.isfinite(values))
        low = values[given].min()
        links = csr_array(
            (
                np.concatenate([self.links.data, values[given] - low]),
                np.concatenate([self.links.indices, given.astype(np.int32)]),
                np.append(self.links.indptr, len(self.links.data) + len(given)).astype(np.int32),
            ),
            (self.nodes + 1, self.nodes + 1),
        )
        distance, before = csgraph.dijkstra(links, indices=self.nodes, return_predecessors=True)
        root, itself = before[:-1], np.arange(self.nodes)
        root = np.where((root < 0) | (root == self.nodes), itself, root)
        while (root != (root := root[root])).any():  # twice as far up the tree each time
            pass
        found = low + distance[:-1]
        slack = 1e-6 * (values[given].max() - low)
        return found, np.where(values <= found + slack, itself, root)

    def _steps(self, x: np.ndarray, y: np.ndarray) -> Iterator[tuple[Any, ...]]:
        """Shortest paths of matched pairs, an edge of each at a time.

        Yields:
            which edge it is, from 1; of which pairs; the edges; whether x to y is from low to high.
        """
        for pairs, row, end, _, before, swapped in self._pairs(x, y):
            walking, node = np.arange(len(end)), end
            for step in count(1):
                previous = before[row[walking], node]
                on = previous >= 0
                walking, node, previous = walking[on], node[on], previous[on]
                if not len(walking):
                    break
                yield step, pairs[walking], self.edge(node, previous), (previous < node) ^ swapped
                node = previous

    def _pairs(self, x: np.ndarray, y: np.ndarray) -> Iterator[tuple[Any, ...]]:
        """Matched pairs by the tree that holds their path: pairs, row, end, distance, before, and
        whether the tree is one from y."""
        sources, row = np.unique(x, return_inverse=True)
        swapped = len(np.unique(y)) < len(sources)
        if swapped:
            x, y = y, x
            sources, row = np.unique(x, return_inverse=True)
        for chosen, distance, before in self.trees(sources):
            pairs = np.flatnonzero((row >= chosen.start) & (row < chosen.stop))
            yield pairs, row[pairs] - chosen.start, y[pairs], distance, before, swapped
