"""What `otgan evaluate` measures of packed molecules besides the engine's own metrics."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from otgan.metrics import Scores
from otgan_domains.molecules.collection import Molecules
from otgan_domains.molecules.packing import unpack
from otgan_domains.molecules.scoring import compared
from otgan_domains.molecules.vocabulary import Vocabulary


def scores(vocabulary: Vocabulary) -> Scores:
    """Those of `scoring.compared`, of the valid molecules among packed ones as they stand.

    (n, N, N + 1) generated, (m, N, N + 1) held out -> numbers by name, NaN where too few are valid.
    """
    return lambda x, y: compared(_read(x, vocabulary), _read(y, vocabulary))


def _read(x: Tensor, vocabulary: Vocabulary) -> Molecules:
    return _unpacked(x.to(torch.int8).cpu().contiguous().numpy().tobytes(), vocabulary)


@lru_cache(maxsize=2)  # held-out molecules are the same in every draw
def _unpacked(packed: bytes, vocabulary: Vocabulary) -> Molecules:
    shape = (-1, vocabulary.most, vocabulary.most + 1)
    x = torch.from_numpy(np.frombuffer(packed, np.int8).reshape(shape).copy())
    return Molecules.read(unpack(one, vocabulary) for one in x)
