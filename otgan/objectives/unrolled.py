"""Unrolled games."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from otgan.objectives.base import CriticAt, OfValues
from otgan.objectives.classic import Minimax


@dataclass(frozen=True)
class Unrolled(OfValues):
    """A zero-sum game whose generator faces the critic as it will be some steps later, and knows
    how these steps depend on its points (Metz et al. 2017, 'Unrolled Generative Adversarial
    Networks', equations 7 to 9). The critic itself does not move.

    Args:
        steps: of gradient descent that are looked ahead, on the points at hand.
        rate: of these.
        game: what the critic minimises, and the generator maximises.
    """

    steps: int = 5
    rate: float = 0.01
    game: OfValues = field(default_factory=Minimax)

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return self.game.critic(real, fake)

    def generator_loss(self, f: CriticAt, x: Tensor, fake: Tensor) -> Tensor:
        f = f.copied()
        for _ in range(self.steps):
            f = f.stepped(self.critic_loss(f, x, fake)[0], self.rate)
        return -self.critic_loss(f, x, fake)[0]
