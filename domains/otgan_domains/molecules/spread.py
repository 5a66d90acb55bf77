"""Histograms of the data's properties, to hold those of samples against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from rdkit import Chem

from otgan_domains.molecules.parsing import PROPERTIES

BARS = 25


def spread(values: np.ndarray) -> dict[str, Any]:
    """Edges of bins and the share of values in each, JSON; the outer hundredths are cut off.

    Counts have a bin each, as far as there are few.
    """
    low, high = np.quantile(values, [0.005, 0.995])
    if (values == values.round()).all() and high - low < 2 * BARS:
        edges = np.arange(low.round(), high.round() + 2) - 0.5
    else:
        edges = np.linspace(low, high if high > low else low + 1, BARS + 1)
    return {"edges": edges.tolist(), "shares": _shares(values, edges).tolist()}


def draw(axes: Axes, name: str, data: Mapping[str, Any], mols: Sequence[Chem.Mol]) -> None:
    """The histogram of molecules' property, and that of the data as a line; what lies outside the
    data's bins is written beside."""
    edges = np.array(data["edges"])
    axes.stairs(data["shares"], edges, color="black", label="data")
    values = np.array([PROPERTIES[name](mol) for mol in mols], float)
    if len(values):
        axes.stairs(_shares(values, edges), edges, fill=True, alpha=0.4, label="samples")
        outside = ((values < edges[0]) | (values > edges[-1])).mean()
        if outside:
            axes.set_title(f"{outside:.0%} outside", fontsize=8)
    axes.set_xlabel(name)
    axes.set_yticks([])


def _shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.histogram(values, edges)[0] / len(values)
