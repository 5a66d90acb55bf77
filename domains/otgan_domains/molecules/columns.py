"""What a table says of each molecule: numbers, or names of classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from otgan.cells import is_number
from otgan.config import InputError

CLASSES = 100
"""Different names in a column, at most."""


@dataclass(frozen=True)
class Column:
    """Values of each molecule, (n,) of float, NaN where there is none; classes by number.

    Args:
        classes: their names, none for numbers.
    """

    values: np.ndarray
    classes: tuple[str, ...] = ()

    def __getitem__(self, index: np.ndarray) -> Column:
        return Column(self.values[index], self.classes)

    @property
    def missing(self) -> np.ndarray:
        """(n,) of bool."""
        return ~np.isfinite(self.values)

    @property
    def varies(self) -> bool:
        return len(np.unique(self.values)) > 1


def column(name: str, cells: Sequence[str]) -> Column:
    """The column of these cells: numbers, if all that are not empty are.

    Raises:
        InputError: neither numbers nor few enough names.

    Example:
        >>> column("toxic", ["yes", "", "no"])
        Column(values=array([ 1., nan,  0.]), classes=('no', 'yes'))
    """
    odd = next((cell for cell in cells if cell and not is_number(cell)), None)
    if odd is None:
        return Column(np.array([float(cell) if cell else math.nan for cell in cells]))
    classes = sorted({cell for cell in cells if cell})
    if len(classes) > CLASSES:
        raise InputError(
            f"'{name}' has {len(classes)} different values, such as '{odd}': it holds neither "
            f"numbers nor at most {CLASSES} classes"
        )
    numbers = {cell: float(k) for k, cell in enumerate(classes)}
    return Column(np.array([numbers.get(cell, math.nan) for cell in cells]), tuple(classes))
