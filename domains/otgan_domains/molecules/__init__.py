"""Molecules as packed graphs of atoms and bonds, under a norm of their encodings."""

from __future__ import annotations

import sys
from typing import Any

import torch

from otgan.conditions import Attribute, described, to_json
from otgan.data import Samples, split
from otgan.domain import Domain
from otgan_domains.molecules.coordinates import Coordinates, coordinates
from otgan_domains.molecules.correcting import corrections
from otgan_domains.molecules.dataset import Dataset, build
from otgan_domains.molecules.evaluation import scores
from otgan_domains.molecules.flags import shares
from otgan_domains.molecules.known import Known
from otgan_domains.molecules.packing import spell
from otgan_domains.molecules.parsing import PROPERTIES
from otgan_domains.molecules.reading import read
from otgan_domains.molecules.saving import Saver
from otgan_domains.molecules.spread import spread
from otgan_domains.molecules.vocabulary import Vocabulary

__all__ = ["Vocabulary", "molecules", "spell"]


def molecules(
    data: str = "nci",
    column: str | None = None,
    properties: tuple[str, ...] | None = None,
    largest: int = 38,
    rare: float = 0.002,
    held_out: float = 0.1,
    chart: Coordinates = "learned",
    p: float = 2.0,
    *,
    state: dict[str, Any] | None = None,
) -> Domain:
    """Molecules: packed graphs, ground cost an lp norm of a learned encoding or of their codes.

    Args:
        data: nci (RDKit's own), a .smi, .csv, .tsv or .sdf file, with .gz or not; from Python a
            list of SMILES too.
        column: of a table, that of the SMILES; the one named smiles, if not given.
        properties: what --condition can name: columns of the data, or computed logp, qed, weight,
            rings and atoms; all but qed, which is slow, if not given.
        largest: most heavy atoms of a molecule; larger ones are dropped.
        rare: molecules with an atom type in a smaller share of them are dropped.
        held_out: share of the molecules kept from training.
        chart: learned, an autoencoder that writes molecules atom by atom, or one-hot, codes of
            atoms and bonds.
        p: exponent of the ground cost, 2 or 1.
        state: of a finished run, in place of data.
    """
    training = testing = None
    files: dict[str, str] = {}
    if state is None:
        found = build(read(data, column), properties, largest, rare)
        if found.dropped:
            print(f"otgan: {found.said()}", file=sys.stderr)
        training, testing, state = _divided(found, properties is None, held_out)
        files = {"dropped.csv": found.report()}
    vocabulary = Vocabulary.restore(state["vocabulary"])
    known = Known.restore(state["training"])
    saver = Saver(vocabulary, known, state["spread"])
    return Domain(
        **coordinates(chart, vocabulary, p),
        train=training,
        held_out=testing,
        save=saver.save,
        show=saver.show,
        extension=".smi",
        state=state,
        attributes=tuple(map(Attribute.restore, state["attributes"])),
        shares=shares(vocabulary, known),
        scores=scores(vocabulary),
        corrections=corrections(vocabulary),
        files=files,
        provenance={"molecules": state["said"], "not kept": "stereochemistry, isotopes"},
    )


def _divided(
    found: Dataset, default: bool, held_out: float
) -> tuple[Samples, Samples, dict[str, Any]]:
    """Training and held-out molecules, and the state that rebuilds the domain without them.

    Args:
        default: the properties were not asked for, so that constant ones are left out.
    """
    kept, held = (part.x for part in split(Samples(torch.arange(len(found.x))), held_out))
    columns = {
        name: values
        for name, values in found.columns.items()
        if not default or values[kept.numpy()].varies
    }
    table = [torch.from_numpy(values.values) for values in columns.values()]
    y = torch.stack(table, 1).float() if table else None
    training, testing = (
        Samples(found.x[part], None if y is None else y[part]) for part in (kept, held)
    )
    names = {name: values.classes for name, values in columns.items()}
    drawn = [name for name in columns if name in PROPERTIES and name not in found.rows.columns]
    return (
        training,
        testing,
        {
            "vocabulary": found.vocabulary.state(),
            "attributes": to_json(described(training.y, names)),
            "spread": {name: spread(columns[name].values[kept.numpy()]) for name in drawn},
            "training": Known.of(found.smiles[kept.numpy()]).state(),
            "said": found.said(),
        },
    )
