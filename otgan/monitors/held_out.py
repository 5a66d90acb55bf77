"""What the number on the screen means: the critic's estimate beside the exact distance."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from otgan.constraints import has_batch_norm
from otgan.engine import Game
from otgan.geometry import Geometry, Potential
from otgan.metrics import coverage
from otgan.randomness import seeded
from otgan.transport import exact

NEIGHBOURS = 5


def largest_slope(f: Potential, x: Tensor, y: Tensor, geometry: Geometry) -> float:
    """The largest slope found at x, at y, between them and within each, on random pairs."""
    pairs = [(x, y), (x, x.roll(1, 0)), (y, y.roll(1, 0)), (x, x), (y, y)]
    with torch.no_grad():
        return max(geometry.slope(f, a, b).max().item() for a, b in pairs)


class HeldOut:
    """Measures the live generator against held-out data, without touching the run's randomness.

    Calling it gives, in data units (chart units if the chart is no similarity):

    - `w`: the critic's mean difference on held-out real and fresh generated points; absent where
      the objective is no distance. Under clipping its scale is unknown.
    - `w_error`: its standard error, sqrt(var f(x) / n + var f(G(z)) / n).
    - `slope`: the largest slope found; the estimate is a lower bound only if no slope exceeds 1.
    - `w_over_slope`: the estimate as if the critic were rescaled to largest slope 1.
    - `exact`: exact W1 between those generated and held-out points.
    - `exact_error`: an upper bound of its standard error: that of an optimal critic's mean
      difference (del Barrio and Loubes 2019), of which the variance is at most E d(x, x')^2 / 2.
    - `floor`: exact W1 between as many training points and the held-out ones.
    - `recall`: share of held-out points near a generated one (`metrics.coverage`).
    - `points`: how many were compared.

    Args:
        held_out, train: real points in chart coordinates, as many of each, (n, *E).
        source: n -> inputs of the generator.
        unit: data units of one chart unit.
    """

    def __init__(
        self,
        held_out: Tensor,
        train: Tensor,
        source: Callable[[int], Tensor],
        unit: float = 1.0,
    ):
        self.held_out, self.source, self.unit = held_out, source, unit
        self.train = train
        self._floor: float | None = None

    @torch.no_grad()
    def __call__(self, game: Game) -> dict[str, float]:
        geometry, real, device = game.geometry, self.held_out, self.held_out.device
        if self._floor is None:
            self._floor = self.unit * exact(self.train, real, geometry).item()
        # Copies: other processes do not take part, and no running statistics move.
        generator = copy.deepcopy(cast(nn.Module, game.generator.module)).eval()
        critic = copy.deepcopy(game.critic)
        critic.train(has_batch_norm(critic))  # it was trained on the statistics of pure batches
        with seeded(game.step, device):
            fake = generator(self.source(len(real)), None)
            slope = largest_slope(lambda x: critic(x, None), real, fake, geometry)
        values = critic(real, None).float(), critic(fake, None).float()
        gap = (values[0].mean() - values[1].mean()).item()

        figures = {"slope": slope}
        if game.objective.measures_distance:
            figures["w"] = self.unit * gap
            figures["w_error"] = self.unit * math.sqrt(
                sum((v.var() / len(v)).item() for v in values)
            )
            figures["w_over_slope"] = self.unit * gap / slope if slope > 0 else 0.0
        figures["exact"] = self.unit * exact(fake, real, geometry).item()
        squares = [geometry.distance(x, x.roll(1, 0)).square().mean() for x in (real, fake)]
        figures["exact_error"] = self.unit * math.sqrt(
            sum(v.item() for v in squares) / 2 / len(real)
        )
        figures["floor"] = self._floor
        if len(real) > NEIGHBOURS:
            figures["recall"] = coverage(fake, real, geometry, NEIGHBOURS)
        figures["points"] = len(real)
        return figures
