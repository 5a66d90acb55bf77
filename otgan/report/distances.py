"""What `otgan distance` prints: what is known of the samples, and what of their populations."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

_WIDTH = 80


def show(report: Mapping[str, Any]) -> None:
    """Prints what `otgan.comparison.compare` returns."""
    (a, b), (n, m) = report["files"], report["points"]
    size = f", {report['coordinates']} coordinates" if report["coordinates"] else ""
    print(f"{a} ({n} points) and {b} ({m} points){size}, ground cost {report['cost']}\n")
    for title, lines in (
        ("The two samples", _samples(report)),
        (_title(report), _populations(report)),
        ("Not certified: a dense critic under a gradient penalty", _penalised(report)),
    ):
        found = list(lines)
        if found:
            print(title)
            for line in found:
                print(textwrap.fill(line, _WIDTH, initial_indent="  ", subsequent_indent="    "))
            print()


def _known(report: Mapping[str, Any]) -> bool:
    return report["p_value"] is None


def _title(report: Mapping[str, Any]) -> str:
    if _known(report):
        return "The two measures, whose weights are known"
    return f"The populations they were drawn from, at {100 * report['confidence']:g} % confidence"


def _samples(report: Mapping[str, Any]) -> Iterator[str]:
    low, high = report["sample"]["lower"], report["sample"]["upper"]
    if not _known(report):
        if low == high:
            yield f"W1 = {high:.6g}, exact"
        else:
            yield f"{low:.6g} <= W1 <= {high:.6g}; too many points to be exact"
    if "partial" in report:
        part = report["partial"]
        some = "" if part["points"] == report["points"] else f" ({part['points'][0]} random points)"
        yield f"{part['cost']:.6g} when {part['leave_out']:.3g} of the mass may stay{some}"


def _populations(report: Mapping[str, Any]) -> Iterator[str]:
    low, middle, high = report["lower"], report["estimate"], report["upper"]
    if _known(report):
        mass = (
            "" if math.isclose(report["mass"], 1, rel_tol=1e-5) else f" for mass {report['mass']:g}"
        )
        yield f"W1 = {high:.6g}{mass}, exact"
        yield f"largest slope of the potential that proves it: {report['slope']:.9g}"
        return
    yield f"{low:.6g} <= W1 <= {high:.6g}, estimate {middle:.6g}"
    yield (
        f"critic: {report['critic']}, scored on points it has not seen; 1-Lipschitz by "
        f"construction, largest slope found {report['slope']:.9g}"
    )
    yield f"p-value {report['p_value']:.4g} for 'both samples are from one distribution'"
    yield f"assumes: independent draws; {report['assumption']}"
    steps = "".join(f" {k}" for k in report["steps"])
    yield f"the same again: --seed {report['seed']}" + (f" --steps{steps}" if steps else "")
    if loose(report):
        yield (
            f"The upper side is loose by nature, not for lack of training: W1 between samples "
            f"exceeds that of the populations by an amount that falls like n^(-1/d), here "
            f"d = {report['coordinates']}. The estimate errs downwards."
        )


def loose(report: Mapping[str, Any]) -> bool:
    """Whether the upper side is so because of many dimensions: far more above than below."""
    above, below = (abs(report[k] - report["estimate"]) for k in ("upper", "lower"))
    return (report["coordinates"] or 0) > 2 and above > 2 * below


def _penalised(report: Mapping[str, Any]) -> Iterator[str]:
    if "penalised" not in report:
        return
    value, slope = report["penalised"]["value"], report["penalised"]["slope"]
    yield f"value {value:.6g}, largest slope found {slope:.4g}"
    if slope > 0:
        yield f"value / slope {value / slope:.6g}: a bound only if no slope is larger"
