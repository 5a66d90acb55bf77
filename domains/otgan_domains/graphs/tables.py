"""Tables that go with a graph: what is known of its nodes, and visits to them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otgan.conditions import Attribute
from otgan.config import InputError, suggest
from otgan.data import Samples
from otgan.readers import NODE_COLUMNS
from otgan_domains.graphs.opening import Graph

MOST_CLASSES = 20
"""Different values of a column that still are classes."""

MOST_VISITS = 1_000_000
PLACES = (("lon", "lat"), ("longitude", "latitude"), ("x", "y"))


@dataclass(frozen=True)
class Known:
    """What is known of the nodes of a graph.

    Args:
        features: numbers and one-hot classes, (nodes, k), or None.
        places: coordinates for pictures, (nodes, 2), or None.
        classes: one of each node, (nodes,), or None.
    """

    features: np.ndarray | None
    places: np.ndarray | None
    classes: np.ndarray | None = None


def node_table(path: str | Path, graph: Graph, classes: str | None = None) -> Known:
    """A CSV file with a header and a row a node; a column `node` holds the names, else the first.

    Numbers are features, and so are texts of at most 20 different values; other texts are ignored.

    Args:
        classes: the column of them; no feature then.

    Raises:
        InputError: no such column, rows for unknown nodes, nodes without a row or with two, numbers
            that are missing.
    """
    table = _table(path)
    column = _node_column(table, path)
    known = {str(name): k for k, name in enumerate(graph.names)}
    row = {text: k for k, text in reversed(list(enumerate(table[column])))}
    if len(row) < len(table):
        twice = table[column][table[column].duplicated()].iloc[0]
        raise InputError(f"'{path}' has two rows for node '{twice}': keep one")
    missing = [name for name in known if name not in row]
    if missing:
        raise InputError(
            f"'{path}' has no row for {len(missing)} of {len(known)} nodes, such as '{missing[0]}'"
        )
    strange = set(row) - set(known) - set(map(str, graph.left_out))
    if strange:
        raise InputError(
            f"'{path}' has rows for {len(strange)} nodes that no edge mentions, such as "
            f"'{min(strange)}': drop them"
        )
    table = table.iloc[[row[name] for name in known]].drop(columns=column).reset_index(drop=True)
    if classes is None:
        return Known(_features(table, path), _places(table))
    if classes not in table:
        raise InputError(f"'{path}' has no column '{classes}'{suggest(classes, table.columns)}")
    kept = table.drop(columns=classes)
    return Known(_features(kept, path), _places(kept), table[classes].to_numpy(str))


def joined(graph: Graph, known: Known) -> Graph:
    """The graph, with what is known of its nodes."""
    features = [f for f in (graph.features, known.features) if f is not None]
    classes = graph.classes if known.classes is None else known.classes
    both = np.concatenate(features, 1) if features else None
    return replace(graph, features=both, classes=classes)


def _features(table: Any, path: str | Path) -> np.ndarray:
    columns = []
    for name in table.columns:
        numbers = _numbers(table[name])
        if numbers is not None:
            if not np.isfinite(numbers).all():
                bad = int((~np.isfinite(numbers)).sum())
                raise InputError(f"'{path}': {bad} values of '{name}' are missing or infinite")
            columns.append(numbers[:, None])
        elif table[name].nunique() <= MOST_CLASSES:
            values = sorted(table[name].unique())
            columns += [(table[name] == value).to_numpy(float)[:, None] for value in values]
    return np.concatenate(columns, 1) if columns else np.empty((len(table), 0))


def _places(table: Any) -> np.ndarray | None:
    lower = {str(name).lower(): name for name in table.columns}
    for pair in PLACES:
        found = [_numbers(table[lower[name]]) for name in pair if name in lower]
        numbers = [column for column in found if column is not None]
        if len(numbers) == 2:
            return np.stack(numbers, 1)
    return None


def visits(data: Any, graph: Graph, weight: str | None) -> tuple[Samples, tuple[Attribute, ...]]:
    """Visits to nodes: a CSV file with a header, or a column of nodes alone; a row a visit.

    Visits to nodes in smaller components, which were left out, are counted on stderr and dropped.

    Args:
        data: a path, or from Python a sequence of names.
        weight: the column of how many visits a row stands for. Integers are taken at their word up
            to 1,000,000 visits, which more become in proportion; other weights become 10,000.

    Returns:
        Nodes (n,) and, of every further column, its value as an attribute.

    Raises:
        InputError: unknown nodes, missing columns or values, weights that are negative.
    """
    table, path = _visits_table(data)
    column = _node_column(table, path)
    outside = table[column].isin([str(name) for name in graph.left_out])
    if outside.any():
        print(f"otgan: {int(outside.sum())} visits outside the largest component", file=sys.stderr)
        table = table[~outside].reset_index(drop=True)
    number = {str(name): k for k, name in enumerate(graph.names)}
    nodes = table[column].map(number)
    if not len(table):
        raise InputError(f"'{path}' has no visit to a node of the graph")
    if nodes.isna().any():
        strange = table[column][nodes.isna()]
        raise InputError(
            f"'{path}', row {strange.index[0] + 1}: the graph has no node '{strange.iloc[0]}', the "
            f"first of {len(strange)} such rows"
        )
    if weight is not None and weight not in table.columns:
        raise InputError(f"'{path}' has no column '{weight}'{suggest(weight, table.columns)}")
    times = np.ones(len(table), int) if weight is None else _times(table[weight], path)
    index = torch.from_numpy(np.repeat(np.arange(len(table)), times))
    known = [
        _attribute(table[name], str(name), path)
        for name in table.columns
        if name not in (column, weight)
    ]
    y = torch.stack([values for values, _ in known], 1)[index] if known else None
    points = torch.tensor(nodes.to_numpy(np.int64))[index]
    return Samples(points, y), tuple(attribute for _, attribute in known)


def _visits_table(data: Any) -> tuple[Any, str]:
    if isinstance(data, str | Path):
        return _table(data), str(data)
    import pandas

    return pandas.DataFrame({"node": [str(name) for name in data]}), "visits"


def _times(column: Any, path: str) -> np.ndarray:
    """How often a row of each weight is repeated."""
    weights = _numbers(column)
    if weights is None or not np.isfinite(weights).all() or (weights < 0).any():
        bad = (
            column.iloc[0]
            if weights is None
            else column[~(np.isfinite(weights) & (weights >= 0))].iloc[0]
        )
        raise InputError(f"'{path}': a weight is a number, at least 0, got '{bad}'")
    if not weights.any():
        raise InputError(f"'{path}': all weights are 0")
    whole, total = (weights == weights.round()).all(), weights.sum()
    if whole and total <= MOST_VISITS:
        return weights.astype(int)
    most = MOST_VISITS if whole else 10_000
    if whole:
        print(f"otgan: {total:.0f} visits become {most} in proportion", file=sys.stderr)
    edges = np.round(np.cumsum(weights) / total * most).astype(int)
    return np.diff(edges, prepend=0)


def _attribute(column: Any, name: str, path: str) -> tuple[Tensor, Attribute]:
    numbers = _numbers(column)
    if column.eq("").any():
        first = int(np.argmax(column.eq("")))
        raise InputError(f"'{path}', row {first + 1}: '{name}' is missing")
    if numbers is not None and column.nunique() > MOST_CLASSES:
        values = torch.from_numpy(numbers).float()
        return values, Attribute.number(name, values)
    key = float if numbers is not None else str
    classes = sorted(column.unique(), key=key)
    index = column.map({value: k for k, value in enumerate(classes)})
    return torch.from_numpy(index.to_numpy(np.float32)), Attribute(name, tuple(map(str, classes)))


def _table(path: str | Path) -> Any:
    """A CSV file as text; no header where its only column has no known name."""
    import pandas

    try:
        table = pandas.read_csv(
            path, dtype=str, keep_default_na=False, skipinitialspace=True, encoding="utf-8-sig"
        )
    except (OSError, ValueError) as error:  # pandas' errors are ValueErrors
        raise InputError(f"cannot read '{path}': {' '.join(str(error).split())}") from None
    if len(table.columns) == 1 and table.columns[0].lower() not in NODE_COLUMNS:
        first = pandas.DataFrame({"node": [table.columns[0]]})
        table = pandas.concat([first, table.set_axis(["node"], axis=1)], ignore_index=True)
    if not len(table):
        raise InputError(f"'{path}' has a header and no rows")
    return table


def _node_column(table: Any, path: str | Path) -> Any:
    named = [name for name in table.columns if str(name).lower() in NODE_COLUMNS]
    return named[0] if named else table.columns[0]


def _numbers(column: Any) -> np.ndarray | None:
    """A column of texts as numbers, NaN where it is empty; None if any is no number."""
    try:
        return np.array([float(text) if text else np.nan for text in column])
    except ValueError:
        return None
