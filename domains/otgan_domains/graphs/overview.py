"""A run on a graph in one picture: what it makes, how far from the data, what is strange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from otgan.config import InputError
from otgan.geometry import GraphMetric
from otgan.model import Model
from otgan.transport.flow import flow, histogram
from otgan_domains.graphs.anomalies import NodeDetector
from otgan_domains.graphs.drawing import draw, layout
from otgan_domains.graphs.hiding import unpadded
from otgan_domains.graphs.opening import Graph
from otgan_domains.graphs.packing import unpack

MOST = 1000
"""Samples and held-out points that are compared, where nobody says how many."""


@dataclass(frozen=True)
class Scene:
    """A graph with what was generated on it.

    Args:
        metric: the graph, new nodes last.
        places: of the nodes, (nodes, 2).
        generated, real: mass on each node of the graph as it was, (old nodes,).
        base: that graph.
        features: for the detector of strange nodes, (nodes, k), or None.
        marks: nodes to mark.
    """

    metric: GraphMetric
    places: np.ndarray
    generated: Tensor
    real: Tensor
    base: GraphMetric
    features: Tensor | None = None
    marks: Mapping[str, np.ndarray] = field(default_factory=dict)


def overview(run: Path, path: Path, n: int | None = None, strange: int = 5, seed: int = 0) -> float:
    """Draws a run: colour is the optimal critic between generated and held-out points, red edges
    carry the cheapest flow from the former to the latter.

    Where nodes are visited, the area of a node is its share of the generated visits. New nodes are
    marked, each in the midst of its neighbours, and the flow is that between the ends of their
    links and the ends of the hidden nodes' links.

    Args:
        n: samples; by default as many as are held out, and at most 1,000.
        strange: how many of the strangest nodes to mark.

    Returns:
        W1 of that flow, in the graph's unit of length.

    Raises:
        InputError: not a run on a graph.
    """
    model = Model.load(run, data=True)
    if model.spec["domain"] != "graphs":
        raise InputError(f"'{run}' is a run of '{model.spec['domain']}', not of 'graphs'")
    assert model.domain.held_out is not None
    real = model.domain.held_out.draw(MOST, 0)
    samples = model.sample(n or len(real), seed)
    visited = isinstance(model.domain.geometry, GraphMetric)
    scene = (_visits if visited else _new)(model.domain.state, samples, real)
    found = flow(scene.generated, scene.real, scene.base)
    marks = dict(scene.marks)
    if strange:
        detector = NodeDetector(seed=seed).fit(scene.metric, scene.features)
        marks["strange"] = np.argsort(-detector.decision_score_, kind="stable")[:strange]
    draw(
        scene.metric,
        scene.places,
        path,
        _spread(found.potential.numpy(), scene),
        label="optimal critic f, in units of length",
        size=scene.generated.numpy() if visited else None,
        flow=_on(scene.metric, scene.base, found.edges.numpy()),
        marks=marks,
    )
    return found.lower


def _visits(state: Mapping, samples: Tensor, real: Tensor) -> Scene:
    metric = Graph.from_state(state).metric()
    places = layout(metric) if state["places"] is None else unpack(state["places"])
    return Scene(metric, places, histogram(samples, metric), histogram(real, metric), metric)


def _new(state: Mapping, samples: Tensor, real: Tensor) -> Scene:
    base = Graph.from_state(state).metric()
    known = torch.from_numpy(unpack(state["features"]))
    k = known.shape[1]
    made, hidden = unpadded(samples[:, k:]), unpadded(real[:, k:])
    new = np.array([(base.nodes + i, v) for i, row in enumerate(made) for v in row])
    links = base.paths.links
    lengths = [float(np.median(links[[v]].data)) for v in new[:, 1]]
    grown = GraphMetric(
        np.concatenate([base.paths.ends, new]), np.concatenate([base.paths.lengths, lengths])
    )
    places = layout(base)
    return Scene(
        grown,
        np.concatenate([places, [places[row].mean(0) for row in made]]),
        _ends(made, base.nodes),
        _ends(hidden, base.nodes),
        base,
        torch.cat([known, samples[:, :k]]) if k else None,
        {"generated": np.arange(base.nodes, grown.nodes)},
    )


def _ends(links: list[list[int]], nodes: int) -> Tensor:
    """The mean link distribution, (nodes,)."""
    shares = np.concatenate([np.full(len(row), 1 / len(row)) for row in links]) / len(links)
    return torch.from_numpy(np.bincount(np.concatenate(links), shares, nodes))


def _spread(f: np.ndarray, scene: Scene) -> np.ndarray:
    """Values of the old nodes, and of each new one the mean of its neighbours'."""
    new = scene.metric.paths.adjacency[len(f) :, : len(f)]
    return np.concatenate([f, (new @ f) / new.sum(1)])


def _on(metric: GraphMetric, base: GraphMetric, values: np.ndarray) -> np.ndarray:
    """Values of the edges of a part of a graph, and 0 on its other edges."""
    found = np.zeros(len(metric.paths.ends))
    found[metric.paths.edge(*base.paths.ends.T)] = values
    return found
