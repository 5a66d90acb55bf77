"""Molecules as sentences: SMILES whose words are atoms, bonds, branches and ring labels."""

from __future__ import annotations

import re

import torch
from rdkit import Chem, rdBase
from torch import Tensor

from otgan_domains.molecules.packing import draft
from otgan_domains.molecules.vocabulary import Vocabulary

_SIGNS = ("=", "#", "(", ")", ".")
_LABELS = 30
"""Ring labels, of which few are open at a time."""

_WORD = re.compile(r"\[([A-Za-z]+?)(?:H\d*)?([+-]*\d*)\]|%(\d\d)|(Cl|Br|[A-Z])|(.)")


class Spelling:
    """The language of packed molecules (n, N, N + 1).

    A molecule is written as the kekulised SMILES that visits its atoms in their order, which is
    that of the canonical one for molecules that were read (Weininger 1988, 'SMILES, a chemical
    language and information system'). Hydrogens are left out, and an atom is one token, whatever
    its charge. Any tokens can be read; what is no SMILES, or has too many atoms, gives no atoms.
    Valences are not looked at: a sentence may say a molecule that cannot be.

    Args:
        vocabulary: its atoms are the first tokens.
        spellings: 1 for that one; more of them are random (Arus-Pous et al. 2019,
            'Randomized SMILES strings improve the quality of molecular generative models').

    Example:
        >>> known = Vocabulary((("C", 0), ("O", 0)), (0, 0, 1))
        >>> co = torch.tensor([[[1, 0, 2], [2, 2, 0]]])
        >>> Spelling(known).write(co)[0, :4], Spelling(known).said(Spelling(known).write(co))
        (tensor([1, 3, 2, 0]), ['C=O'])
    """

    def __init__(self, vocabulary: Vocabulary, spellings: int = 1):
        self.vocabulary, self.spellings = vocabulary, spellings
        atoms = ["C" if name == "C" else f"[{name}]" for name in vocabulary.names]
        labels = [f"%{k}" for k in range(10, 10 + _LABELS)]
        self.words = ["", *atoms, *_SIGNS, *labels]
        self.symbols = len(self.words) - 1
        self.length = 4 * vocabulary.most + 8
        self._first = {word: k for k, word in enumerate(self.words) if k >= vocabulary.kinds}

    def write(self, x: Tensor) -> Tensor:
        """(n, N, N + 1) -> (n, length), or (n, spellings, length) where there are several.

        Raises:
            ValueError: what is no molecule.
        """
        rows = [self._written(one) for one in x]
        tokens = torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(row) for several in rows for row in several], batch_first=True
        )
        tokens = torch.nn.functional.pad(tokens, (0, self.length - tokens.shape[1]))
        return tokens if self.spellings == 1 else tokens.view(len(x), -1, self.length)

    def read(self, tokens: Tensor) -> Tensor:
        """(n, length) -> (n, N, N + 1) int8, without atoms where the tokens spell nothing."""
        most = self.vocabulary.most
        x = torch.zeros(len(tokens), most, most + 1, dtype=torch.int8)
        with rdBase.BlockLogs():
            for packed, said in zip(x, self.said(tokens), strict=True):
                self._read(said, packed)
        return x

    def said(self, tokens: Tensor) -> list[str]:
        """As SMILES that RDKit reads, (n, length) -> n texts."""
        rows = tokens.tolist()
        ends = (row.index(0) if 0 in row else len(row) for row in rows)
        return ["".join(self.words[k] for k in row[:n]) for row, n in zip(rows, ends, strict=True)]

    def _written(self, x: Tensor) -> list[list[int]]:
        mol = draft(x, self.vocabulary)
        if mol is None:
            raise ValueError("a molecule without atoms, or with a bond to none, has no spelling")
        mol.UpdatePropertyCache(strict=False)
        texts = [Chem.MolToSmiles(mol, canonical=False)]
        for _ in range(self.spellings - 1):
            texts.append(Chem.MolToSmiles(mol, canonical=False, doRandom=True))
        return [self.tokens(text) for text in texts]

    def tokens(self, smiles: str) -> list[int]:
        """Of a kekulised SMILES.

        Raises:
            ValueError: a word that the language does not have.
        """
        found = []
        for symbol, charge, label, organic, sign in _WORD.findall(smiles):
            if symbol or organic:
                found.append(self.vocabulary.codes.get((symbol or organic, _charge(charge)), 0))
            elif label or sign.isdigit():
                found.append(self._first.get(f"%{int(label or sign) + 9}", 0))
            else:
                found.append(self._first.get(sign, 0))
        if 0 in found:
            raise ValueError(f"'{smiles}' has words that molecules of this vocabulary do not have")
        return found

    def _read(self, said: str, x: Tensor) -> None:
        mol = Chem.MolFromSmiles(said, sanitize=False) if said else None
        if mol is None or mol.GetNumAtoms() > len(x):
            return
        for k, atom in enumerate(mol.GetAtoms()):
            x[k, 0] = self.vocabulary.codes[atom.GetSymbol(), atom.GetFormalCharge()]
        for bond in mol.GetBonds():
            i, j, order = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), int(bond.GetBondType())
            x[i, j + 1] = x[j, i + 1] = order


def _charge(sign: str) -> int:
    """Of '', '+', '--', '+3'."""
    if not sign:
        return 0
    digits = sign.lstrip("+-")
    size = int(digits) if digits else len(sign)
    return size if sign[0] == "+" else -size
