"""What `otgan evaluate` asks of formulas."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial

import torch
from torch import Tensor

from otgan_domains.materials.chemistry import Verdict, check
from otgan_domains.materials.evaluation import distances
from otgan_domains.materials.rivals import Counts


def counted(x: Tensor, elements: Sequence[str]) -> list[Counts]:
    """Compositions of amounts (n, elements), rounded; () where all of them are 0.

    Example:
        >>> counted(torch.tensor([[6.2, 7.9], [0.1, 0.0]]), ["Fe", "O"])
        [(('Fe', 3), ('O', 4)), ()]
    """
    order = sorted(range(len(elements)), key=lambda k: elements[k])
    whole = x.detach().cpu().round().clamp_min(0).long()[:, order]
    names = [elements[k] for k in order]
    found: list[list[tuple[str, int]]] = [[] for _ in range(len(x))]
    row, column = whole.nonzero(as_tuple=True)
    for k, name, n in zip(row.tolist(), column.tolist(), whole[row, column].tolist(), strict=True):
        found[k].append((names[name], n))
    return [_reduced(one) for one in found]


def _reduced(found: list[tuple[str, int]]) -> Counts:
    common = math.gcd(*(n for _, n in found))
    return tuple((symbol, n // common) for symbol, n in found)


class Scoring:
    """Shares and scores of a domain, for `otgan.domain.Domain`.

    Args:
        elements: names of the columns of amounts.
        train: amounts (n, elements), for novelty; None in a domain without data.
    """

    def __init__(self, elements: Sequence[str], train: Tensor | None):
        self.elements, self.train = tuple(elements), train

    @property
    def shares(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """Amounts (n, elements) -> (n,) bool, by name; what is no formula passes nothing."""
        named: dict[str, Callable[[Counts], bool]] = {
            "some element": bool,
            "neutral": lambda one: _verdict(one).neutral or _verdict(one).element,
            "neutral and balanced, or an alloy": lambda one: _verdict(one).valid(),
            "neutral and balanced": lambda one: _verdict(one).valid(alloys=False),
            "the same with mixed valence, or an alloy": lambda one: _verdict(one, True).valid(),
        }
        if self.train is not None:
            named["not in the training data"] = lambda one: one not in self.known
        return {name: partial(self._passing, passes) for name, passes in named.items()}

    def _passing(self, passes: Callable[[Counts], bool], x: Tensor) -> Tensor:
        return torch.tensor([bool(one) and passes(one) for one in counted(x, self.elements)])

    def scores(self, x: Tensor, real: Tensor) -> dict[str, float]:
        """Of generated amounts (n, elements) against real ones; NaN where too few are formulas."""
        made, there = ([one for one in counted(part, self.elements) if one] for part in (x, real))
        if min(len(made), len(there)) < 6:  # precision and coverage take 5 neighbours
            made = there[:6]
            return dict.fromkeys(("unique", *distances(made, there)), math.nan)
        return {"unique": len(set(made)) / len(made), **distances(made, there)}

    @cached_property
    def known(self) -> frozenset[Counts]:
        """The training formulas."""
        assert self.train is not None
        return frozenset(counted(self.train, self.elements))


def _verdict(one: Counts, mixed_valence: bool = False) -> Verdict:
    return check(dict(one), mixed_valence)
