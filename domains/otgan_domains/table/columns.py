"""Columns of a table: numbers with a unit, or classes."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from otgan.config import InputError
from otgan_domains.table.sheets import Sheet

MISSING = {"", "na", "n/a", "nan", "null", "none", "-"}
"""What stands for nothing, in any case."""

MOST_CLASSES = 100

_UNITS = {
    **{u.lower(): u for u in ("eV", "meV", "keV", "kJ", "J", "kcal", "K", "GPa", "MPa", "Pa")},
    **{u.lower(): u for u in ("nm", "pm", "cm", "mm", "kg", "Hz", "THz", "mol", "percent")},
    "ang": "Å",
    "angstrom": "Å",
    "hartree": "Ha",
}
_PER = {"atom", "mol", "fu", "cell", "m3", "cm3", "kg", "k"}


@dataclass(frozen=True)
class Column:
    """Values of a column, (n,): numbers or, where there are classes, their positions among them;
    NaN where nothing is known."""

    name: str
    values: np.ndarray
    classes: tuple[str, ...] = ()
    unit: str = ""

    @property
    def known(self) -> np.ndarray:
        """Which rows have a value, (n,)."""
        return ~np.isnan(self.values)

    @property
    def constant(self) -> bool:
        """Whether fewer than two values occur."""
        return len(np.unique(self.values[self.known])) < 2

    def rows(self, kept: np.ndarray) -> Column:
        """Chosen rows."""
        return Column(self.name, self.values[kept], self.classes, self.unit)

    def to_state(self) -> dict[str, Any]:
        """All but the values, for JSON."""
        state = asdict(self) | {"classes": list(self.classes)}
        del state["values"]
        return state


def column(sheet: Sheet, name: str) -> Column:
    """Numbers where most of the cells that are not empty are numbers, else classes.

    Raises:
        InputError: no such column, a header with two units, a text among numbers, an infinite one.
    """
    texts, (_, unit) = sheet.texts(name), quantity(name)
    numbers = [_number(text) for text in texts]
    given = [text.lower() not in MISSING for text in texts]
    readable = sum(n is not None for n in numbers)
    if 2 * readable <= sum(given):
        there = {text for text, is_given in zip(texts, given, strict=True) if is_given}
        classes = tuple(sorted(there))
        place = {text: float(k) for k, text in enumerate(classes)}
        return Column(name, np.array([place.get(text, np.nan) for text in texts]), classes)
    for row, (text, number, is_given) in enumerate(zip(texts, numbers, given, strict=True)):
        if is_given and (number is None or not np.isfinite(number)):
            raise InputError(
                f"{sheet.place(row)}, '{name}': '{text}' is no finite number, as most others are"
            )
    return Column(name, np.array([np.nan if n is None else n for n in numbers]), (), unit)


def quantity(header: str) -> tuple[str, str]:
    """Name and unit that a header gives; '' for no unit.

    Raises:
        InputError: it names two units.

    Example:
        >>> quantity("gap_ev"), quantity("Formation energy [eV/atom]"), quantity("e_hull_ev_atom")
        (('gap', 'eV'), ('Formation energy', 'eV/atom'), ('e hull', 'eV/atom'))
    """
    bracketed = re.fullmatch(r"(.*?)\s*[\[(]([^\])]*)[\])]\s*", header)
    if bracketed is None:
        return _suffix(header)
    (name, other), unit = _suffix(bracketed[1]), bracketed[2].strip()
    if other and _plain(other) != _plain(unit):
        raise InputError(f"the header '{header}' names two units, {other} and {unit}: which is it?")
    return name, unit


def _suffix(header: str) -> tuple[str, str]:
    words = [word for word in re.split(r"[_\s]+", header) if word.lower() != "per"]
    lower = [word.lower() for word in words]
    for tail in (2, 1):
        unit = [*lower[-tail:]]
        if len(words) > tail and unit[0] in _UNITS and (tail == 1 or unit[1] in _PER):
            more = f"/{unit[1]}" if tail == 2 else ""
            return " ".join(words[:-tail]), _UNITS[unit[0]] + more
    return " ".join(words), ""


def _plain(unit: str) -> str:
    return re.sub(r"[^a-z0-9å]", "", unit.lower().replace("per", ""))


def _number(text: str) -> float | None:
    if text.lower() in MISSING:
        return None
    try:
        return float(text)
    except ValueError:
        return None
