"""Strange nodes and edges of a graph: those that a certified critic tells from what is usual."""

from __future__ import annotations

from typing import Any

import numpy as np

from otgan.config import InputError
from otgan.geometry import GraphMetric
from otgan_domains.graphs.detectors import Channels, Detector
from otgan_domains.graphs.detours import contradictions
from otgan_domains.graphs.misfits import Context
from otgan_domains.graphs.simple_scores import triangles


class _GraphDetector(Detector):
    context: Context | None

    def _learn(self, metric: GraphMetric, x: Any) -> None:
        self.context = None if x is None else Context(metric, x, self.steps, self.seed)
        lengths = metric.paths.lengths
        self._weighted = bool((lengths != lengths[0]).any())
        self._by_distance = self._weighted or x is None

    def _misfits(
        self, metric: GraphMetric, x: Any
    ) -> tuple[Context, np.ndarray, np.ndarray] | None:
        if (x is None) != (self.context is None):
            raise InputError(
                "features are needed for every graph or for none: the detector was fitted "
                + ("without" if self.context is None else "with")
            )
        return None if self.context is None else (self.context, *self.context.misfits(metric, x))


class EdgeDetector(_GraphDetector):
    """Edges that contradict what the rest of the graph says; `Detector` has arguments and errors.

    Channels:
        context: how little its two ends fit each other's place, the features around it, by a critic
            trained to tell links from chance (`misfits.train`). Needs features.
        distance: |length - detour|, where the detour is the distance of the two ends without the
            edge. Used where lengths differ, or where there are no features. A bridge has no detour
            and counts as not contradicted.
        hops: the same with every length 1, where lengths differ.

    Attributes, after `fit`:
        edges_: those that are scored, u < v in ascending order, (m, 2).

    Example:
        >>> roads = GraphMetric([[0, 1], [1, 2], [2, 3], [3, 0], [0, 2]], [3.0, 3.0, 3.0, 3.0, 0.1])
        >>> detector = EdgeDetector().fit(roads)
        >>> detector.edges_[detector.decision_score_.argmax()].tolist()
        [0, 2]
        >>> print(detector.explain(1))
        distance, percentile 90.0% (hops 50.0%)
    """

    edges_: np.ndarray

    def _learn(self, metric: GraphMetric, x: Any) -> None:
        super()._learn(metric, x)
        self.edges_ = metric.paths.ends

    def _channels(self, metric: GraphMetric, x: Any) -> Channels:
        found = {}
        if misfits := self._misfits(metric, x):
            found["context"] = misfits[2]
        if self._by_distance:
            found["distance"] = contradictions(metric)
        if self._weighted:
            plain = GraphMetric(metric.paths.ends, nodes=metric.nodes)
            found["hops"] = contradictions(plain)
        return found


class NodeDetector(_GraphDetector):
    """Nodes with the wrong neighbours, or with neighbours tied together against expectation.

    Channels, means over a node's links; `Detector` has arguments and errors:
        context: how little the node fits the places of its neighbours, by a critic trained to tell
            links from chance (`misfits.train`). Needs features.
        structure: the triangles on the link, each counted by the product of the surprises of its
            three edges, that is, of the shares of random pairs that fit better. Every triangle
            counts 1 where there are no features.
        distance: |length - detour|, as in `EdgeDetector`.
    A node without links is not strange.

    Example:
        >>> import networkx as nx
        >>> ring = np.array(nx.circular_ladder_graph(30).edges)
        >>> clique = np.array(nx.complete_graph([0, 10, 20, 30, 40]).edges)
        >>> detector = NodeDetector(contamination=0.09).fit(np.concatenate([ring, clique]))
        >>> np.flatnonzero(detector.label_).tolist()
        [0, 10, 20, 30, 40]
    """

    def _channels(self, metric: GraphMetric, x: Any) -> Channels:
        links = metric.paths.links
        degree = np.diff(links.indptr)
        u, v = links.nonzero()

        def mean(values: np.ndarray) -> np.ndarray:
            """Over the links of each node, (2 m,) -> (nodes,); NaN without any."""
            total = np.bincount(u, values, metric.nodes)
            return np.where(degree > 0, total / np.maximum(degree, 1), np.nan)

        edge = metric.paths.edge(u, v)
        weight, found = np.ones(links.nnz), {}
        if misfits := self._misfits(metric, x):
            context, one_way, both = misfits
            weight = context.surprise(both)[edge]
            found["context"] = mean(one_way)
        found["structure"] = mean(triangles(links, weight))
        if self._by_distance:
            found["distance"] = mean(contradictions(metric)[edge])
        return found
