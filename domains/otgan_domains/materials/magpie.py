"""Statistics of the properties of a formula's elements, in the manner of Magpie."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from otgan_domains.materials.elements import SCALE

STATISTICS = ("minimum", "maximum", "range", "mean", "mean deviation", "mode")

_CAPACITY = {"s": 2, "p": 6, "d": 10, "f": 14}


def _valence(element: Any, orbital: str) -> int:
    """Electrons outside the core of the noble gas before it, in orbitals s, p, d or f."""
    shells = re.findall(rf"\d{orbital}(\d+)", element.electronic_structure)
    return sum(map(int, shells))


def _unfilled(element: Any, orbital: str) -> int:
    return _CAPACITY[orbital] - n if (n := _valence(element, orbital)) else 0


PROPERTIES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "atomic number": ("", lambda e: e.Z),
    "modified Pettifor number": ("", lambda e: SCALE.index(e.symbol)),
    "atomic weight": ("u", lambda e: e.atomic_mass),
    "melting point": ("K", lambda e: e.melting_point),
    "column": ("", lambda e: e.group),
    "row": ("", lambda e: e.row),
    "atomic radius": ("Å", lambda e: e.atomic_radius),
    "electronegativity": ("", lambda e: e.data.get("X")),
    "ionization energy": ("eV", lambda e: e.ionization_energy),
    "electron affinity": ("eV", lambda e: e.electron_affinity),
    "molar volume": ("cm3/mol", lambda e: e.molar_volume),
    **{f"{o} valence": ("", partial(_valence, orbital=o)) for o in _CAPACITY},
    "valence": ("", lambda e: sum(_valence(e, o) for o in _CAPACITY)),
    **{f"{o} unfilled": ("", partial(_unfilled, orbital=o)) for o in _CAPACITY},
    "unfilled": ("", lambda e: sum(_unfilled(e, o) for o in _CAPACITY)),
}
"""Name -> unit and value of a pymatgen Element."""


@cache
def table() -> Tensor:
    """Properties of the elements along the scale, (103, properties); unknown ones are the mean."""
    from pymatgen.core import Element

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that pymatgen does not have
        found = [[_number(f(Element(s))) for _, f in PROPERTIES.values()] for s in SCALE]
    values = torch.tensor(found, dtype=torch.float64)
    return torch.where(values.isnan(), values.nanmean(0), values)


class Magpie:
    """Amounts (n, elements) -> six statistics of each property, (n, 6 * properties).

    Minimum, maximum, range, the mean weighted by amounts, the weighted mean absolute deviation
    from it, and the value of the most frequent element (the smallest, if several are). Elements
    have pymatgen's values; a formula without elements has zeros.

    Args:
        elements: names of the columns.

    References:
        Logan Ward et al., 'A general-purpose machine learning framework for predicting properties
        of inorganic materials', npj Computational Materials 2, 16028, 2016

    Example:
        >>> magpie = Magpie(["Fe", "O"])
        >>> dict(zip(magpie.names, magpie(torch.tensor([[2.0, 3.0]]))[0].tolist()))["mean column"]
        12.8
    """

    names = tuple(f"{s} {p}" for p in PROPERTIES for s in STATISTICS)
    units = tuple(unit for unit, _ in PROPERTIES.values() for _ in STATISTICS)

    def __init__(self, elements: Sequence[str]):
        self.values = table()[[SCALE.index(element) for element in elements]]

    def __repr__(self) -> str:
        return f"Magpie's {len(STATISTICS)} statistics of {len(PROPERTIES)} element properties"

    def __call__(self, x: Tensor) -> Tensor:
        x = x.double()
        weights = x / x.sum(1, keepdim=True).clamp_min(1e-12)
        values, there = self.values.expand(len(x), -1, -1), (x > 0)[..., None]
        least = values.where(there, math.inf).amin(1)
        most = values.where(there, -math.inf).amax(1)
        mean = weights @ self.values
        deviation = (weights[..., None] * (values - mean[:, None]).abs()).sum(1)
        frequent = there & (x == x.amax(1, keepdim=True))[..., None]
        mode = values.where(frequent, math.inf).amin(1)
        found = torch.stack([least, most, most - least, mean, deviation, mode], 2).flatten(1)
        return torch.where((x > 0).any(1, keepdim=True), found, 0.0)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
