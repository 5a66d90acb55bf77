"""What `otgan evaluate` measures of packed molecules besides the engine's own metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

from otgan_domains.molecules.collection import Molecules, names
from otgan_domains.molecules.filters import unflagged
from otgan_domains.molecules.packing import unpack
from otgan_domains.molecules.scoring import compared
from otgan_domains.molecules.vocabulary import Vocabulary


class Evaluation:
    """Shares and scores of packed molecules (n, N, N + 1), for `Domain.shares` and `Domain.scores`.

    Shares are of all samples, raw: nothing is corrected before they are counted. Scores are those
    of the valid ones, NaN where there are too few.

    Args:
        training: packed molecules to which others may be novel, read when first needed.
    """

    def __init__(self, vocabulary: Vocabulary, training: Tensor):
        self.vocabulary, self.training = vocabulary, training

    @cached_property
    def known(self) -> set[str]:
        """Canonical SMILES of the training data."""
        return names(unpack(x, self.vocabulary) for x in self.training)

    @property
    def shares(self) -> Mapping[str, Callable[[Tensor], Tensor]]:
        """By name, (n, N, N + 1) -> (n,)."""
        return {
            "valid": self.valid,
            "valid and in one piece": self.whole,
            "valid and unique": self.unique,
            "valid, unique and novel": self.novel,
            "valid without PAINS alert": self.unflagged,
        }

    def scores(self, x: Tensor, y: Tensor) -> dict[str, float]:
        """Generated and held-out molecules, (n, N, N + 1), (m, N, N + 1), to numbers by name."""
        return compared(self._read(x), self._read(y))

    def valid(self, x: Tensor) -> Tensor:
        """Whether RDKit takes each as it stands."""
        sample = self._read(x)
        return _yes(sample, range(len(sample)))

    def whole(self, x: Tensor) -> Tensor:
        """Whether each is valid and no two molecules side by side."""
        sample = self._read(x)
        return _yes(sample, (k for k, name in enumerate(sample.names) if "." not in name))

    def unique(self, x: Tensor) -> Tensor:
        """Whether each is valid and the first of its kind among them."""
        sample = self._read(x)
        return _yes(sample, sample.firsts)

    def novel(self, x: Tensor) -> Tensor:
        """Whether each is that, and no training molecule."""
        sample = self._read(x)
        return _yes(sample, (k for k in sample.firsts if sample.names[k] not in self.known))

    def unflagged(self, x: Tensor) -> Tensor:
        """Whether each is valid and has no structural alert of RDKit's PAINS catalogue."""
        sample = self._read(x)
        return _yes(sample, (k for k, mol in enumerate(sample.valid) if unflagged(mol)))

    def _read(self, x: Tensor) -> Molecules:
        packed = x.to(torch.int8).cpu().contiguous().numpy()
        return _unpacked(packed.tobytes(), self.vocabulary)


def _yes(sample: Molecules, valid: Iterable[int]) -> Tensor:
    """(number given,) bool, true at some of the valid ones."""
    found = torch.zeros(sample.given, dtype=torch.bool)
    found[[sample.places[k] for k in valid]] = True
    return found


@lru_cache(maxsize=4)  # shares and scores ask for the same samples one after another
def _unpacked(packed: bytes, vocabulary: Vocabulary) -> Molecules:
    shape = (-1, vocabulary.most, vocabulary.most + 1)
    x = torch.from_numpy(np.frombuffer(packed, np.int8).reshape(shape).copy())
    return Molecules.read(unpack(one, vocabulary) for one in x)
