"""What generated molecules are: valid, whole, repeated, known from training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from rdkit import Chem
from torch import Tensor

from otgan_domains.molecules.known import Known
from otgan_domains.molecules.packing import canonical, unpack
from otgan_domains.molecules.vocabulary import Vocabulary


@dataclass(frozen=True)
class Flagged:
    """Samples in their order.

    Args:
        mols: sanitised, None where RDKit refuses what was generated.
        smiles: canonical.
        whole: of one fragment, (n,) of bool, as the others.
        repeated: an earlier one is the same molecule.
        training: the training data have it.
    """

    mols: list[Chem.Mol | None]
    smiles: list[str | None]
    whole: np.ndarray
    repeated: np.ndarray
    training: np.ndarray

    @property
    def valid(self) -> np.ndarray:
        return np.array([mol is not None for mol in self.mols], bool)

    def words(self, k: int) -> str:
        """What is to say of one, such as "training repeated"; "new" if nothing."""
        if self.mols[k] is None:
            return "invalid"
        said = {"training": self.training, "repeated": self.repeated, "fragments": ~self.whole}
        return " ".join(word for word, these in said.items() if these[k]) or "new"


def flag(x: Tensor, vocabulary: Vocabulary, known: Known) -> Flagged:
    """Of packed molecules, (n, N, N + 1)."""
    mols = [unpack(one, vocabulary) for one in x]
    smiles = [None if mol is None else canonical(mol) for mol in mols]
    seen: set[str | None] = {None}
    repeated = []
    for one in smiles:
        repeated.append(one is not None and one in seen)
        seen.add(one)
    whole = np.array([one is not None and "." not in one for one in smiles], bool)
    return Flagged(mols, smiles, whole, np.array(repeated, bool), known.has(smiles))


def shares(vocabulary: Vocabulary, known: Known) -> Mapping[str, Callable[[Tensor], Tensor]]:
    """Of samples as they are, by name, (n, N, N + 1) -> (n,) bool."""

    flagged = lru_cache(maxsize=1)(lambda x: flag(x, vocabulary, known))  # asked of one x in turn

    def share(which: Callable[[Flagged], np.ndarray]) -> Callable[[Tensor], Tensor]:
        return lambda x: torch.from_numpy(which(flagged(x)))

    return {
        "valid": share(lambda f: f.valid),
        "valid, in one fragment": share(lambda f: f.whole),
        "valid and unique": share(lambda f: f.valid & ~f.repeated),
        "valid, unique, not in training": share(lambda f: f.valid & ~f.repeated & ~f.training),
    }
