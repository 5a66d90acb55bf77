"""How good generated formulas are, beside what real ones would score in their place."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from otgan.geometry import Lp
from otgan.metrics import neighbours
from otgan.transport import exact
from otgan.transport.line import one_dimensional
from otgan_domains.materials.chemistry import check
from otgan_domains.materials.elements import SCALE
from otgan_domains.materials.rivals import Counts

NEIGHBOURHOOD = 2000
"""Formulas of a side, at most, that are compared each with each."""


def verdicts(formulas: Sequence[Counts]) -> dict[str, float]:
    """Shares that smact's check lets pass.

    `valid` is balanced or metals alone, `valid without alloys` balanced, `neutral` and `valid with
    mixed valence` what they say (`chemistry.check`); a pure element is all of these.
    """
    found = [check(dict(one)) for one in formulas]
    mixed = [check(dict(one), mixed_valence=True).valid() for one in formulas]
    return {
        "neutral": _share(verdict.neutral or verdict.element for verdict in found),
        "valid": _share(verdict.valid() for verdict in found),
        "valid without alloys": _share(verdict.valid(alloys=False) for verdict in found),
        "valid with mixed valence": _share(mixed),
    }


def originality(formulas: Sequence[Counts], train: Collection[Counts]) -> dict[str, float]:
    """Share of different formulas, and the share of those that are not among training formulas."""
    different = set(formulas)
    return {
        "unique": len(different) / max(len(formulas), 1),
        "novel": _share(one not in train for one in different),
    }


def distances(x: Sequence[Counts], y: Sequence[Counts]) -> dict[str, float]:
    """Between generated and real formulas.

    - elements W1: between frequencies of elements (a formula counts once for each of its elements),
      in places along the modified Pettifor scale; elements TV, pairs TV, sizes TV: total variation
      between frequencies of elements, of pairs in one formula, of the number of elements.
    - element mover's W1: exact transport between at most 2,000 formulas a side, whose distance is
      the element mover's (Hargreaves et al. 2020, 'The Earth Mover's Distance as a Metric for the
      Space of Inorganic Compositions'), in places; precision and coverage in the same distance, of
      5 neighbours (`otgan.metrics.neighbours`).
    """
    one, other = Counter(_singles(x)), Counter(_singles(y))
    a, b = (along(part[:NEIGHBOURHOOD]) for part in (x, y))
    near = neighbours(a, b, Lp(1))
    return {
        "elements W1": _w1(one, other),
        "elements TV": variation(one, other),
        "pairs TV": variation(Counter(_pairs(x)), Counter(_pairs(y))),
        "sizes TV": variation(Counter(map(len, x)), Counter(map(len, y))),
        "element mover's W1": exact(a, b, Lp(1)).item(),
        "precision": near["precision"].value,
        "coverage": near["coverage"].value,
    }


def along(formulas: Sequence[Counts]) -> Tensor:
    """Cumulated atomic fractions along the modified Pettifor scale, (n, places - 1), double.

    Their l1 distance is the element mover's distance in places; formulas with the same ratios, such
    as O2 and O3, are at distance 0.

    Example:
        >>> x = along([(("He", 1),), (("Ne", 1),), (("He", 1), ("Ar", 1))])
        >>> Lp(1).pairwise(x, x)[0]  # one place, and half of the atoms two places
        tensor([0., 1., 1.], dtype=torch.float64)
    """
    place = {symbol: k for k, symbol in enumerate(SCALE)}
    x = torch.zeros(len(formulas), len(SCALE), dtype=torch.float64)
    for row, formula in zip(x, formulas, strict=True):
        for symbol, count in formula:
            row[place[symbol]] = count
    return (x / x.sum(1, keepdim=True)).cumsum(1)[:, :-1]


def variation(a: Counter[Any], b: Counter[Any]) -> float:
    """Total variation between two frequencies: half of the sum of absolute differences; NaN where
    one of them counts nothing.

    Example:
        >>> variation(Counter("aab"), Counter("abb"))
        0.3333333333333333
    """
    m, n = a.total(), b.total()
    if not (m and n):
        return math.nan
    return sum(abs(a[key] / m - b[key] / n) for key in a.keys() | b.keys()) / 2


def rediscovered(
    candidates: Collection[Counts], held_out: Collection[Counts], train: Collection[Counts]
) -> float:
    """Share of the held-out formulas that are not in training which candidates contain."""
    unseen = set(held_out).difference(train)
    return len(unseen.intersection(candidates)) / len(unseen)


def _w1(a: Counter[str], b: Counter[str]) -> float:
    points = torch.arange(len(SCALE), dtype=torch.float64)
    p, q = (torch.tensor([c[s] / c.total() for s in SCALE], dtype=torch.float64) for c in (a, b))
    return one_dimensional(points, points, p, q).item()


def _singles(formulas: Iterable[Counts]) -> Iterable[str]:
    return (symbol for formula in formulas for symbol, _ in formula)


def _pairs(formulas: Iterable[Counts]) -> Iterable[tuple[str, str]]:
    for formula in formulas:
        yield from combinations((symbol for symbol, _ in formula), 2)


def _share(truths: Iterable[bool]) -> float:
    found = list(truths)
    return sum(found) / max(len(found), 1)
