"""Graphs from outside, a CSV file or networkx, as numbered edges."""

from __future__ import annotations

import csv
import math
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_HEADERS = {("source", "target"), ("from", "to"), ("u", "v")}
Row = tuple[int, list[str]]


class EdgeList(NamedTuple):
    """Node numbers (m, 2), lengths (m,) or None for 1 each, and what the nodes are called."""

    edges: np.ndarray
    lengths: np.ndarray | None
    names: Sequence[Hashable]


def from_networkx(graph: Any, weight: str | None, symmetrise: bool) -> EdgeList:
    """Arguments and errors as for `GraphMetric.from_networkx`."""
    if graph.is_directed() and not symmetrise:
        raise ValueError(
            "this graph is directed, and its shortest paths are no metric, since |f(u) - f(v)| is "
            "the same both ways: symmetrise=True lets every edge be walked both ways"
        )
    names = list(graph.nodes)
    number = {name: i for i, name in enumerate(names)}
    rows = [
        (u, v, None if weight is None else data.get(weight))
        for u, v, data in graph.edges(data=True)
    ]
    edges = np.array([(number[u], number[v]) for u, v, _ in rows], np.int64)
    if all(length is None for _, _, length in rows):
        return EdgeList(edges, None, names)
    lengths = [_positive(length) for _, _, length in rows]
    if None in lengths:
        u, v, length = rows[lengths.index(None)]
        raise ValueError(
            f"the edge from {u!r} to {v!r} has {weight}={length!r}: every edge needs a positive "
            "number, or none (weight=None for length 1 each)"
        )
    return EdgeList(edges, np.array(lengths), names)


def _positive(text: Any) -> float | None:
    """A positive finite number, or None."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if 0 < value < math.inf else None


def read(path: str | Path, length: str | None) -> EdgeList:
    """Arguments and errors as for `GraphMetric.read`."""
    rows = _rows(path)
    header = rows.pop(0)[1] if _has_header(rows) else []
    if not rows:
        raise ValueError(f"'{path}' holds no edge: write one a line, source,target[,length]")
    if length is not None and length not in header[2:]:
        raise ValueError(
            f"'{path}' has no column of lengths {length!r}, only {', '.join(header[2:]) or 'none'}"
        )
    column = header.index(length) if length is not None else 2
    width = len(rows[0][1])
    for line, row in rows:
        if len(row) != width or len(row) < 2 or not (row[0] and row[1]):
            raise ValueError(
                f"'{path}', line {line}: {','.join(row)!r} is no edge: "
                "write source,target[,length], and as many columns in every line"
            )
    names = _ordered(name for _, row in rows for name in row[:2])
    number = {str(name): i for i, name in enumerate(names)}
    edges = np.array([(number[row[0]], number[row[1]]) for _, row in rows])
    return EdgeList(edges, _lengths(path, rows, column) if width > 2 else None, names)


def _rows(path: str | Path) -> list[Row]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            return [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"cannot read '{path}' as a CSV file of edges: {error}") from None


def _has_header(rows: list[Row]) -> bool:
    """A third field that is no number, names of columns, or words above a column of integers."""
    if not rows:
        return False
    first = rows[0][1]
    if len(first) > 2:
        return not _is_number(first[2])
    words = tuple(cell.lower() for cell in first)
    return words in _HEADERS or (
        len(rows) > 1
        and not any(_is_integer(cell) for cell in first)
        and all(_is_integer(cell) for cell in rows[1][1][:2])
    )


def _lengths(path: str | Path, rows: list[Row], column: int) -> np.ndarray:
    lengths = [_positive(row[column]) for _, row in rows]
    if None in lengths:
        line, row = rows[lengths.index(None)]
        raise ValueError(
            f"'{path}', line {line}: the length {row[column]!r} is no positive number: mend it, or "
            "contract nodes at distance 0 into one"
        )
    return np.array(lengths)


def _ordered(names: Iterable[str]) -> Sequence[Hashable]:
    """Each name once: integers in ascending order if all are, else strings as they came."""
    seen = dict.fromkeys(names)
    if all(_is_integer(name) for name in seen):
        return sorted(int(name) for name in seen)
    return list(seen)


def _is_integer(text: str) -> bool:
    return text.lstrip("-").isdecimal() and str(int(text)) == text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
