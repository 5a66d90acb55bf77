"""A graph with new nodes in it, to files and pictures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import count, islice
from pathlib import Path

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from otgan.geometry import GraphMetric
from otgan_domains.graphs.drawing import draw
from otgan_domains.graphs.hiding import unpadded
from otgan_domains.graphs.patterns import Patterns
from otgan_domains.graphs.saving import Writer


class Grower(Writer):
    """Of points (n, k + most), each a new node.

    A new link is as long as the median link of the node it leads to.

    Args:
        metric: the graph they join.
        weighted: write lengths of edges.
        patterns: of the graph, which knows who repeats a node.
        classes: names of the classes, of which the last of the k columns are one-hot.
        places: () -> places of the nodes in the plane, (nodes, 2).
    """

    def __init__(
        self,
        metric: GraphMetric,
        weighted: bool,
        patterns: Patterns,
        classes: Sequence[str],
        places: Callable[[], np.ndarray],
    ):
        self.metric, self.weighted, self.patterns = metric, weighted, patterns
        self.classes, self.places = classes, places

    def save(self, samples: Tensor, path: Path, columns: int | None = None) -> None:
        """As `Writer.save`; how many repeat a node is said on stderr."""
        super().save(samples, path, columns)
        repeated = int(self.patterns.repeated(samples).sum())
        told = f"{repeated} of {len(samples)} new nodes have exactly the links of an existing node"
        print(f"otgan: {told}", file=sys.stderr)

    def rows(self, samples: Tensor) -> Iterable[Sequence[Hashable]]:
        """The new links."""
        return [("source", "target"), *((new, old) for new, old, _ in self._links(samples))]

    def show(self, samples: Tensor, path: Path, columns: int | None = None) -> None:
        """The graph with the new nodes, each in the midst of its neighbours."""
        old, there = self.metric.nodes, unpadded(samples[:, self.patterns.k :])
        new = np.concatenate([[(old + i, v) for v in row] for i, row in enumerate(there)])
        ends = np.concatenate([self.metric.paths.ends, new])
        places = self.places()
        among = np.stack([places[row].mean(0) for row in there])
        marks = {"generated": np.arange(old, old + len(there))}
        draw(GraphMetric(ends), np.concatenate([places, among]), path, marks=marks)

    def graph(self, samples: Tensor) -> nx.Graph:
        """The grown graph: `new` says which nodes are."""
        names, metric, k = self.metric.names, self.metric, self.patterns.k
        known = torch.cat([self.patterns.features.to(samples), samples[:, :k]])
        everyone = [*names, *self._names(len(samples))]
        grown = nx.Graph()
        for i, (name, row) in enumerate(zip(everyone, known, strict=True)):
            grown.add_node(name, new=i >= metric.nodes, **self._described(row))
        lengths = metric.paths.lengths.tolist()
        for (u, v), length in zip(metric.paths.ends.tolist(), lengths, strict=True):
            grown.add_edge(names[u], names[v], **self._length(length))
        for new, old, length in self._links(samples):
            grown.add_edge(new, old, **self._length(length))
        return grown

    def _names(self, n: int) -> list[str]:
        taken = set(map(str, self.metric.names))
        free = (name for i in count(1) if (name := f"new-{i}") not in taken)
        return list(islice(free, n))

    def _described(self, row: Tensor) -> dict[str, float | str]:
        numbers = row[: len(row) - len(self.classes)].tolist()
        found: dict[str, float | str] = {f"feature-{i + 1}": x for i, x in enumerate(numbers)}
        if self.classes:
            found["class"] = self.classes[int(row[len(numbers) :].argmax())]
        return found

    def _length(self, length: float) -> dict[str, float]:
        return {"weight": length} if self.weighted else {}

    def _links(self, samples: Tensor) -> Iterator[tuple[str, Hashable, float]]:
        there = unpadded(samples[:, self.patterns.k :])
        links = self.metric.paths.links
        for name, row in zip(self._names(len(there)), there, strict=True):
            for v in row:
                yield name, self.metric.names[v], float(np.median(links[[v]].data))
