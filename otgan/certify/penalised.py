"""The usual critic, kept near slope 1 by a penalty: for comparison, since it certifies nothing."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from otgan.certify.critics import Scaled, in_double, split, steepest, values
from otgan.certify.fitting import fit
from otgan.constraints import SlopePenalty
from otgan.geometry import Geometry
from otgan.networks import mlp
from otgan.randomness import seeded


@dataclass(frozen=True)
class Penalised:
    """What a critic under a penalty says, and how far it may be taken.

    Attributes:
        value: its mean difference on data it has not seen; no bound.
        slope: the largest slope found. Divided by it the value is a bound only if none is larger.
        steps: of training.
    """

    value: float
    slope: float
    steps: int


def penalised(
    x: Tensor, y: Tensor, geometry: Geometry, seconds: float = 30, seed: int = 0, steps: int = 0
) -> Penalised:
    """Trains a dense critic under a slope penalty, on the points that `bracket` trains on.

    Args:
        x, y: samples, (n, *E) and (m, *E), of real numbers.
        steps: instead of seconds.

    Raises:
        ValueError: points that are no real vectors.
    """
    if not x.is_floating_point():
        raise ValueError("a dense critic needs points of real numbers: it has no use for nodes")
    generator = torch.Generator().manual_seed(seed)
    (x, _, x_rest), (y, _, y_rest) = (split(v.double(), generator) for v in (x, y))
    few = min(len(x), len(y))
    with seeded(seed, torch.device("cpu")):
        network = mlp(tuple(x.shape[1:]), latent=1, width=128)[1]
        unit = geometry.distance(x[:few], y[:few]).mean().item()
        critic = Scaled(network, torch.cat([x, y]).float(), unit or 1.0)
        constraint = SlopePenalty("two" if geometry.slopes == "gradient" else "one", "auto")
        constraint.build(critic, geometry)
        plain, single = copy.deepcopy(geometry).float(), (x.float(), y.float())

        def draw(n: int) -> tuple[Tensor, Tensor]:
            a, b = (v[torch.randint(len(v), (n,), generator=generator)] for v in single)
            return a, b

        done = fit(
            critic, draw, plain, seconds, constraint=constraint, rate=1e-3, steps=steps or None
        )
        f = in_double(critic, geometry)
        gap = values(f, x_rest).mean() - values(f, y_rest).mean()
        return Penalised(gap.item(), steepest(f, x_rest, y_rest, geometry), done)
