"""Maps that do not go farther than they must."""

from __future__ import annotations

from torch import Tensor

from otgan.geometry import Geometry
from otgan.objectives.base import CriticAt, Objective


class Moved(Objective):
    """Another objective, and weight * E d(z, G(z)) for the generator: what moving points z costs.

    Over W1 every weight between 0 and 1 has the same optima, the maps that reach the data at the
    least cost: for each map G of mu and the data nu, by the triangle inequality,

        W1(G(mu), nu) + weight * E d(z, G(z)) >= weight * W1(mu, nu),

    with equality if and only if G(mu) = nu and E d(z, G(z)) = W1(mu, nu). From 1 on, staying is as
    cheap.

    Args:
        objective: of critic and generator.
        weight: of the ground cost from inputs to generated points.
    """

    def __init__(self, objective: Objective, weight: float):
        self.objective, self.weight = objective, weight
        self.head, self.measures_distance = objective.head, objective.measures_distance

    def check(self, geometry: Geometry) -> None:
        self.objective.check(geometry)

    def critic_loss(self, f: CriticAt, x: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        return self.objective.critic_loss(f, x, fake)

    def generator_loss(self, f: CriticAt, x: Tensor, fake: Tensor) -> Tensor:
        return self.objective.generator_loss(f, x, fake)

    def input_loss(self, geometry: Geometry, z: Tensor, fake: Tensor) -> Tensor:
        return self.weight * geometry.distance(z, fake.float()).mean()
