"""The Wasserstein distance as a loss in a training loop of your own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from otgan.constraints import Constraint, SlopePenalty
from otgan.engine import CriticLoss
from otgan.geometry import Geometry
from otgan.objectives import CriticAt, Kantorovich, Objective

ADAM = partial(torch.optim.Adam, lr=1e-3, betas=(0.0, 0.9))


class Alignment(nn.Module):
    """How far two samples are apart, as a critic sees it: W1 under the ground cost by default.

    For domain adaptation the samples are features of two domains, for translation mapped points
    and real ones (Shen et al. 2018, 'Wasserstein Distance Guided Representation Learning for Domain
    Adaptation'). `step` trains the critic, calling it gives the loss for what made the points.

    Args:
        geometry: the ground cost between points.
        critic: (n, *E) -> (n,).
        constraint: how it is kept 1-Lipschitz; slopes above 1 are charged by default.
        objective: W1, or another that has a critic of values.
        optimiser: parameters -> Optimizer of the critic, Adam by default; its state is in
            `self.optimiser`, apart from `state_dict()`.

    Raises:
        ValueError: the constraint or the objective refuses critic or geometry.

    Example:
        >>> from otgan.constraints import Certified
        >>> from otgan.geometry import Lp
        >>> from otgan.networks import mlp
        >>> align = Alignment(Lp(2), mlp((2,))[1], Certified())
        >>> x, y = torch.randn(8, 2, requires_grad=True), torch.randn(8, 2)
        >>> gap = align.step(x, y)
        >>> align(x, y).backward()
        >>> x.grad.shape
        torch.Size([8, 2])
    """

    def __init__(
        self,
        geometry: Geometry,
        critic: nn.Module,
        constraint: Constraint | None = None,
        objective: Objective | None = None,
        optimiser: Callable[..., Any] = ADAM,
    ):
        super().__init__()
        constraint, objective = constraint or SlopePenalty("one"), objective or Kantorovich()
        objective.check(geometry)
        if objective.head != "value":
            raise ValueError(
                f"{type(objective).__name__} has no critic of values: apply it to the points"
            )
        critic = constraint.build(critic, geometry)
        self.critic_loss = CriticLoss(critic, geometry, objective, constraint)
        self.optimiser = optimiser(critic.parameters())
        self.steps = 0

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        """Trains the critic once on points to move and points to move them to, (n, *E) each; their
        gradients do not flow back. How far apart it holds them, ()."""
        loss, penalty, gap = self.critic_loss(y.detach(), x.detach(), None, self.steps)
        self.optimiser.zero_grad()
        (loss + penalty).backward()
        self.optimiser.step()
        self.critic_loss.constraint.project(self.critic_loss.critic)
        self.steps += 1
        return gap

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """What to minimise over what made x, and over what made y if both move, (): at a critic of
        W1 its estimate, E f(y) - E f(x)."""
        parts = self.critic_loss
        f = CriticAt(parts.critic, parts.geometry)
        if parts.objective.measures_distance:
            target, moved = f.both(y, x)
            return target.mean() - moved.mean()
        return parts.objective.generator_loss(f, y, x)
