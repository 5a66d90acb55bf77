"""How good samples are, in the domain's own ground cost, beside what real data would score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from otgan.data import Samples
from otgan.geometry import Geometry
from otgan.preprocess import Chart
from otgan.transport import exact


@dataclass(frozen=True)
class Score:
    """Mean and standard deviation over draws, for generated samples and for real ones (floor)."""

    value: float
    spread: float
    floor: float
    floor_spread: float


def coverage(reference: Tensor, query: Tensor, geometry: Geometry, k: int = 5) -> float:
    """Share of the query within the k-th neighbour's distance of some reference point.

    With real reference and generated query this is precision, the other way round recall
    (Kynkaanniemi et al. 2019, 'Improved Precision and Recall Metric', equation 2).

    Args:
        reference, query: (n, *E) and (m, *E); n must exceed k.
    """
    if len(reference) <= k:
        raise ValueError(f"{len(reference)} reference points have no {k}-th neighbour")
    radius = geometry.pairwise(reference, reference).kthvalue(k + 1, dim=1).values
    return (geometry.pairwise(query, reference) <= radius).any(1).float().mean().item()


def nearest_classes(
    query: Tensor, reference: Tensor, labels: Tensor, geometry: Geometry, k: int = 5
) -> Tensor:
    """Majority label among the k nearest reference points, (m, *E) -> (m,)."""
    nearest = torch.cat(
        [geometry.pairwise(q, reference).topk(k, largest=False).indices for q in query.split(256)]
    )
    return labels[nearest].mode(1).values


def evaluate(
    sample: Callable[[int], Tensor],
    train: Samples,
    held_out: Samples,
    geometry: Geometry,
    chart: Chart,
    *,
    limit: int = 1000,
    draws: int = 5,
) -> dict[str, Score]:
    """Exact W1, precision and recall of samples against held-out data.

    Every draw compares n samples with the same n held-out points, and n training points with
    them for the floor; n is the number of held-out points, at most `limit`.

    Where the chart is no similarity it has changed the ruler, and W1 under the same formula before
    the chart, in the data's own units, is given as well.

    Args:
        sample: n -> generated points in chart coordinates.
        geometry: the ground cost, in chart coordinates.
    """
    n = min(limit, len(held_out), len(train))
    real = chart.encode(held_out.draw(n, seed=0))
    scores = {}
    generated = [_compare(sample(n), real, geometry, chart) for _ in range(draws)]
    others = (chart.encode(train.draw(n, seed)) for seed in range(draws))
    floors = [_compare(x, real, geometry, chart) for x in others]
    for name in generated[0]:
        values = torch.tensor([g[name] for g in generated])
        floor = torch.tensor([f[name] for f in floors])
        moments = [m.item() for v in (values, floor) for m in (v.mean(), v.std(correction=0))]
        scores[name] = Score(*moments)
    return scores


def class_shares(
    samples: Tensor, train: Tensor, labels: Tensor, classes: int, geometry: Geometry, k: int = 5
) -> Tensor:
    """Share of each class among samples, by the k nearest training points, (classes,)."""
    found = nearest_classes(samples, train, labels, geometry, k)
    return found.bincount(minlength=classes) / len(samples)


def _compare(x: Tensor, real: Tensor, geometry: Geometry, chart: Chart) -> dict[str, float]:
    found = {
        "W1": exact(x, real, geometry).item() * (chart.unit or 1.0),
        "precision": coverage(real, x, geometry),
        "recall": coverage(x, real, geometry),
    }
    if chart.unit is None:
        found["W1 before the chart"] = exact(chart.decode(x), chart.decode(real), geometry).item()
    return found
