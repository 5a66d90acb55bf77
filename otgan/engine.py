"""The game itself: a critic that measures how far generated data is from real data under the
ground cost, and a generator that shortens the way. Devices, processes and precision are Lightning
Fabric's."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

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

    The critic's are means over its steps. gap is its mean difference on TRAINING batches, penalty
    excluded, in chart units; `monitors` measures the one on held-out data.
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


class CriticLoss(nn.Module):
    """What the critic minimises, in one forward pass.

    Autocast and distributed wrappers must see the slopes' gradient as part of the forward pass:
    around the bare critic they would refuse it, or miss it.
    """

    def __init__(
        self, critic: nn.Module, geometry: Geometry, objective: Objective, constraint: Constraint
    ):
        super().__init__()
        self.critic, self.geometry = critic, geometry
        self.objective, self.constraint = objective, constraint
        self.together = not has_batch_norm(critic)

    def forward(
        self, x: Tensor, fake: Tensor, y: Tensor | None, step: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The objective, the penalty, and the critic's mean difference (detached), each ().

        Args:
            x, fake: real and generated points that share the conditions y, (n, *E).
            step: critic steps done so far.
        """

        def f(points: Tensor) -> Tensor:
            repeated = y if y is None else y.repeat(len(points) // len(y), *[1] * (y.dim() - 1))
            return self.critic(points, repeated).float()

        if self.together:
            real_values, fake_values = f(self.geometry.join(x, fake)).split(len(x))
        else:  # each batch has statistics of its own
            real_values, fake_values = f(x), f(fake)
        penalty = self.constraint.penalty(self.geometry, f, x, fake, step)
        gap = (real_values.mean() - fake_values.mean()).detach()
        return self.objective.critic(real_values, fake_values), penalty, gap


@dataclass
class Game:
    """The players and the rules: everything a run is, but its data.

    `critic` is the bare network, `critic_loss` what devices and processes know of it, and `average`
    holds the exponential moving average of the generator's weights, the one to sample.
    """

    fabric: Fabric
    generator: nn.Module
    critic: nn.Module
    critic_loss: nn.Module
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
            ValueError: the constraint refuses this critic or geometry; a distance is measured under
                a cost that is no metric.
        """
        if objective.measures_distance and not geometry.metric:
            raise ValueError(
                f"{geometry!r} is no metric, so transport under it has no one-potential dual: "
                "compare samples with otgan.transport, or take a metric"
            )
        critic = constraint.build(critic, geometry)
        average = copy.deepcopy(fabric.to_device(generator)).eval()
        generator, optimiser_g = fabric.setup(
            generator, generator_optimiser(generator.parameters())
        )
        critic_loss = CriticLoss(critic, geometry, objective, constraint)
        critic_loss, optimiser_c = fabric.setup(critic_loss, critic_optimiser(critic.parameters()))
        return cls(
            fabric,
            generator,
            critic,
            critic_loss,
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
    trained = [p for p in critic.parameters() if p.requires_grad]  # not a ground cost's own

    while game.step < game.schedule.steps:
        for optimiser in (game.generator_optimiser, game.critic_optimiser):
            for group in optimiser.param_groups:
                group["lr"] = group["initial_lr"] * game.schedule.rate(game.step)

        logged = []
        for k in range(game.critic_steps):
            x, y = next(batches)
            with torch.no_grad():
                fake = generator(source(len(x)), y)
            step = game.step * game.critic_steps + k
            loss, penalty, gap = game.critic_loss(x, fake, y, step)
            game.critic_optimiser.zero_grad()
            fabric.backward(loss + penalty)
            game.critic_optimiser.step()
            game.constraint.project(critic)
            logged.append(torch.stack([gap, penalty.detach(), loss.detach()]))

        for weight in trained:
            weight.requires_grad_(False)
        fake = generator(source(len(x)), y)
        with fabric.autocast():
            generator_loss = game.objective.generator(critic(fake, y).float())
        game.generator_optimiser.zero_grad()
        fabric.backward(generator_loss)
        game.generator_optimiser.step()
        for weight in trained:
            weight.requires_grad_(True)

        game.step += 1
        follow(game.average, generator, min(game.average_decay, game.step / (9 + game.step)))
        gap, penalty, loss = torch.stack(logged).mean(0).unbind()
        yield Record(game.step, gap, penalty, loss, generator_loss.detach())


@torch.no_grad()
def follow(average: nn.Module, generator: nn.Module, decay: float) -> None:
    """Moves the average's weights towards the generator's; buffers are copied."""
    mine: list[Tensor] = list(average.parameters())
    theirs: list[Tensor] = list(generator.parameters())
    torch._foreach_lerp_(mine, theirs, 1 - decay)
    for buffer, source in zip(average.buffers(), generator.buffers(), strict=True):
        buffer.copy_(source)
