"""All metrics of a generator, each beside what training points in its place would score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from otgan.data import Samples
from otgan.geometry import Geometry, Lp, NormedSpace
from otgan.geometry.base import flat
from otgan.metrics.estimate import Estimate, Score
from otgan.metrics.features import Features, by_torchmetrics, vectors
from otgan.metrics.moments import frechet, kernel
from otgan.metrics.neighbours import neighbours
from otgan.metrics.training_data import memorisation, nearest
from otgan.metrics.transported import sliced_w1, w1
from otgan.preprocess import Chart, Encoding, Identity

TRAINING = 10
"""Training points, in multiples of `limit`, among which the nearest is looked for."""


def compare(x: Tensor, y: Tensor, geometry: Geometry) -> dict[str, Estimate]:
    """Every metric of generated x (n, *E) and real y (m, *E) that the ground cost allows."""
    found = {"W1": w1(x, y, geometry)}
    if isinstance(geometry, NormedSpace):
        found["sliced W1"] = sliced_w1(x, y, geometry)
        found["Frechet"] = frechet(flat(x), flat(y))
        found["KID"] = kernel(flat(x), flat(y))
    return found | neighbours(x, y, geometry)


def left_out(geometry: Geometry) -> dict[str, str]:
    """Metrics that make no sense under a ground cost, and why."""
    if isinstance(geometry, NormedSpace):
        return {}
    why = f"{geometry!r} is no norm"
    return {
        "sliced W1": f"{why}, so it has no projections",
        "Frechet": f"{why}, so its points are no vectors; name a feature map",
        "KID": f"{why}, so its points are no vectors; name a feature map",
    }


def evaluate(
    sample: Callable[[int], Tensor],
    train: Samples,
    held_out: Samples,
    geometry: Geometry,
    chart: Chart,
    features: Features | None = None,
    *,
    limit: int = 1000,
    draws: int = 5,
) -> dict[str, Score]:
    """Metrics of samples against held-out data, under the ground cost and on named features.

    Every draw compares n samples with the same n held-out points, and n training points with
    them for the floor; n is the number of held-out points, at most `limit`. For memorisation the
    nearest of at most 10 * `limit` training points counts, and for its floor the nearest other.

    W1 and sliced W1 are in data units and Frechet in their square, where the chart is a similarity;
    otherwise in chart units. Where it is none it has changed the ruler, and W1 under the same
    formula before the chart, in the data's own units, is given as well, unless the chart is an
    `Encoding`, before which there are no vectors. KID and all metrics on
    features have no units; features are compared under l2, those of an nn.Module by torchmetrics
    as far as Frechet and KID go.

    Args:
        sample: n -> generated points in chart coordinates.
        geometry: the ground cost, in chart coordinates.
        features: by name, (n, *E) in data units -> (n, d).

    Returns:
        By name, those on features as 'METRIC on FEATURES'.

    Raises:
        InputError: a feature map that gives no vectors.
    """
    n = min(limit, len(held_out), len(train))
    points = train.draw(TRAINING * limit, seed=0)
    training = chart.encode(points)
    against = _Against(held_out.draw(n, seed=0), training, geometry, chart, features or {})
    generated = []
    for _ in range(draws):
        x = sample(n)
        generated.append(against(x, chart.decode(x)))
    floors, targets = [], Identity(chart.blur).target(training)
    for seed in range(draws):
        order = torch.randperm(len(training), generator=torch.Generator().manual_seed(seed))
        chosen = order[:n]  # of which the nearest is the point itself
        floors.append(against(targets[chosen], points[chosen], rank=2))
    return {
        name: Score.of([g[name] for g in generated], [f[name] for f in floors])
        for name in generated[0]
    }


class _Against:
    """Held-out points with what every draw needs of them, computed once."""

    def __init__(
        self, data: Tensor, training: Tensor, geometry: Geometry, chart: Chart, features: Features
    ):
        self.real, self.training = chart.target(data), training
        self.geometry, self.chart = geometry, chart
        self.features, self.data = features, data
        self.to_train = nearest(self.real, training, geometry)
        self.vectors = {name: vectors(name, f, self.data) for name, f in features.items()}

    def __call__(self, x: Tensor, data: Tensor, rank: int = 1) -> dict[str, Estimate]:
        """Of points x in the chart, which are `data` in data units."""
        found = compare(x, self.real, self.geometry)
        unit = self.chart.unit or 1.0
        for name, factor in (("W1", unit), ("sliced W1", unit), ("Frechet", unit**2)):
            if name in found:
                found[name] = found[name].scaled(factor)
        if self.chart.unit is None and not isinstance(self.chart, Encoding):
            found["W1 before the chart"] = w1(data, self.data, self.geometry)
        to_train = nearest(x, self.training, self.geometry, rank)
        found["memorisation"] = memorisation(to_train, self.to_train)
        for name, f in self.features.items():
            scores = _on_vectors(vectors(name, f, data), self.vectors[name], f)
            found |= {f"{metric} on {name}": estimate for metric, estimate in scores.items()}
        return found


def _on_vectors(x: Tensor, y: Tensor, features: Callable[[Tensor], Tensor]) -> dict[str, Estimate]:
    found = compare(x, y, Lp(2))
    if isinstance(features, nn.Module):
        for name, value in by_torchmetrics(x, y).items():
            found[name] = replace(found[name], value=value)
    return found
