"""What `otgan sweep` prints."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from otgan.sweep.grid import shown

_METRICS = ("W1", "Frechet", "precision", "recall")


def show(report: Mapping[str, Any]) -> None:
    """Prints what `otgan.sweep.sweep` returns."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    if report["trials"]:
        console.print(_table(report))
    for line in _lines(report):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _table(report: Mapping[str, Any]) -> Table:
    rows = report["trials"]
    metrics = [name for name in _METRICS if name in rows[0]["metrics"]]
    names = [*rows[0]["settings"]]
    table = Table("", *names, title="Held-out W of the generators", title_justify="left")
    for column in ("lower", "estimate", "upper", "behind the first", *metrics, "seconds"):
        table.add_column(column, no_wrap=True)
    for rank, row in enumerate(rows, 1):
        behind = f"{row['behind']:.3g} ± {row['behind_error']:.2g}" if rank > 1 else ""
        table.add_row(
            str(rank),
            *(shown(row["settings"][name]) for name in names),
            *(f"{row[side]:.4g}" for side in ("lower", "estimate", "upper")),
            behind,
            *(f"{row['metrics'][name]['value']:.4g}" for name in metrics),
            f"{row['training_seconds']:.0f}",
        )
    return table


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    rows = report["trials"]
    for row in report["failed"]:
        settings = ", ".join(f"{name}={shown(value)}" for name, value in row["settings"].items())
        yield f"Failed: {settings}: {row['failed']}"
    if not rows:
        return
    yield (
        f"Ground cost {report['ground_cost']}, {report['units']} units. Ranked by the estimate of "
        f"a certified critic; W1 is from lower to upper at {rows[0]['confidence']:.0%}."
    )
    if len(rows) > 1:
        yield from _doubts(rows)
    if report["agreement"]:
        found = ", ".join(f"{name} {value:.2f}" for name, value in report["agreement"].items())
        yield f"Rank correlation of the estimate with other figures (1: the same order): {found}."
    yield f"The best: otgan sample {rows[0]['run']} -n 64"


def _doubts(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    first, others = rows[0], list(enumerate(rows[1:], 2))
    near = [str(k) for k, row in others if row["behind"] <= row["behind_error"]]
    yield (
        f"Not told apart from the first at {first['confidence']:.0%}: {', '.join(near) or 'none'} "
        "(on these held-out points and samples; --over seed=0,1 shows what training adds)."
    )
    proven = [str(k) for k, row in others if row["lower"] > first["upper"]]
    yield f"W1 proven larger than the first's, lower above upper: {', '.join(proven) or 'none'}."
