"""The nodes of a graph under shortest paths."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otgan.geometry import edge_lists
from otgan.geometry.base import Geometry, Potential
from otgan.geometry.edges import checked
from otgan.geometry.paths import Paths

_MOST_PATHS = 20_000
"""Nodes of the largest graph on which slopes are measured along shortest paths."""


class GraphMetric(Geometry):
    """Shortest paths of an undirected graph with positive lengths.

    A point is a node: an integer of shape (). A generator's point may be soft while it trains: a
    distribution over the nodes, of shape (nodes,), at which a function of the nodes has its mean;
    slopes see a node drawn from it. A function of the nodes is 1-Lipschitz if and only if
    |f(u) - f(v)| / length exceeds 1 on no edge, so slopes are measured on edges. Distances are
    computed on the CPU in double precision, and returned in the dtype of `lengths`: torch's
    default, or double after `.double()`.

    Args:
        edges: pairs of the nodes 0, 1, ..., (m, 2). Of parallel edges the shortest is kept, self
            loops are dropped.
        lengths: positive, (m,); 1 each by default.
        nodes: how many there are; by default as many as there are names, or as edges mention.
        names: what the nodes are called; by default their numbers.

    Attributes:
        edges, lengths: what was kept, u < v in ascending order, (k, 2) and (k,).
        names: (nodes,).
        paths: the same graph for SciPy, in double precision.

    Raises:
        ValueError: no edge, a node out of range, a length that is not positive and finite, shapes
            that do not match, or two nodes of one name.

    Example:
        >>> roads = GraphMetric([[0, 1], [1, 2]], [2.0, 3.0], names=["Ulm", "Bonn", "Kiel"])
        >>> roads.distance(roads.nodes_of(["Ulm"]), roads.nodes_of(["Kiel"]))
        tensor([5.])
    """

    slopes = "edge"
    edges: Tensor
    lengths: Tensor

    def __init__(
        self,
        edges: Any,
        lengths: Any = None,
        nodes: int | None = None,
        names: Sequence[Hashable] | None = None,
    ):
        super().__init__()
        if nodes is None and names is not None:
            nodes = len(names)
        self.paths = Paths(*checked(edges, lengths, nodes))
        self.nodes = self.paths.nodes
        self.names: Sequence[Hashable] = range(self.nodes) if names is None else list(names)
        if names is not None and not len(set(names)) == len(names) == self.nodes:
            raise ValueError(
                f"{self.nodes} nodes need as many different names, got {len(names)}, "
                f"{len(set(names))} of them different"
            )
        ends, kept = torch.from_numpy(self.paths.ends), torch.from_numpy(self.paths.lengths)
        self.register_buffer("edges", ends.long(), persistent=False)
        dtype = torch.get_default_dtype()
        self.register_buffer("lengths", kept.to(dtype, copy=True), persistent=False)

    @classmethod
    def from_networkx(
        cls, graph: Any, weight: str | None = "weight", symmetrise: bool = False
    ) -> GraphMetric:
        """The metric of a networkx graph, with its nodes as names.

        Args:
            weight: the edge attribute that holds lengths; 1 each if None, or if no edge has it.
            symmetrise: take directed edges both ways, at the shorter of their two lengths.

        Raises:
            ValueError: a directed graph without `symmetrise`, or a weight that is missing or no
                positive number.
        """
        found = edge_lists.from_networkx(graph, weight, symmetrise)
        return cls(found.edges, found.lengths, names=found.names)

    @classmethod
    def read(cls, path: str | Path, length: str | None = None) -> GraphMetric:
        """The metric of a CSV file with an edge a line, `source,target[,length]`.

        Edges are undirected; of two lines for one edge the shorter counts. Names that are all
        integers become integers in ascending order, others are strings as they come.

        Args:
            path: UTF-8, with a header or without.
            length: the header's name of the column of lengths; by default the third. Further
                columns are ignored.

        Raises:
            OSError: the file cannot be opened.
            ValueError: what is wrong in it, and in which line.
        """
        found = edge_lists.read(path, length)
        return cls(found.edges, found.lengths, names=found.names)

    def __repr__(self) -> str:
        return f"graph metric of {self.nodes} nodes and {len(self.edges)} edges"

    def nodes_of(self, names: Iterable[Hashable]) -> Tensor:
        """The nodes of these names, (n,).

        Raises:
            ValueError: unknown names.
        """
        names = names.tolist() if isinstance(names, Tensor | np.ndarray) else list(names)
        number = {name: i for i, name in enumerate(self.names)}
        unknown = [name for name in names if name not in number]
        if unknown:
            shown = ", ".join(map(repr, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
            raise ValueError(f"{len(unknown)} of {len(names)} names are no node: {shown}")
        return self.edges.new_tensor([number[name] for name in names])

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        return self._tensor(self.paths.matched(self._ids(x), self._ids(y)))

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        return self._tensor(self.paths.table(self._ids(x), self._ids(y)))

    def distances_from(self, sources: Tensor) -> Tensor:
        """Distances to all nodes, inf where there is no path, (k,) -> (k, nodes)."""
        return self.pairwise(sources, torch.arange(self.nodes))

    def from_numbers(self, x: Tensor) -> Tensor:
        return x.long()

    def join(self, x: Tensor, y: Tensor) -> Tensor:
        """Both as soft points where one of them is, else both as nodes."""
        if x.dim() == y.dim():
            return torch.cat([x, y])
        soft = x if x.dim() == 2 else y
        empty = soft.new_zeros(len(x) + len(y) - len(soft), self.nodes)
        hard = empty.scatter_(1, (y if soft is x else x)[:, None], 1)
        return torch.cat([soft, hard] if soft is x else [hard, soft])

    def drawn(self, x: Tensor) -> Tensor:
        """Nodes as they are, and one drawn from each soft point, (n,) or (n, nodes) -> (n,); any
        node where a diverged network gives NaN, for the guard against that to speak."""
        if x.dim() == 1:
            return x
        return torch.multinomial(x.detach().float().nan_to_num(1.0), 1).squeeze(1)

    def between(self, x: Tensor, y: Tensor) -> Tensor:
        """The number of one uniformly random edge on a shortest path for each pair, (n,), (n,) ->
        (n,); of any edge of the graph where x = y or there is no path."""
        seed = int(torch.randint(1 << 62, ()))  # so that torch's seed decides
        chosen = self.paths.edges_between(self._ids(x), self._ids(y), np.random.default_rng(seed))
        found = torch.from_numpy(chosen)
        return torch.where(found >= 0, found, self._anywhere(len(found))).to(self.edges.device)

    def slope(self, f: Potential, x: Tensor, y: Tensor) -> Tensor:
        """|f(u) - f(v)| / length on one edge for each pair, (n,), (n,) -> (n,).

        The edges are those of `between` for every other pair and uniformly random for the rest, so
        that no edge goes unseen; uniformly random for all pairs of a graph of more than 20,000
        nodes, where paths from every point would take most of the time.
        """
        edge = self._anywhere(len(x)).to(self.edges.device)
        if self.nodes <= _MOST_PATHS:
            edge[::2] = self.between(self.drawn(x)[::2], self.drawn(y)[::2])
        values = f(self.edges[edge].T.flatten()).view(2, -1)
        return (values[0] - values[1]).abs() / self.lengths[edge].to(values)

    def _anywhere(self, n: int) -> Tensor:
        return torch.randint(len(self.edges), (n,))

    def envelope(self, values: Tensor, nodes: Tensor | None = None) -> Tensor:
        """The largest 1-Lipschitz function of the nodes that is at most `values` at `nodes`.

            f(v) = min over u of values(u) + d(u, v)

        Values that are 1-Lipschitz already are kept, which extends them to all nodes (McShane
        1934, 'Extension of range of functions'); others are lowered as little as need be (the
        Pasch-Hausdorff envelope). One Dijkstra. The derivative at v is that of a u that attains
        the minimum.

        Args:
            values: (k,); infinity sets no bound.
            nodes: (k,); all of them, in order, by default.

        Returns:
            (nodes,), infinity where no path leads to a bound.

        Raises:
            ValueError: NaN or minus infinity, no finite value, or shapes that do not match.
        """
        ids = np.arange(self.nodes) if nodes is None else self._ids(nodes)
        given = values.detach().cpu().double().numpy()
        if given.shape != ids.shape:
            raise ValueError(f"{len(ids)} nodes need as many values, got shape {given.shape}")
        if not (np.isfinite(given).any() and (given > -np.inf).all()):
            raise ValueError("values hold NaN, minus infinity or nothing finite: give real numbers")
        bounds, last = np.full(self.nodes, np.inf), np.zeros(self.nodes, np.int64)
        order = np.argsort(-given, kind="stable")
        bounds[ids[order]], last[ids[order]] = given[order], order  # the lowest of each node stays
        found, root = self.paths.envelope(bounds)
        at = torch.from_numpy(last[root]).to(values.device)
        lowest = values.detach()[at]
        below = torch.from_numpy(found).to(values)
        return torch.where(below.isinf(), below, values[at] + (below - lowest))

    def check(self, x: Tensor) -> None:
        """Raise ValueError unless x (n,) are nodes of this graph."""
        if x.dim() != 1 or x.is_floating_point() or x.is_complex() or x.dtype == torch.bool:
            raise ValueError(
                f"points of a graph are nodes, integers of shape (n,), got {x.dtype} of shape "
                f"{tuple(x.shape)}"
            )
        wrong = x[(x < 0) | (x >= self.nodes)]
        if len(wrong):
            raise ValueError(f"there is no node {int(wrong[0])}: nodes are 0 to {self.nodes - 1}")

    def _ids(self, x: Tensor) -> np.ndarray:
        self.check(x)
        return x.cpu().numpy()

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.lengths)
