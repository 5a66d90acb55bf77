"""Charge neutrality and electronegativity balance of formulas, by smact's rules.

Davies et al. 2016, 'Computational Screening of All Stoichiometric Inorganic Materials', Chem 1: a
formula is neutral if an oxidation state can be chosen for every element so that all charges add to
0, and balanced if some such choice leaves every cation less electronegative than every anion. The
verdicts are those of smact 4 (`smact.screening.smact_validity`), whose tables are used: states
reported at least 3 times in the ICSD of 2024, Pauling's electronegativities, its list of metals.
smact tries every combination of states; here the charges that can be reached are the bits of an
integer, which takes microseconds and needs no limit on mixed valence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from operator import or_

from otgan.config import InputError
from otgan_domains.materials.formulas import amounts

Amounts = Mapping[str, int]
"""Atoms of each element, by symbol; at least 1."""

REPORTS = 3
"""Reports in the ICSD that make an oxidation state known, as in smact."""


@dataclass(frozen=True)
class Elements:
    """What smact knows of the elements, by symbol.

    Args:
        reports: how often each oxidation state but 0 is reported; known states alone.
        electronegativity: Pauling's, or None.
        metals: by smact's list, which counts Ge and Sb among them.
        mixed: those that may have several states in one formula, on request.
    """

    reports: Mapping[str, Mapping[int, int]]
    electronegativity: Mapping[str, float | None]
    metals: frozenset[str]
    mixed: frozenset[str]


@cache
def elements() -> Elements:
    """The tables of the installed smact.

    Raises:
        InputError: smact is not installed.
    """
    try:
        import smact
        from smact.screening import MIXED_VALENCE_ELEMENTS
        from smact.utils.oxidation import ICSD24OxStatesFilter
    except ImportError as error:
        raise InputError(
            f"oxidation states come from smact ({error}): pip install 'otgan[materials]'"
        ) from None
    reports: dict[str, dict[int, int]] = {}
    table = ICSD24OxStatesFilter().ox_states_df
    columns = (table[name] for name in ("element", "oxidation_state", "results_count"))
    for symbol, state, times in zip(*columns, strict=True):
        if state and times >= REPORTS:
            reports.setdefault(str(symbol), {})[int(state)] = int(times)
    known = smact.element_dictionary()
    return Elements(
        reports,
        {symbol: element.pauling_eneg for symbol, element in known.items()},
        frozenset(smact.metals),
        MIXED_VALENCE_ELEMENTS,
    )


@dataclass(frozen=True)
class Verdict:
    """What the check finds.

    Args:
        neutral: some choice of oxidation states adds to 0.
        balanced: some neutral choice has every cation less electronegative than every anion.
        alloy: metals alone.
        element: one element alone, which smact always lets pass.
    """

    neutral: bool
    balanced: bool
    alloy: bool
    element: bool

    def valid(self, alloys: bool = True) -> bool:
        """smact's verdict: balanced or, with the exemption, an alloy, which has no ions."""
        return self.element or self.balanced or (alloys and self.alloy)


def check(formula: str | Amounts, mixed_valence: bool = False) -> Verdict:
    """Whether oxidation states of a formula can be neutral and balanced.

    Args:
        formula: text, of which fractions are brought to whole numbers first, where smact cuts them
            off; or atoms of each element.
        mixed_valence: every atom of an element of smact's list may have a state of its own.

    Raises:
        ValueError: no formula.

    Example:
        >>> check("NaCl").balanced, check("NaCl2").neutral
        (True, False)
        >>> check("Fe3O4").balanced, check("Fe3O4", mixed_valence=True).balanced
        (False, True)
        >>> check("CuZn").valid(), check("CuZn").valid(alloys=False)
        (True, False)
    """
    return _check(tuple(reduced(formula).items()), mixed_valence)


def reduced(formula: str | Amounts) -> dict[str, int]:
    """The least whole amounts.

    Example:
        >>> reduced("Al0.5Ga0.5As"), reduced({"Na": 2, "Cl": 2})
        ({'Al': 1, 'Ga': 1, 'As': 2}, {'Na': 1, 'Cl': 1})
    """
    counts = amounts(formula) if isinstance(formula, str) else formula
    common = math.gcd(*counts.values())
    return {symbol: count // common for symbol, count in counts.items()}


@lru_cache(1 << 17)
def _check(counts: tuple[tuple[str, int], ...], mixed_valence: bool) -> Verdict:
    by_symbol = {symbol: _Part.of(symbol, count, mixed_valence) for symbol, count in counts}
    parts = list(by_symbol.values())
    return Verdict(
        neutral=all(part.charges for part in parts) and _neutral(parts),
        balanced=any(
            _meet(map(by_symbol.__getitem__, below), map(by_symbol.__getitem__, above))
            for below, above in divisions(by_symbol)
        ),
        alloy=elements().metals.issuperset(by_symbol),
        element=len(parts) == 1,
    )


@dataclass(frozen=True)
class _Part:
    """Total charges that the atoms of one element of a formula may have.

    Args:
        charges: all of them.
        plus, minus: those of cations and of anions alone, without the sign.
    """

    charges: tuple[int, ...]
    plus: tuple[int, ...]
    minus: tuple[int, ...]

    @classmethod
    @lru_cache(1 << 14)
    def of(cls, symbol: str, count: int, mixed_valence: bool) -> _Part:
        known = elements()
        states = tuple(known.reports.get(symbol, ()))
        total = _sums if mixed_valence and symbol in known.mixed else _multiples
        return cls(
            total(states, count),
            total(tuple(s for s in states if s > 0), count),
            total(tuple(-s for s in states if s < 0), count),
        )


def _multiples(states: tuple[int, ...], count: int) -> tuple[int, ...]:
    return tuple(count * state for state in states)


def _sums(states: tuple[int, ...], count: int) -> tuple[int, ...]:
    """All sums of so many states."""
    if not states:
        return ()
    least = min(states)
    reached = _reach([tuple(state - least for state in states)] * count)
    return tuple(k + count * least for k in range(reached.bit_length()) if reached >> k & 1)


def _reach(choices: list[tuple[int, ...]]) -> int:
    """The sums of one number of each list, none negative, as bits."""
    reached = 1
    for numbers in choices:
        reached = reduce(or_, (reached << number for number in numbers), 0)
    return reached


def _neutral(parts: list[_Part]) -> bool:
    least = [min(part.charges) for part in parts]
    if sum(least) > 0:
        return False
    above = [tuple(c - low for c in p.charges) for p, low in zip(parts, least, strict=True)]
    return bool(_reach(above) >> -sum(least) & 1)


def divisions(symbols: Iterable[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Into less and more electronegative elements, at every value between them; none if one of them
    has no electronegativity."""
    values = {symbol: elements().electronegativity.get(symbol) for symbol in symbols}
    known = {symbol: value for symbol, value in values.items() if value is not None}
    if len(known) < len(values):
        return
    for level in sorted(set(known.values()))[1:]:
        yield (
            [s for s, v in known.items() if v < level],
            [s for s, v in known.items() if v >= level],
        )


def _meet(cations: Iterable[_Part], anions: Iterable[_Part]) -> bool:
    """Whether some charge can be positive on the one side and negative on the other."""
    return bool(_reach([part.plus for part in cations]) & _reach([part.minus for part in anions]))
