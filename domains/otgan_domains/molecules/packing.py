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

from otgan_domains.molecules.vocabulary import Vocabulary

_TYPES = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}
_ORDERS = {kind: order for order, kind in _TYPES.items()}


class Unpackable(ValueError):
    """A molecule that has no packed form, and why, in words that are counted."""


def flat(mol: Chem.Mol) -> Chem.Mol:
    """The same molecule without stereochemistry, isotopes and explicit hydrogens."""
    mol = Chem.Mol(mol)
    Chem.RemoveStereochemistry(mol)
    for atom in mol.GetAtoms():
        atom.SetIsotope(0)
        atom.SetAtomMapNum(0)
    return Chem.RemoveHs(mol)


def canonical(mol: Chem.Mol) -> str:
    """The canonical SMILES of a molecule's `flat` form."""
    return Chem.MolToSmiles(flat(mol))


def skeleton(mol: Chem.Mol) -> tuple[list[tuple[str, int]], list[tuple[int, int, int]]]:
    """(symbol, charge) of atoms and (from, to, order) of kekulised bonds of a flat molecule.

    Raises:
        Unpackable: radicals, hydrogens that are atoms, dummy atoms, bonds of another order.
    """
    mol = Chem.Mol(mol)
    Chem.Kekulize(mol, clearAromaticFlags=True)
    atoms = list(mol.GetAtoms())
    if any(atom.GetNumRadicalElectrons() for atom in atoms):
        raise Unpackable("radical")
    if any(atom.GetAtomicNum() < 2 for atom in atoms):
        raise Unpackable("dummy or hydrogen atom")
    bonds = []
    for bond in mol.GetBonds():
        if bond.GetBondType() not in _ORDERS:
            raise Unpackable("bond that is not single, double or triple")
        ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        bonds.append((*ends, _ORDERS[bond.GetBondType()]))
    return [(atom.GetSymbol(), atom.GetFormalCharge()) for atom in atoms], bonds


def pack(mol: Chem.Mol, vocabulary: Vocabulary) -> Tensor:
    """The packed form of a molecule, its atoms in their order there, (N, N + 1) int8.

    Raises:
        Unpackable: it has none in this vocabulary.
    """
    atoms, bonds = skeleton(flat(mol))
    if len(atoms) > vocabulary.most:
        raise Unpackable("too large")
    if strange := [atom for atom in atoms if atom not in vocabulary.codes]:
        raise Unpackable(f"atom type {strange[0]} outside the vocabulary")
    x = np.zeros((vocabulary.most, vocabulary.most + 1), np.int8)
    x[: len(atoms), 0] = [vocabulary.codes[atom] for atom in atoms]
    for i, j, order in bonds:
        if order > vocabulary.orders:
            raise Unpackable(f"bond of order {order} outside the vocabulary")
        x[i, j + 1] = x[j, i + 1] = order
    return torch.from_numpy(x)


def draft(x: Tensor, vocabulary: Vocabulary) -> Chem.RWMol | None:
    """Atoms and bonds of a packed molecule, unchecked; None if a bond ends at no atom."""
    codes, orders = np.asarray(x[:, 0], int), np.asarray(x[:, 1:], int)
    mol, index = Chem.RWMol(), {}
    for place in codes.nonzero()[0]:
        symbol, charge = vocabulary.atoms[codes[place] - 1]
        atom = Chem.Atom(symbol)
        atom.SetFormalCharge(charge)
        index[place] = mol.AddAtom(atom)
    for i, j in zip(*np.triu(orders, 1).nonzero(), strict=True):
        if i not in index or j not in index:
            return None
        mol.AddBond(index[i], index[j], _TYPES[orders[i, j]])
    return mol


def unpack(x: Tensor, vocabulary: Vocabulary) -> Chem.Mol | None:
    """The molecule of a packed one, (N, N + 1), as it stands; None if it is none.

    It is none if it has no atoms, a bond that ends at no atom, or if RDKit refuses it: a valence
    that an atom cannot have, a ring that cannot be kekulised.
    """
    mol = draft(x, vocabulary)
    if mol is None or not mol.GetNumAtoms():
        return None
    with rdBase.BlockLogs():
        failed = Chem.SanitizeMol(mol, catchErrors=True)
    return None if failed else mol.GetMol()
