"""Trials in the order of their certified W, and how far other metrics agree with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from otgan.domain import Domain
from otgan.sweep.study import Trial

LEVEL = 0.95
"""Confidence of certificates and of differences."""
LARGER = ("precision", "recall", "density", "coverage")
HALF = ("1-NN accuracy", "memorisation")


def ranking(
    domain: Domain, trials: Sequence[Trial], found: Mapping[str, dict[str, Any]], out: Path
) -> dict[str, Any]:
    """Finished trials by the estimate, the best first.

    Not by the lower side: that is the estimate less its error, and the more a generator's samples
    scatter the lower it is, though they be no better.

    Args:
        found: what is measured of each trial, by name.

    Returns:
        A JSON tree: `trials`, each with `behind`, how far its estimate is above the first's, and
        `behind_error`, half the length of the 95 % interval of that; `failed`; `agreement`, the
        rank correlation of each metric with the estimate; what was compared.
    """
    rows = [{"run": str(out / t.name), "settings": dict(t.swept), **found[t.name]} for t in trials]
    done = sorted((r for r in rows if "failed" not in r), key=lambda row: row["estimate"])
    return {
        "ground_cost": repr(domain.geometry),
        "units": "data" if domain.chart.unit is not None else "chart",
        "trials": [{**_shown(row), **_behind(row, done[0])} for row in done],
        "failed": [_shown(row) for row in rows if "failed" in row],
        "agreement": _agreement(done),
    }


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k not in ("name", "on_held_out")}


def _behind(row: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, float]:
    """Both estimates are on the same held-out points, so that their differences count."""
    if row is first:
        return {"behind": 0.0, "behind_error": 0.0}
    paired = np.subtract(row["on_held_out"], first["on_held_out"])
    variance = paired.var(ddof=1) / len(paired)
    variance += row["generated_error"] ** 2 + first["generated_error"] ** 2
    error = stats.norm.ppf((1 + LEVEL) / 2) * variance**0.5
    return {"behind": row["estimate"] - first["estimate"], "behind_error": float(error)}


def _agreement(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Spearman's rank correlation with the estimate, by metric: 1 if both order the trials alike,
    from good to bad. Of three trials or more, and of metrics that tell some of them apart."""
    estimates = [row["estimate"] for row in rows]
    figures = {side: [row[side] for row in rows] for side in ("lower", "upper")}
    for name in rows[0]["metrics"] if len(rows) > 2 else ():
        figures[name] = [_badness(name, row["metrics"][name]["value"]) for row in rows]
    return {
        name: float(stats.spearmanr(estimates, values).statistic)
        for name, values in figures.items()
        if len(rows) > 2 and min(len(set(estimates)), len(set(values))) > 1
    }


def _badness(metric: str, value: float) -> float:
    kind = metric.partition(" on ")[0]
    if kind in HALF:
        return abs(value - 0.5)
    return -value if kind in LARGER else value
