"""A graph as a picture: values on nodes as colour, flow on edges as width, marked nodes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from scipy.sparse import csgraph

from otgan.geometry import GraphMetric
from otgan.report.files import replacing
from otgan_domains.graphs.features import landmarks

SPRINGS = 400
"""Nodes of the largest graph laid out by springs; larger ones by their distances to landmarks."""


def layout(metric: GraphMetric) -> np.ndarray:
    """Places of the nodes in the plane, (nodes, 2), the same at every call.

    Stress majorisation (Kamada and Kawai 1989) for small graphs; the two principal components of
    the squared distances to landmarks for others (landmark MDS, de Silva and Tenenbaum 2004).
    """
    if metric.nodes <= SPRINGS:
        distance = csgraph.dijkstra(metric.paths.links)
        graph = nx.from_edgelist(metric.paths.ends.tolist())
        far = {u: dict(enumerate(row)) for u, row in enumerate(distance)}
        placed = nx.kamada_kawai_layout(graph, dist=far)
        return np.array([placed[v] for v in range(metric.nodes)])
    squares = landmarks(metric)[1].T ** 2
    left, size, _ = np.linalg.svd(squares - squares.mean(0), full_matrices=False)
    return left[:, :2] * size[:2]


def draw(
    metric: GraphMetric,
    places: np.ndarray,
    path: Path,
    colour: np.ndarray | None = None,
    *,
    label: str = "",
    size: np.ndarray | None = None,
    flow: np.ndarray | None = None,
    marks: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Writes a picture of the graph.

    Args:
        places: of the nodes, (nodes, 2).
        colour: a value for each node, such as the potential f, (nodes,); `label` says which.
        size: area of each node, relative to the largest, (nodes,).
        flow: mass moved along each edge, (edges,): drawn as width.
        marks: nodes to mark with a ring, by what they are: {"generated": [3, 5], ...}.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    figure = Figure((7, 6), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    segments = places[metric.paths.ends]
    thin = min(0.8, 60 / len(segments) ** 0.6)
    axes.add_collection(LineCollection(list(segments), colors="0.7", linewidths=thin, zorder=1))
    if flow is not None:
        width = 5 * np.abs(flow) / max(np.abs(flow).max(), 1e-12)
        used = width > 0.02
        axes.add_collection(
            LineCollection(list(segments[used]), colors="tab:red", linewidths=width[used], zorder=2)
        )
    most = min(120.0, 3e4 / metric.nodes)
    area = np.full(metric.nodes, most / 3) if size is None else most * size / max(size.max(), 1e-12)
    coloured: dict[str, Any] = {"c": "0.4"} if colour is None else {"c": colour, "cmap": "viridis"}
    points = axes.scatter(places[:, 0], places[:, 1], area, zorder=3, **coloured)
    if colour is not None:
        figure.colorbar(points, ax=axes, label=label, shrink=0.7)
    for k, (name, nodes) in enumerate((marks or {}).items()):
        ring: dict[str, Any] = {"facecolors": "none", "edgecolors": f"C{k + 1}", "zorder": 4}
        axes.scatter(places[nodes, 0], places[nodes, 1], most + 40, label=name, **ring)
    if marks:
        axes.legend()
    axes.autoscale_view()
    with replacing(path) as part:
        figure.savefig(part, dpi=110)
