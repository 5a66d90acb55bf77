"""The game itself: a critic that measures how far generated data is from real data under the
ground cost, and a generator that shortens the way. Devices, processes and precision are Lightning
Fabric's."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer

from otgan.constraints import Constraint, has_batch_norm
from otgan.geometry import Geometry
from otgan.objectives import Objective


@dataclass(frozen=True)
class Record:
    """One generator step, as () tensors on the device: reading one waits for the device.

    gap is the critic's mean difference on its last TRAINING batch, penalty excluded, in chart
    units; `monitors` measures the one on held-out data.
    """

    step: int
    gap: Tensor
    penalty: Tensor
    critic_loss: Tensor
    generator_loss: Tensor


@dataclass
class Schedule:
    """Constant learning rates, then linear decay to 0 over the last share of the steps."""

    steps: int
    decay: float = 0.5

    def rate(self, step: int) -> float:
        """Factor on the learning rates at a step in [0, steps)."""
        return min(1.0, (1 - step / self.steps) / self.decay) if self.decay else 1.0


@dataclass
class Game:
    """The players and the rules: everything a run is, but its data.

    `average` holds the exponential moving average of the generator's weights, the one to sample.
    """

    fabric: Fabric
    generator: nn.Module
    critic: nn.Module
    average: nn.Module
    generator_optimiser: Optimizer
    critic_optimiser: Optimizer
    geometry: Geometry
    objective: Objective
    constraint: Constraint
    schedule: Schedule
    critic_steps: int = 5
    average_decay: float = 0.995
    step: int = 0

    @classmethod
    def start(
        cls,
        fabric: Fabric,
        generator: nn.Module,
        critic: nn.Module,
        generator_optimiser: Any,
        critic_optimiser: Any,
        *,
        geometry: Geometry,
        objective: Objective,
        constraint: Constraint,
        schedule: Schedule,
        critic_steps: int = 5,
        average_decay: float = 0.995,
    ) -> Game:
        """Lets the constraint check and build the critic, and sets everything up on the devices.

        Args:
            generator_optimiser, critic_optimiser: parameters -> Optimizer.
            average_decay: decay of the generator's moving average per step; 0 averages nothing.

        Raises:
            ValueError: the constraint refuses this critic or geometry.
        """
        critic = constraint.build(critic, geometry)
        average = copy.deepcopy(fabric.to_device(generator)).eval()
        generator, optimiser_g = fabric.setup(
            generator, generator_optimiser(generator.parameters())
        )
        critic, optimiser_c = fabric.setup(critic, critic_optimiser(critic.parameters()))
        return cls(
            fabric,
            generator,
            critic,
            average,
            optimiser_g,
            optimiser_c,
            geometry,
            objective,
            constraint,
            schedule,
            critic_steps,
            average_decay,
        )

    @property
    def trained(self) -> tuple[nn.Module, nn.Module]:
        """The averaged generator and the critic, without Fabric's wrapper."""
        return self.average, cast(nn.Module, self.critic.module)

    def state_dict(self) -> dict[str, Any]:
        parts = {name: getattr(self, name).state_dict() for name in self._parts}
        return {**parts, "step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in self._parts:
            getattr(self, name).load_state_dict(state[name])
        self.step = state["step"]

    _parts = ("generator", "critic", "average", "generator_optimiser", "critic_optimiser")


def train(
    game: Game, batches: Iterator[tuple[Tensor, Tensor | None]], source: Callable[[int], Tensor]
) -> Iterator[Record]:
    """Plays until the schedule's last step, a record after every generator step.

    Args:
        batches: endless (x, y): real points in chart coordinates and their conditions or None.
        source: n -> inputs of the generator, (n, ...).
    """
    fabric, generator, critic = game.fabric, game.generator, game.critic
    for optimiser in (game.generator_optimiser, game.critic_optimiser):
        for group in optimiser.param_groups:
            group.setdefault("initial_lr", group["lr"])
    generator.train(), critic.train()

    while game.step < game.schedule.steps:
        for optimiser in (game.generator_optimiser, game.critic_optimiser):
            for group in optimiser.param_groups:
                group["lr"] = group["initial_lr"] * game.schedule.rate(game.step)

        for k in range(game.critic_steps):
            x, y = next(batches)
            with torch.no_grad():
                fake = generator(source(len(x)), y)
            loss, gap, penalty = critic_loss(game, x, fake, y, game.step * game.critic_steps + k)
            game.critic_optimiser.zero_grad()
            fabric.backward(loss + penalty)
            game.critic_optimiser.step()
            game.constraint.project(critic)

        critic.requires_grad_(False)
        generator_loss = game.objective.generator(critic(generator(source(len(x)), y), y))
        game.generator_optimiser.zero_grad()
        fabric.backward(generator_loss)
        game.generator_optimiser.step()
        critic.requires_grad_(True)

        game.step += 1
        follow(game.average, generator, min(game.average_decay, game.step / (9 + game.step)))
        yield Record(game.step, gap, penalty, loss.detach(), generator_loss.detach())


def critic_loss(
    game: Game, x: Tensor, fake: Tensor, y: Tensor | None, step: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The objective, the critic's mean difference and the penalty, each (); the last two logged.

    Args:
        x, fake: real and generated points that share the conditions y, (n, *E).
        step: critic steps done so far.
    """

    def f(points: Tensor) -> Tensor:
        return game.critic(points, y if y is None or len(points) == len(y) else torch.cat([y, y]))

    if has_batch_norm(game.critic):
        real_values, fake_values = f(x), f(fake)
    else:
        real_values, fake_values = f(torch.cat([x, fake])).split(len(x))
    penalty = game.constraint.penalty(game.geometry, f, x, fake, step)
    gap = (real_values.mean() - fake_values.mean()).detach()
    return game.objective.critic(real_values, fake_values), gap, penalty


@torch.no_grad()
def follow(average: nn.Module, generator: nn.Module, decay: float) -> None:
    """Moves the average's weights towards the generator's; buffers are copied."""
    mine: list[Tensor] = list(average.parameters())
    theirs: list[Tensor] = list(generator.parameters())
    torch._foreach_lerp_(mine, theirs, 1 - decay)
    for buffer, source in zip(average.buffers(), generator.buffers(), strict=True):
        buffer.copy_(source)
