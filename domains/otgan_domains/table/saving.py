"""Rows to files and pictures."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from otgan.config import InputError, suggest
from otgan.report.files import replacing, save_array
from otgan.report.pictures import scatter

FORMATS = (".csv", ".npy", ".npz", ".png")


class Saver:
    """Writes rows (n, columns) under the names of their columns.

    Args:
        names: of the columns.
        classes: names of the classes of each column, none for numbers.
    """

    def __init__(self, names: Sequence[str], classes: Sequence[Sequence[str]]):
        self.names, self.classes = tuple(names), tuple(classes)

    def save(self, samples: Tensor, path: Path, columns: int | None = None) -> None:
        """.csv with a header and the names of classes, .png (`show`), .npy or .npz (the numbers).

        Raises:
            InputError: another format.
        """
        if path.suffix not in FORMATS:
            raise InputError(f"cannot write '{path.name}'{suggest(path.suffix, FORMATS)}")
        if path.suffix == ".png":
            self.show(samples, path, columns)
        elif path.suffix == ".csv":
            with replacing(path) as part, part.open("w", newline="") as file:
                rows = csv.writer(file)
                rows.writerow(self.names)
                rows.writerows(map(self._row, samples.tolist()))
        else:
            save_array(samples, path)

    def _row(self, values: Sequence[float]) -> list[str]:
        pairs = zip(values, self.classes, strict=True)
        return [names[int(value)] if names else f"{value:.7g}" for value, names in pairs]

    def show(self, samples: Tensor, path: Path, columns: int | None = None) -> None:
        """The first two columns against each other."""
        scatter(samples[:, :2], path, columns)
