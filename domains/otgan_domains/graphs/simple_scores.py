"""Simple scores of nodes and edges: a detector that loses to one of them is no detector."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.stats import rankdata

from otgan.geometry import GraphMetric
from otgan_domains.graphs.detectors import opened


def simple_node_scores(graph: Any, features: Any = None) -> dict[str, np.ndarray]:
    """Scores of a line or two, (nodes,), higher = stranger.

    Degree and triangles; with features the mean cosine distance to neighbours, the sum of the ranks
    of triangles and cosine distance, and the larger of the two ranks.

    Raises:
        InputError: as `Detector.fit`.
    """
    metric, x = opened(graph, features)
    one, degree = _links(metric)
    found = {"degree": degree, "triangles": (one @ one).multiply(one).sum(1) / 2}
    if x is not None:
        u, v = one.nonzero()
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
    u, v = metric.paths.ends.T
    one, degree = _links(metric)
    found = {
        "length": metric.paths.lengths,
        "shortness": -metric.paths.lengths,
        "few common neighbours": -np.asarray((one @ one)[u, v]).ravel(),
        "low degrees": -(degree[u] + degree[v]),
    }
    if x is not None:
        found["cosine distance"] = 1 - _cosine(x, u, v)
    return found


def _links(metric: GraphMetric) -> tuple[sparse.csr_array, np.ndarray]:
    """1 where two nodes are linked, (nodes, nodes), and their degrees."""
    links = metric.paths.links
    ones = sparse.csr_array((np.ones(links.nnz), links.indices, links.indptr), links.shape)
    return ones, np.diff(links.indptr)


def _cosine(x: Any, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Of the features of matched nodes, (m,), (m,) -> (m,); 0 where one has none."""
    norm = np.sqrt(np.asarray((x * x).sum(1)).ravel())
    inner = np.empty(len(u))
    for start in range(0, len(u), 1 << 16):  # a table of all links would be large
        row = slice(start, start + (1 << 16))
        inner[row] = np.asarray((x[u[row]] * x[v[row]]).sum(1)).ravel()
    return inner / np.maximum(norm[u] * norm[v], 1e-300)
