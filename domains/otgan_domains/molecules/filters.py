"""Filters of medicinal chemistry."""

from __future__ import annotations

from functools import cache

from rdkit import Chem
from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams

ALLOWED = {"C", "N", "S", "O", "F", "Cl", "Br", "H"}
"""Elements of drug-like molecules, as in MOSES."""


def unflagged(molecule: Chem.Mol, catalog: str = "PAINS") -> bool:
    """Whether no structural alert of one of RDKit's catalogues is in a molecule.

    Args:
        catalog: PAINS (480 patterns; Baell and Holloway 2010), BRENK (105; Brenk et al. 2008), NIH
            (180), ZINC (50), or another name of RDKit's FilterCatalogs.
    """
    return not _catalog(catalog).HasMatch(molecule)


def plain(molecule: Chem.Mol) -> bool:
    """Whether it has MOSES's elements alone, no charged atom and no ring of 8 atoms or more."""
    atoms = molecule.GetAtoms()
    return (
        all(a.GetSymbol() in ALLOWED and not a.GetFormalCharge() for a in atoms)
        and max(map(len, molecule.GetRingInfo().AtomRings()), default=0) < 8
    )


@cache
def _catalog(name: str) -> FilterCatalog:
    parameters = FilterCatalogParams()
    parameters.AddCatalog(getattr(FilterCatalogParams.FilterCatalogs, name))
    return FilterCatalog(parameters)
