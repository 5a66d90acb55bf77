"""All scores of a sample of molecules, beside what real ones would score."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

import numpy as np
from rdkit import Chem
from rich.console import Console
from rich.table import Table

from otgan.config import InputError
from otgan.metrics import compare
from otgan.report.tables import number
from otgan_domains.molecules import similarity as by
from otgan_domains.molecules.collection import Molecules, names
from otgan_domains.molecules.filters import plain, unflagged
from otgan_domains.molecules.fingerprints import Tanimoto

Given = Iterable[str | Chem.Mol | None]
Scored = dict[str, dict[str, float]]

TRANSPORTED = 1000
"""Molecules compared by transport and neighbours, whose cost grows with the square of them."""


def table(smiles: Given, reference: Given, known: Mapping[str, Given], seed: int = 0) -> Scored:
    """Every score of generated molecules, and the same of one half of the reference against the
    other (floor).

    Shares of all that were generated are named valid, valid and unique, ...; unique, novel and the
    filters are shares of the valid ones, as in MOSES. Molecules are the same if they are without
    stereochemistry. Scores against the reference are those of MOSES and GuacaMol, see
    `otgan_domains.molecules.similarity`, and transport and neighbours on fingerprints under the
    Tanimoto distance of at most 1,000 molecules. FCD depends on numbers of molecules, of which the
    floor has fewer.

    Args:
        smiles: generated, as SMILES or RDKit molecules; None for what is no molecule.
        reference: held-out real ones.
        known: sets by name to which molecules may be novel, say {"training": train}.
        seed: of the halves.

    Returns:
        By name, `value` and `floor`; NaN where too few molecules are valid.

    Raises:
        InputError: nothing generated, fewer than 4 valid reference molecules.
    """
    made, real = Molecules.read(smiles), Molecules.read(reference)
    if not made.given or len(real) < 4:
        raise InputError(
            f"{made.given} generated and {len(real)} valid reference molecules: scores need 1 and 4"
        )
    sets = {name: names(given) for name, given in known.items()}
    real = real[np.random.default_rng(seed).permutation(len(real)).tolist()]
    half = len(real) // 2
    values = counted(made, sets) | filtered(made) | compared(made, real)
    one, other = real[range(half)], real[range(half, len(real))]
    floors = counted(one, sets) | filtered(one) | compared(one, other)
    return {name: {"value": values[name], "floor": floors[name]} for name in values}


def counted(made: Molecules, known: Mapping[str, Collection[str]]) -> dict[str, float]:
    """Valid, unique and novel: of all, and of the valid ones."""
    valid, unique = len(made) / made.given, by.unique(made)
    found = {
        "valid": valid,
        "valid and unique": len(set(made.names)) / made.given,
        "unique@1k": by.unique(made, 1_000),
        "unique@10k": by.unique(made, 10_000),
        "in one piece": _share("." not in name for name in made.names),
    }
    for name, others in known.items():
        novel = by.novel(made, others)
        found[f"novel to {name}"] = novel
        found[f"valid, unique, novel to {name}"] = valid * unique * novel if valid else 0.0
    return found


def filtered(made: Molecules) -> dict[str, float]:
    """Shares of the valid ones that pass filters of medicinal chemistry; 8 s for 1,000."""
    return {
        "no PAINS alert": _share(unflagged(molecule, "PAINS") for molecule in made.valid),
        "no BRENK alert": _share(unflagged(molecule, "BRENK") for molecule in made.valid),
        "plain elements, charges, rings": _share(plain(molecule) for molecule in made.valid),
    }


def compared(made: Molecules, real: Molecules) -> dict[str, float]:
    """Scores of whole samples: diversity, and all that compares them with real ones."""
    apart = {f"W1 of {name}": w1 for name, w1 in by.property_distances(made, real).items()}
    return {
        "FCD": by.chemnet_distance(made, real),
        "SNN": by.nearest_similarity(made, real),
        "IntDiv": by.diversity(made),
        "IntDiv2": by.diversity(made, p=2),
        "fragments": by.fragment_similarity(made, real),
        "scaffolds": by.scaffold_similarity(made, real),
        "KL score": by.divergence_score(made, real),
        **apart,
        **by_fingerprints(made, real),
    }


def by_fingerprints(made: Molecules, real: Molecules) -> dict[str, float]:
    """Transport and neighbours of the first molecules under the Tanimoto distance."""
    x, y = (sample.bits[:TRANSPORTED] for sample in (made, real))
    if min(len(x), len(y)) < 6:  # 5 neighbours besides itself
        return dict.fromkeys(_NEIGHBOURS, math.nan)
    found = compare(x, y, Tanimoto())
    return {name: found[name.removesuffix(_ON)].value for name in _NEIGHBOURS}


def show(scored: Scored, title: str = "") -> None:
    """Prints a table."""
    shown = Table("", "generated", "real (floor)", title=title, title_justify="left")
    for name, score in scored.items():
        shown.add_row(name, *("-" if math.isnan(v) else number(v) for v in score.values()))
    Console().print(shown)


_ON = ", Tanimoto"
_NEIGHBOURS = [
    name + _ON for name in ("W1", "precision", "recall", "density", "coverage", "1-NN accuracy")
]


def _share(answers: Iterable[bool]) -> float:
    said = list(answers)
    return sum(said) / len(said) if said else math.nan
