"""The oxidation states a formula most likely has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from otgan_domains.materials.chemistry import Amounts, divisions, elements, reduced


@dataclass(frozen=True, order=True)
class Ion:
    """So many atoms of an element in one oxidation state.

    Example:
        >>> str(Ion("Fe", 3, 2)), str(Ion("Cl", -1, 1))
        ('2 Fe3+', 'Cl-')
    """

    symbol: str
    state: int
    count: int

    def __str__(self) -> str:
        size = "" if abs(self.state) == 1 else str(abs(self.state))
        charge = f"{size}{'+' if self.state > 0 else '-'}" if self.state else "0"
        return (
            f"{self.symbol}{charge}" if self.count == 1 else f"{self.count} {self.symbol}{charge}"
        )


def ions(formula: str | Amounts, mixed_valence: bool = False) -> tuple[Ion, ...]:
    """Oxidation states that add to 0, balanced ones where there are any, else none balanced.

    Among several the most probable: each atom counts with the share of its state among the reports
    of its element in the ICSD. One element alone has states 0; nothing neutral gives ().

    Example:
        >>> [str(ion) for ion in ions("Fe3O4", mixed_valence=True)]
        ['Fe2+', '2 Fe3+', '4 O2-']
    """
    counts = reduced(formula)
    if len(counts) == 1:
        return tuple(Ion(symbol, 0, count) for symbol, count in counts.items())
    signs: Iterator[dict[str, int]] = (
        dict.fromkeys(below, 1) | dict.fromkeys(above, -1) for below, above in divisions(counts)
    )
    for ways in (signs, iter([dict.fromkeys(counts, 0)])):
        found = [_likeliest(counts, way, mixed_valence) for way in ways]
        if best := max(filter(None, found), default=None):
            return best[1]
    return ()


_Choice = tuple[float, tuple[Ion, ...]]
"""Log probability, and the states."""


def _likeliest(counts: dict[str, int], signs: dict[str, int], mixed: bool) -> _Choice | None:
    """The most probable neutral choice whose states have these signs, 0 for any."""
    known, reached = elements(), {0: (0.0, ())}
    for symbol, count in counts.items():
        reports = known.reports.get(symbol, {})
        total = sum(reports.values())
        odds = {
            state: math.log(times / total)
            for state, times in reports.items()
            if state * signs[symbol] >= 0
        }
        each = mixed and symbol in known.mixed
        here = _shared(symbol, count, odds) if each else _alike(symbol, count, odds)
        reached = _best(
            (charge + more, (a[0] + b[0], a[1] + b[1]))
            for charge, a in reached.items()
            for more, b in here.items()
        )
    return reached.get(0)


def _alike(symbol: str, count: int, odds: dict[int, float]) -> dict[int, _Choice]:
    return {s * count: (count * p, (Ion(symbol, s, count),)) for s, p in odds.items()}


def _shared(symbol: str, count: int, odds: dict[int, float]) -> dict[int, _Choice]:
    """The best way for so many atoms to have each total charge between them."""
    single = [(s, (p, (s,))) for s, p in odds.items()]
    reached: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for _ in range(count):
        reached = _best(
            (charge + s, (a[0] + p, tuple(sorted(a[1] + last))))
            for charge, a in reached.items()
            for s, (p, last) in single
        )
    return {
        charge: (p, tuple(Ion(symbol, s, states.count(s)) for s in sorted(set(states))))
        for charge, (p, states) in reached.items()
    }


def _best(found: Iterable[tuple[int, tuple]]) -> dict[int, tuple]:
    best: dict[int, tuple] = {}
    for charge, choice in found:
        if charge not in best or choice > best[charge]:
            best[charge] = choice
    return best
