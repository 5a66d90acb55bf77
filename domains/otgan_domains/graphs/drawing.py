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

STRESS, SPRINGS = 400, 2000
"""Nodes of the largest graph laid out by stress and by springs; larger ones by their distances to
landmarks."""

MARKS = {"generated": ("s", "tab:blue"), "strange": ("o", "tab:orange")}
"""Shape and colour of the marks of nodes."""


def layout(metric: GraphMetric) -> np.ndarray:
    """Places of the nodes in the plane, (nodes, 2), the same at every call.

    Stress (Kamada and Kawai 1989) for small graphs; for others the two principal components of the
    distances to landmarks (Harel and Koren 2002, 'Graph drawing by high-dimensional embedding'),
    from which springs start (Fruchterman and Reingold 1991) if there are not too many nodes.
    """
    graph = nx.from_edgelist(metric.paths.ends.tolist())
    if metric.nodes <= STRESS:
        table = enumerate(csgraph.dijkstra(metric.paths.links))
        placed = nx.kamada_kawai_layout(graph, dist={u: dict(enumerate(row)) for u, row in table})
        return np.array([placed[v] for v in range(metric.nodes)])
    far = landmarks(metric)[1].T
    left, size, _ = np.linalg.svd(far - far.mean(0), full_matrices=False)
    places = left[:, :2] * size[:2] / size[0]
    if metric.nodes > SPRINGS:
        return places
    placed = nx.spring_layout(graph, pos=dict(enumerate(places)), seed=0)
    return np.array([placed[v] for v in range(metric.nodes)])


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
        flow: mass moved along each edge from its lower to its higher node, negative the other way,
            (edges,): a wedge, as wide at its start as the mass is large.
        marks: nodes to mark, by a name of MARKS: {"generated": [3, 5], ...}.
    """
    from matplotlib.collections import LineCollection, PolyCollection
    from matplotlib.figure import Figure

    figure = Figure((7, 6.5), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_aspect("equal", "datalim")
    segments = places[metric.paths.ends]
    thin = min(0.8, 60 / len(segments) ** 0.6)
    axes.add_collection(LineCollection(list(segments), colors="0.75", linewidths=thin, zorder=1))
    if flow is not None:
        kept: dict[str, Any] = {"color": "tab:red", "linewidth": 0.3, "zorder": 2}
        wedges = PolyCollection(_wedges(segments, flow), label="flow, from wide to narrow", **kept)
        axes.add_collection(wedges)
    most = float(np.clip(3e4 / metric.nodes, 12, 120))
    area = np.full(metric.nodes, most / 3)
    if size is not None:
        area[: len(size)] = most * np.maximum(size / max(size.max(), 1e-12), 0.03)
    coloured: dict[str, Any] = {"c": "0.4"} if colour is None else {"c": colour, "cmap": "viridis"}
    points = axes.scatter(places[:, 0], places[:, 1], area, zorder=3, linewidths=0, **coloured)
    if colour is not None:
        figure.colorbar(points, ax=axes, label=label, shrink=0.7)
    for name, nodes in (marks or {}).items():
        shape, edge = MARKS[name]
        ring: dict[str, Any] = {"marker": shape, "facecolors": "none", "edgecolors": edge}
        at = places[nodes]
        axes.scatter(at[:, 0], at[:, 1], most + 20, label=name, zorder=4, linewidths=1.2, **ring)
    if marks or flow is not None:
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    axes.autoscale_view()
    with replacing(path) as part:
        figure.savefig(part, dpi=110)


def _wedges(segments: np.ndarray, flow: np.ndarray) -> list[np.ndarray]:
    """Triangles that narrow along the flow, of the edges that carry any, (3, 2) each."""
    used = np.abs(flow) > 1e-3 * np.abs(flow).max()
    start, end = segments[used].transpose(1, 0, 2)
    back = (flow[used] < 0)[:, None]
    start, end = np.where(back, end, start), np.where(back, start, end)
    along = end - start
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    extent = np.ptp(segments.reshape(-1, 2), axis=0).max()
    half = 0.012 * extent * across * (np.abs(flow[used]) / np.abs(flow).max())[:, None]
    return list(np.stack([start + half, start - half, end], 1))
