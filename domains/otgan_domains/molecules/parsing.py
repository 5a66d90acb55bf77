"""Molecules read by RDKit: what is kept of one, and why others are dropped.

Also the program of the processes that read many (`python parsing.py 10 smiles logp`): it imports
RDKit alone and starts in a fifth of a second. A row of JSON comes in, a row of JSON goes out.
"""

from __future__ import annotations

import faulthandler
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from rdkit import Chem, rdBase
from rdkit.Chem import rdMolDescriptors

LONGEST = 2000
"""Characters of a SMILES: some 800 heavy atoms."""

_ORDERS = {Chem.BondType.SINGLE: 1, Chem.BondType.DOUBLE: 2, Chem.BondType.TRIPLE: 3}

Skeleton = tuple[list[tuple[str, int]], list[tuple[int, int, int]]]
"""(symbol, charge) of the atoms, (from, to, order) of the bonds."""


def _qed(mol: Chem.Mol) -> float:
    from rdkit.Chem import QED

    return QED.qed(mol)


PROPERTIES: dict[str, Callable[[Chem.Mol], float]] = {
    "logp": lambda mol: rdMolDescriptors.CalcCrippenDescriptors(mol)[0],
    "qed": _qed,
    "weight": rdMolDescriptors._CalcMolWt,
    "rings": rdMolDescriptors.CalcNumRings,
    "atoms": Chem.Mol.GetNumHeavyAtoms,
}
"""Computed by RDKit: Crippen's logP (Wildman and Crippen 1999), QED (Bickerton et al. 2012),
molecular weight in daltons, rings, heavy atoms."""


class Unpackable(ValueError):
    """A molecule that has no packed form, and why, in words that are counted."""


def flat(mol: Chem.Mol) -> Chem.Mol:
    """The same molecule without stereochemistry, isotopes and explicit hydrogens."""
    mol = Chem.Mol(mol)
    Chem.RemoveStereochemistry(mol)
    for atom in map(mol.GetAtomWithIdx, range(mol.GetNumAtoms())):
        atom.SetIsotope(0)
        atom.SetAtomMapNum(0)
    return Chem.RemoveHs(mol)


def canonical(mol: Chem.Mol) -> str:
    """The canonical SMILES of a molecule's `flat` form."""
    return Chem.MolToSmiles(flat(mol))


def skeleton(mol: Chem.Mol) -> Skeleton:
    """Atoms and kekulised bonds of a flat molecule.

    Raises:
        Unpackable: radicals, hydrogens that are atoms, dummy atoms, bonds of another order.
    """
    mol = Chem.Mol(mol)
    Chem.Kekulize(mol, clearAromaticFlags=True)
    atoms = [mol.GetAtomWithIdx(k) for k in range(mol.GetNumAtoms())]  # twice as fast as GetAtoms
    if any(atom.GetNumRadicalElectrons() for atom in atoms):
        raise Unpackable("radical")
    if any(atom.GetAtomicNum() < 2 for atom in atoms):
        raise Unpackable("hydrogen or dummy atom")
    bonds = []
    for bond in map(mol.GetBondWithIdx, range(mol.GetNumBonds())):
        if bond.GetBondType() not in _ORDERS:
            raise Unpackable("bond of another order")
        ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        bonds.append((*ends, _ORDERS[bond.GetBondType()]))
    return [(atom.GetSymbol(), atom.GetFormalCharge()) for atom in atoms], bonds


def assembled(atoms: Sequence[tuple[str, int]], bonds: Sequence[tuple[int, int, int]]) -> Chem.Mol:
    """The molecule of these atoms and bonds, not sanitised."""
    mol = Chem.RWMol()
    for symbol, charge in atoms:
        atom = Chem.Atom(symbol)
        atom.SetFormalCharge(charge)
        mol.AddAtom(atom)
    for i, j, order in bonds:
        mol.AddBond(i, j, _TYPES[order])
    return mol.GetMol()


_TYPES = {order: kind for kind, order in _ORDERS.items()}


def parse(text: str, kind: str, properties: Sequence[str]) -> list[Any]:
    """Canonical SMILES, atoms, bonds and properties of the molecule in a row, its atoms in the
    order of that SMILES.

    Args:
        kind: "smiles", or "sdf" for a block of an SD file.

    Raises:
        Unpackable: there is none, or none that its packed form would give back.
    """
    if kind == "smiles" and len(text) > LONGEST:
        raise Unpackable(f"longer than {LONGEST} characters")
    mol = Chem.MolFromSmiles(text) if kind == "smiles" else Chem.MolFromMolBlock(text)
    if mol is None or not mol.GetNumAtoms():
        raise Unpackable("unparsable")
    if len(Chem.GetMolFrags(mol)) > 1:
        raise Unpackable("several fragments")
    smiles = canonical(mol)
    mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        raise Unpackable("unparsable")
    atoms, bonds = skeleton(mol)
    again = assembled(atoms, bonds)
    if Chem.SanitizeMol(again, catchErrors=True) or Chem.MolToSmiles(again) != smiles:
        raise Unpackable("hydrogens that do not follow from valence")
    return [smiles, atoms, bonds, [float(PROPERTIES[name](mol)) for name in properties]]


def main(seconds: str, kind: str, *properties: str) -> None:
    """Rows of texts on stdin, and for each, after a first row that says that the process has
    started, a row of what `parse` gives, or of the reason why it gives nothing.

    A row that takes more seconds ends the process, since RDKit cannot be interrupted.
    """
    rdBase.DisableLog("rdApp.*")
    print("started", flush=True)
    for row in sys.stdin:
        faulthandler.dump_traceback_later(float(seconds), exit=True)
        try:
            found: list[Any] | str = parse(json.loads(row), kind, properties)
        except Unpackable as error:
            found = str(error)
        except Exception:  # what RDKit's own steps raise shares no base class
            found = "unparsable"
        faulthandler.cancel_dump_traceback_later()  # the reader may take its time
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
