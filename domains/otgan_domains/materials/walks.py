"""Walks between two materials: the formulas met on the straight way in a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from otgan.config import InputError
from otgan.domain import Domain
from otgan.preprocess import Encoding
from otgan.report.files import replacing
from otgan_domains.materials.candidates import chemistry
from otgan_domains.materials.estimates import Estimator
from otgan_domains.materials.representation import points, texts
from otgan_domains.materials.saving import unpack
from otgan_domains.table.columns import quantity


@dataclass(frozen=True)
class Step:
    """A formula met on the way.

    Args:
        begin, end: the part of the way that it is met on, from 0 to 1.
        known: whether the data have it.
        states, neutral, balanced, alloy: as `candidates.chemistry` says.
        value, deviation: the estimate of the run's property, None if it has none.
    """

    formula: str
    begin: float
    end: float
    known: bool
    states: str
    neutral: str
    balanced: str
    alloy: str
    value: float | None = None
    deviation: float | None = None


def walk(domain: Domain, start: str, end: str, n: int = 201) -> list[Step]:
    """The formulas on the segment between two, in the order they are met; points of the segment
    that are no formula are skipped.

    In a learned chart that is a walk in its latent space, whose ends may come back as other
    formulas as far as the chart is not exact; in one of fractions it goes through mixtures.

    Args:
        domain: of materials, fitted, as `Model.load(run).domain`.
        n: points of the segment, ends included.

    Raises:
        InputError: what is no formula, or has an element or amount that the chart does not know.
    """
    elements, chart = domain.state["elements"], domain.chart
    try:
        x = points([start, end], elements)
        if isinstance(chart, Encoding):
            chart.language.write(x)  # refuses what cannot come back
        ends = chart.encode(x)
    except ValueError as error:
        raise InputError(f"no walk from '{start}' to '{end}': {error}") from None
    way = torch.linspace(0, 1, n)
    x = chart.decode(torch.lerp(ends[:1], ends[1:], way[:, None])).round()
    formulas, known = texts(x, elements), set(unpack(domain.state["known"]))
    firsts = [k for k, text in enumerate(formulas) if text and (not k or text != formulas[k - 1])]
    met, cells = x[firsts], chemistry(x[firsts], elements)
    guesses: list[tuple[float, float]] | list[tuple[()]] = [()] * len(firsts)
    if given := domain.state.get("estimator"):
        value, deviation = Estimator.from_state(given)(met)
        guesses = list(zip(value.tolist(), deviation.tolist(), strict=True))
    return [
        Step(formulas[k], way[k].item(), _last(formulas, k, way), formulas[k] in known, *said, *g)
        for k, said, g in zip(firsts, cells, guesses, strict=True)
    ]


def _last(formulas: Sequence[str], k: int, way: torch.Tensor) -> float:
    last = k
    while last + 1 < len(formulas) and formulas[last + 1] == formulas[k]:
        last += 1
    return way[last].item()


def table(steps: Sequence[Step]) -> str:
    """A line a formula: the part of the way, whether the data have it, states, estimate."""
    lines = []
    for step in steps:
        guess = "" if step.value is None else f"{step.value:8.3f} ± {step.deviation:.3f}"
        known = "known" if step.known else "new"
        way = f"{step.begin:.2f} to {step.end:.2f}"
        lines.append(f"{way}  {step.formula:20} {known:6}{guess}  {step.states}".rstrip())
    return "\n".join(lines)


def draw(domain: Domain, steps: Sequence[Step], path: Path) -> None:
    """Writes a picture of a walk: each formula on its part of the way, at the estimate of the run's
    property, if it has one; filled where it is known, coloured by what smact says.

    Raises:
        InputError: a walk that met no formula.
    """
    from matplotlib.figure import Figure

    if not steps:
        raise InputError("the walk met no formula: fit the chart for longer")
    given = domain.state.get("estimator")
    figure = Figure((max(8.0, 0.55 * len(steps)), 4.5 if given else 2.5), layout="constrained")
    axes = figure.subplots()
    middle = [(step.begin + step.end) / 2 for step in steps]
    heights = [0.0 if step.value is None else step.value for step in steps]
    axes.plot(middle, heights, color="0.8", zorder=0)
    for step, at, height in zip(steps, middle, heights, strict=True):
        colour = _colour(step)
        axes.plot((step.begin, step.end), (height, height), "|-", color=colour, linewidth=3)
        face = colour if step.known else "white"
        axes.plot(at, height, "o", color=colour, markerfacecolor=face, markersize=7)
        if step.deviation is not None:
            axes.errorbar(at, height, step.deviation, color=colour, elinewidth=0.7, zorder=0)
        axes.annotate(
            step.formula, (at, height), (2, 9), textcoords="offset points", rotation=45, fontsize=9
        )
    for label, colour in COLOURS.items():
        if colour in map(_colour, steps):
            axes.plot([], [], "o", color=colour, label=label)
    if not all(step.known for step in steps):
        axes.plot([], [], "o", color="0.4", markerfacecolor="white", label="not in the data")
    figure.legend(fontsize=9, loc="outside upper right", ncols=4, frameon=False)
    axes.margins(y=0.4)
    axes.set_xlabel(f"part of the way from {steps[0].formula} to {steps[-1].formula}")
    if given:
        unit = f" [{given['unit']}]" if given["unit"] else ""
        axes.set_ylabel(f"{quantity(given['name'])[0]}, estimated{unit}")
    else:
        axes.set_yticks([])
    with replacing(path) as part:
        figure.savefig(part, dpi=110)


COLOURS = {"balanced": "tab:blue", "alloy": "tab:olive", "neither": "tab:red"}


def _colour(step: Step) -> str:
    if step.balanced != "no":
        return COLOURS["balanced"]
    return COLOURS["alloy" if step.alloy == "yes" else "neither"]
