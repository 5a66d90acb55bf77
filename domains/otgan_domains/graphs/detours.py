"""What the rest of a graph says of each edge: how far apart its ends are without it."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csgraph, csr_array

from otgan.geometry import GraphMetric


def detours(metric: GraphMetric) -> np.ndarray:
    """The distance of each edge's ends when the edge is deleted, (m,); inf where it is a bridge.

    By duality it is the steepest that a critic certified for the rest of the graph can be between
    the two: max |f(u) - f(v)| over f that are 1-Lipschitz without the edge. One Dijkstra an edge.
    """
    links = metric.paths.links.copy()
    found = np.empty(len(metric.paths.ends))
    for i, (u, v) in enumerate(metric.paths.ends):
        places = [_place(links, u, v), _place(links, v, u)]
        length = links.data[places]
        links.data[places] = np.inf
        found[i] = csgraph.dijkstra(links, indices=u)[v]
        links.data[places] = length
    return found


def contradictions(metric: GraphMetric) -> np.ndarray:
    """|length - detour| of each edge, (m,), in the graph's unit; 0 for a bridge, which no other
    path contradicts."""
    detour = detours(metric)
    return np.where(np.isfinite(detour), np.abs(detour - metric.paths.lengths), 0)


def _place(links: csr_array, u: int, v: int) -> int:
    start, stop = links.indptr[u : u + 2]
    return start + int(np.searchsorted(links.indices[start:stop], v))
