"""Nodes to files and pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path

import networkx as nx
import numpy as np
from torch import Tensor

from otgan.geometry import GraphMetric
from otgan.report.files import arrays, write, write_table
from otgan_domains.graphs.drawing import draw


class Writer(ABC):
    """Writes samples in the formats of a graph."""

    def save(self, samples: Tensor, path: Path, columns: int | None = None) -> None:
        """.csv (`rows`), .graphml (`graph`), .png (`show`), .npy or .npz (the points).

        Raises:
            InputError: another format.
        """
        write(
            path,
            {
                ".csv": lambda part: write_table(part, self.rows(samples)),
                ".graphml": lambda part: nx.write_graphml(self.graph(samples), part),
                ".png": lambda part: self.show(samples, part, columns),
                **arrays(samples),
            },
        )

    @abstractmethod
    def show(self, samples: Tensor, path: Path, columns: int | None = None) -> None:
        """A picture."""

    @abstractmethod
    def graph(self, samples: Tensor) -> nx.Graph:
        """The graph with what the samples say of it."""

    @abstractmethod
    def rows(self, samples: Tensor) -> Iterable[Sequence[Hashable]]:
        """A table, its header first."""


class Saver(Writer):
    """Of sampled nodes (n,): their names, or the share of them at each node.

    Args:
        metric: the graph, in units of `unit`.
        places: () -> places of the nodes in the plane, (nodes, 2).
    """

    def __init__(self, metric: GraphMetric, places: Callable[[], np.ndarray], unit: float):
        self.metric, self.places, self.unit = metric, places, unit

    def show(self, samples: Tensor, path: Path, columns: int | None = None) -> None:
        """The graph, each node as large as its share of the samples."""
        share = self._shares(samples)
        draw(self.metric, self.places(), path, share, size=share, label="share of samples")

    def rows(self, samples: Tensor) -> Iterable[Sequence[Hashable]]:
        """Names of nodes, a row a sample."""
        return [("node",), *((self.metric.names[v],) for v in samples.tolist())]

    def _shares(self, samples: Tensor) -> np.ndarray:
        return samples.bincount(minlength=self.metric.nodes).numpy() / len(samples)

    def graph(self, samples: Tensor) -> nx.Graph:
        """The graph, with the share of samples at each node."""
        graph, names = nx.Graph(), self.metric.names
        for name, share in zip(names, self._shares(samples).tolist(), strict=True):
            graph.add_node(name, share=share)
        lengths = (self.metric.paths.lengths * self.unit).tolist()
        for (u, v), length in zip(self.metric.paths.ends.tolist(), lengths, strict=True):
            graph.add_edge(names[u], names[v], weight=length)
        return graph
