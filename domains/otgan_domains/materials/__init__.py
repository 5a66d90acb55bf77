"""Materials: new compositions that could exist."""

from __future__ import annotations

import math
import sys
from functools import partial
from typing import Any, Literal

from torch import Tensor

from otgan.conditions import Attribute
from otgan.config import InputError
from otgan.data import Samples
from otgan.domain import Domain
from otgan.geometry import Geometry, Lp
from otgan.networks import mlp
from otgan.preprocess import Chart, Encoding
from otgan.transport import exact
from otgan_domains.materials.asking import asked
from otgan_domains.materials.dividing import divided
from otgan_domains.materials.estimates import Estimator, learned
from otgan_domains.materials.fractions import Cumulative, WhitenedFractions
from otgan_domains.materials.reading import materials_of
from otgan_domains.materials.saving import Saver, left_out, unpack
from otgan_domains.materials.scoring import Scoring
from otgan_domains.materials.spelling import Reader, Spelling

Cost = Literal["encoding", "elmd", "l2"]

SETTINGS = {
    "steps": 4000,
    "average": 0.999,
    "optimiser": {"rate": 4e-4},
    "monitor_every": 500,
}
BATCH = 256
"""At most, and a third of the data."""

CHART_STEPS = 2500
NOISE = 0.7
"""So much that 25 bits of a formula get through, and the decoder has to know the rest."""


def materials(
    data: str = "aflow",
    formula: str | None = None,
    properties: tuple[str, ...] = (),
    skip: bool = False,
    held_out: float = 0.2,
    cost: Cost = "encoding",
    estimate: str | None = None,
    *,
    state: dict[str, Any] | None = None,
) -> Domain:
    """Chemical formulas: learns from a table of known ones and proposes new ones.

    Args:
        data: .csv or .csv.gz file with a column of formulas, and of properties if there are some;
            its column `split` is obeyed. Or aflow, pymatgen's few hundred prototypes. From Python
            a list of formulas too.
        formula: column of the formulas, if not called formula or composition.
        properties: columns that samples can be asked for, whose rows without a value are left out;
            by default all that have a value on every row.
        skip: leave out rows whose formula cannot be read, and count them.
        held_out: share of the formulas kept from training, if the data have no column `split`.
        cost: encoding, l2 between vectors that an autoencoder learns first; elmd, the
            element-mover's distance of fractions; l2, Mahalanobis between fractions.
        estimate: a column whose value is estimated for every sample, by a few networks fitted to
            the training data whenever they are opened; the lowest are shown first, as is right for
            energies.
        state: of a finished run, in place of data.
    """
    training = testing = None
    if state is None:
        found = materials_of(data, formula, properties, skip)
        training, testing, state = divided(found, held_out)
        if estimate is not None:
            fitted = learned(estimate, state, training, testing)
            found.said.append(f"estimates of {fitted.said()}")
            state["estimator"] = fitted.to_state()
        for said in found.said:
            print(f"otgan: {said}", file=sys.stderr)
    elements = tuple(state["elements"])
    chart, geometry = _chart(cost, state, training)
    batch = BATCH if training is None else min(BATCH, max(2, len(training) // 3))
    known = unpack(state["known"])
    estimator = Estimator.from_state(given) if (given := state.get("estimator")) else None
    saver = Saver(elements, known, state["training"], estimator)
    scoring = Scoring(elements, None if training is None else training.x)
    return Domain(
        geometry=geometry,
        train=training,
        held_out=testing,
        chart=chart,
        networks={"mlp": mlp},
        presets={
            "*": {**SETTINGS, "batch_size": batch},
            "wgan-gp": {"constraint": {"sided": "one"}},
        },
        save=saver.save,
        save_rated=saver.save,
        show=saver.show,
        extension=".csv",
        state=state,
        attributes=tuple(map(Attribute.restore, state["attributes"])),
        shares=scoring.shares,
        scores=None if training is None else partial(_scores, scoring, training.points()),
        keep=partial(asked, elements=elements, known=frozenset(known)),
        files=left_out(state["left_out"]),
        provenance={"reading": "; ".join(state["said"]) or "every row as it is"},
    )


def _scores(scoring: Scoring, training: Tensor, x: Tensor, real: Tensor) -> dict[str, float]:
    """What is scored of formulas, and W1 under the other ground cost, the Mahalanobis distance of
    fractions; NaN where nothing generated is a formula."""
    ruler = WhitenedFractions(x.shape[1]).fit(training)
    made = x[(x > 0).any(1)][: len(real)]
    there = len(made) > 0
    pair = ruler.encode(made), ruler.encode(real)
    distance = exact(*pair, Lp(2)).item() if there else math.nan
    return {**scoring.scores(x, real), "W1 of whitened fractions": distance}


def _chart(cost: Cost, state: dict[str, Any], training: Samples | None) -> tuple[Chart, Geometry]:
    elements = tuple(state["elements"])
    if cost == "encoding":
        spelling = Spelling(elements, state["counts"], state["most"])
        reader = partial(Reader, len(elements))
        return Encoding(
            spelling,
            reader,
            latent=32,
            width=128,
            noise=NOISE,
            blur=NOISE,
            dropout=0.0,
            rate=4e-3,
            steps=CHART_STEPS,
        ), Lp(2)
    if cost == "elmd":
        return Cumulative(elements, state["atoms"]), Lp(1)
    chart = WhitenedFractions(len(elements), state["atoms"])
    if training is not None:
        try:
            chart.fit(training.points())
        except ValueError as error:
            raise InputError(str(error)) from None
    return chart, Lp(2)
