"""Nodes of a graph under shortest paths."""

from __future__ import annotations

from functools import cache, partial
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from otgan.conditions import Attribute, to_json
from otgan.config import InputError
from otgan.data import Samples, split
from otgan.domain import Domain
from otgan.networks.gnn import Convolution, gnn
from otgan.preprocess import Identity
from otgan_domains.graphs.drawing import layout
from otgan_domains.graphs.features import landmarks, standard, structural
from otgan_domains.graphs.newnodes import new_nodes
from otgan_domains.graphs.opening import Graph, read
from otgan_domains.graphs.packing import pack, unpack
from otgan_domains.graphs.saving import Saver
from otgan_domains.graphs.tables import Known, joined, node_table
from otgan_domains.graphs.tables import visits as read_visits

LARGE = 20_000
"""Nodes of a graph on which messages come from a sample of each node's neighbours."""

WALK = 10_000
"""Visits of a random walk, where no visits are given."""


def graphs(
    data: str = "karate",
    visits: str | None = None,
    weight: str | None = None,
    length: str | None = None,
    nodes: str | None = None,
    symmetrise: bool = False,
    largest: bool = False,
    held_out: float | None = None,
    learn: Literal["visits", "nodes"] = "visits",
    classes: str | None = None,
    weights: tuple[float, float, float] = (1.0, 1.0, 1.0),
    *,
    state: dict[str, Any] | None = None,
) -> Domain:
    """Nodes of a graph, ground cost its shortest paths: learns where visits go, or new nodes.

    Args:
        data: karate, les-miserables, florentine-families, southern-women or internet; a .csv file,
            a line source,target[,length] an edge; an .npz file (edges, features x, classes y); a
            file that networkx reads (.graphml, .gml, .gexf, .net, .edgelist, .adjlist, .g6, .s6).
            From Python a networkx graph or a torch_geometric Data too.
        visits: .csv file with a column `node` and a row a visit; further columns can be conditions.
            Without it, the nodes that a random walk visits.
        weight: column of the visits that says how many visits a row stands for.
        length: column or edge attribute of the lengths, if not the third column of a .csv file or
            `weight`.
        nodes: .csv file with a row a node, whose columns the networks see.
        symmetrise: let the edges of a directed graph be walked both ways.
        largest: keep the largest connected component alone.
        held_out: share of the visits (.2) or nodes (.1) kept from training.
        learn: where visits go, or what new nodes are linked to.
        classes: column of the node table with classes, for new nodes.
        weights: of features, links and degree in the ground cost of new nodes.
        state: of a finished run, in place of data.
    """
    if state is None:
        if learn == "nodes" and (visits is not None or weight):
            raise InputError("--visits and --weight are for --learn visits: drop them")
        if learn == "visits" and (classes or tuple(weights) != (1.0, 1.0, 1.0)):
            raise InputError("--classes and --weights are for --learn nodes: drop them")
        if classes and not nodes:
            raise InputError(
                f"--classes {classes} is a column of the node table: give --nodes FILE"
            )
    if learn == "nodes":
        given = None if state else read(data, length, symmetrise, largest)
        if given and nodes:
            given = joined(given, node_table(nodes, given, classes))
        return new_nodes(given, 0.1 if held_out is None else held_out, weights, state)
    training = testing = None
    known = torch.empty(0)
    if state is None:
        graph = read(data, length, symmetrise, largest)
        told = Known(None, None) if nodes is None else node_table(nodes, graph)
        points, attributes = _visits(graph, visits, weight)
        training, testing = split(points, 0.2 if held_out is None else held_out)
        known = _features(graph, told)
        state = {
            **graph.to_state(),
            "unit": float(landmarks(graph.metric())[1].mean()),
            "places": None if told.places is None else pack(told.places),
            "features": known.shape[1],
            "attributes": to_json(attributes),
        }
    unit = state["unit"]
    places = None if state["places"] is None else unpack(state["places"])
    metric = Graph.from_state(state).metric(unit)
    if training is None:
        known = torch.zeros(metric.nodes, state["features"])  # the weights know the true ones
    neighbours = None if metric.nodes <= LARGE else 10
    chart = Identity()
    chart.unit = unit
    saver = Saver(metric, cache(lambda: layout(metric) if places is None else places), unit)
    return Domain(
        geometry=metric,
        train=training,
        held_out=testing,
        chart=chart,
        networks={
            kind: partial(gnn, geometry=metric, features=known, kind=kind, neighbours=neighbours)
            for kind in get_args(Convolution)
        },
        presets={"*": {"steps": 1000}, "wgan-gp": {"constraint": {"sided": "one"}}},
        save=saver.save,
        show=saver.show,
        extension=".csv",
        state=state,
        attributes=tuple(map(Attribute.restore, state["attributes"])),
        provenance={"graph": repr(metric)},
    )


def _features(graph: Graph, told: Known) -> Tensor:
    """All that the networks see of the nodes, (nodes, k)."""
    more = [f for f in (graph.features, told.features) if f is not None and f.shape[1]]
    return torch.cat([structural(graph.metric()), *map(standard, more)], 1)


def _visits(graph: Graph, visits: Any, weight: str | None) -> tuple[Samples, tuple[Attribute, ...]]:
    if visits is not None:
        return read_visits(visits, graph, weight)
    if weight is not None:
        raise InputError(f"--weight {weight} is a column of the visits: give --visits FILE")
    degree = np.bincount(graph.edges.ravel(), minlength=len(graph.names))
    walk = np.random.default_rng(0).choice(len(degree), WALK, p=degree / degree.sum())
    return Samples(torch.from_numpy(walk)), ()
