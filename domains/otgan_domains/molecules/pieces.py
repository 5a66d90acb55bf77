"""What molecules are made of: fragments and scaffolds, counted."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rdkit import Chem
from rdkit.Chem import BRICS
from rdkit.Chem.Scaffolds import MurckoScaffold


def fragments(molecule: Chem.Mol) -> list[str]:
    """SMILES of its BRICS fragments (Degen et al. 2008, 'On the Art of Compiling and Using
    "Drug-Like" Chemical Fragment Spaces'), with the numbers of the cut bonds' environments.

    Example:
        >>> fragments(Chem.MolFromSmiles("CCOC"))
        ['[3*]OC', '[4*]CC']
    """
    return sorted(Chem.MolToSmiles(BRICS.BreakBRICSBonds(molecule)).split("."))


def scaffold(molecule: Chem.Mol, rings: int = 2) -> str | None:
    """SMILES of its Bemis-Murcko scaffold: rings and what links them (Bemis and Murcko 1996, 'The
    Properties of Known Drugs'); None if it has fewer rings than are asked for, as in MOSES.

    Example:
        >>> scaffold(Chem.MolFromSmiles("CC1CC1CCC1CCN1")), scaffold(Chem.MolFromSmiles("CC1CC1"))
        ('C1CC(CCC2CC2)N1', None)
    """
    found = MurckoScaffold.GetScaffoldForMol(molecule)
    return Chem.MolToSmiles(found) if found.GetRingInfo().NumRings() >= rings else None


def cosine(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """Cosine between two counts; NaN if one is empty.

    Example:
        >>> cosine({"a": 3}, {"a": 3, "b": 4})
        0.6
    """
    shared = sum(count * other.get(name, 0) for name, count in one.items())
    norms = [math.sqrt(sum(count**2 for count in counts.values())) for counts in (one, other)]
    return shared / (norms[0] * norms[1]) if min(norms) > 0 else math.nan
