"""Cells of a file as points, nodes or weights, with an error that says where it is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from otgan.config import InputError
from otgan.geometry import GraphMetric

_SEARCHED = 5000  # names compared for a suggestion: with many more it takes seconds


@dataclass(frozen=True)
class Table:
    """Cells as found, (n, ...) numbers or text.

    Args:
        names: of the columns, where a CSV file has a header.
        lines, columns: of the file, where each row and column stands; empty for arrays.
    """

    path: Path
    cells: np.ndarray
    names: tuple[str, ...] = ()
    lines: Sequence[int] = ()
    columns: Sequence[int] = ()

    def place(self, row: int, *others: int) -> str:
        """Where a cell is, as a person would look for it."""
        if not self.lines:
            return f"'{self.path}', [{', '.join(map(str, (row, *others)))}]"
        return f"'{self.path}', line {self.lines[row]}, column {self.columns[(*others, 0)[0]]}"


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def numbers(table: Table) -> Tensor:
    """(n, *E) in double precision; a vector is a sample of numbers, (n, 1)."""
    if table.cells.dtype.kind == "U":
        for row, cells in enumerate(table.cells.reshape(len(table.cells), -1)):
            for k, cell in enumerate(cells):
                if not is_number(cell):
                    hint = ": separate columns by commas" if ";" in cell or "\t" in cell else ""
                    raise InputError(f"{table.place(row, k)}: '{cell}' is no number{hint}")
    elif table.cells.dtype.kind not in "biuf":
        raise InputError(f"'{table.path}' holds {table.cells.dtype}, which are not numbers")
    found = table.cells.astype(np.float64)
    wrong = np.argwhere(~np.isfinite(found))
    if len(wrong):
        raise InputError(
            f"{table.place(*wrong[0].tolist())}: {found[tuple(wrong[0])]} is no finite number, the "
            f"first of {len(wrong)} such values: drop or repair them"
        )
    return torch.from_numpy(found[:, None] if found.ndim == 1 else found)


def nodes(table: Table, graph: GraphMetric) -> Tensor:
    """Numbers of the nodes named, (n,)."""
    cells = table.cells
    if cells.dtype.kind not in "iuU" or cells.size != len(cells):
        raise InputError(
            f"'{table.path}' holds {cells.dtype} of shape {cells.shape}: points of a graph are "
            "names of nodes, text or integers, one each"
        )
    number = {str(name): i for i, name in enumerate(graph.names)}
    found = [number.get(str(cell), -1) for cell in cells.reshape(-1)]
    if -1 in found:
        row = found.index(-1)
        name = str(cells.reshape(-1)[row])
        near = difflib.get_close_matches(name, list(number)[:_SEARCHED], 1)
        hint = f": did you mean '{near[0]}'?" if near else ""
        raise InputError(f"{table.place(row)}: the graph has no node '{name}'{hint}")
    return torch.tensor(found)


def masses(table: Table, n: int) -> Tensor:
    """Weights (n,), at least 0 and not all 0."""
    if table.cells.size != n:
        raise InputError(f"'{table.path}': {n} points and {table.cells.size} weights")
    weights = numbers(table).reshape(n)
    if (weights < 0).any():
        row = int((weights < 0).nonzero()[0])
        raise InputError(f"{table.place(row)}: the weight {weights[row]:g} is negative")
    if not weights.any():
        raise InputError(f"'{table.path}': all weights are 0")
    return weights
