"""How good samples are, in the domain's own ground cost, beside what real data would score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from otgan.data import Samples
from otgan.geometry import Geometry
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
    encode: Callable[[Tensor], Tensor],
    *,
    unit: float = 1.0,
    limit: int = 1000,
    draws: int = 5,
) -> dict[str, Score]:
    """Exact W1, precision and recall of samples against held-out data.

    Every draw compares n samples with the same n held-out points, and n training points with
    them for the floor; n is the number of held-out points, at most `limit`.

    Args:
        sample: n -> generated points in chart coordinates.
        encode: data units -> chart coordinates, where `geometry` measures.
        unit: data units of one chart unit, for W1.
    """
    n = min(limit, len(held_out), len(train))
    real = encode(held_out.draw(n, seed=0))
    scores = {}
    generated = [_compare(sample(n), real, geometry, unit) for _ in range(draws)]
    floors = [_compare(encode(train.draw(n, k)), real, geometry, unit) for k in range(draws)]
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


def _compare(x: Tensor, real: Tensor, geometry: Geometry, unit: float) -> dict[str, float]:
    return {
        "W1": exact(x, real, geometry).item() * unit,
        "precision": coverage(real, x, geometry),
        "recall": coverage(x, real, geometry),
    }
