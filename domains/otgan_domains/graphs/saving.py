"""Nodes to files and pictures, and arrays to text."""

from __future__ import annotations

import base64
import csv
import io
import zlib
from collections.abc import Callable
from pathlib import Path

import networkx as nx
import numpy as np
from torch import Tensor

from otgan.config import InputError, suggest
from otgan.geometry import GraphMetric
from otgan.report.files import replacing
from otgan_domains.graphs.drawing import draw

FORMATS = (".csv", ".npy", ".graphml", ".png")


class Saver:
    """Writes sampled nodes (n,).

    Args:
        metric: the graph, in units of `unit`.
        places: () -> places of the nodes in the plane, (nodes, 2).
    """

    def __init__(self, metric: GraphMetric, places: Callable[[], np.ndarray], unit: float):
        self.metric, self.places, self.unit = metric, places, unit

    def save(self, samples: Tensor, path: Path, columns: int | None = None) -> None:
        """.csv (column `node`, names), .npy (numbers of nodes), .graphml (the graph, with the share
        of samples at each node), or .png.

        Raises:
            InputError: another format.
        """
        if path.suffix not in FORMATS:
            raise InputError(f"cannot write '{path.name}'{suggest(path.suffix, FORMATS)}")
        if path.suffix == ".png":
            self.show(samples, path, columns)
            return
        with replacing(path) as part:
            if path.suffix == ".npy":
                np.save(part, samples.numpy())
            elif path.suffix == ".graphml":
                nx.write_graphml(self._graph(samples), part)
            else:
                with part.open("w", newline="") as file:
                    rows = csv.writer(file)
                    rows.writerows([["node"], *([self.metric.names[v]] for v in samples.tolist())])

    def show(self, samples: Tensor, path: Path, columns: int | None = None) -> None:
        """The graph, each node as large as its share of the samples."""
        share = self._shares(samples)
        draw(self.metric, self.places(), path, share, size=share, label="share of samples")

    def _shares(self, samples: Tensor) -> np.ndarray:
        return samples.bincount(minlength=self.metric.nodes).numpy() / len(samples)

    def _graph(self, samples: Tensor) -> nx.Graph:
        graph, names = nx.Graph(), self.metric.names
        for name, share in zip(names, self._shares(samples).tolist(), strict=True):
            graph.add_node(name, share=share)
        lengths = (self.metric.paths.lengths * self.unit).tolist()
        for (u, v), length in zip(self.metric.paths.ends.tolist(), lengths, strict=True):
            graph.add_edge(names[u], names[v], weight=length)
        return graph


def pack(array: np.ndarray) -> str:
    """An array as text, for JSON."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return base64.b64encode(zlib.compress(buffer.getvalue())).decode()


def unpack(text: str) -> np.ndarray:
    """What `pack` packed."""
    return np.load(io.BytesIO(zlib.decompress(base64.b64decode(text))), allow_pickle=False)
