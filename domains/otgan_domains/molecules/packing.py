"""Molecules as arrays of small integers, and back.

A packed molecule is an int8 tensor (N, N + 1): codes of the atoms in column 0, and the symmetric
matrix of bond orders in the others; rows of missing atoms are zero. Hydrogens are implicit: their
number follows from valence and charge, and a molecule of which that is not true (a radical, a
metal hydride) has no packed form. Isotopes and stereochemistry are not kept.
"""

from __future__ import annotations

import numpy as np
import torch
from rdkit import Chem, rdBase
from torch import Tensor

from otgan_domains.molecules.parsing import Unpackable, assembled, canonical, flat, skeleton
from otgan_domains.molecules.vocabulary import Vocabulary


def pack(mol: Chem.Mol, vocabulary: Vocabulary) -> Tensor:
    """The packed form of a molecule, its atoms in their order there, (N, N + 1) int8.

    Raises:
        Unpackable: it has none in this vocabulary.
    """
    atoms, bonds = skeleton(flat(mol))
    if len(atoms) > vocabulary.most:
        raise Unpackable("too large")
    if not vocabulary.codes.keys() >= set(atoms):
        raise Unpackable("atom outside the vocabulary")
    x = np.zeros((vocabulary.most, vocabulary.most + 1), np.int8)
    x[: len(atoms), 0] = [vocabulary.codes[atom] for atom in atoms]
    for i, j, order in bonds:
        if order > vocabulary.orders:
            raise Unpackable("bond outside the vocabulary")
        x[i, j + 1] = x[j, i + 1] = order
    return torch.from_numpy(x)


def draft(x: Tensor | np.ndarray, vocabulary: Vocabulary) -> Chem.Mol | None:
    """Atoms and bonds of a packed molecule, unchecked; None if it has no atoms, or a bond that
    ends at none."""
    codes, orders = np.asarray(x[:, 0], int), np.asarray(x[:, 1:], int)
    places = codes.nonzero()[0]
    ends = np.argwhere(np.triu(orders, 1))
    if not len(places) or not codes[ends].all():
        return None
    index = np.cumsum(codes > 0) - 1
    bonds = [(int(index[i]), int(index[j]), int(orders[i, j])) for i, j in ends]
    return assembled([vocabulary.atoms[code - 1] for code in codes[places]], bonds)


def unpack(x: Tensor, vocabulary: Vocabulary) -> Chem.Mol | None:
    """The molecule of a packed one, (N, N + 1), as it stands; None if it is none.

    It is none if it has no atoms, a bond that ends at no atom, or if RDKit refuses it: a valence
    that an atom cannot have. Several fragments are a molecule to RDKit, and so here.
    """
    mol = draft(x, vocabulary)
    if mol is None:
        return None
    with rdBase.BlockLogs():
        failed = Chem.SanitizeMol(mol, catchErrors=True)
    return None if failed else mol


def spell(x: Tensor, vocabulary: Vocabulary) -> list[str | None]:
    """Canonical SMILES of packed molecules (n, N, N + 1), None where there is none."""
    found = (unpack(one, vocabulary) for one in x)
    return [None if mol is None else canonical(mol) for mol in found]
