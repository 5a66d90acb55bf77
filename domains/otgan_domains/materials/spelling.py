"""How formulas are spelt and read for a learned chart: element, count, element, count."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Spelling:
    """Amounts (n, elements) as tokens, elements by rising electronegativity: Na 1 Cl 1.

    What takes up the charge is spelt last, when all that it must balance is known.

    Args:
        elements: names of the columns.
        counts: the amounts that occur, ascending.
        most: elements of a formula.

    Example:
        >>> spelling = Spelling(("Na", "O", "Cl"), (1, 2, 4), 2)
        >>> tokens = spelling.write(torch.tensor([[1.0, 0.0, 1.0], [0.0, 4.0, 2.0]]))
        >>> tokens, spelling.read(tokens)
        (tensor([[1, 4, 2, 4],
                [2, 5, 3, 6]]), tensor([[1., 0., 1.],
                [0., 4., 2.]]))
    """

    def __init__(self, elements: Sequence[str], counts: Sequence[int], most: int):
        self.order = torch.tensor(sorted(range(len(elements)), key=lambda k: _pull(elements[k])))
        self.place = self.order.argsort()
        self.counts = torch.tensor([0] * (len(elements) + 1) + list(counts))
        self.elements = len(elements)
        self.symbols, self.length = len(elements) + len(counts), 2 * most

    def write(self, x: Tensor) -> Tensor:
        """(n, elements) -> (n, length).

        Raises:
            ValueError: an amount that does not occur, more elements than most.
        """
        x = x[:, self.order.to(x.device)]
        row, element = x.nonzero(as_tuple=True)
        amount = x[row, element].long()
        known = self.counts[self.elements + 1 :].to(x.device)
        place = torch.searchsorted(known, amount).clamp_max(len(known) - 1)
        strange = (known[place] != amount) | (x[row, element] != amount)
        if strange.any():
            odd = x[row, element][strange][0].item()
            raise ValueError(f"{odd:g} atoms of an element, and no other formula has so many")
        several = (x != 0).sum(1)
        if 2 * int(several.max()) > self.length:
            raise ValueError(
                f"a formula of {int(several.max())} elements, and no other has so many"
            )
        k = torch.arange(len(row), device=x.device) - (several.cumsum(0) - several)[row]
        tokens = torch.zeros(len(x), self.length, dtype=torch.long, device=x.device)
        tokens[row, 2 * k], tokens[row, 2 * k + 1] = element + 1, place + self.elements + 1
        return tokens

    def read(self, tokens: Tensor) -> Tensor:
        """(n, length) -> (n, elements); pairs that are no element with a count are skipped."""
        element, count = tokens[:, 0::2], tokens[:, 1::2]
        pair = (element > 0) & (element <= self.elements) & (count > self.elements)
        amounts = self.counts.to(tokens.device)[count] * pair
        x = torch.zeros(len(tokens), self.elements, device=tokens.device)
        x.scatter_add_(1, torch.where(pair, element - 1, 0), amounts.to(x))
        return x[:, self.place.to(x.device)]


class Reader(nn.Module):
    """Amounts (n, elements) to latent vectors (n, latent), whatever the order of the elements.

    Args:
        elements: columns.
        latent: length of a vector.
        width: units of the hidden layers.
    """

    def __init__(self, elements: int, latent: int, width: int = 256):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3 * elements, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, latent),
        )

    def forward(self, x: Tensor) -> Tensor:
        shares = x / x.sum(1, keepdim=True).clamp_min(1)
        return self.layers(torch.cat([(x > 0).to(x), x.log1p(), 3 * shares], 1))


def _pull(element: str) -> tuple[float, str]:
    """Pauling's electronegativity, 0 where there is none."""
    from pymatgen.core import Element

    return Element(element).data.get("X") or 0.0, element
