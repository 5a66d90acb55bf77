"""The domain of new nodes: what they are linked to, learned from the nodes that are there."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
import torch
from scipy.linalg import eigh
from torch import Tensor

from otgan.domain import Domain
from otgan.preprocess import Chart
from otgan_domains.graphs.drawing import layout
from otgan_domains.graphs.growing import Grower
from otgan_domains.graphs.hiding import hide, neighbours, points
from otgan_domains.graphs.joining import joining
from otgan_domains.graphs.opening import Graph
from otgan_domains.graphs.packing import pack, unpack
from otgan_domains.graphs.patterns import Patterns
from otgan_domains.graphs.views import View

COMPONENTS = 32
"""Columns of features above which they become their principal components, so many."""

SETTINGS = {"steps": 400, "critic_steps": 3, "average": 0.99, "optimiser": {"rate": 4e-4}}


class Links(Chart):
    """Features and the numbers of links, as what critics see and the link distribution."""

    def __init__(self, view: View, most: int):
        super().__init__()
        self.view, self.most = view, most

    def encode(self, x: Tensor) -> Tensor:
        """(n, k + most) -> (n, view.size + nodes)."""
        features, ids = x.split([self.view.k, self.most], 1)
        there = ids >= 0
        degree = there.sum(1)
        p = x.new_zeros(len(x), self.view.nodes)
        p.scatter_add_(1, ids.clamp_min(0).long(), there / degree[:, None])
        return torch.cat([self.view(features, p, degree.to(x).log()), p], 1)

    def decode(self, x: Tensor) -> Tensor:
        """The inverse, where links are as probable as each other."""
        features = x[:, : self.view.k] * self.view.units[0]
        p, node = x[:, self.view.size :].topk(self.most, 1)
        ids = torch.where(p > 0, node, self.view.nodes).sort(1).values.to(x)
        return torch.cat([features, torch.where(ids < self.view.nodes, ids, -1)], 1)


def new_nodes(
    graph: Graph | None,
    held_out: float,
    weights: tuple[float, float, float],
    state: dict[str, Any] | None,
) -> Domain:
    """Points are nodes, (features, links to the nodes that are not hidden).

    Args:
        graph: None where there is a state.
        held_out: share of the nodes hidden.
        weights: of features, links and degree in the ground cost.
        state: of a finished run.
    """
    training = testing = None
    if state is None:
        assert graph is not None
        split = hide(graph, held_out)
        features, classes = _features(graph, split.kept)
        links = neighbours(split.base)
        most = max(map(len, [*links, *split.links]))
        training = points(features[split.kept], links, most)
        testing = points(features[split.hidden], split.links, most)
        state = {
            **split.base.to_state(),
            "features": pack(features[split.kept].numpy()),
            "classes": classes,
            "most": most,
            "weights": list(weights),
        }
    features = torch.from_numpy(unpack(state["features"]))
    classes, most = state["classes"], state["most"]
    metric = Graph.from_state(state).metric()
    view = View(metric, features, tuple(state["weights"]))
    patterns = Patterns(metric, features, len(classes))
    weighted = state["lengths"] is not None
    grower = Grower(metric, weighted, patterns, classes, cache(lambda: layout(metric)))
    return Domain(
        geometry=view.geometry(),
        train=training,
        held_out=testing,
        chart=Links(view, most),
        networks={
            "joining": partial(
                joining,
                view=view,
                metric=metric,
                features=features,
                classes=len(classes),
            )
        },
        presets={"*": SETTINGS, "wgan-gp": {"constraint": {"sided": "one"}}},
        state=state,
        features=patterns.maps(),
        shares={"with exactly the links of an existing node": patterns.repeated},
        save=grower.save,
        show=grower.show,
        extension=".graphml",
        provenance={"graph": repr(metric)},
    )


def _features(graph: Graph, kept: np.ndarray) -> tuple[Tensor, list[str]]:
    """Of all nodes (n, k), at mean square distance 2 like the one-hot classes in the last columns;
    and the names of the classes. Mean, axes and scale are those of the nodes that are kept."""
    columns = []
    if graph.features is not None and graph.features.shape[1]:
        x = graph.features - graph.features[kept].mean(0)
        if x.shape[1] > COMPONENTS:
            squares = x[kept].T @ x[kept]
            last = (x.shape[1] - COMPONENTS, x.shape[1] - 1)
            x = x @ eigh(squares, subset_by_index=last)[1]
        spread = np.sqrt((x[kept] ** 2).sum(1).mean())
        if spread > 0:
            columns.append(x / spread)
    names = []
    if graph.classes is not None:
        names = sorted(set(graph.classes.tolist()))
        columns.append(graph.classes[:, None] == np.array(names))
    if not columns:
        return torch.zeros(len(graph.names), 0), []
    return torch.from_numpy(np.concatenate(columns, 1)).float(), [str(n) for n in names]
