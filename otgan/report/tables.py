"""Figures as a table on stdout and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from otgan.report.files import replacing


def show(report: Mapping[str, Any]) -> None:
    """Prints what `Model.evaluate` returns."""
    n, provenance = report["n"], report["provenance"]
    title = f"{n} samples of the averaged generator against {n} held out, {report['draws']} draws"
    table = Table(title=title, title_justify="left")
    table.add_column("", min_width=13)
    level = f"{provenance['interval']['level']:.0%} interval"
    for column in ("generated", level, "real (floor)"):
        table.add_column(column, no_wrap=True)
    for name, score in report["metrics"].items():
        low, high = score["interval"]
        table.add_row(
            name,
            f"{number(score['value'])} ± {number(score['spread'])}",
            f"{number(low)} to {number(high)}",
            f"{number(score['floor'])} ± {number(score['floor_spread'])}",
        )
    w1 = report["metrics"]["W1"]
    table.add_row("W1 / floor", f"{w1['value'] / w1['floor']:.3f}" if w1["floor"] else "-", "", "1")
    if "scores" in report:
        table.add_section()
    for name, score in report.get("scores", {}).items():
        sides = [(score["value"], score["spread"]), (score["floor"], score["floor_spread"])]
        shown = ["-" if a is None else f"{number(a)} ± {number(b)}" for a, b in sides]
        table.add_row(name, shown[0], "", shown[1])
    console = Console()
    console.print(table)
    _say_what(console, report)
    for name, share in report.get("shares", {}).items():
        found = ", ".join(f"{who} {value:.1%}" for who, value in share.items())
        console.print(f"Share {name}: {found}.", highlight=False)
    if "classes" in report:
        columns = list(next(iter(report["classes"].values())))
        shares = Table("class", *columns, title="Share of samples", title_justify="left")
        for name, share in report["classes"].items():
            shares.add_row(name, *(f"{share[column]:.1%}" for column in columns))
        console.print(shares)


def number(value: float) -> str:
    """Three digits after the point, or two significant ones of a small number."""
    return f"{value:.3f}" if abs(value) >= 0.1 or not value else f"{value:.2g}"


def write_json(report: Mapping[str, Any], path: Path) -> None:
    with replacing(path) as part:
        part.write_text(json.dumps(report, indent=2) + "\n")


def _say_what(console: Console, report: Mapping[str, Any]) -> None:
    """Ground cost, units and where the figures come from."""
    provenance, units = report["provenance"], report["units"]
    lines = [
        f"Ground cost {report['ground_cost']}; distances in {units} units (Frechet squared).",
        f"Memorisation: {provenance['training_searched']} of {provenance['training']} training "
        "points are searched.",
    ]
    if "W1 before the chart" in report["metrics"]:
        lines.append("The chart is no similarity: W1 before the chart is in data units.")
    lines += [f"Without {name}: {why}." for name, why in report["left_out"].items()]
    lines += [f"Features {name}: {what}." for name, what in provenance["features"].items()]
    lines += [f"Data, {name}: {what}." for name, what in provenance["data"].items()]
    for line in lines:
        console.print(line, highlight=False, markup=False)
