"""Grids, scatters and curves as PNG."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from otgan.report.files import replacing


def to_pixels(images: Tensor) -> np.ndarray:
    """Values in [0, 1], (n, c, h, w), as uint8 (n, h, w) for one channel, else (n, h, w, c)."""
    array = (images.detach().cpu().float().clamp(0, 1) * 255).round().byte().numpy()
    if array.shape[1] == 2:  # no picture has two channels: show the first
        array = array[:, :1]
    return array[:, 0] if array.shape[1] == 1 else array.transpose(0, 2, 3, 1)


def grid(images: Tensor, path: Path, columns: int | None = None) -> None:
    """Tiles images with values in [0, 1], (n, c, h, w), enlarged until a person can see them."""
    pixels = to_pixels(images)
    n, h, w = pixels.shape[:3]
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    factor = max(1, 640 // (columns * w))
    h, w, gap = factor * h, factor * w, max(2, factor)
    canvas = np.full(
        (rows * (h + gap) + gap, columns * (w + gap) + gap, *pixels.shape[3:]), 255, np.uint8
    )
    for i, tile in enumerate(pixels):
        large = Image.fromarray(tile).resize((w, h), Image.Resampling.BICUBIC)
        top, left = gap + i // columns * (h + gap), gap + i % columns * (w + gap)
        canvas[top : top + h, left : left + w] = np.asarray(large)
    with replacing(path) as part:
        Image.fromarray(canvas).save(part)


def scatter(samples: Tensor, path: Path, columns: int | None = None) -> None:
    """The first two coordinates of vectors against each other, or a histogram of a single one; a
    colour for each run of `columns` samples."""
    from matplotlib.figure import Figure

    points = samples.detach().cpu().flatten(1).numpy()
    figure = Figure((5, 5), layout="constrained")
    axes = figure.subplots()
    runs = np.split(points, range(columns, len(points), columns)) if columns else [points]
    if points.shape[1] > 1:
        for run in runs:
            axes.plot(run[:, 0], run[:, 1], ".", markersize=3, alpha=0.6)
        axes.set_aspect("equal", "datalim")
    else:
        axes.hist([run[:, 0] for run in runs], min(60, 5 + len(points) // 10), stacked=True)
    with replacing(path) as part:
        figure.savefig(part, dpi=110)


def curves(metrics: Path, path: Path, unit: str, claim: str) -> None:
    """The held-out distances of metrics.csv over the steps, and the training losses below.

    Args:
        unit: ground cost and unit of the distances.
        claim: what the critic's value may be taken for.
    """
    from matplotlib.figure import Figure

    with metrics.open() as file:
        rows = list(csv.DictReader(file))

    def series(name: str) -> tuple[list[int], list[float]]:
        kept = [(int(r["step"]), float(r[name])) for r in rows if r.get(name)]
        return [k for k, _ in kept], [v for _, v in kept]

    figure = Figure((8, 7), layout="constrained")
    upper, lower = figure.subplots(2, sharex=True)
    for name, label, style in (
        ("w", f"W estimate, live generator, held-out ({claim})", "-"),
        ("w_over_slope", "W estimate / largest slope", "-"),
        ("exact", "exact W1 of live samples to held-out", "-"),
        ("floor", "exact W1 of real to held-out (floor)", "--"),
    ):
        upper.plot(*series(name), style, label=label)
    upper.set_ylabel(f"W1, {unit}")
    upper.legend()
    for name, label in (("gap", "critic's gap (training batch)"), ("penalty", "penalty")):
        lower.plot(*series(name), label=label, linewidth=1)
    lower.set_ylabel("chart units")
    lower.set_xlabel("generator step")
    lower.legend()
    with replacing(path) as part:
        figure.savefig(part, dpi=110)
