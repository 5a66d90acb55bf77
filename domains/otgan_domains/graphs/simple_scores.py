"""Simple scores of nodes and edges: a detector that loses to one of them is no detector."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.stats import rankdata

from otgan_domains.graphs.detectors import opened

_ROWS = 2048


def simple_node_scores(graph: Any, features: Any = None) -> dict[str, np.ndarray]:
    """Scores of a line or two, (nodes,), higher = stranger.

    Degree and triangles; with features the mean cosine distance to neighbours, the sum of the ranks
    of triangles and cosine distance, and the larger of the two ranks.

    Raises:
        InputError: as `Detector.fit`.
    """
    metric, x = opened(graph, features)
    links = metric.paths.links
    u, v = links.nonzero()
    degree = np.diff(links.indptr)
    shared = triangles(links, np.ones(links.nnz))
    found = {"degree": degree, "triangles": np.bincount(u, shared, metric.nodes) / 2}
    if x is not None:
        total = np.bincount(u, 1 - _cosine(x, u, v), metric.nodes)
        found["cosine distance"] = total / np.maximum(degree, 1)
        ranks = rankdata([found["triangles"], found["cosine distance"]], axis=1)
        found["rank sum"], found["best rank"] = ranks.sum(0), ranks.max(0)
    return found


def simple_edge_scores(graph: Any, features: Any = None) -> dict[str, np.ndarray]:
    """Scores of a line or two, (edges,), higher = stranger.

    Length, the reverse, the fewest common neighbours, the lowest sum of degrees; with features the
    cosine distance of the two ends.

    Raises:
        InputError: as `Detector.fit`.
    """
    metric, x = opened(graph, features)
    links, (u, v) = metric.paths.links, metric.paths.ends.T
    degree = np.diff(links.indptr)
    first = np.less(*links.nonzero())  # each edge once, in the order of `ends`
    found = {
        "length": metric.paths.lengths,
        "shortness": -metric.paths.lengths,
        "few common neighbours": -triangles(links, np.ones(links.nnz))[first],
        "low degrees": -(degree[u] + degree[v]),
    }
    if x is not None:
        found["cosine distance"] = 1 - _cosine(x, u, v)
    return found


def triangles(links: sparse.csr_array, weight: np.ndarray) -> np.ndarray:
    """The sum over the triangles on each link of the product of their three weights, (2 m,).

    Args:
        links: symmetric, (nodes, nodes).
        weight: of each link, in their order, positive and symmetric, (2 m,).
    """
    w = sparse.csr_array((weight, links.indices, links.indptr), links.shape)
    found = np.empty(links.nnz)
    for start in range(0, w.shape[0], _ROWS):  # paths of two links are many more than links
        rows = w[start : start + _ROWS]
        u, v = rows.nonzero()
        first = links.indptr[start]
        found[first : first + len(u)] = (rows @ w)[u, v] * rows.data
    return found


def _cosine(x: Any, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Of the features of matched nodes, (m,), (m,) -> (m,); 0 where one has none."""
    norm = np.sqrt(np.asarray((x * x).sum(1)).ravel())
    inner = np.empty(len(u))
    for start in range(0, len(u), 1 << 16):  # a table of all links would be large
        row = slice(start, start + (1 << 16))
        inner[row] = np.asarray((x[u[row]] * x[v[row]]).sum(1)).ravel()
    return inner / np.maximum(norm[u] * norm[v], 1e-300)
