"""What a whole graph looks like in a dozen numbers, and how well scores find its hidden links."""

from __future__ import annotations

import networkx as nx
import numpy as np
from scipy.sparse import csgraph, csr_array
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor

from otgan.config import InputError
from otgan.geometry import GraphMetric


def statistics(graph: GraphMetric) -> dict[str, float]:
    """Statistics of an undirected graph without weights, by name.

    Those of Bojchevski et al. 2018, 'NetGAN: Generating Graphs via Random Walks', appendix A:
    their power-law exponent is the maximum-likelihood one of continuous data from the smallest
    degree on, 1 + n / sum log(d / d_min) (Clauset, Shalizi, Newman 2009, equation 3.1), over nodes
    with an edge; their clustering coefficient is 3 triangles / claws, which both are here.
    `transitivity` is 3 triangles / wedges, `clustering` the mean of the nodes' own, and `path
    length` the mean number of steps between two nodes that a path joins.

    Example:
        >>> found = statistics(GraphMetric([[0, 1], [1, 2], [0, 2], [2, 3]]))
        >>> found["triangles"], found["wedges"], found["largest degree"]
        (1.0, 5.0, 3.0)
    """
    pairs = nx.Graph(graph.edges.tolist())
    pairs.add_nodes_from(range(graph.nodes))
    d = degrees(graph)
    seen = d[d > 0]
    return {
        "largest degree": float(d.max()),
        "assortativity": float(nx.degree_assortativity_coefficient(pairs)),
        "triangles": sum(nx.triangles(pairs).values()) / 3,
        "power-law exponent": 1 + len(seen) / float(np.log(seen / seen.min()).sum() or np.nan),
        "clustering": float(nx.average_clustering(pairs)),
        "transitivity": float(nx.transitivity(pairs)),
        "path length": path_length(graph),
        "gini": gini(d),
        "wedges": float((d * (d - 1)).sum() / 2),
        "claws": float((d * (d - 1) * (d - 2)).sum() / 6),
        "largest component": float(np.bincount(graph.paths.components).max()),
    }


def degrees(graph: GraphMetric) -> np.ndarray:
    """How many edges each node has, (nodes,)."""
    return np.bincount(graph.paths.ends.ravel(), minlength=graph.nodes).astype(float)


def gini(x: np.ndarray) -> float:
    """Mean absolute difference of two draws over twice the mean: 0 if all are equal."""
    x, n = np.sort(x), len(x)
    return float((2 * np.arange(1, n + 1) - n - 1) @ x / (n * x.sum()))


def path_length(graph: GraphMetric) -> float:
    """Mean number of steps between two different nodes in one component."""
    total = pairs = 0.0
    steps = csr_array(graph.paths.links)
    for rows in np.array_split(np.arange(graph.nodes), graph.nodes // 1000 + 1):
        d = csgraph.dijkstra(steps, indices=rows, unweighted=True)
        joined = np.isfinite(d) & (d > 0)
        total, pairs = total + d[joined].sum(), pairs + joined.sum()
    return float(total / pairs)


def edge_overlap(generated: GraphMetric, graph: GraphMetric) -> float:
    """Share of the graph's edges that the generated one has too.

    Example:
        >>> edge_overlap(GraphMetric([[0, 1], [0, 2]]), GraphMetric([[1, 0], [1, 2]]))
        0.5
    """
    mine, theirs = (set(map(tuple, g.edges.tolist())) for g in (generated, graph))
    return len(mine & theirs) / len(theirs)


def link_prediction(
    scores: np.ndarray, links: Tensor | np.ndarray, others: Tensor | np.ndarray
) -> dict[str, float]:
    """How well a score of pairs tells links from pairs that are none.

    Args:
        scores: (nodes, nodes), higher where a link is likelier.
        links, others: pairs of nodes, (k, 2) and (l, 2).

    Returns:
        ROC AUC and average precision, each in [0, 1].

    Raises:
        InputError: scores that are not finite, or no pairs.
    """
    found = [scores[tuple(np.asarray(pairs).T)] for pairs in (links, others)]
    if not all(len(values) and np.isfinite(values).all() for values in found):
        raise InputError("link prediction needs finite scores of at least one link and one other")
    truth = np.repeat([1, 0], [len(values) for values in found])
    values = np.concatenate(found)
    return {
        "AUC": float(roc_auc_score(truth, values)),
        "AP": float(average_precision_score(truth, values)),
    }
