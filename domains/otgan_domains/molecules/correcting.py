"""Steps that turn generated molecules into others, which a user may ask for by name.

What they change is no longer what the generator says: its own share of valid molecules is that
before them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from rdkit import Chem, rdBase
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from otgan_domains.molecules.packing import draft
from otgan_domains.molecules.vocabulary import Vocabulary


def corrections(vocabulary: Vocabulary) -> Mapping[str, Callable[[Tensor], Tensor]]:
    """By name, each from packed molecules to packed molecules, (n, N, N + 1) int8."""
    return {
        "valence": lambda x: _each(x, lambda one: respect_valence(one, vocabulary)),
        "largest-fragment": lambda x: _each(x, largest_fragment),
    }


def respect_valence(x: Tensor, vocabulary: Vocabulary) -> Tensor:
    """Lowers orders of bonds until no atom has more than RDKit allows, (N, N + 1).

    Of an atom with too many, the bond of the highest order goes down by one, of those the one
    whose other end has most; single bonds go last. Bonds that end at no atom are dropped first.
    """
    x = x.clone()
    here = x[:, 0] > 0
    x[:, 1:] *= here[:, None] & here
    places = here.nonzero()[:, 0]
    while (place := _overfull(x, vocabulary)) is not None:
        i = places[place]
        orders = x[i, 1:].int()
        j = (orders * 1000 + x[:, 1:].sum(1) * (orders > 0)).argmax()
        x[i, j + 1] -= 1
        x[j, i + 1] -= 1
    return x


def _overfull(x: Tensor, vocabulary: Vocabulary) -> int | None:
    """The first atom with more bonds than it can have, counted among those that are there."""
    mol = draft(x, vocabulary)
    if mol is None:
        return None
    with rdBase.BlockLogs():
        problems = Chem.DetectChemistryProblems(mol)
    wrong = [p.GetAtomIdx() for p in problems if p.GetType() == "AtomValenceException"]
    return wrong[0] if wrong else None


def largest_fragment(x: Tensor) -> Tensor:
    """Keeps the fragment of most atoms, of several the first, (N, N + 1)."""
    atoms = np.asarray(x[:, 0] > 0)
    bonds = np.asarray(x[:, 1:] > 0) & atoms[:, None] & atoms
    label = connected_components(bonds, directed=False)[1]
    if not atoms.any():
        return x
    gone = torch.from_numpy(~atoms | (label != np.bincount(label[atoms]).argmax()))
    x = x.clone()
    x[gone] = 0
    x[:, 1:][:, gone] = 0
    return x


def _each(x: Tensor, step: Callable[[Tensor], Tensor]) -> Tensor:
    return torch.stack([step(one) for one in x]) if len(x) else x
