"""Rows of a table: numbers and classes under the Mahalanobis distance."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otgan.conditions import Attribute, to_json
from otgan.config import InputError
from otgan.data import Samples, split
from otgan.domain import Domain
from otgan.geometry import Lp
from otgan.preprocess import Method
from otgan_domains.table.columns import MOST_CLASSES, Column, column
from otgan_domains.table.coordinates import Mixed
from otgan_domains.table.saving import Saver
from otgan_domains.table.sheets import read


def table(
    data: str,
    columns: tuple[str, ...] = (),
    drop_missing: bool = False,
    held_out: float = 0.2,
    whitening: Method = "pca",
    *,
    state: dict[str, Any] | None = None,
) -> Domain:
    """Rows of a table of numbers and classes: descriptors, measurements, records.

    Args:
        data: .csv or .csv.gz file whose first row names the columns.
        columns: to learn, all if not given. Text makes classes, everything else numbers.
        drop_missing: leave out rows that lack a value, and count them.
        held_out: share of the rows kept from training.
        whitening: of the numbers: pca, zca (each column stays itself) or cholesky.
        state: of a finished run, in place of data.
    """
    training = testing = None
    if state is None:
        found = _columns(data, columns, drop_missing)
        x = torch.from_numpy(np.stack([c.values for c in found], 1)).float()
        training, testing = split(Samples(x, x), held_out)
        attributes = [_attribute(c, training.x[:, k]) for k, c in enumerate(found)]
        state = {"columns": [c.to_state() for c in found], "attributes": to_json(attributes)}
    classes = [tuple(c["classes"]) for c in state["columns"]]
    chart = Mixed([len(names) for names in classes], whitening)
    if training is not None:
        try:
            chart.fit(training.points())
        except ValueError as error:
            raise InputError(f"'{data}': {error}") from None
    saver = Saver([c["name"] for c in state["columns"]], classes)
    return Domain(
        geometry=Lp(2),
        train=training,
        held_out=testing,
        chart=chart,
        presets={"*": {"steps": 3000}, "wgan-gp": {"constraint": {"sided": "one"}}},
        save=saver.save,
        show=saver.show,
        extension=".csv",
        state=state,
        attributes=tuple(map(Attribute.restore, state["attributes"])),
    )


def _columns(data: str, names: tuple[str, ...], drop_missing: bool) -> list[Column]:
    """Columns with a value on every row.

    Raises:
        InputError: one that is missing, empty, constant, or a name of each row; missing values.
    """
    sheet = read(data)
    found = [column(sheet, name) for name in names or sheet.names]
    known = np.logical_and.reduce([c.known for c in found if c.known.any()] or [np.zeros(0, bool)])
    if not known.all():
        first = int(np.argmin(known))
        name = next(c.name for c in found if c.known.any() and not c.known[first])
        if not drop_missing:
            raise InputError(
                f"{sheet.place(first)}: '{name}' is missing, and {int((~known).sum())} rows lack a "
                "value: fill them in, or leave such rows out with --drop-missing"
            )
        print(f"otgan: {int((~known).sum())} rows lack a value and are left out", file=sys.stderr)
        found = [c.rows(known) for c in found]
    for c in found:
        if not c.known.any() or c.constant:
            value = c.classes[0] if c.classes else f"{c.values[0]:g}"
            why = f"is {value} everywhere" if c.known.any() else "is empty"
            raise InputError(f"'{data}', column '{c.name}' {why}: name the others, --columns ...")
        if len(c.classes) > MOST_CLASSES:
            raise InputError(
                f"'{data}', column '{c.name}' has {len(c.classes)} different texts, too many for "
                "classes: name the others, --columns ..."
            )
    return found


def _attribute(one: Column, training: Tensor) -> Attribute:
    if one.classes:
        return Attribute(one.name, one.classes)
    return Attribute.number(one.name, training)
