"""Formulas for training and formulas held out, and what a run must know of both."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from otgan.conditions import Attribute, to_json
from otgan.config import InputError
from otgan.data import Samples
from otgan_domains.materials.formulas import amounts
from otgan_domains.materials.reading import Materials
from otgan_domains.materials.representation import points, vocabulary
from otgan_domains.materials.saving import pack
from otgan_domains.table.columns import Column


def divided(known: Materials, share: float) -> tuple[Samples, Samples, dict[str, Any]]:
    """Training and held-out samples, a formula on one side only, and all that a run must know.

    Args:
        share: of the formulas to hold out, where the file does not say which.

    Raises:
        InputError: a share outside (0, 1), a single formula, none held out, a column without
            variance in training or called `elements`.
    """
    if any(c.name == "elements" for c in known.columns):
        raise InputError("a column is called 'elements', as is the number of elements: rename it")
    known, aside, elements = _spoken(known, _aside(known, share))
    if not aside.any():
        raise InputError(
            f"of {len(known.formulas)} rows with {len(set(known.formulas))} formulas none is left "
            "to hold out: give more formulas, or a larger --held-out"
        )
    x = points(known.formulas, elements)
    several, seen = (x > 0).sum(1), ~aside.numpy()
    attributes = [_attribute(c.rows(seen)) for c in known.columns]
    columns = [torch.from_numpy(c.values) for c in known.columns]
    if len(classes := several.unique().tolist()) > 1:
        attributes.append(Attribute("elements", tuple(map(str, classes))))
        columns.append(torch.searchsorted(torch.tensor(classes), several).double())
    y = torch.stack(columns, 1).float() if columns else None
    training, testing = (
        Samples(x[part], None if y is None else y[part]) for part in (~aside, aside)
    )
    of_training = _reach(x[~aside])
    if beyond := int(_beyond(x[aside], *of_training).sum()):
        known.said.append(
            f"{beyond} held-out rows have an amount, or as many elements or atoms, as no training "
            "formula: nothing that is generated is one of them"
        )
    texts = [list(dict.fromkeys(known.rows(part).formulas)) for part in (seen, aside.numpy())]
    state = {
        "elements": list(elements),
        **dict(zip(("counts", "most", "atoms"), of_training, strict=True)),
        "attributes": to_json(attributes),
        "units": {c.name: c.unit for c in known.columns if c.unit},
        "known": pack([*texts[0], *texts[1]]),
        "training": len(texts[0]),
        "left_out": known.left_out,
        "said": known.said,
    }
    return training, testing, state


def _aside(known: Materials, share: float) -> Tensor:
    """Which rows are held out, (n,) bool: as the file says, or a share of the formulas."""
    if not 0 < share < 1:
        raise InputError(f"--held-out is a share between 0 and 1, got {share}")
    if known.held_out is not None:
        return torch.from_numpy(known.held_out)
    distinct = list(dict.fromkeys(known.formulas))
    if len(distinct) < 2:
        raise InputError(f"{len(distinct)} formula is not enough to train on and hold out from")
    order = torch.randperm(len(distinct), generator=torch.Generator().manual_seed(0)).tolist()
    held = {distinct[k] for k in order[: max(1, round(share * len(distinct)))]}
    return torch.tensor([text in held for text in known.formulas])


def _reach(x: Tensor) -> tuple[list[int], int, int]:
    """Of amounts (n, elements): the amounts that occur, most elements, most atoms of a formula."""
    return x[x > 0].unique().long().tolist(), int((x > 0).sum(1).max()), int(x.sum(1).max())


def _beyond(x: Tensor, counts: list[int], most: int, atoms: int) -> Tensor:
    """Which amounts, (n, elements) -> (n,), go beyond what `_reach` gives."""
    strange = (x > 0) & ~torch.isin(x, torch.tensor(counts, dtype=x.dtype))
    return strange.any(1) | ((x > 0).sum(1) > most) | (x.sum(1) > atoms)


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


def _attribute(column: Column) -> Attribute:
    if column.classes:
        return Attribute(column.name, column.classes)
    return Attribute.number(column.name, torch.from_numpy(column.values))
