"""Samples from files: .npy, .npz and .csv, of numbers or of the nodes of a graph."""

from __future__ import annotations

import csv
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from otgan.cells import Table, is_number, masses, nodes, numbers
from otgan.config import InputError
from otgan.geometry import GraphMetric
from otgan.report.files import ARRAYS

NODE_COLUMNS = ("node", "nodes", "name", "id", "vertex")


@dataclass(frozen=True)
class Sample:
    """Points (n, *E) in double precision, or nodes (n,); weights (n,) or None; names of columns."""

    points: Tensor
    weights: Tensor | None = None
    columns: tuple[str, ...] = ()


def read(path: Path, weights: str | None = None, graph: GraphMetric | None = None) -> Sample:
    """The sample in a file: an array, the array `x` or the only one, or the columns of a CSV file.

    Args:
        weights: the column, or array of an .npz file, that holds the weight of each point.
        graph: whose nodes the points are; otherwise they are numbers.

    Raises:
        InputError: what is wrong, and in which line and column.
    """
    if not path.is_file():
        what = "it is a folder" if path.is_dir() else "no such file"
        raise InputError(f"cannot read '{path}': {what}")
    if path.suffix.lower() not in ARRAYS:
        raise InputError(f"cannot read '{path}': samples come as {', '.join(ARRAYS)}")
    if path.suffix.lower() == ".csv":
        table, mass = _columns(path, weights, graph)
    else:
        table, mass = _arrays(path, weights)
    if not len(table.cells) or not table.cells.size:
        raise InputError(f"'{path}' holds no points")
    points = numbers(table) if graph is None else nodes(table, graph)
    return Sample(points, None if mass is None else masses(mass, len(points)), table.names)


def _arrays(path: Path, weights: str | None) -> tuple[Table, Table | None]:
    try:
        found = np.load(path, allow_pickle=False)
        arrays = {"x": found} if isinstance(found, np.ndarray) else dict(found)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"cannot read '{path}': {error}") from None
    if weights is not None and weights not in arrays:
        raise InputError(
            f"'{path}' has no weights '{weights}': put them into an .npz file, beside x, or a CSV"
        )
    mass = None if weights is None else arrays.pop(weights)
    if "x" not in arrays and len(arrays) != 1:
        raise InputError(f"'{path}' holds {', '.join(arrays) or 'nothing'}: name the points x")
    x = arrays["x"] if "x" in arrays else next(iter(arrays.values()))
    if not x.ndim:
        raise InputError(f"'{path}' holds a single value, no sample")
    return Table(path, x), None if mass is None else Table(path, mass)


def _columns(
    path: Path, weights: str | None, graph: GraphMetric | None
) -> tuple[Table, Table | None]:
    rows = _rows(path)
    header = tuple(rows.pop(0)[1]) if rows and _is_header(rows[0][1], weights, graph) else ()
    if not rows:
        raise InputError(f"'{path}' holds no points")
    width = len(header) or len(rows[0][1])
    for line, row in rows:
        if len(row) != width:
            raise InputError(f"'{path}', line {line}: {len(row)} columns, and {width} before it")
    if "" in header:
        raise InputError(
            f"'{path}', column {header.index('') + 1} has no name: is it an index? leave it out"
        )
    if weights is not None and weights not in header:
        raise InputError(
            f"'{path}' has no column '{weights}', only {', '.join(header) or 'ones without names'}"
        )
    cells, lines = np.array([row for _, row in rows]), [line for line, _ in rows]
    chosen = [k for k in range(width) if weights is None or header[k] != weights]
    if graph is not None:
        chosen = [_node_column(path, header, chosen)]
    mass = None
    if weights is not None:
        k = header.index(weights)
        mass = Table(path, cells[:, [k]], (weights,), lines, [k + 1])
    names = tuple(header[k] for k in chosen) if header else ()
    return Table(path, cells[:, chosen], names, lines, [k + 1 for k in chosen]), mass


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            return [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read '{path}' as a CSV file: {error}") from None


def _is_header(row: list[str], weights: str | None, graph: GraphMetric | None) -> bool:
    """Names above numbers are those without a number; above nodes, those that one knows."""
    if graph is None:
        return not any(is_number(cell) for cell in row)
    return weights in row or any(cell.lower() in NODE_COLUMNS for cell in row)


def _node_column(path: Path, header: tuple[str, ...], chosen: list[int]) -> int:
    named = [k for k in chosen if header and header[k].lower() in NODE_COLUMNS]
    if len(named) == 1 or len(chosen) == 1:
        return (named or chosen)[0]
    raise InputError(f"'{path}' has {len(chosen)} columns: name that of the nodes 'node'")
