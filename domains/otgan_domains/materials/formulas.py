"""Chemical formulas as whole amounts of elements."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from functools import lru_cache

from otgan_domains.materials.elements import SCALE

SMALL, LARGE = 12, 1000
"""Largest multiples tried for rounded fractions such as .333, and for decimals as written."""

MOST = 10_000
"""Atoms of a formula."""

_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_NUMBER = re.compile(r"\d+\.?\d*|\.\d+")


def amounts(text: str) -> dict[str, int]:
    """The least whole amounts of a formula's elements.

    Amounts that are not whole are multiplied by the least number up to 12 that makes them whole to
    three decimals (.333 is 1/3), else by the least up to 1000 that makes them whole as written.

    Raises:
        ValueError: why this is no formula of the elements H to Lr.

    Example:
        >>> amounts("Fe6O8"), amounts("Li(Al0.5Fe0.5)O2")
        ({'Fe': 3, 'O': 4}, {'Li': 2, 'Al': 1, 'Fe': 1, 'O': 4})
    """
    return dict(_pairs(text))


@lru_cache(1 << 18)
def _pairs(text: str) -> tuple[tuple[str, int], ...]:
    found = _parsed(text.translate(_SUBSCRIPTS).strip())
    total = sum(found.values())
    if max(found.values()) < 1 and total < 1.5 and abs(total - 1) > 5e-3:
        raise ValueError(f"its amounts are fractions that add up to {total:g}, and not to 1")
    whole = _whole(list(found.values()))
    if whole is None or not all(whole):
        raise ValueError(f"its amounts are not whole, and no multiple of them up to {LARGE} is")
    if sum(reduced := _reduced(whole)) > MOST:
        raise ValueError(f"in whole amounts it has more than {MOST:,} atoms")
    return tuple(zip(found, reduced, strict=True))


def formula(amounts: Mapping[str, int]) -> str:
    """The reduced formula as pymatgen writes it, where `amounts` reads the same amounts again.

    Elements that are gases and peroxides have their usual names: O2, H2O2.

    Example:
        >>> formula({"O": 8, "Fe": 6}), formula({"O": 1})
        ('Fe3O4', 'O2')
    """
    from pymatgen.core import Composition

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no electronegativity of He, Ne, Ar
        return Composition(amounts).reduced_formula


def _parsed(text: str) -> dict[str, float]:
    """Amounts as written.

    Raises:
        ValueError: it cannot be read, or not as elements in positive amounts.
    """
    from pymatgen.core import Composition, DummySpecies

    if not text:
        raise ValueError("it is empty")
    if "·" in text or "*" in text:
        raise ValueError("water of crystallisation goes into brackets, as in CuSO4(H2O)5")
    if re.search(r"-\s*\.?\d", text):
        raise ValueError("an amount is negative")
    if any(not float(number) for number in _NUMBER.findall(text)):
        raise ValueError("an amount is 0: leave the element out")
    try:
        found = Composition(text, strict=False)
    except (ValueError, KeyError, TypeError):
        raise ValueError("it is no formula such as Li3Fe2(PO4)3") from None
    for element in found:
        if isinstance(element, DummySpecies):
            raise ValueError(f"'{element.symbol}' is no element")
        if element.name in ("D", "T"):
            raise ValueError(f"'{element.name}' is an isotope: write H")
        if element.symbol not in SCALE:
            raise ValueError(f"'{element.symbol}' is beyond Lr, where little is known")
    if not sum(found.values()) <= MOST:
        raise ValueError(f"it has more than {MOST:,} atoms")
    return {element.symbol: amount for element, amount in found.items()}


def _whole(values: list[float]) -> list[int] | None:
    for most, slack in ((SMALL, 5e-4), (LARGE, 1e-6)):
        for multiple in range(1, most + 1):
            whole = [round(multiple * v) for v in values]
            pairs = zip(whole, values, strict=True)
            if all(abs(n / multiple - v) <= slack and n for n, v in pairs):
                return whole
    return None


def _reduced(values: list[int]) -> list[int]:
    divisor = math.gcd(*values)
    return [v // divisor for v in values]
