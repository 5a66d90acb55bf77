"""A whole graph like a given one: a walk WGAN, stopped at an overlap, and its assembly."""

from __future__ import annotations

from collections.abc import Iterable

import networkx as nx
import numpy as np

from otgan.config import InputError
from otgan.geometry import GraphMetric
from otgan_domains.graphs.assembly import cover, draw, with_degrees
from otgan_domains.graphs.closure import close
from otgan_domains.graphs.statistics import degrees
from otgan_domains.graphs.walks import walk_gan


def generate(graph: GraphMetric, overlap: float = 0.5, seed: int = 0) -> GraphMetric:
    """Another graph on the same nodes, with as many edges and triangles and the same degrees in
    expectation.

    Args:
        graph: its lengths do not count.
        overlap: expected share of its edges in the result; training stops there.

    Raises:
        InputError: as `walk_gan` and `stopped`.

    Example:
        >>> import networkx as nx
        >>> club = GraphMetric.from_networkx(nx.karate_club_graph(), weight=None)
        >>> len(generate(club).edges), len(club.edges)
        (78, 78)
    """
    return assemble(stopped(walk_gan(graph, seed=seed), graph, overlap), graph, seed)


def stopped(scores: Iterable[np.ndarray], graph: GraphMetric, overlap: float) -> np.ndarray:
    """Probabilities of edges from the first scores by which the expected overlap is reached.

    Args:
        scores: of pairs, as training goes on.

    Raises:
        InputError: overlap outside (0, 1), or not reached.
    """
    if not 0 < overlap < 1:
        raise InputError(f"overlap is {overlap}: it is a share between 0 and 1")
    u, v = graph.paths.ends.T
    reached = 0.0
    for s in scores:
        q = with_degrees(s, degrees(graph), tolerance=1e-4)
        reached = float(q[u, v].mean())
        if reached >= overlap:
            return q
    raise InputError(
        f"training ended at overlap {reached:.2f}, before {overlap:g}: train longer or ask for less"
    )


def assemble(q: np.ndarray, graph: GraphMetric, seed: int = 0) -> GraphMetric:
    """Draws a graph from probabilities of edges and closes as many triangles as the graph has."""
    rng = np.random.default_rng(seed)
    edges = cover(draw(q, rng), q, rng)
    triangles = sum(nx.triangles(nx.Graph(graph.edges.tolist())).values()) // 3
    return GraphMetric(close(edges, q / (1 - q), triangles, rng), nodes=graph.nodes)
