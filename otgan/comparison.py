"""`otgan distance`: two files, one ground cost, and what is known about W1 between them."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from otgan.certify import Bracket, bracket
from otgan.certify.penalised import penalised as train_penalised
from otgan.config import InputError
from otgan.costs import named
from otgan.data import Samples
from otgan.domain import Domain, check
from otgan.geometry import Geometry, GraphMetric, GreatCircle
from otgan.readers import Sample, read
from otgan.transport import exact

_PARTIAL = 3000
"""Points a side whose partial transport is computed; of larger samples so many random ones."""


def compare(
    a: Path,
    b: Path,
    cost: str = "l2",
    seconds: float = 30,
    confidence: float = 0.95,
    diameter: float | None = None,
    leave_out: float | None = None,
    weights: str | None = None,
    symmetrise: bool = False,
    penalised: bool = False,
    steps: Sequence[int] = (),
    seed: int = 0,
    threads: int = 1,
) -> dict[str, Any]:
    """What `otgan distance` says, as its JSON has it; arguments as on the command line.

    Raises:
        InputError: files, options or points that do not fit.
    """
    if leave_out is not None and not 0 < leave_out < 1:
        raise InputError(f"--leave-out is a share between 0 and 1, got {leave_out:g}")
    if not 0 <= seed < 2**32:
        raise InputError(f"--seed is a whole number from 0 to 2^32 - 1, got {seed}")
    if penalised and weights:
        raise InputError("--penalised trains on samples: drop --weights, or drop it")
    if threads < 1:
        raise InputError(f"--threads is a number of cores, at least 1, got {threads}")
    torch.set_num_threads(threads)
    start = time.perf_counter()
    try:
        x, y, geometry = _open(a, b, cost, weights, symmetrise)
        with Console(stderr=True).status(f"critics train for {seconds:g} s"):
            found = bracket(
                x.points,
                y.points,
                geometry,
                seconds,
                confidence,
                a=x.weights,
                b=y.weights,
                diameter=diameter,
                seed=seed,
                steps=steps,
            )
            report = _report(found, (a, b), (x, y), geometry)
            if leave_out is not None:
                report["partial"] = _partial(x, y, geometry, leave_out, seed)
            if penalised:
                usual = train_penalised(x.points, y.points, geometry, seconds, seed)
                report["penalised"] = dataclasses.asdict(usual)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from None
    taken = round(time.perf_counter() - start, 2)
    return {**report, "seconds": taken, "steps": list(found.steps), "seed": seed}


def _report(
    found: Bracket, files: tuple[Path, Path], samples: tuple[Sample, Sample], geometry: Geometry
) -> dict[str, Any]:
    points, weights = samples[0].points, samples[0].weights
    return {
        "files": [str(file) for file in files],
        "points": [len(sample.points) for sample in samples],
        "coordinates": points[0].numel() if points.is_floating_point() else None,
        "cost": repr(geometry),
        "mass": 1.0 if weights is None else weights.sum().item(),
        "lower": found.lower,
        "estimate": found.estimate,
        "upper": found.upper,
        "confidence": found.confidence,
        "sample": {"lower": found.sample_lower, "upper": found.sample_upper},
        "p_value": found.p_value,
        "critic": found.critic,
        "slope": found.slope,
        "assumption": found.assumption,
    }


def _open(
    a: Path, b: Path, cost: str, weights: str | None, symmetrise: bool
) -> tuple[Sample, Sample, Geometry]:
    """Both samples, with equal columns and masses, and a ground cost that fits them."""
    if cost == "mahalanobis" and weights:
        raise InputError("--cost mahalanobis with --weights: name a file, mahalanobis:COVARIANCE")
    graph = named(cost, symmetrise=symmetrise) if cost.startswith("graph:") else None
    assert graph is None or isinstance(graph, GraphMetric)
    x, y = read(a, weights, graph), read(b, weights, graph)
    if graph is not None:
        geometry: Geometry = graph
    else:
        y = _same_columns(x, y, a, b)
        geometry = named(cost, torch.cat([x.points, y.points]), symmetrise)
        if isinstance(geometry, GreatCircle):
            x, y = _directions(x), _directions(y)
        rounded = Domain(copy.deepcopy(geometry).float(), Samples(x.points), Samples(y.points))
        if geometry.metric:  # what says that it is none is refused with that
            check(rounded, f"--cost {cost}")
    if x.weights is not None and y.weights is not None:
        masses = x.weights.sum().item(), y.weights.sum().item()
        if abs(masses[0] - masses[1]) > 1e-5 * max(masses):
            raise InputError(
                f"the weights of '{a}' sum to {masses[0]:.6g}, those of '{b}' to {masses[1]:.6g}: "
                "scale one of them to the other's sum"
            )
    return x, y, geometry


def _same_columns(x: Sample, y: Sample, a: Path, b: Path) -> Sample:
    """y with its columns in the order of x."""
    if x.columns and y.columns and x.columns != y.columns:
        if sorted(x.columns) != sorted(y.columns):
            raise InputError(
                f"'{a}' has columns {', '.join(x.columns)} and '{b}' {', '.join(y.columns)}: "
                "give both the same"
            )
        order = [y.columns.index(name) for name in x.columns]
        y = dataclasses.replace(y, points=y.points[:, order], columns=x.columns)
    if x.points.shape[1:] != y.points.shape[1:]:
        shapes = [" x ".join(map(str, v.points.shape[1:])) for v in (x, y)]
        raise InputError(
            f"points of '{a}' have {shapes[0]} coordinates, those of '{b}' {shapes[1]}: "
            "one ground cost needs the same for both"
        )
    return y


def _directions(sample: Sample) -> Sample:
    """Unit vectors of columns lat and lon in degrees; other points are directions as they are."""
    if sample.points[0].numel() != 2:
        return sample
    names = [name.lower()[:3] for name in sample.columns]
    if sorted(names) not in (["lat", "lon"], ["lat", "lng"]):
        raise InputError(
            "great circles are between directions: name two columns lat and lon, in degrees, or "
            "give vectors of three coordinates"
        )
    lat, lon = sample.points[:, [names.index("lat"), 1 - names.index("lat")]].deg2rad().T
    vectors = [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
    return dataclasses.replace(sample, points=torch.stack(vectors, 1))


def _partial(
    x: Sample, y: Sample, geometry: Geometry, leave_out: float, seed: int
) -> dict[str, Any]:
    points = [x.points, y.points]
    if x.weights is None and y.weights is None and len(x.points) * len(y.points) > _PARTIAL**2:
        generator = torch.Generator().manual_seed(seed)
        points = [v[torch.randperm(len(v), generator=generator)[:_PARTIAL]] for v in points]
    cost = exact(points[0], points[1], geometry, x.weights, y.weights, leave_out=leave_out)
    return {"leave_out": leave_out, "cost": cost.item(), "points": [len(v) for v in points]}
