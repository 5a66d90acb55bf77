"""What a bracket refuses."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from otgan.geometry import Geometry, GraphMetric
from otgan.transport.measures import check_points

_LEAST = 20
_SWEEPS = 8


def check_bracket(
    x: Tensor,
    y: Tensor,
    geometry: Geometry,
    seconds: float,
    confidence: float,
    diameter: float | None,
    known: bool,
) -> None:
    """Raise ValueError for what `bracket` says."""
    if not geometry.metric:
        raise ValueError(
            f"{geometry!r} is no metric, so no critic bounds it from below: use otgan.transport"
        )
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence is between 0 and 1, got {confidence:g}")
    if not 0 < seconds < math.inf:
        raise ValueError(f"the critics need some seconds, and an end, got {seconds:g}")
    if diameter is not None and not 0 < diameter < math.inf:
        raise ValueError(f"a diameter is a positive number, got {diameter:g}")
    check_points(x, y)
    if known:
        return
    if min(len(x), len(y)) < _LEAST:
        raise ValueError(
            f"a statement about populations needs {_LEAST} points a side, got {len(x)} and "
            f"{len(y)}: draw more, or give weights if these are all the points there are"
        )
    if isinstance(geometry, GraphMetric):
        _check_connected(x, y, geometry)
    if diameter is not None and (seen := largest_distance(torch.cat([x, y]), geometry)) > diameter:
        raise ValueError(
            f"two points are {seen:.6g} apart, farther than a diameter of {diameter:g}: give an "
            "upper bound of all distances in the populations"
        )


def _check_connected(x: Tensor, y: Tensor, geometry: GraphMetric) -> None:
    for v in (x, y):
        geometry.check(v)
    labels = geometry.paths.components
    count = [np.bincount(labels[v.numpy()], minlength=labels.max() + 1) for v in (x, y)]
    parts = np.flatnonzero(count[0] + count[1])
    if len(parts) > 1:
        named = [
            f"{count[0][k]} and {count[1][k]} around "
            f"{geometry.names[int(np.flatnonzero(labels == k)[0])]!r}"
            for k in parts[:3]
        ]
        raise ValueError(
            f"the points lie in {len(parts)} parts of the graph that no path connects: "
            f"{', '.join(named)}{', ...' if len(parts) > 3 else ''}; keep to one part, or join them"
        )


def largest_distance(x: Tensor, geometry: Geometry) -> float:
    """Between points (n, *E), or nearly: from the farthest point to the farthest from it, a few
    times over."""
    largest, at, seen = 0.0, 0, set[int]()
    while at not in seen and len(seen) < _SWEEPS:
        seen.add(at)
        distance = geometry.pairwise(x[at : at + 1], x)[0]
        at = int(distance.argmax())
        largest = max(largest, distance[at].item())
    return largest
