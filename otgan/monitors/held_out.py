"""What the number on the screen means: the critic's estimate beside the exact distance."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from otgan.conditions import Condition, Joint
from otgan.constraints import has_batch_norm
from otgan.engine import Game
from otgan.geometry import Geometry, Potential
from otgan.metrics import neighbours
from otgan.networks.lipschitz import shown
from otgan.randomness import seeded
from otgan.transport import exact

NEIGHBOURS = 5


def largest_slope(f: Potential, x: Tensor, y: Tensor, geometry: Geometry) -> float:
    """The largest slope found at x, at y, between them and within each, on random pairs."""
    pairs = [(x, y), (x, x.roll(1, 0)), (y, y.roll(1, 0)), (x, x), (y, y)]
    with torch.no_grad():
        return max(geometry.slope(f, a, b).max().item() for a, b in pairs)


class Given(NamedTuple):
    """What held-out and training points are conditioned on: (n, k) each."""

    condition: Condition
    held_out: Tensor
    train: Tensor


class HeldOut:
    """Measures the live generator against held-out data, without touching the run's randomness.

    Calling it gives, in data units (chart units if the chart is no similarity):

    - `w`: the critic's mean difference on held-out real and fresh generated points; absent where
      the objective is no distance. Under clipping its scale is unknown. A critic of the nodes of a
      graph is projected before, so its value is certified whatever it was trained under.
    - `w_error`: its standard error, sqrt(var f(x) / n + var f(G(z)) / n).
    - `slope`: the largest slope found; the estimate is a lower bound only if no slope exceeds 1.
      Absent where the critic gives no values.
    - `w_over_slope`: the estimate as if the critic were rescaled to largest slope 1.
    - `exact`: exact W1 between those generated and held-out points.
    - `exact_error`: an upper bound of its standard error: that of an optimal critic's mean
      difference (del Barrio and Loubes 2019), of which the variance is at most E d(x, x')^2 / 2.
    - `floor`: exact W1 between as many training points and the held-out ones.
    - `recall`: share of held-out points near a generated one (`metrics.neighbours`).
    - `points`: how many were compared.

    Args:
        held_out, train: real points in chart coordinates, as many of each, (n, *E).
        source: n -> inputs of the generator.
        unit: data units of one chart unit.
        given: conditions of the points. Generated points then share those of the held-out ones, the
            critic is asked at each, and exact distances are joint ones (`conditions.Joint`): a
            change of the condition costs as much as the mean way between training and held-out
            points.
    """

    def __init__(
        self,
        held_out: Tensor,
        train: Tensor,
        source: Callable[[int], Tensor],
        unit: float = 1.0,
        given: Given | None = None,
    ):
        self.held_out, self.source, self.unit = held_out, source, unit
        self.train, self.given = train, given
        self._floor: float | None = None

    @torch.no_grad()
    def __call__(self, game: Game) -> dict[str, float]:
        geometry, real, device = game.geometry, self.held_out, self.held_out.device
        y = None if self.given is None else self.given.held_out
        if self._floor is None:
            trained_on = None if self.given is None else self.given.train
            self._floor = self._exact(self.train, trained_on, geometry)

        def f(x: Tensor) -> Tensor:
            return critic(x, None if y is None else y.repeat(len(x) // len(y), 1))

        # Copies: other processes do not take part, and no running statistics move.
        generator = copy.deepcopy(cast(nn.Module, game.generator.module)).eval()
        critic = copy.deepcopy(game.critic)
        critic.train(has_batch_norm(critic))  # it was trained on the statistics of pure batches
        critic = shown(critic, geometry)
        figures: dict[str, float] = {}
        with seeded(game.step, device):
            fake = generator(self.source(len(real)), y)
            if game.objective.head in ("value", "autoencoder"):
                figures["slope"] = slope = largest_slope(f, real, fake, geometry)
        if game.objective.measures_distance:
            values = f(real).float(), f(fake).float()
            gap = (values[0].mean() - values[1].mean()).item()
            figures["w"] = self.unit * gap
            figures["w_error"] = self.unit * math.sqrt(
                sum((v.var() / len(v)).item() for v in values)
            )
            figures["w_over_slope"] = self.unit * gap / slope if slope > 0 else 0.0
        figures["exact"] = self._exact(fake, y, geometry)
        squares = [geometry.distance(x, x.roll(1, 0)).square().mean() for x in (real, fake)]
        figures["exact_error"] = self.unit * math.sqrt(
            sum(v.item() for v in squares) / 2 / len(real)
        )
        figures["floor"] = self._floor
        if len(real) > NEIGHBOURS:
            figures["recall"] = neighbours(fake, real, geometry, NEIGHBOURS)["recall"].value
        figures["points"] = len(real)
        return figures

    def _exact(self, x: Tensor, y: Tensor | None, geometry: Geometry) -> float:
        """W1 from points with their conditions to the held-out ones, in data units."""
        real = self.held_out
        if self.given is None or y is None:
            return self.unit * exact(x, real, geometry).item()
        length = geometry.distance(self.train, real).mean().item()
        joint = Joint(geometry, tuple(real.shape[1:]), self.given.condition, length or 1.0)
        points = (joint.points(x, y), joint.points(real, self.given.held_out))
        return self.unit * exact(*points, joint.geometry).item()
