"""A whole graph like a given one: a walk WGAN, stopped at an overlap, and its assembly."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import networkx as nx
import numpy as np
from rich.console import Console
from rich.table import Table

from otgan.config import InputError, suggest
from otgan.geometry import GraphMetric
from otgan.report.files import replacing
from otgan_domains.graphs.assembly import cover, draw, with_degrees
from otgan_domains.graphs.closure import close
from otgan_domains.graphs.statistics import degrees, edge_overlap, statistics
from otgan_domains.graphs.walks import walk_gan

FORMATS = (".graphml", ".csv")


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
    scores = walk_gan(graph, every=5, seed=seed)
    return assemble(stopped(scores, graph, overlap), graph, seed)


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
    return GraphMetric(close(edges, q / (1 - q), triangles, rng), names=graph.names)


def check(path: Path) -> None:
    """That `write` can write there.

    Raises:
        InputError: another format.
    """
    if path.suffix not in FORMATS:
        raise InputError(f"cannot write '{path.name}'{suggest(path.suffix, FORMATS)}")


def write(graph: GraphMetric, path: Path) -> None:
    """To .graphml, or to .csv with a line source,target an edge.

    Raises:
        InputError: as `check`.
    """
    check(path)
    names = graph.names
    edges = [(names[u], names[v]) for u, v in graph.paths.ends.tolist()]
    with replacing(path) as part:
        if path.suffix == ".csv":
            with part.open("w", newline="") as file:
                csv.writer(file).writerows([("source", "target"), *edges])
            return
        made = nx.Graph()
        made.add_nodes_from(names)
        made.add_edges_from(edges)
        nx.write_graphml(made, part)


def show(graph: GraphMetric, made: GraphMetric) -> None:
    """Prints the statistics of a graph and of one made like it."""
    table = Table("statistic", "given", "generated", title="Whole graphs", title_justify="left")
    given, found = statistics(graph), statistics(made)
    for name, value in given.items():
        table.add_row(name, f"{value:.4g}", f"{found[name]:.4g}")
    table.add_row("share of the given edges", "1", f"{edge_overlap(made, graph):.4g}")
    Console().print(table)
