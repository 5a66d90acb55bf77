"""CSV files with a header, as text."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from otgan.config import InputError, suggest


@dataclass(frozen=True)
class Sheet:
    """Named columns of text.

    Args:
        path: of the file, for errors.
        cells: (n rows) of as many texts as there are names.
        lines: of the file, where each row stands.
    """

    path: str
    names: tuple[str, ...]
    cells: list[list[str]]
    lines: list[int]

    def __len__(self) -> int:
        return len(self.cells)

    def texts(self, name: str) -> list[str]:
        """A column.

        Raises:
            InputError: there is none of that name.
        """
        if name not in self.names:
            raise InputError(f"'{self.path}' has no column '{name}'{suggest(name, self.names)}")
        k = self.names.index(name)
        return [row[k] for row in self.cells]

    def place(self, row: int) -> str:
        """Where a row is, as a person would look for it."""
        return f"'{self.path}', line {self.lines[row]}"

    def rows(self, kept: Sequence[int]) -> Sheet:
        """Chosen rows."""
        cells, lines = [self.cells[k] for k in kept], [self.lines[k] for k in kept]
        return Sheet(self.path, self.names, cells, lines)


def read(path: str | Path) -> Sheet:
    """A .csv or .csv.gz file whose first row names its columns.

    Raises:
        InputError: no such file, rows of other lengths, columns without a name or with the same.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"cannot read '{path}': {'a folder' if path.is_dir() else 'no such file'}")
    if not path.name.lower().endswith((".csv", ".csv.gz")):
        raise InputError(f"cannot read '{path}': tables come as .csv or .csv.gz")
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
        found = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except (UnicodeDecodeError, csv.Error, OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read '{path}' as a CSV file: {error}") from None
    if len(found) < 2:
        raise InputError(f"'{path}' holds {len(found)} rows: a header and data are needed")
    names = found[0][1]
    _check_names(path, names)
    for line, row in found[1:]:
        if len(row) != len(names):
            raise InputError(f"'{path}', line {line}: {len(row)} cells, and {len(names)} names")
    return Sheet(str(path), tuple(names), [r for _, r in found[1:]], [n for n, _ in found[1:]])


def _check_names(path: Path, names: Sequence[str]) -> None:
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        raise InputError(f"'{path}' has one column, '{names[0]}': separate columns by commas")
    if "" in names:
        raise InputError(f"'{path}', column {names.index('') + 1} has no name: is it an index?")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"'{path}' has two columns named '{twice[0]}': rename one")
