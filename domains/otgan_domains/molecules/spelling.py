"""Molecules as sentences: atoms one after another, each with its bonds to those before it."""

from __future__ import annotations

import torch
from torch import Tensor

from otgan_domains.molecules.vocabulary import Vocabulary


class Spelling:
    """The language of packed molecules (n, N, N + 1).

    A word is an atom, or a bond of the last atom to the one that stands k before it: "=3". An atom
    that names no bonds has a single one to the atom before it, and "." says that it has none.
    Unlike in SMILES, nothing is opened that must be closed later, so that most sentences say a
    molecule, and what must be learned is valence. Sentences that say none give no atoms.

    Molecules that were read have their atoms in the order of canonical SMILES, and so does what is
    written.

    Example:
        >>> known = Vocabulary((("C", 0), ("O", 0)), (0, 0, 0, 1))
        >>> x = torch.tensor([[[1, 0, 1, 1], [1, 1, 0, 2], [2, 1, 2, 0]]])
        >>> tokens = Spelling(known).write(x)
        >>> Spelling(known).said(tokens), (Spelling(known).read(tokens) == x).all().item()
        (['C C O =1 -2'], True)
    """

    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        most, signs = vocabulary.most, "-=#"[: vocabulary.orders]
        bonds = [f"{sign}{back}" for back in range(1, most) for sign in signs]
        self.words = ["", *vocabulary.names, ".", *bonds]
        self.symbols = len(self.words) - 1
        self.length = 4 * most
        self._none, self._first = vocabulary.kinds, vocabulary.kinds + 1

    def write(self, x: Tensor) -> Tensor:
        """(n, N, N + 1) -> (n, length).

        Raises:
            ValueError: no atoms, or more bonds than a sentence has words.
        """
        tokens = torch.zeros(len(x), self.length, dtype=torch.long)
        for row, packed in zip(tokens, x.long().tolist(), strict=True):
            said = self._written([atom for atom in packed if atom[0]], packed)
            if not said or len(said) > self.length:
                raise ValueError(f"a molecule of {len(said)} words, and {self.length} can be said")
            row[: len(said)] = torch.tensor(said)
        return tokens

    def read(self, tokens: Tensor) -> Tensor:
        """(n, length) -> (n, N, N + 1) int8, without atoms where the tokens say no molecule."""
        most = self.vocabulary.most
        x = torch.zeros(len(tokens), most, most + 1, dtype=torch.int8)
        for packed, row in zip(x, tokens.tolist(), strict=True):
            said = self._read(row)
            if said is not None:
                codes, bonds = said
                packed[: len(codes), 0] = torch.tensor(codes)
                for (i, j), order in bonds.items():
                    packed[i, j + 1] = packed[j, i + 1] = order
        return x

    def said(self, tokens: Tensor) -> list[str]:
        """As words, (n, length) -> n texts."""
        return [" ".join(self.words[k] for k in row if k) for row in tokens.tolist()]

    def _written(self, atoms: list[list[int]], packed: list[list[int]]) -> list[int]:
        places = [k for k, atom in enumerate(packed) if atom[0]]
        orders = self.vocabulary.orders
        said: list[int] = []
        for i, atom in enumerate(atoms):
            bonds = [
                (i - j, atom[places[j] + 1]) for j in reversed(range(i)) if atom[places[j] + 1]
            ]
            said.append(atom[0])
            if bonds != [(1, 1)]:
                said += [self._first + (back - 1) * orders + order - 1 for back, order in bonds]
            if i and not bonds:
                said.append(self._none)
        return said

    def _read(self, row: list[int]) -> tuple[list[int], dict[tuple[int, int], int]] | None:
        """Codes and bonds, (later atom, earlier atom) -> order; None if they make no sense."""
        codes: list[int] = []
        bonds: dict[tuple[int, int], int] = {}
        named = True  # whether the last atom has said what bonds it has
        for token in [*row, 0]:
            last = len(codes) - 1
            if token < self._none and not named:
                bonds[last, last - 1] = 1
            if not token:
                return (codes, bonds) if codes else None
            if token < self._none:
                codes.append(token)
                named = len(codes) == 1
                if len(codes) > self.vocabulary.most:
                    return None
                continue
            named = True
            if token > self._none:
                back, order = divmod(token - self._first, self.vocabulary.orders)
                ends = last, last - back - 1
                if ends[1] < 0 or ends in bonds:
                    return None
                bonds[ends] = order + 1
        return None
