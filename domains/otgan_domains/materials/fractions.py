"""Fractions of elements: charts in which a norm is a distance between compositions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from otgan.preprocess import Chart, Whitening
from otgan_domains.materials.elements import SCALE

_EXACT, _NEAR = 1e-3, 0.02


def fractions(x: Tensor) -> Tensor:
    """Amounts (n, elements) as shares of the atoms; zeros where there are none."""
    return x / x.sum(1, keepdim=True).clamp_min(1)


def amounts(p: Tensor, atoms: int = 1000) -> Tensor:
    """Whole amounts whose fractions are p or near p, (n, elements) -> (n, elements).

    The fewest atoms of which p is an exact share, so that this inverts `fractions`; else the fewest
    whose shares are within .02 of p for each element; else as good as so many atoms can be.

    Args:
        atoms: most of a formula.
    """
    p = p.clamp_min(0)
    p = p / p.sum(1, keepdim=True).clamp_min(1e-6)
    best, good = torch.zeros_like(p), torch.zeros(len(p), dtype=torch.int, device=p.device)
    for total in range(1, atoms + 1):
        whole = (total * p).round()
        off = (total * p - whole).abs().amax(1)
        now = torch.where(off <= _EXACT, 2, (off <= _NEAR * total).int())
        better = (now > good) & (whole.sum(1) > 0)
        best[better], good[better] = whole[better], now[better]
        if (good == 2).all():
            break
    return torch.where(good[:, None] > 0, best, (atoms * p).round())


class Cumulative(Chart):
    """Amounts to cumulative fractions along a chemical scale: l1 in them is the element-mover's
    distance.

    The optimal transport between distributions on a line moves as much past each place as their
    cumulative shares differ there, so W1 is the sum over places of that difference times the gap to
    the next place. It is a metric of compositions and a pseudo-metric of formulas: O2 is O3.

    Args:
        elements: names of the columns, along the scale.
        atoms: most of a formula.

    References:
        Cameron Hargreaves, Matthew Dyer, Michael Gaultois, Vitaliy Kurlin, Matthew Rosseinsky,
        'The Earth Mover's Distance as a Metric for the Space of Inorganic Compositions', Chemistry
        of Materials 32, 10610, 2020

    Example:
        >>> chart = Cumulative(("Sr", "Ca", "Ti", "O"))
        >>> a, b = chart.encode(torch.tensor([[0.0, 1, 1, 3], [1, 0, 1, 3]]))
        >>> round((a - b).abs().sum().item(), 6)  # CaTiO3 and SrTiO3
        0.2
    """

    gaps: Tensor

    def __init__(self, elements: Sequence[str], atoms: int = 1000):
        super().__init__()
        self.atoms = atoms
        places = torch.tensor([SCALE.index(element) for element in elements])
        self.register_buffer("gaps", places.diff().float())

    def encoded_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (len(self.gaps),)

    def encode(self, x: Tensor) -> Tensor:
        """(n, elements) -> (n, elements - 1)."""
        return fractions(x).cumsum(1)[:, :-1] * self.gaps

    def decode(self, x: Tensor) -> Tensor:
        ends = torch.nn.functional.pad(x / self.gaps, (0, 1), value=1.0)
        return amounts(ends.diff(dim=1, prepend=torch.zeros_like(ends[:, :1])), self.atoms)


class WhitenedFractions(Chart):
    """Amounts to whitened fractions: l2 in them is the Mahalanobis distance of fractions.

    The last element is what the others leave, so its fraction is left out; the distance is the same
    whichever it is.

    Args:
        elements: how many.
        atoms: most of a formula.
    """

    unit = None

    def __init__(self, elements: int, atoms: int = 1000):
        super().__init__()
        self.atoms = atoms
        self.whitening = Whitening((elements - 1,))

    def encoded_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(self.whitening.shape)

    def fit(self, x: Tensor) -> WhitenedFractions:
        """To amounts, (n, elements)."""
        self.whitening.fit(fractions(x)[:, :-1])
        return self

    def encode(self, x: Tensor) -> Tensor:
        """(n, elements) -> (n, elements - 1)."""
        return self.whitening.encode(fractions(x)[:, :-1])

    def decode(self, x: Tensor) -> Tensor:
        p = self.whitening.decode(x)
        return amounts(torch.cat([p, 1 - p.sum(1, keepdim=True)], 1), self.atoms)
