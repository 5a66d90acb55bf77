"""The periodic table as a heat map."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from otgan_domains.materials.elements import SCALE


@cache
def places() -> Mapping[str, tuple[int, int]]:
    """Row and column of each element, from 1; lanthanoids and actinoids in rows 9 and 10.

    Example:
        >>> places()["H"], places()["Cl"], places()["La"], places()["U"]
        ((1, 1), (3, 17), (9, 4), (10, 7))
    """
    from pymatgen.core import Element

    def place(element: Any) -> tuple[int, int]:
        for first, row in ((57, 9), (89, 10)):
            if 0 <= element.Z - first <= 14:
                return row, 4 + element.Z - first
        return element.row, element.group

    return {symbol: place(Element(symbol)) for symbol in SCALE}


def heat(
    axes: Any,
    values: Mapping[str, float],
    title: str,
    limits: tuple[float, float],
    colours: str = "viridis",
    logarithmic: bool = False,
) -> Any:
    """Draws the table, coloured by values at most and at least the limits; grey has no value.

    Returns:
        what a colour bar of the figure needs.
    """
    import matplotlib
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.patches import Rectangle

    norm = (LogNorm if logarithmic else Normalize)(*limits, clip=True)
    scale: Any = ScalarMappable(norm, matplotlib.colormaps[colours])
    for symbol, (row, column) in places().items():
        value = values.get(symbol)
        colour = (0.94, 0.94, 0.94, 1.0) if value is None else scale.to_rgba(value)
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 0.96, 0.96, color=colour))
        light = 0.3 * colour[0] + 0.6 * colour[1] + 0.1 * colour[2] > 0.5
        shade = "0.7" if value is None else "black" if light else "white"
        axes.text(column, row, symbol, ha="center", va="center", fontsize=6, color=shade)
    axes.set(xlim=(0.4, 18.6), ylim=(10.6, 0.4), aspect="equal")
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()
    return scale
