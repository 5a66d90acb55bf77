"""Edges brought into the one form that the rest relies on."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor


def checked(edges: Any, lengths: Any, nodes: int | None) -> tuple[np.ndarray, np.ndarray, int]:
    """Edges u < v in ascending order (k, 2), the shortest of each (k,), and how many nodes.

    Raises:
        ValueError: see `GraphMetric`.
    """
    pairs, lengths = _array(edges), None if lengths is None else _array(lengths)
    if pairs.size == 0:
        raise ValueError("a graph without an edge has no distances: give at least one edge")
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise ValueError(
            f"edges are pairs of node numbers, integers of shape (m, 2), and these are "
            f"{pairs.dtype} of shape {pairs.shape}: one row an edge"
        )
    if lengths is None:
        lengths = np.ones(len(pairs))
    if lengths.shape != (len(pairs),):
        raise ValueError(f"{len(pairs)} edges need as many lengths, got shape {lengths.shape}")
    nodes = int(pairs.max()) + 1 if nodes is None else nodes
    wrong = np.flatnonzero(((pairs < 0) | (pairs >= nodes)).any(1))
    if len(wrong):
        raise ValueError(
            f"edge {wrong[0]} joins {_pair(pairs[wrong[0]])}, but nodes are 0 to {nodes - 1}: "
            "number them from 0, or state how many there are"
        )
    return *_simple(pairs, lengths.astype(np.float64)), nodes


def _array(values: Any) -> np.ndarray:
    return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)


def _pair(pair: np.ndarray) -> str:
    return f"{pair[0]} and {pair[1]}"


def _simple(pairs: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    wrong = np.flatnonzero(~((lengths > 0) & np.isfinite(lengths)) & (pairs[:, 0] != pairs[:, 1]))
    if len(wrong):
        length = lengths[wrong[0]]
        remedy = "contract its two nodes into one" if length == 0 else "mend or drop it"
        raise ValueError(
            f"edge {wrong[0]}, which joins {_pair(pairs[wrong[0]])}, has length {length:g}, and a "
            f"length is a positive number: {remedy}"
        )
    u, v = pairs.min(1).astype(np.int32), pairs.max(1).astype(np.int32)
    order = np.lexsort((lengths, v, u))
    order = order[(u != v)[order]]
    u, v = u[order], v[order]
    first = np.append(True, (u[1:] != u[:-1]) | (v[1:] != v[:-1]))[: len(u)]
    if not len(u):
        raise ValueError("every edge is a self loop: give at least one between two nodes")
    return np.stack([u, v], 1)[first], lengths[order][first]
