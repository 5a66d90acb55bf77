"""Graphs of several arrays in one .npz file, as the citation graphs are handed around."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from scipy import sparse

from otgan.config import InputError
from otgan.geometry.edge_lists import EdgeList


def read(path: Path) -> tuple[EdgeList, np.ndarray | None, np.ndarray | None]:
    """Edges, features of the nodes (nodes, k) and their classes (nodes,), of an .npz file.

    Arrays: `edges` (m, 2); features `x` (nodes, k), or `x_indptr`, `x_indices`, `x_data` and
    `x_shape` in compressed sparse rows; classes `y` (nodes,); `lengths` (m,). All but the edges may
    be missing.

    Raises:
        InputError: no such arrays.
    """
    try:
        with np.load(path) as file:
            found = dict(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot read '{path}': {error}") from None
    if "edges" not in found:
        raise InputError(f"'{path}' has no array 'edges' (m, 2), only {', '.join(found) or 'none'}")
    features, classes = found.get("x"), found.get("y")
    if "x_indptr" in found:
        try:
            rows = (found["x_data"], found["x_indices"], found["x_indptr"])
            features = sparse.csr_array(rows, found["x_shape"]).toarray()
        except (KeyError, ValueError) as error:
            raise InputError(
                f"'{path}': features need x_indptr, x_indices, x_data, x_shape that fit: {error}"
            ) from None
    if features is not None and features.ndim != 2:
        raise InputError(f"'{path}': features x have shape {features.shape}, not (nodes, k)")
    edges = found["edges"].astype(np.int64)
    nodes = max(
        [int(edges.max(initial=-1)) + 1, *(len(f) for f in (features, classes) if f is not None)]
    )
    for name, table in (("features", features), ("classes y", classes)):
        if table is not None and len(table) != nodes:
            raise InputError(f"'{path}' has {nodes} nodes and {name} of {len(table)}")
    return EdgeList(edges, found.get("lengths"), range(nodes)), features, classes
