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

    Of an atom with too many, the bond of the highest order goes down by one, of several the one
    whose other end has most. Bonds that end at no atom are dropped first.
    """
    packed = np.array(x)
    here = packed[:, 0] > 0
    orders = packed[:, 1:]
    orders *= np.outer(here, here)
    lowered: set[int] = {-1}
    while lowered:
        lowered = set()
        for i in _overfull(packed, vocabulary):
            if i not in lowered and orders[i].any():  # it may have few enough by now
                j = int(np.lexsort((orders.sum(1), orders[i]))[-1])
                orders[i, j] -= 1
                orders[j, i] -= 1
                lowered |= {i, j}
    return torch.from_numpy(packed)


def _overfull(packed: np.ndarray, vocabulary: Vocabulary) -> list[int]:
    """Places of atoms with more bonds than they can have."""
    mol = draft(packed, vocabulary)
    if mol is None:
        return []
    with rdBase.BlockLogs():
        problems = Chem.DetectChemistryProblems(mol)
    places = packed[:, 0].nonzero()[0]
    wrong = [p.GetAtomIdx() for p in problems if p.GetType() == "AtomValenceException"]
    return [int(places[k]) for k in wrong]


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
