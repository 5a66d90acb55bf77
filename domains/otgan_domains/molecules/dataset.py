"""From rows of a file to packed molecules, with what is known of each and what was dropped."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from otgan.config import InputError, suggest
from otgan_domains.molecules.columns import Column, column
from otgan_domains.molecules.parsed import Parsed, parse
from otgan_domains.molecules.parsing import PROPERTIES
from otgan_domains.molecules.reading import Rows
from otgan_domains.molecules.vocabulary import Vocabulary

ALWAYS = ("logp", "weight", "rings", "atoms")
"""Properties that cost little."""


@dataclass(frozen=True)
class Dataset:
    """Molecules to learn from.

    Args:
        x: packed, (n, N, N + 1) int8.
        smiles: canonical, (n,) of str.
        columns: values of each property, by name.
        dropped: numbers of rows, from 0, and why each was dropped.
    """

    rows: Rows
    vocabulary: Vocabulary
    x: Tensor
    smiles: np.ndarray
    columns: Mapping[str, Column]
    dropped: Mapping[int, str]

    def said(self) -> str:
        """What was dropped, on one line."""
        counts = Counter(self.dropped.values()).most_common()
        why = ", ".join(f"{count} {reason}" for reason, count in counts)
        kept = f"{len(self.x)} of {len(self.rows.texts)} molecules kept"
        return f"{kept}; dropped: {why}" if why else kept

    def report(self) -> str:
        """What was dropped, a line of CSV a row: its number from 1, why, and its first line."""
        file = io.StringIO()
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["row", "reason", "molecule"])
        for row in sorted(self.dropped):
            first = self.rows.texts[row].partition("\n")[0].strip()
            table.writerow([row + 1, self.dropped[row], first[:200]])
        return file.getvalue()


def build(rows: Rows, properties: Sequence[str] | None, largest: int, rare: float) -> Dataset:
    """Parses, drops what cannot be learned from, and packs what is left.

    Args:
        properties: columns of the file or of `PROPERTIES`; `ALWAYS` if None.
        largest: most heavy atoms of a molecule.
        rare: an atom type in a smaller share of the molecules is none to learn.

    Raises:
        InputError: settings out of range, an unknown property or one that never varies, no
            molecule left.
    """
    if not 2 <= largest <= 250 or not 0 <= rare < 1:
        raise InputError(
            f"--largest is a number of atoms from 2 to 250 and --rare a share below 1, got "
            f"{largest} and {rare:g}"
        )
    names = list(dict.fromkeys(ALWAYS if properties is None else properties))
    parsed, columns = _columns(rows, names)
    why = _why(parsed, columns, largest, rare)
    dropped = parsed.dropped | {int(parsed.row[k]): why[k] for k in np.flatnonzero(why != "")}
    kept = np.flatnonzero(why == "")
    if not len(kept):
        first = min(dropped)
        raise InputError(
            f"'{rows.name}' has no molecule to learn from: its {len(rows.texts)} rows are dropped, "
            f"the first, '{rows.texts[first].strip()[:40]}', as {dropped[first]}"
        )
    columns = {name: values[kept] for name, values in columns.items()}
    if constant := [n for n, values in columns.items() if properties and not values.varies]:
        raise InputError(f"--properties {constant[0]} is the same for all molecules: leave it out")
    vocabulary = _vocabulary(parsed, kept)
    if vocabulary.most < 2:
        raise InputError(f"'{rows.name}' has no molecule with a bond: give larger ones")
    packed = _pack(parsed, kept, vocabulary)
    return Dataset(rows, vocabulary, packed, parsed.smiles[kept], columns, dropped)


def _columns(rows: Rows, names: Sequence[str]) -> tuple[Parsed, dict[str, Column]]:
    """The molecules, and the columns of these names, from the file or computed."""
    for name in names:
        if name not in rows.columns and name not in PROPERTIES:
            near = suggest(name, [*rows.columns, *PROPERTIES])
            raise InputError(f"--properties {name}: '{rows.name}' has no such column{near}")
    computed = [name for name in names if name not in rows.columns]
    parsed = parse(rows, computed)
    found = {name: Column(values) for name, values in zip(computed, parsed.values.T, strict=True)}
    for name in names:
        if name in rows.columns:
            found[name] = column(name, [rows.columns[name][row] for row in parsed.row])
    return parsed, {name: found[name] for name in names}


def _why(parsed: Parsed, columns: Mapping[str, Column], largest: int, rare: float) -> np.ndarray:
    """Why each molecule is dropped, (n,) of str; "" for what is kept."""
    why = np.full(len(parsed.row), "", object)

    def drop(these: np.ndarray, reason: str) -> None:
        why[these & (why == "")] = reason

    drop(parsed.sizes > largest, f"of more than {largest} heavy atoms")
    has = np.zeros((len(parsed.row), len(parsed.kinds)), bool)
    has[np.repeat(np.arange(len(parsed.row)), parsed.sizes), parsed.atoms] = True
    left = np.flatnonzero(why == "")
    unusual = np.flatnonzero(has[left].sum(0) < rare * len(left))
    drop(np.any(has[:, unusual], 1), "with a rare atom type")
    for name, values in columns.items():
        drop(values.missing, f"without a value of {name}")
    left = np.flatnonzero(why == "")
    again = np.ones(len(why), bool)
    again[left[np.unique(parsed.smiles[left], return_index=True)[1]]] = False
    drop(again, "repeated")
    return why


def _vocabulary(parsed: Parsed, kept: np.ndarray) -> Vocabulary:
    here = np.isin(np.arange(len(parsed.row)), kept)
    counts = np.bincount(parsed.atoms[np.repeat(here, parsed.sizes)], minlength=len(parsed.kinds))
    atoms = tuple(parsed.kinds[k] for k in np.argsort(-counts, kind="stable") if counts[k])
    orders = parsed.bonds[here[parsed.bonds[:, 0]], 3]
    return Vocabulary(
        atoms, tuple(np.bincount(parsed.sizes[kept]).tolist()), int(orders.max(initial=1))
    )


def _pack(parsed: Parsed, kept: np.ndarray, vocabulary: Vocabulary) -> Tensor:
    """Packed molecules, (n, N, N + 1)."""
    place = np.full(len(parsed.row), -1)
    place[kept] = np.arange(len(kept))
    x = np.zeros((len(kept), vocabulary.most, vocabulary.most + 1), np.int8)
    codes = np.array([vocabulary.codes.get(kind, 0) for kind in parsed.kinds])
    starts = np.repeat(np.cumsum(parsed.sizes) - parsed.sizes, parsed.sizes)
    molecule, atom = np.repeat(place, parsed.sizes), np.arange(len(parsed.atoms)) - starts
    here = molecule >= 0
    x[molecule[here], atom[here], 0] = codes[parsed.atoms[here]]
    m, i, j, order = parsed.bonds[place[parsed.bonds[:, 0]] >= 0].T
    x[place[m], i, j + 1] = x[place[m], j, i + 1] = order
    return torch.from_numpy(x)
