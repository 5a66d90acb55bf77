"""What a generator of formulas has to beat: simple ways to propose new ones from the same data.

Every rival yields candidates without end; `fresh` keeps those that are neither repeated nor known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from otgan_domains.materials.chemistry import Amounts, check, reduced
from otgan_domains.materials.elements import SCALE

Counts = tuple[tuple[str, int], ...]
"""Least whole amounts by symbol, in alphabetic order: equal for equal compositions."""

REACH = 0.5
"""Places along the scale; nearer finds more of what is real, and .5 the most of .5 to 10."""

PATIENCE = 1000
"""Candidates for every one that is kept, on average, before `fresh` gives up."""


def counts(formula: str | Amounts) -> Counts:
    """A composition as something to compare and to count.

    Example:
        >>> counts("Fe6O8") == counts({"O": 4, "Fe": 3})
        True
    """
    return tuple(sorted(reduced(formula).items()))


def fresh(candidates: Iterable[Counts], known: Collection[Counts], n: int) -> list[Counts]:
    """The first n candidates that are not known and not the same as one before, in order.

    Fewer if the candidates end, or if fewer than n in 1000 n are fresh.
    """
    seen, kept = set(known), []
    for candidate in islice(candidates, PATIENCE * n):
        if candidate not in seen:
            seen.add(candidate)
            kept.append(candidate)
            if len(kept) == n:
                break
    return kept


def substitution(train: Sequence[Counts], seed: int = 0, reach: float = REACH) -> Iterator[Counts]:
    """Random training formulas, one of their elements replaced by a chemically similar one.

    Args:
        reach: the new element is 1/e as likely for every so many places further along the modified
            Pettifor scale (Glawe et al. 2016); math.inf for any element of the training data alike.
    """
    draw = np.random.default_rng(seed)
    there = [s for s in SCALE if any(s == symbol for formula in train for symbol, _ in formula)]
    place = np.array([SCALE.index(symbol) for symbol in there])
    odds = np.exp(-np.abs(place[:, None] - place) / reach)
    np.fill_diagonal(odds, 0)
    odds = odds.cumsum(1) / odds.sum(1, keepdims=True)
    row = dict(zip(there, odds, strict=True))
    while True:
        rest = dict(train[int(draw.integers(len(train)))])
        old = list(rest)[draw.integers(len(rest))]
        new = there[np.searchsorted(row[old], draw.random())]
        if new not in rest:
            rest[new] = rest.pop(old)
            yield tuple(sorted(rest.items()))


def screened(candidates: Iterable[Counts], alloys: bool = True) -> Iterator[Counts]:
    """Those that smact lets pass: neutral and balanced, or metals alone."""
    return (one for one in candidates if check(dict(one)).valid(alloys))


def independent(train: Sequence[Counts], seed: int = 0) -> Iterator[Counts]:
    """Elements drawn one by one, to be screened.

    Their number is that of a random training formula; elements come by how many formulas have them
    and amounts by how often the element has them, both without regard to the others.
    """
    draw = np.random.default_rng(seed)
    amounts: dict[str, list[int]] = defaultdict(list)
    for formula in train:
        for symbol, amount in formula:
            amounts[symbol].append(amount)
    names, several = list(amounts), list(amounts.values())
    frequency = np.array([len(there) for there in several], float)
    frequency /= frequency.sum()
    while True:
        size = len(train[int(draw.integers(len(train)))])
        chosen = draw.choice(len(several), size, replace=False, p=frequency)
        symbols = [names[k] for k in chosen]
        yield counts({s: amounts[s][draw.integers(len(amounts[s]))] for s in symbols})
