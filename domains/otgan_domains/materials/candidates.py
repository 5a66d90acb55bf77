"""What is known and guessed of each formula, and which are worth a look first."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from otgan_domains.materials.chemistry import check, elements
from otgan_domains.materials.estimates import Estimator
from otgan_domains.materials.ions import ions
from otgan_domains.materials.rivals import Counts
from otgan_domains.materials.scoring import counted

CHEMISTRY = ("oxidation states", "neutral", "balanced", "alloy")

MIXED = "mixed valence"


def chemistry(x: Tensor, names: Sequence[str]) -> list[tuple[str, str, str, str]]:
    """Cells for `CHEMISTRY` of amounts (n, names), oxidation states by rising electronegativity.

    `neutral` and `balanced` are yes, no, or mixed valence where only that makes it so, and the
    oxidation states are then of mixed valence. smact's verdict with the alloy exemption is balanced
    or alloy. Elements alone have states 0, and pass.

    Example:
        >>> chemistry(torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 1.0]]), ["Fe", "O", "Cu"])
        ... # doctest: +NORMALIZE_WHITESPACE
        [('Fe2+, 2 Fe3+, 4 O2-', 'mixed valence', 'mixed valence', 'no'),
         ('Cu0', 'yes', 'yes', 'yes')]
    """
    return [_cells(one) if one else ("", "no", "no", "no") for one in counted(x, names)]


def _cells(one: Counts) -> tuple[str, str, str, str]:
    pull = elements().electronegativity
    amounts = dict(sorted(one, key=lambda part: pull.get(part[0]) or 0.0))
    plain, mixed = check(amounts), check(amounts, mixed_valence=True)
    neutral, balanced = (
        "yes" if now or plain.element else MIXED if then else "no"
        for now, then in ((plain.neutral, mixed.neutral), (plain.balanced, mixed.balanced))
    )
    found = ions(amounts, mixed_valence=MIXED in (neutral, balanced) and balanced != "yes")
    return ", ".join(map(str, found)), neutral, balanced, "yes" if plain.alloy else "no"


@dataclass(frozen=True)
class Candidate:
    """A new formula.

    Args:
        row: among the samples.
        states: its oxidation states.
        value, deviation: estimate of the property; NaN without an estimator.
        at_most_0: probability that the property is at most 0.
    """

    row: int
    states: str
    value: float
    deviation: float
    at_most_0: float


def best(
    x: Tensor,
    names: Sequence[str],
    known: Collection[Counts],
    estimator: Estimator | None = None,
    n: int = 20,
) -> list[Candidate]:
    """The n most promising of amounts (rows, names): not known, balanced, each of them once.

    With an estimator those whose property is lowest even one standard deviation above the
    estimate, which is right for energies; without one in the order they come.
    """
    seen, kept = set(known), []
    for row, one in enumerate(counted(x, names)):
        if one and one not in seen and check(dict(one)).valid(alloys=False):
            seen.add(one)
            kept.append(row)
    if not kept:
        return []
    chosen = x[kept]
    if estimator is None:
        value = deviation = chance = torch.full((len(kept),), math.nan)
        order = list(range(len(kept)))
    else:
        (value, deviation), chance = estimator(chosen), estimator.at_most(chosen)
        order = (value + deviation).argsort().tolist()
    cells = chemistry(chosen, names)
    return [
        Candidate(kept[k], cells[k][0], value[k].item(), deviation[k].item(), chance[k].item())
        for k in order[:n]
    ]
