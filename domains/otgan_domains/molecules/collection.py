"""A sample of molecules, and what metrics need of it, each computed once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from rdkit import Chem, rdBase
from torch import Tensor

from otgan_domains.molecules.chemnet import chemnet
from otgan_domains.molecules.fingerprints import morgan
from otgan_domains.molecules.packing import canonical
from otgan_domains.molecules.physchem import PROPERTIES, descriptors
from otgan_domains.molecules.pieces import fragments, scaffold


def parsed(one: str | Chem.Mol | None) -> Chem.Mol | None:
    """The molecule that a SMILES or an RDKit molecule stands for, sanitised; None if there is none.

    Example:
        >>> [parsed(one) is not None for one in ("CCO", "C1CC", "", None)]
        [True, False, False, False]
    """
    with rdBase.BlockLogs():
        if isinstance(one, str):
            molecule = Chem.MolFromSmiles(one)
        elif one is None or Chem.SanitizeMol(molecule := Chem.Mol(one), catchErrors=True):
            return None
    return molecule if molecule is not None and molecule.GetNumAtoms() else None


def names(given: Iterable[str | Chem.Mol | None]) -> set[str]:
    """Canonical SMILES of the valid ones, without stereochemistry."""
    read = map(parsed, given)
    return {canonical(molecule) for molecule in read if molecule is not None}


class Molecules:
    """Valid molecules in their order, and how many there would have been.

    Args:
        valid: sanitised molecules.
        names: their canonical SMILES, without stereochemistry.
        given: how many there were, with the invalid ones.
    """

    def __init__(self, valid: Sequence[Chem.Mol], names: Sequence[str], given: int):
        self.valid, self.names, self.given = valid, names, given

    @classmethod
    def read(cls, given: Iterable[str | Chem.Mol | None]) -> Molecules:
        """From SMILES or RDKit molecules. Invalid: None, what RDKit does not parse or sanitise, and
        molecules without atoms. Several fragments are valid, as in MOSES and GuacaMol."""
        read = [parsed(one) for one in given]
        valid = [molecule for molecule in read if molecule is not None]
        return cls(valid, [canonical(molecule) for molecule in valid], len(read))

    def __len__(self) -> int:
        """How many are valid."""
        return len(self.valid)

    def __getitem__(self, places: Sequence[int]) -> Molecules:
        """Some of the valid ones, with what is computed of them already."""
        places = list(places)
        valid, names = [self.valid[i] for i in places], [self.names[i] for i in places]
        some = Molecules(valid, names, len(places))
        for known in _EACH & self.__dict__.keys():
            some.__dict__[known] = self.__dict__[known][places]
        return some

    @cached_property
    def distinct(self) -> Molecules:
        """The first of each."""
        first = {name: k for k, name in reversed(list(enumerate(self.names)))}
        return self[sorted(first.values())]

    @cached_property
    def bits(self) -> Tensor:
        """Morgan fingerprints, (n, 1024)."""
        return morgan(self.valid)

    @cached_property
    def fragments(self) -> np.ndarray:
        """BRICS fragments of each, (n,) lists."""
        return _objects(map(fragments, self.valid))

    @cached_property
    def scaffolds(self) -> np.ndarray:
        """Scaffold of two rings or more of each, (n,) SMILES or None."""
        return _objects(map(scaffold, self.valid))

    @cached_property
    def properties(self) -> np.ndarray:
        """logP, QED, SA and weight, (n, 4)."""
        rows = [[function(m) for function in PROPERTIES.values()] for m in self.valid]
        return np.array(rows).reshape(len(self), len(PROPERTIES))

    @cached_property
    def descriptors(self) -> np.ndarray:
        """The nine that GuacaMol compares, (n, 9)."""
        return descriptors(self.valid)

    @cached_property
    def chemnet(self) -> Tensor:
        """ChemNet features, (n, 512)."""
        return chemnet([Chem.MolToSmiles(molecule) for molecule in self.valid])


_EACH = {"bits", "fragments", "scaffolds", "properties", "descriptors", "chemnet"}


def _objects(values: Iterable[Any]) -> np.ndarray:
    listed = list(values)
    found = np.empty(len(listed), object)
    found[:] = listed
    return found
