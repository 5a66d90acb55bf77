"""Graphs from wherever a user has them: as numbered edges, connected, with positive lengths."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from otgan.config import InputError, suggest
from otgan.geometry import GraphMetric, edge_lists
from otgan.geometry.edge_lists import EdgeList
from otgan_domains.graphs import arrays
from otgan_domains.graphs.packing import pack, unpack

BUILT_IN: dict[str, Callable[[], nx.Graph]] = {
    "karate": nx.karate_club_graph,
    "les-miserables": nx.les_miserables_graph,
    "florentine-families": nx.florentine_families_graph,
    "southern-women": nx.davis_southern_women_graph,
    "internet": lambda: nx.random_internet_as_graph(1000, seed=0),
}
"""Their weights, where they have some, count encounters and are no lengths: edges have length 1."""

READERS: dict[str, Callable[[str], nx.Graph]] = {
    ".graphml": nx.read_graphml,
    ".gml": nx.read_gml,
    ".gexf": nx.read_gexf,
    ".net": nx.read_pajek,
    ".edgelist": nx.read_edgelist,
    ".txt": nx.read_edgelist,
    ".adjlist": nx.read_adjlist,
    ".g6": nx.read_graph6,
    ".s6": nx.read_sparse6,
}


@dataclass(frozen=True)
class Graph:
    """A graph, connected unless it is said to be whole.

    Args:
        edges, lengths: (m, 2), and (m,) or None for 1 each.
        names: of the nodes.
        features: of the nodes, as they came with the graph, (nodes, k), or None.
        left_out: names of the nodes of smaller components.
        classes: of the nodes, as they came with the graph, (nodes,), or None.
    """

    edges: np.ndarray
    lengths: np.ndarray | None
    names: Sequence[Hashable]
    features: np.ndarray | None = None
    left_out: frozenset[Hashable] = frozenset()
    classes: np.ndarray | None = None

    def to_state(self) -> dict[str, Any]:
        """Edges, lengths and names, as JSON."""
        return {
            "edges": pack(self.edges),
            "lengths": None if self.lengths is None else pack(self.lengths),
            "names": [name if isinstance(name, int) else str(name) for name in self.names],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Graph:
        """What `to_state` wrote, among other things perhaps."""
        lengths = None if state["lengths"] is None else unpack(state["lengths"])
        return cls(unpack(state["edges"]), lengths, state["names"])

    def metric(self, unit: float = 1.0) -> GraphMetric:
        """Shortest paths, in units of so much length."""
        lengths = np.ones(len(self.edges)) if self.lengths is None else self.lengths
        return GraphMetric(self.edges, lengths / unit, names=self.names)


def read(
    data: Any, length: str | None = None, symmetrise: bool = False, largest: bool = False
) -> Graph:
    """A connected graph by name, from a file, from networkx or from PyTorch Geometric.

    Args:
        data, length, symmetrise: as in `whole`.
        largest: keep the largest connected component alone.

    Raises:
        InputError: as `whole`; a disconnected graph.
    """
    return _connected(whole(data, length, symmetrise), largest)


def whole(data: Any, length: str | None = None, symmetrise: bool = False) -> Graph:
    """A graph of one component or more.

    Self-loops are dropped, and of parallel edges the shortest is kept; both are counted on stderr.

    Args:
        data: a name of BUILT_IN; a .csv file, a line `source,target[,length]` each; an .npz file
            (`arrays.read`); a file that networkx reads, by its suffix; a networkx graph; a
            torch_geometric Data.
        length: column or edge attribute of the lengths. By default the third column of a CSV file,
            the attribute `weight` elsewhere; 1 each where there is none.
        symmetrise: let directed edges be walked both ways.

    Raises:
        InputError: nothing there, no graph, lengths that are not positive, a directed graph.
    """
    try:
        found, features, classes = _read(data, length, symmetrise)
        metric = GraphMetric(found.edges, found.lengths, names=found.names)
    except (ValueError, TypeError) as error:
        raise InputError(str(error)) from None
    if features is not None and not np.isfinite(features).all():
        bad = int((~np.isfinite(features)).sum())
        raise InputError(f"{bad} values of the nodes' features are NaN or infinite: mend them")
    loops = int((found.edges[:, 0] == found.edges[:, 1]).sum())
    parallel = len(found.edges) - loops - len(metric.edges)
    if loops or parallel:
        told = f"{loops} self-loops dropped, {parallel} parallel edges merged into the shortest"
        print(f"otgan: {told}", file=sys.stderr)
    lengths = None if found.lengths is None else metric.paths.lengths
    return Graph(metric.paths.ends, lengths, metric.names, features, classes=classes)


def _read(
    data: Any, length: str | None, symmetrise: bool
) -> tuple[EdgeList, np.ndarray | None, np.ndarray | None]:
    if isinstance(data, str) and data in BUILT_IN:
        return edge_lists.from_networkx(BUILT_IN[data](), None, False), None, None
    if isinstance(data, str | Path):
        path = Path(data)
        if path.suffix == ".npz" and path.is_file():
            return arrays.read(path)
        return _file(path, length, symmetrise), None, None
    if hasattr(data, "edge_index"):
        return _geometric(data, length, symmetrise)
    if not isinstance(data, nx.Graph):
        raise InputError(
            f"a graph is a name, a file, a networkx graph or a torch_geometric Data, got "
            f"{type(data).__name__}"
        )
    return _networkx(data, length, symmetrise), None, None


def _file(path: Path, length: str | None, symmetrise: bool) -> EdgeList:
    if not path.is_file():
        raise InputError(f"no such file or built-in graph: '{path}'{suggest(str(path), BUILT_IN)}")
    if path.suffix == ".csv":
        return edge_lists.read(path, length)
    if path.suffix not in READERS:
        raise InputError(
            f"cannot read '{path}'{suggest(path.suffix, ('.csv', '.npz', *READERS))} (.csv has a "
            "line source,target[,length] for each edge)"
        )
    try:
        graph = READERS[path.suffix](str(path))
    except Exception as error:  # networkx's readers share no base class of errors
        raise InputError(f"cannot read '{path}': {error}") from None
    if isinstance(graph, list):
        raise InputError(f"'{path}' holds {len(graph)} graphs: give a file of one")
    return _networkx(graph, length, symmetrise)


def _networkx(graph: nx.Graph, length: str | None, symmetrise: bool) -> EdgeList:
    if not graph.number_of_edges():
        raise InputError(f"the graph has {graph.number_of_nodes()} nodes and no edge")
    has = {name for _, _, known in graph.edges(data=True) for name in known}
    if length is not None and length not in has:
        raise InputError(f"edges have no '{length}', only {', '.join(sorted(has)) or 'nothing'}")
    return edge_lists.from_networkx(graph, length or "weight", symmetrise)


def _geometric(
    data: Any, length: str | None, symmetrise: bool
) -> tuple[EdgeList, np.ndarray | None, np.ndarray | None]:
    """A torch_geometric Data; `length` is the name of its vector of lengths."""
    if data.is_directed() and not symmetrise:
        raise InputError(
            "this graph is directed, and its shortest paths are no metric: symmetrise=True lets "
            "every edge be walked both ways"
        )
    edges = data.edge_index.T.cpu().numpy()
    if length is not None and length not in data:
        raise InputError(f"the Data have no '{length}', only {', '.join(data.keys())}")
    found = data[length] if length else data.get("edge_weight")
    lengths = None if found is None else found.cpu().double().numpy().reshape(-1)
    both = edges[:, 0] <= edges[:, 1] if not data.is_directed() else slice(None)
    features = None if data.get("x") is None else data.x.cpu().double().numpy()
    kept = None if lengths is None else lengths[both]
    y = data.get("y")
    known = y is not None and y.shape == (data.num_nodes,) and not y.is_floating_point()
    classes = y.cpu().numpy() if known else None
    return EdgeList(edges[both], kept, range(data.num_nodes)), features, classes


def _connected(graph: Graph, largest: bool) -> Graph:
    u, v = graph.edges.T
    size = len(graph.names)
    links = sparse.coo_array((np.ones(len(u)), (u, v)), (size, size))
    count, label = csgraph.connected_components(links, directed=False)
    if count == 1:
        return graph
    sizes = np.bincount(label)
    order = np.argsort(-sizes, kind="stable")
    if not largest:
        shown = [
            f"{sizes[k]} around {graph.names[int(np.argmax(label == k))]!r}" for k in order[:3]
        ]
        raise InputError(
            f"the graph is not connected: {count} components, of {'; '.join(shown)}"
            f"{'; ...' if count > 3 else ''}; between them there is no distance: --largest keeps "
            f"the largest, {sizes[order[0]]} of {size} nodes"
        )
    nodes = np.flatnonzero(label == order[0])
    number = np.full(size, -1)
    number[nodes] = np.arange(len(nodes))
    inside = number[u] >= 0
    return Graph(
        number[graph.edges[inside]],
        None if graph.lengths is None else graph.lengths[inside],
        [graph.names[k] for k in nodes.tolist()],
        None if graph.features is None else graph.features[nodes],
        frozenset(graph.names[k] for k in np.flatnonzero(label != order[0]).tolist()),
        None if graph.classes is None else graph.classes[nodes],
    )
