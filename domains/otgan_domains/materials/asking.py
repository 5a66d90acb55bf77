"""What formulas can be asked to be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor

from otgan.config import InputError
from otgan_domains.materials.chemistry import check
from otgan_domains.materials.formulas import amounts
from otgan_domains.materials.representation import texts

FORM = "elements to have (Li), not to have (no Pb), a number of elements (3), new, valid, no alloy"


def asked(text: str, elements: Sequence[str], known: Collection[str]) -> Callable[[Tensor], Tensor]:
    """A map from amounts (n, elements) to whether they are as asked, (n,) bool.

    Args:
        text: words separated by commas: an element that must be there or, after `no`, must not; the
            number of elements; `new`, not among the known ones; `valid`, neutral and balanced or
            metals alone; `no alloy`, neutral and balanced.
        elements: names of the columns.
        known: formulas of the data.

    Raises:
        InputError: a word that is none of these, or an element that training does not know.

    Example:
        >>> accepts = asked("Li, no Pb, 3", ["Li", "Pb", "O", "Mn"], ())
        >>> accepts(torch.tensor([[1.0, 0, 2, 1], [1, 1, 2, 0], [2, 0, 1, 0]]))
        tensor([ True, False, False])
    """
    words = [" ".join(word.split()) for word in text.split(",")]
    checks = [_check(word, tuple(elements), known) for word in words]

    def accepts(x: Tensor) -> Tensor:
        good = (x.round() > 0).any(1)
        for one in checks:
            good[good.clone()] = one(x[good])
        return good

    return accepts


def _check(
    word: str, elements: tuple[str, ...], known: Collection[str]
) -> Callable[[Tensor], Tensor]:
    if word == "new":
        return lambda x: _each(x, elements, lambda text: text not in known)
    if word in ("valid", "no alloy"):
        alloys = word == "valid"
        return lambda x: _each(x, elements, lambda text: check(amounts(text)).valid(alloys))
    if word.isdecimal():
        return lambda x: (x.round() > 0).sum(1) == int(word)
    there, element = not word.startswith("no "), word.removeprefix("no ")
    if element not in elements:
        raise InputError(f"--keep '{word}': training knows no such element; there are {FORM}")
    place = elements.index(element)
    return lambda x: (x[:, place].round() > 0) == there


def _each(x: Tensor, elements: tuple[str, ...], good: Callable[[str], bool]) -> Tensor:
    return torch.tensor([good(text) for text in texts(x, elements)], dtype=torch.bool)
