"""A ground cost in one method: angles on a torus, where 359 degrees is next to 0.

    otgan train examples.01_a_metric_of_your_own:torus

The data are pairs of angles around two centres, one of them across the seam. With the Euclidean
distance of the raw angles the cluster at the seam is torn into four corners; with the distance on
the torus it is one cluster.
"""

import math

import torch

from otgan.data import Samples
from otgan.domain import Domain
from otgan.geometry import MetricSpace


class Torus(MetricSpace):
    """Angles in radians, each the short way round, added up."""

    def distance(self, x, y):
        turn = torch.remainder(x - y, 2 * math.pi)
        return torch.minimum(turn, 2 * math.pi - turn).sum(1)


def torus(n: int = 2000, spread: float = 0.3) -> Domain:
    """Pairs of angles around (0, 0) and (pi, pi), on a torus.

    Args:
        n: number of points, a fifth of them held out.
        spread: standard deviation of each angle, radians.
    """
    generator = torch.Generator().manual_seed(0)
    centre = math.pi * torch.randint(2, (n, 1), generator=generator)
    angles = torch.remainder(centre + spread * torch.randn(n, 2, generator=generator), 2 * math.pi)
    return Domain(
        geometry=Torus(),
        train=Samples(angles[n // 5 :]),
        held_out=Samples(angles[: n // 5]),
        presets={"*": {"steps": 1000}, "wgan-gp": {"constraint": {"sided": "one"}}},
    )
