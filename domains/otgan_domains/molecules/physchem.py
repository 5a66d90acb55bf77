"""Physicochemical properties of molecules, and how far their distributions are apart."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
from rdkit import Chem, RDConfig
from rdkit.Chem import QED, Descriptors
from scipy.stats import entropy, gaussian_kde

from otgan.config import InputError

Property = Callable[[Chem.Mol], float]

_RDKIT: Mapping[str, Property] = dict(Descriptors.descList)
_LITTLE = 1e-10

CONTINUOUS = ("BertzCT", "MolLogP", "MolWt", "TPSA")
DISCRETE = (
    "NumHAcceptors",
    "NumHDonors",
    "NumRotatableBonds",
    "NumAliphaticRings",
    "NumAromaticRings",
)
"""RDKit's descriptors that GuacaMol compares."""


def synthetic_accessibility(molecule: Chem.Mol) -> float:
    """SA score, 1 (easy) to 10 (Ertl and Schuffenhauer 2009, 'Estimation of synthetic accessibility
    score'), by the script that RDKit ships in Contrib.

    Raises:
        InputError: an RDKit without Contrib.
    """
    return _sascorer().calculateScore(molecule)


PROPERTIES: Mapping[str, Property] = {
    "logP": _RDKIT["MolLogP"],
    "QED": QED.qed,
    "SA": synthetic_accessibility,
    "weight": _RDKIT["MolWt"],
}
"""Octanol-water partition (Wildman and Crippen 1999), drug-likeness from 0 to 1 (Bickerton et al.
2012), synthetic accessibility, and molecular weight in daltons."""


def descriptors(molecules: Sequence[Chem.Mol]) -> np.ndarray:
    """GuacaMol's, the continuous ones first, (n, 9); what is not finite is 0, as there."""
    functions = [_RDKIT[name] for name in (*CONTINUOUS, *DISCRETE)]
    rows = np.array([[function(m) for function in functions] for m in molecules], float)
    return np.nan_to_num(rows.reshape(len(molecules), len(functions)), posinf=0, neginf=0)


def continuous_divergence(real: np.ndarray, made: np.ndarray) -> float:
    """KL divergence of made from real numbers, (m,), (n,), by Gaussian kernel densities at 1,000
    places (GuacaMol). Constant numbers have no density: 0 if they are the same, else infinity."""
    if min(len(real), len(made)) < 2 or min(np.ptp(real), np.ptp(made)) == 0:
        return _of_constants(real, made)
    places = np.linspace(*_range(real, made), 1000)
    p, q = (gaussian_kde(values)(places) + _LITTLE for values in (real, made))
    return float(entropy(p, q))


def discrete_divergence(real: np.ndarray, made: np.ndarray) -> float:
    """KL divergence of made from real counts, (m,), (n,), in 10 bins of the real ones' range
    (GuacaMol); infinity if all that is made is out of it."""
    p, bins = np.histogram(real, bins=10, density=True)
    if not np.histogram(made, bins=bins)[0].any():
        return math.inf
    q, _ = np.histogram(made, bins=bins, density=True)
    return float(entropy(p + _LITTLE, q + _LITTLE))


def _of_constants(real: np.ndarray, made: np.ndarray) -> float:
    low, high = _range(real, made)
    return 0.0 if low == high else math.inf


def _range(real: np.ndarray, made: np.ndarray) -> tuple[float, float]:
    both = np.concatenate([real, made])
    return both.min(), both.max()


@cache
def _sascorer() -> ModuleType:
    path = Path(RDConfig.RDContribDir) / "SA_Score" / "sascorer.py"
    spec = importlib.util.spec_from_file_location("sascorer", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InputError(f"no '{path}': SA scores need RDKit's Contrib folder, as on PyPI")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
