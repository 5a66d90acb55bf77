"""Rows of molecules in files: SMILES, tables with a column of them, SD files, maybe gzipped."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rdkit import RDConfig

from otgan.config import InputError, suggest

NCI = Path(RDConfig.RDDataDir, "NCI", "first_5K.smi")
SMILES, TABLES, BLOCKS = (".smi", ".smiles", ".txt"), {".csv": ",", ".tsv": "\t"}, (".sdf", ".sd")


@dataclass(frozen=True)
class Rows:
    """Molecules as text, one a row.

    Args:
        name: of the file, for messages.
        kind: "smiles" or "sdf".
        texts: a SMILES or a block of an SD file each.
        columns: what else the file says of each, by name; "" where it says nothing.
    """

    name: str
    kind: str
    texts: list[str]
    columns: dict[str, list[str]] = field(default_factory=dict)

    def digest(self) -> str:
        """A checksum of the molecules, to notice others."""
        found = hashlib.sha256(self.kind.encode())
        for text in self.texts:
            found.update(text.encode() + b"\0")
        return found.hexdigest()


def read(data: str | Path | Sequence[str], column: str | None = None) -> Rows:
    """The rows of a file, of RDKit's own NCI set, or a list of SMILES.

    Args:
        data: "nci", a .smi, .csv, .tsv or .sdf file, .gz or not; from Python SMILES themselves too.
        column: of a table, that of the SMILES; the one named smiles, or the only one, if not given.

    Raises:
        InputError: nothing there, or something that cannot be read; says what to do.
    """
    if not isinstance(data, str | Path):
        return _some(Rows("data", "smiles", [str(text).strip() for text in data]))
    path = NCI if data == "nci" else Path(data)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"'{data}' {what}: give a file of molecules, or nci")
    ending = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    ending = ending.lower()
    if ending not in (*SMILES, *TABLES, *BLOCKS):
        raise InputError(
            f"cannot read '{path.name}': molecules come as .smi, .csv, .tsv or .sdf, maybe with .gz"
        )
    if column is not None and ending not in TABLES:
        raise InputError(f"--column names a column of a table, and '{path.name}' is none: drop it")
    text = _text(path)
    if ending in TABLES:
        return _some(_table(text, path, TABLES[ending], column))
    return _some(_blocks(text, path) if ending in BLOCKS else _lines(text, path))


def _some(rows: Rows) -> Rows:
    if not rows.texts:
        raise InputError(f"'{rows.name}' holds no molecules: it has no rows")
    return rows


def _text(path: Path) -> str:
    raw = path.read_bytes()
    try:
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"'{path}' is no text: give a file of SMILES or an SD file") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"'{path}' is broken: {error}") from None
    if "\0" in text:
        raise InputError(f"'{path}' is no text: give a file of SMILES or an SD file")
    return text


def _lines(text: str, path: Path) -> Rows:
    """The first word of each line, below a header if there is one."""
    words = [line.split(None, 1)[0] for line in text.splitlines() if line.strip()]
    return Rows(path.name, "smiles", words[words[:1] == ["smiles"] or words[:1] == ["SMILES"] :])


def _table(text: str, path: Path, delimiter: str, column: str | None) -> Rows:
    try:
        rows = [r for r in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if r]
    except csv.Error as error:
        raise InputError(f"cannot read '{path}' as a table: {error}") from None
    header = [cell.strip() for cell in rows.pop(0)] if rows else []
    if column is None:
        named = [name for name in header if name.lower() == "smiles"]
        column = next(iter(named or header[: len(header) == 1]), None)
    if column not in header:
        wrong = "does not say which column is SMILES" if column is None else f"has no '{column}'"
        near = suggest(column, header) if column else f": it has {', '.join(header) or 'none'}"
        raise InputError(f"'{path.name}' {wrong}{near}; give --column NAME")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise InputError(
                f"'{path}', row {number}: {len(row)} columns, and {len(header)} in its header"
            )
    cells = [[cell.strip() for cell in row] for row in rows]
    columns = {name: [row[k] for row in cells] for k, name in enumerate(header)}
    return Rows(path.name, "smiles", columns.pop(column), columns)


def _blocks(text: str, path: Path) -> Rows:
    """Blocks between lines of $$$$, and their data items."""
    text = text.replace("\r\n", "\n")
    found = [block for block in ("\n" + text).split("\n$$$$") if block.strip()]
    blocks = [block[1:] for block in found]  # without the end of the line before
    items = [_items(block) for block in blocks]
    names = dict.fromkeys(name for item in items for name in item)
    columns = {name: [item.get(name, "") for item in items] for name in names}
    return Rows(path.name, "sdf", blocks, columns)


def _items(block: str) -> dict[str, str]:
    """> <name>, a line of its value."""
    lines, found = block.split("\n"), {}
    for line, value in itertools.pairwise(lines):
        if line.startswith(">") and "<" in line:
            found[line[line.index("<") + 1 :].partition(">")[0]] = value.strip()
    return found
