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
    n = report["n"]
    title = f"{n} samples of the averaged generator against {n} held out, {report['draws']} draws"
    table = Table("", "generated", "real (floor)", title=title, title_justify="left")
    for name, score in report["metrics"].items():
        units = "data" if "before" in name else report["units"]
        label = f"{name}, {report['ground_cost']} in {units} units"
        table.add_row(
            label if name.startswith("W1") else name,
            f"{score['value']:.3f} ± {score['spread']:.3f}",
            f"{score['floor']:.3f} ± {score['floor_spread']:.3f}",
        )
    w1 = report["metrics"]["W1"]
    table.add_row("W1 / floor", f"{w1['value'] / w1['floor']:.3f}" if w1["floor"] else "-", "1")
    console = Console()
    console.print(table)
    if "classes" in report:
        shares = Table("class", "generated", "data", title="Share of samples", title_justify="left")
        for name, share in report["classes"].items():
            shares.add_row(name, f"{share['generated']:.1%}", f"{share['data']:.1%}")
        console.print(shares)


def write_json(report: Mapping[str, Any], path: Path) -> None:
    with replacing(path) as part:
        part.write_text(json.dumps(report, indent=2) + "\n")
