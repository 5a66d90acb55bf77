"""Formulas as points: the amounts of the elements of a vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from otgan_domains.materials.elements import SCALE
from otgan_domains.materials.formulas import amounts, formula


def vocabulary(formulas: Iterable[str]) -> tuple[str, ...]:
    """The elements that occur, along the chemical scale.

    Raises:
        ValueError: no formula.

    Example:
        >>> vocabulary(["NaCl", "Fe2O3"])
        ('Na', 'Fe', 'O', 'Cl')
    """
    there = {element for text in formulas for element in amounts(text)}
    return tuple(element for element in SCALE if element in there)


def points(formulas: Sequence[str], elements: Sequence[str]) -> Tensor:
    """Reduced amounts, (n, elements), whole numbers.

    Raises:
        ValueError: no formula, or an element that is not in the vocabulary.

    Example:
        >>> points(["Fe6O8", "NaCl"], ["Na", "Fe", "O", "Cl"])
        tensor([[0., 3., 4., 0.],
                [1., 0., 0., 1.]])
    """
    place = {element: k for k, element in enumerate(elements)}
    x = torch.zeros(len(formulas), len(elements))
    for row, text in zip(x, formulas, strict=True):
        for element, amount in amounts(text).items():
            if element not in place:
                raise ValueError(f"'{text}' has {element}, which no formula in training has")
            row[place[element]] = amount
    return x


def texts(x: Tensor, elements: Sequence[str]) -> list[str]:
    """Reduced formulas of amounts (n, elements), rounded; '' where all of them are 0.

    `points` inverts it, and it inverts `points` on formulas that `formulas.formula` wrote.

    Example:
        >>> texts(torch.tensor([[6.2, 7.9], [0.1, 0.0]]), ["Fe", "O"])
        ['Fe3O4', '']
    """
    found = []
    for row in x.round().clamp_min(0).int().tolist():
        there = {e: n for e, n in zip(elements, row, strict=True) if n}
        found.append(formula(there) if there else "")
    return found
