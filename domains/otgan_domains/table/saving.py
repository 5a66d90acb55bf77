"""Rows to files and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from otgan.report.files import arrays, write, write_table
from otgan.report.pictures import scatter


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
        write(
            path,
            {
                ".csv": lambda part: write_table(part, self._rows(samples)),
                ".png": lambda part: self.show(samples, part, columns),
                **arrays(samples),
            },
        )

    def _rows(self, samples: Tensor) -> Iterator[Sequence[str]]:
        yield self.names
        yield from map(self._row, samples.tolist())

    def _row(self, values: Sequence[float]) -> list[str]:
        pairs = zip(values, self.classes, strict=True)
        return [names[int(value)] if names else f"{value:.7g}" for value, names in pairs]

    def show(self, samples: Tensor, path: Path, columns: int | None = None) -> None:
        """The first two columns against each other."""
        scatter(samples[:, :2], path, columns)
