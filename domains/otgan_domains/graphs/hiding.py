"""Some nodes of a graph hidden, and every node as a point: its features and its links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csgraph
from torch import Tensor

from otgan.config import InputError
from otgan.data import Samples
from otgan_domains.graphs.opening import Graph


@dataclass(frozen=True)
class Split:
    """A graph, and nodes that were hidden from it.

    Args:
        base: what is left, the largest component of it, n nodes.
        kept: the numbers that the nodes of the base had, (n,).
        hidden: numbers of the hidden nodes that have a link to the base, (m,).
        links: of the hidden nodes, to nodes of the base.
    """

    base: Graph
    kept: np.ndarray
    hidden: np.ndarray
    links: list[np.ndarray]


def hide(graph: Graph, share: float) -> Split:
    """Hides a random share of the nodes, always the same ones.

    Raises:
        InputError: a share out of range, or a graph too small.
    """
    n = len(graph.names)
    if not 0 < share < 1:
        raise InputError(f"--held-out is a share between 0 and 1, got {share}")
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0)).numpy()
    away = np.zeros(n, bool)
    away[order[: max(1, round(share * n))]] = True
    links = graph.metric().paths.links
    rest = np.flatnonzero(~away)
    _, label = csgraph.connected_components(links[rest][:, rest], directed=False)
    kept = rest[label == np.bincount(label).argmax()] if len(rest) else rest
    if len(kept) < 2:
        raise InputError(f"with --held-out {share}, no two of {n} nodes are left linked: lower it")
    number = np.full(n, -1)
    number[kept] = np.arange(len(kept))
    ends = number[graph.edges]
    inside = (ends >= 0).all(1)
    base = Graph(
        ends[inside],
        None if graph.lengths is None else graph.lengths[inside],
        [graph.names[k] for k in kept.tolist()],
    )
    met = {v: [u for u in number[links[[v]].indices] if u >= 0] for v in np.flatnonzero(away)}
    hidden = np.array([v for v, there in met.items() if there], np.int64)
    return Split(base, kept, hidden, [np.array(met[v]) for v in hidden])


def neighbours(base: Graph) -> list[np.ndarray]:
    """Of every node."""
    links = base.metric().paths.links
    return np.split(links.indices, links.indptr[1:-1])


def points(features: Tensor, links: Sequence[np.ndarray], most: int) -> Samples:
    """Nodes as points: (n, k) features, then the numbers of the nodes they are linked to, padded
    with -1 to `most`: (n, k + most)."""
    ids = torch.full((len(links), most), -1.0)
    for row, there in zip(ids, links, strict=True):
        row[: len(there)] = torch.from_numpy(there)
    return Samples(torch.cat([features, ids], 1))


def unpadded(ids: Tensor) -> list[list[int]]:
    """(n, most) -> the links of each point."""
    return [[v for v in row if v >= 0] for row in ids.long().tolist()]
