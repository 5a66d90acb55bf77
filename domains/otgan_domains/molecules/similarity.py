"""Scores of samples of molecules, in the conventions of MOSES and GuacaMol."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from otgan.metrics import frechet, nearest
from otgan.transport.line import one_dimensional
from otgan_domains.molecules.collection import Molecules
from otgan_domains.molecules.fingerprints import Tanimoto, morgan
from otgan_domains.molecules.physchem import (
    CONTINUOUS,
    DISCRETE,
    PROPERTIES,
    continuous_divergence,
    discrete_divergence,
)
from otgan_domains.molecules.pieces import cosine

_CHUNK = 1000


def unique(made: Molecules, k: int | None = None) -> float:
    """Share of different ones among the first k valid ones, or all if there are fewer (MOSES)."""
    names = made.names[:k]
    return len(set(names)) / len(names) if names else math.nan


def novel(made: Molecules, known: Collection[str]) -> float:
    """Share of the different valid ones that are not among known canonical SMILES (MOSES)."""
    names = set(made.names)
    return len(names.difference(known)) / len(names) if names else math.nan


def nearest_similarity(made: Molecules, real: Molecules) -> float:
    """SNN: mean Tanimoto similarity of each to the most similar real one (MOSES)."""
    if not len(made) or not len(real):
        return math.nan
    return 1 - nearest(made.bits, real.bits, Tanimoto()).mean().item()


def diversity(made: Molecules, p: int = 1) -> float:
    """IntDiv_p: 1 - mean_x (mean_y T(x, y)^p)^(1/p) of Tanimoto similarities T, every x with itself
    too, as MOSES has it (Polykovskiy et al. 2020, whose formula has one mean over pairs)."""
    if not len(made):
        return math.nan
    means = [_similarity(part, made.bits).pow(p).mean(1) for part in made.bits.split(_CHUNK)]
    return 1 - torch.cat(means).pow(1 / p).mean().item()


def chemnet_distance(made: Molecules, real: Molecules) -> float:
    """FCD: Frechet distance of ChemNet features; biased upwards, by more the fewer molecules."""
    if min(len(made), len(real)) < 2:
        return math.nan
    return frechet(made.chemnet, real.chemnet).value


def fragment_similarity(made: Molecules, real: Molecules) -> float:
    """Frag: cosine between the counts of BRICS fragments (MOSES)."""
    return cosine(*(Counter(chain(*sample.fragments)) for sample in (made, real)))


def scaffold_similarity(made: Molecules, real: Molecules) -> float:
    """Scaf: cosine between the counts of Bemis-Murcko scaffolds of two rings or more (MOSES)."""
    return cosine(*(Counter(filter(None, sample.scaffolds)) for sample in (made, real)))


def property_distances(made: Molecules, real: Molecules) -> dict[str, float]:
    """W1 between distributions of logP, QED, SA and weight (MOSES), in units of each."""
    if not len(made) or not len(real):
        return dict.fromkeys(PROPERTIES, math.nan)
    columns = (torch.from_numpy(sample.properties.T) for sample in (made, real))
    return {
        name: one_dimensional(x, y).item() for name, x, y in zip(PROPERTIES, *columns, strict=True)
    }


def divergences(made: Molecules, real: Molecules) -> dict[str, float]:
    """KL divergences of GuacaMol's nine descriptors, and of the similarity of each molecule to the
    nearest other of its own sample (4,096 bits), of the different molecules of each sample."""
    made, real = made.distinct, real.distinct
    if not len(made) or not len(real):
        return {}
    found = {"internal similarity": continuous_divergence(_own(real), _own(made))}
    columns = (sample.descriptors.T for sample in (real, made))
    for name, p, q in zip((*CONTINUOUS, *DISCRETE), *columns, strict=True):
        kl = continuous_divergence if name in CONTINUOUS else discrete_divergence
        found[name] = kl(p, q)
    return found


def divergence_score(made: Molecules, real: Molecules) -> float:
    """Mean of exp(-KL) over `divergences`, 1 for the same sample (GuacaMol; Brown et al. 2019)."""
    found = divergences(made, real)
    return sum(math.exp(-kl) for kl in found.values()) / len(found) if found else math.nan


def _similarity(x: Tensor, y: Tensor) -> Tensor:
    return 1 - Tanimoto().pairwise(x, y)


def _own(sample: Molecules) -> np.ndarray:
    """Similarity of each to the nearest other, 0 where there is none."""
    if len(sample) < 2:
        return np.zeros(len(sample))
    bits = morgan(sample.valid, bits=4096)
    return 1 - nearest(bits, bits, Tanimoto(), rank=2).double().numpy()
