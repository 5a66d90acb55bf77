"""What molecules of a data set are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Vocabulary:
    """Atoms, bonds and sizes that occur, from which packed molecules have their codes.

    Code 0 of an atom is no atom, code k the k-th of `atoms`. Code 0 of a bond is no bond, others
    are its order, molecules being kekulised.

    Args:
        atoms: (symbol, formal charge) of heavy atoms, the most frequent first.
        sizes: molecules of the data with 0, 1, ..., N heavy atoms.
        orders: the largest bond order.

    Example:
        >>> known = Vocabulary((("C", 0), ("O", 0), ("N", 1)), (0, 2, 5, 1), orders=2)
        >>> known.most, known.kinds, known.bonds, known.names
        (3, 4, 3, ('C', 'O', 'N+'))
        >>> Vocabulary.restore(known.state()) == known
        True
    """

    atoms: tuple[tuple[str, int], ...]
    sizes: tuple[int, ...]
    orders: int = 3

    @property
    def most(self) -> int:
        """N, the largest number of heavy atoms."""
        return len(self.sizes) - 1

    @property
    def kinds(self) -> int:
        """A, codes of an atom."""
        return len(self.atoms) + 1

    @property
    def bonds(self) -> int:
        """B, codes of a bond."""
        return self.orders + 1

    @property
    def pairs(self) -> int:
        """Pairs of places for atoms, N (N - 1) / 2."""
        return self.most * (self.most - 1) // 2

    @property
    def length(self) -> int:
        """Coordinates of a one-hot molecule, N A + N (N - 1) / 2 B."""
        return self.most * self.kinds + self.pairs * self.bonds

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the atoms, such as N+ or O-."""
        return tuple(f"{symbol}{_sign(charge)}" for symbol, charge in self.atoms)

    @cached_property
    def codes(self) -> Mapping[tuple[str, int], int]:
        """(symbol, charge) -> code."""
        return {atom: k for k, atom in enumerate(self.atoms, 1)}

    def state(self) -> dict[str, Any]:
        """JSON, which `restore` reads."""
        atoms = [list(atom) for atom in self.atoms]
        return {"atoms": atoms, "sizes": list(self.sizes), "orders": self.orders}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Vocabulary:
        """From `state`, by way of JSON."""
        atoms = tuple((symbol, charge) for symbol, charge in state["atoms"])
        return cls(atoms, tuple(state["sizes"]), state["orders"])


def _sign(charge: int) -> str:
    sign = "+" if charge > 0 else "-"
    return sign * abs(charge) if abs(charge) < 3 else f"{sign}{abs(charge)}"
