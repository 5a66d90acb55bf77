"""Tables of formulas and their properties, and what had to be done to read them."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from otgan.config import InputError
from otgan_domains.materials.formulas import amounts, formula
from otgan_domains.table.columns import MOST_CLASSES, Column, column
from otgan_domains.table.sheets import Sheet, read

FORMULA_COLUMNS = (
    *("formula", "composition", "reduced_formula", "pretty_formula", "formula_pretty"),
    *("full_formula", "formulas", "compositions"),
)
TRAINING = {"train", "training"}
HELD_OUT = {"test", "testing", "held-out", "held_out", "val", "valid", "validation"}


@dataclass(frozen=True)
class Materials:
    """Formulas with what is known of them, a row each.

    Args:
        formulas: reduced, as `formulas.formula` writes them; one may stand on several rows.
        columns: that have a value on every row.
        held_out: rows that the file keeps from training, (n,) bool; None where it does not say.
        left_out: (line, formula, reason) of each row that is not here.
        said: what else was done, a sentence each.
    """

    formulas: list[str]
    columns: tuple[Column, ...] = ()
    held_out: np.ndarray | None = None
    left_out: list[tuple[int, str, str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def rows(self, kept: np.ndarray) -> Materials:
        """Chosen rows, (n,) bool."""
        return Materials(
            [text for text, is_kept in zip(self.formulas, kept, strict=True) if is_kept],
            tuple(c.rows(kept) for c in self.columns),
            None if self.held_out is None else self.held_out[kept],
            self.left_out,
            self.said,
        )


def materials_of(
    data: Any, column: str | None = None, properties: Sequence[str] = (), skip: bool = False
) -> Materials:
    """Formulas from a CSV file, from Python, or pymatgen's AFLOW prototypes.

    Args:
        data: "aflow", a path, or formulas.
        column: that holds the formulas.
        properties: columns to know of each formula, whose rows without a value are left out; by
            default all columns that have one everywhere.
        skip: leave out rows whose formula cannot be read, instead of stopping at the first.

    Raises:
        InputError: no such file or column, a formula that cannot be read, nothing left.
    """
    if isinstance(data, str | Path) and str(data) != "aflow":
        sheet = read(data)
    else:
        texts = prototypes() if isinstance(data, str) else [str(text) for text in data]
        sheet = Sheet(
            str(data) if isinstance(data, str) else "formulas",
            ("formula",),
            [[text] for text in texts],
            list(range(1, len(texts) + 1)),
        )
    name = column or _formula_column(sheet)
    texts = sheet.texts(name)
    found, left_out = _formulas(sheet, texts, skip)
    others = _columns(sheet, [n for n in sheet.names if n != name], properties)
    there = np.array([text is not None for text in found])
    for c in others.kept:
        for row in np.flatnonzero(there & ~c.known):
            left_out.append((sheet.lines[row], texts[row], f"'{c.name}' is missing"))
        there &= c.known
    known = Materials([text or "" for text in found], tuple(others.kept), others.held_out, left_out)
    known = known.rows(there)
    if not known.formulas:
        raise InputError(f"'{sheet.path}' has no row that can be used")
    return _merged(known, others.said)


def prototypes() -> list[str]:
    """Formulas of pymatgen's AFLOW prototypes: 288 real crystals, one of each kind.

    References:
        Michael Mehl et al., 'The AFLOW Library of Crystallographic Prototypes: Part 1',
        Computational Materials Science 136, S1, 2017
    """
    from pymatgen.core import Composition

    # Its file, not AFLOW_PROTOTYPE_LIBRARY, whose import parses 288 citations for 10 seconds.
    file = files("pymatgen.analysis") / "prototypes" / "aflow_prototypes.json.gz"
    try:
        structures = [one["snl"] for one in json.loads(gzip.decompress(file.read_bytes()))]
    except OSError:  # other versions keep it elsewhere
        from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY

        structures = [one["snl"].as_dict() for one in AFLOW_PROTOTYPE_LIBRARY]
    found = []
    for structure in structures:
        atoms: Counter[str] = Counter()
        for site in structure["sites"]:
            atoms.update({one["element"]: one["occu"] for one in site["species"]})
        found.append(Composition(atoms).reduced_formula)
    return found


def _formula_column(sheet: Sheet) -> str:
    named = [name for name in sheet.names if name.lower().replace(" ", "_") in FORMULA_COLUMNS]
    if not named and len(sheet.names) > 1:
        raise InputError(
            f"'{sheet.path}' has no column 'formula', only {', '.join(sheet.names[:8])}: say which "
            "it is, --formula COLUMN"
        )
    return (named or list(sheet.names))[0]


def _formulas(
    sheet: Sheet, texts: Sequence[str], skip: bool
) -> tuple[list[str | None], list[tuple[int, str, str]]]:
    found: list[str | None] = []
    left_out = []
    for row, text in enumerate(texts):
        try:
            found.append(formula(amounts(text)))
        except ValueError as error:
            if not skip:
                raise InputError(
                    f"{sheet.place(row)}: '{text}': {error}; mend it, or leave such rows out with "
                    "--skip"
                ) from None
            found.append(None)
            left_out.append((sheet.lines[row], text, str(error)))
    return found, left_out


@dataclass
class _Others:
    kept: list[Column] = field(default_factory=list)
    held_out: np.ndarray | None = None
    said: list[str] = field(default_factory=list)


def _columns(sheet: Sheet, names: Sequence[str], chosen: Sequence[str]) -> _Others:
    """Columns besides the formulas: those that can be known of them, and the split."""
    others = _Others()
    for name in chosen:
        sheet.texts(name)  # says so if there is none
    for name in names:
        one = column(sheet, name)
        parts = {text.lower() for text in one.classes}
        if name.lower() in ("split", "subset", "set") and parts <= TRAINING | HELD_OUT:
            others.held_out = np.array([t.lower() in HELD_OUT for t in sheet.texts(name)])
            if others.held_out.all() or not others.held_out.any():
                others.held_out = None
        elif why := _unusable(one, name in chosen):
            if name in chosen:
                raise InputError(f"'{sheet.path}', column '{name}' {why}")
            others.said.append(f"column '{name}' {why}: not used")
        elif name in chosen or not chosen:
            others.kept.append(one)
    return others


def _unusable(one: Column, chosen: bool) -> str:
    """Why nothing can be asked of a column; '' if something can."""
    missing = len(one.values) - int(one.known.sum())
    if not one.known.any():
        return "is empty"
    if one.constant:
        value = one.classes[0] if one.classes else f"{one.values[one.known][0]:g}"
        return f"is {value} everywhere"
    if len(one.classes) > MOST_CLASSES:
        return f"has {len(one.classes)} different texts, too many for classes"
    if missing and not chosen:
        return f"lacks {missing} of {len(one.values)} values; --properties '{one.name}' drops those"
    return ""


def _merged(known: Materials, said: list[str]) -> Materials:
    """Rows that repeat another one dropped, formulas with several values kept, both counted."""
    table = np.stack([np.zeros(len(known.formulas)), *(c.values for c in known.columns)], 1)
    part = np.zeros(len(table), bool) if known.held_out is None else known.held_out
    seen: dict[str, set[bytes]] = {}
    kept = np.ones(len(table), bool)
    training = {t for t, held in zip(known.formulas, part, strict=True) if not held}
    both = 0
    for row, text in enumerate(known.formulas):
        if part[row] and text in training:
            kept[row], both = False, both + 1
            continue
        values = seen.setdefault(text, set())
        kept[row] = (key := table[row].tobytes()) not in values
        values.add(key)
    if repeated := int((~kept).sum()) - both:
        said = [*said, f"{repeated} rows repeat another one and are dropped"]
    if both:
        said = [*said, f"{both} held-out rows have a formula of a training row and are dropped"]
    if several := [text for text, values in seen.items() if len(values) > 1]:
        said = [
            *said,
            f"{len(several)} formulas, such as {several[0]}, have rows of different properties: "
            "all are kept, on one side of the split",
        ]
    if known.left_out:
        reasons = Counter(reason for _, _, reason in known.left_out)
        line, text, reason = known.left_out[0]
        said = [
            *said,
            f"{len(known.left_out)} rows are left out, for {len(reasons)} reasons; the first, line "
            f"{line}, '{text}': {reason}",
        ]
    rest = known.rows(kept)
    return Materials(rest.formulas, rest.columns, rest.held_out, rest.left_out, said)
