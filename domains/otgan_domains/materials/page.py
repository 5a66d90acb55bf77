"""The page a materials scientist looks at: what was generated, beside what is real."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from otgan.report.files import replacing
from otgan_domains.materials.candidates import best
from otgan_domains.materials.chemistry import check
from otgan_domains.materials.estimates import Estimator
from otgan_domains.materials.periodic import heat
from otgan_domains.materials.representation import texts
from otgan_domains.materials.scoring import counted
from otgan_domains.table.columns import quantity

SHOWN = 20
"""Candidates on the page."""

_ROWS = 10_000


def draw(
    made: Tensor,
    real: Tensor,
    elements: Sequence[str],
    path: Path,
    estimator: Estimator | None = None,
) -> None:
    """Writes a picture: elements real and generated on the periodic table and the ratio of both;
    how many elements formulas have, and what smact lets pass; with an estimator the distribution of
    its property; the most promising candidates (`candidates.best`).

    Args:
        made: amounts (n, elements).
        real: the known formulas, (m, elements), all of which candidates must not be.
    """
    from matplotlib.figure import Figure

    figure: Any = Figure((14, 10), layout="constrained")
    upper, lower = figure.subfigures(2, height_ratios=(1, 1.9))
    some = real[:: max(1, len(real) // _ROWS)]
    _tables(upper, made, some, elements)
    left, right = lower.subfigures(1, 2, width_ratios=(1, 1.7))
    several = left.subplots(3 if estimator else 2)
    _sizes(several[0], made, some)
    _passing(several[1], made, some, elements)
    if estimator:
        _property(several[2], made, some, estimator)
    _candidates(right.subplots(), made, real, elements, estimator)
    with replacing(path) as part:
        figure.savefig(part, dpi=110)


def _tables(figure: Any, made: Tensor, real: Tensor, elements: Sequence[str]) -> None:
    there, shares = figure.subplots(1, 3), [_shares(x, elements) for x in (real, made)]
    most = max(max(s.values(), default=0.1) for s in shares)
    for axes, values, title in zip(there, shares, ("real", "generated"), strict=False):
        scale = heat(axes, values, f"share of {title} formulas", (1e-3, most), logarithmic=True)
    figure.colorbar(scale, ax=there[:2], location="bottom", shrink=0.5, aspect=40)
    ratio = {
        symbol: math.log2(shares[1].get(symbol, 1e-9) / share)
        for symbol, share in shares[0].items()
    }
    scale = heat(there[2], ratio, "log2 of generated / real", (-2, 2), "RdBu_r")
    figure.colorbar(scale, ax=there[2], location="bottom", shrink=0.8, aspect=30)


def _shares(x: Tensor, elements: Sequence[str]) -> dict[str, float]:
    """Of formulas with each element, where there are any."""
    found = (x.round() > 0).float().mean(0).tolist()
    return {symbol: share for symbol, share in zip(elements, found, strict=True) if share}


def _sizes(axes: Any, made: Tensor, real: Tensor) -> None:
    sizes = [(x.round() > 0).sum(1) for x in (real, made)]
    most = int(max(s.max() for s in sizes))
    for k, (s, label) in enumerate(zip(sizes, ("real", "generated"), strict=True)):
        shares = s.bincount(minlength=most + 1)[1:] / len(s)
        axes.bar(torch.arange(1, most + 1) + 0.4 * k - 0.2, shares, 0.4, label=label)
    axes.set(xlabel="elements in a formula", ylabel="share", xticks=range(1, most + 1))
    axes.legend()


def _passing(axes: Any, made: Tensor, real: Tensor, elements: Sequence[str]) -> None:
    for k, (x, label) in enumerate(((real, "real"), (made, "generated"))):
        found = [check(dict(one)) for one in counted(x, elements) if one]
        shares = {
            "neutral": [v.neutral or v.element for v in found],
            "balanced": [v.valid(alloys=False) for v in found],
            "balanced or alloy": [v.valid() for v in found],
        }
        heights = [sum(several) / max(len(x), 1) for several in shares.values()]
        bars = axes.bar(torch.arange(3) + 0.4 * k - 0.2, heights, 0.4, label=label)
        axes.bar_label(bars, [f"{h:.0%}" for h in heights], fontsize=8)
    axes.set_xticks(range(3), shares)
    axes.set(ylabel="share smact lets pass", ylim=(0, 1.1))


def _property(axes: Any, made: Tensor, real: Tensor, estimator: Estimator) -> None:
    values = [estimator(x[(x.round() > 0).any(1)])[0] for x in (real, made)]
    low, high = torch.cat(values).quantile(torch.tensor([0.005, 0.995])).tolist()
    for v, label in zip(values, ("real", "generated"), strict=True):
        axes.hist(v.clamp(low, high), 60, (low, high), density=True, histtype="step", label=label)
    unit = f", {estimator.unit}" if estimator.unit else ""
    axes.set(xlabel=f"{_said(estimator)}, estimated{unit}", yticks=[])
    if estimator.errors:
        text = f"mean error {estimator.errors.mae:.3g} on held-out rows"
        axes.text(0.98, 0.95, text, ha="right", va="top", transform=axes.transAxes, fontsize=8)


def _candidates(
    axes: Any, made: Tensor, real: Tensor, elements: Sequence[str], estimator: Estimator | None
) -> None:
    axes.set_axis_off()
    chosen = best(made, elements, set(counted(real, elements)), estimator, SHOWN)
    axes.set_title("new and balanced" + (", lowest first" if estimator else ""), fontsize=10)
    if not chosen:
        axes.text(0.5, 0.5, "none", ha="center")
        return
    formulas = texts(made[[c.row for c in chosen]], elements)
    cells = [[f, c.states] for f, c in zip(formulas, chosen, strict=True)]
    header, widths = ["formula", "oxidation states"], [0.25, 0.45]
    if estimator:
        unit = f" [{estimator.unit}]" if estimator.unit else ""
        header, widths = [*header, f"{_said(estimator)}{unit}"], [*widths, 0.3]
        for cell, c in zip(cells, chosen, strict=True):
            cell.append(f"{c.value:.3f} ± {c.deviation:.3f}")
    table = axes.table(cells, colLabels=header, colWidths=widths, cellLoc="left", loc="upper left")
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    table.scale(1, 1.25)
    for cell in table.get_celld().values():
        cell.set(linewidth=0.3, edgecolor="0.7")


def _said(estimator: Estimator) -> str:
    """The property without the unit that its header may have."""
    return quantity(estimator.name)[0]
