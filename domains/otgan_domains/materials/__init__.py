"""Materials: new compositions that could exist."""

from __future__ import annotations

import math
import sys
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from otgan.conditions import Attribute, to_json
from otgan.config import InputError, suggest
from otgan.data import Samples
from otgan.domain import Domain
from otgan.geometry import Geometry, Lp
from otgan.networks import mlp
from otgan.preprocess import Chart, Encoding
from otgan.transport import exact
from otgan_domains.materials.asking import asked
from otgan_domains.materials.estimates import Estimator
from otgan_domains.materials.formulas import amounts
from otgan_domains.materials.fractions import Cumulative, WhitenedFractions
from otgan_domains.materials.reading import Materials, materials_of
from otgan_domains.materials.representation import points, vocabulary
from otgan_domains.materials.saving import Saver, left_out, pack, unpack
from otgan_domains.materials.scoring import Scoring
from otgan_domains.materials.spelling import Reader, Spelling

Cost = Literal["encoding", "elmd", "l2"]


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
        training, testing, state = _split(found, held_out)
        if estimate is not None:
            estimator = _estimator(estimate, state, training, testing)
            found.said.append(f"estimates of {estimator.said()}")
            state["estimator"] = estimator.to_state()
        for said in found.said:
            print(f"otgan: {said}", file=sys.stderr)
    elements = tuple(state["elements"])
    chart, geometry = _chart(cost, state, training)
    known = unpack(state["known"])
    saver = Saver(elements, known, state["training"], _restored(state.get("estimator")))
    scoring = Scoring(elements, None if training is None else training.x)
    return Domain(
        geometry=geometry,
        train=training,
        held_out=testing,
        chart=chart,
        networks={"mlp": mlp},
        presets={"wgan-gp": {"constraint": {"sided": "one"}}},
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


def _split(known: Materials, share: float) -> tuple[Samples, Samples, dict[str, Any]]:
    """Training and held-out samples, a formula on one side only, and all that a run must know."""
    if not 0 < share < 1:
        raise InputError(f"--held-out is a share between 0 and 1, got {share}")
    distinct = list(dict.fromkeys(known.formulas))
    if known.held_out is None:
        n = max(1, round(share * len(distinct)))
        if len(distinct) < 2:
            raise InputError(f"{len(distinct)} formula is not enough to train on and hold out from")
        order = torch.randperm(len(distinct), generator=torch.Generator().manual_seed(0))
        held = {distinct[k] for k in order[:n].tolist()}
        aside = torch.tensor([text in held for text in known.formulas])
    else:
        aside = torch.from_numpy(known.held_out)
    known, aside, elements = _spoken(known, aside)
    x = points(known.formulas, elements)
    several = (x > 0).sum(1)
    classes = several.unique().tolist()
    seen = ~aside.numpy()
    attributes = [_attribute(c.rows(seen)) for c in known.columns]
    columns = [torch.from_numpy(c.values) for c in known.columns]
    if len(classes) > 1:
        attributes.append(Attribute("elements", tuple(map(str, classes))))
        columns.append(torch.searchsorted(torch.tensor(classes), several).double())
    y = torch.stack(columns, 1).float() if columns else None
    training, testing = (
        Samples(x[part], None if y is None else y[part]) for part in (~aside, aside)
    )
    there = zip(known.formulas, aside.tolist(), strict=True)
    texts = {False: dict[str, None](), True: dict[str, None]()}
    for text, is_aside in there:
        texts[is_aside][text] = None
    return (
        training,
        testing,
        {
            "elements": list(elements),
            "counts": x.unique().long().tolist()[1:],
            "most": int(several.max()),
            "attributes": to_json(attributes),
            "units": {c.name: c.unit for c in known.columns if c.unit},
            "known": pack([*texts[False], *texts[True]]),
            "training": len(texts[False]),
            "left_out": known.left_out,
            "said": known.said,
        },
    )


def _spoken(known: Materials, aside: Tensor) -> tuple[Materials, Tensor, tuple[str, ...]]:
    """Without held-out formulas of an element that training does not know; and the elements."""
    pairs = zip(known.formulas, aside.tolist(), strict=True)
    elements = vocabulary([text for text, is_aside in pairs if not is_aside])
    strange = torch.tensor([not set(amounts(text)) <= set(elements) for text in known.formulas])
    if strange.any():
        known.said.append(
            f"{int(strange.sum())} held-out rows have an element that no training formula has, and "
            "are dropped"
        )
        known = known.rows(~strange.numpy())
    return known, aside[~strange], elements


def _scores(scoring: Scoring, training: Tensor, x: Tensor, real: Tensor) -> dict[str, float]:
    """What is scored of formulas, and W1 under the other ground cost, the Mahalanobis distance of
    fractions; NaN where nothing generated is a formula."""
    ruler = WhitenedFractions(x.shape[1]).fit(training)
    made = x[(x > 0).any(1)][: len(real)]
    there = len(made) > 0
    distance = exact(*map(ruler.encode, (made, real)), Lp(2)).item() if there else math.nan
    return {**scoring.scores(x, real), "W1 of whitened fractions": distance}


def _estimator(name: str, state: dict[str, Any], training: Samples, testing: Samples) -> Estimator:
    """Fitted to a column of numbers.

    Raises:
        InputError: no such column, or too few rows.
    """
    numbers = [a["name"] for a in state["attributes"] if not a["values"]]
    if name not in numbers:
        raise InputError(f"--estimate {name}: no column of numbers{suggest(name, numbers)}")
    k = [a["name"] for a in state["attributes"]].index(name)
    rows = []
    for part in (training, testing):
        assert part.y is not None
        rows.append((part.points(), part.y[:, k]))
    try:
        return Estimator.learn(name, state["units"].get(name, ""), state["elements"], *rows)
    except ValueError as error:
        raise InputError(f"--estimate {name}: {error}") from None


def _restored(state: dict[str, Any] | None) -> Estimator | None:
    return None if state is None else Estimator.from_state(state)


def _attribute(column: Any) -> Attribute:
    if column.classes:
        return Attribute(column.name, column.classes)
    return Attribute.number(column.name, torch.from_numpy(column.values))


def _chart(cost: Cost, state: dict[str, Any], training: Samples | None) -> tuple[Chart, Geometry]:
    elements = tuple(state["elements"])
    if cost == "encoding":
        spelling = Spelling(elements, state["counts"], state["most"])
        reader = partial(Reader, len(elements))
        return Encoding(spelling, reader, latent=32, width=128), Lp(2)
    if cost == "elmd":
        return Cumulative(elements), Lp(1)
    chart = WhitenedFractions(len(elements))
    if training is not None:
        try:
            chart.fit(training.points())
        except ValueError as error:
            raise InputError(str(error)) from None
    return chart, Lp(2)
