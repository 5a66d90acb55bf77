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

from otgan.constraints import Constraint
from otgan.geometry import Geometry
from otgan.networks.controls import set_step
from otgan.objectives import CriticAt, Objective
from otgan.views import View


@dataclass(frozen=True)
class Record:
    """One generator step, as () tensors on the device: reading one waits for the device.

    The critic's are means over its steps, 0 where it has none. gap is its mean difference on
    TRAINING batches as the view shows them, penalty excluded, in chart units; `monitors` measures
    the one on held-out data.
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
        self,
        critic: nn.Module,
        geometry: Geometry,
        objective: Objective,
        constraint: Constraint,
        view: View | None = None,
    ):
        super().__init__()
        self.critic, self.geometry, self.view = critic, geometry, view or View()
        self.objective, self.constraint = objective, constraint

    def forward(
        self, x: Tensor, fake: Tensor, y: Tensor | None, step: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The objective, the penalty, and the objective's gap (detached), each ().

        Args:
            x, fake: real and generated points that share the conditions y, (n, *E); what follows
                is about views of them.
            step: critic steps done so far.
        """
        x, fake = self.view(x), self.view(fake)
        f = CriticAt(self.critic, self.geometry, y)
        loss, gap = self.objective.critic_loss(f, x, fake)
        return loss, self.constraint.penalty(self.geometry, f, x, fake, step), gap


@dataclass
class Game:
    """The players and the rules: everything a run is, but its data.

    `critic` is the bare network, `critic_loss` what devices and processes know of it, `view` what
    it sees in place of points, and `average` holds the exponential moving average of the
    generator's weights, the one to sample.
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
    view: View
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
        view: View | None = None,
        critic_steps: int = 5,
        average_decay: float = 0.995,
    ) -> Game:
        """Lets the constraint check and build the critic, and sets everything up on the devices.

        Args:
            generator_optimiser, critic_optimiser: parameters -> Optimizer.
            view: what the critic sees in place of points; by default the points.
            average_decay: decay of the generator's moving average per step; 0 averages nothing.

        Raises:
            ValueError: the constraint refuses this critic or geometry, the view or the objective
                this geometry; critic steps without a critic, or a critic without.
        """
        view = view or View()
        view.check(geometry)
        objective.check(geometry)
        if (objective.head == "none") != (critic_steps == 0):
            raise ValueError(
                f"{type(objective).__name__} has {'no' if critic_steps else 'a'} critic, and "
                f"critic_steps is {critic_steps}: it must be {'0' if critic_steps else 'more'}"
            )
        critic = constraint.build(critic, geometry)
        average = copy.deepcopy(fabric.to_device(generator)).eval()
        generator, optimiser_g = fabric.setup(
            generator, generator_optimiser(generator.parameters())
        )
        critic_loss = CriticLoss(critic, geometry, objective, constraint, view)
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
            view,
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

    _parts = ("generator", "critic", "view", "average", "generator_optimiser", "critic_optimiser")


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
        for network in (generator, critic):
            set_step(network, game.step)

        seen = [next(batches) for _ in range(max(1, game.critic_steps))]
        logged = torch.zeros(3, device=fabric.device)
        for k, (x, y) in enumerate(seen[: game.critic_steps]):
            with torch.no_grad():
                fake = generator(source(len(x)), y)
            step = game.step * game.critic_steps + k
            loss, penalty, gap = game.critic_loss(x, fake, y, step)
            game.critic_optimiser.zero_grad()
            fabric.backward(loss + penalty)
            game.critic_optimiser.step()
            game.constraint.project(critic)
            logged += torch.stack([gap, penalty.detach(), loss.detach()])

        for weight in trained:
            weight.requires_grad_(False)
        x, y = seen[-1]
        z = source(len(x))
        fake = generator(z, y)
        with fabric.autocast():
            f = CriticAt(critic, game.geometry, y, game.view)
            generator_loss = game.objective.generator_loss(f, x, fake)
        generator_loss = generator_loss + game.objective.input_loss(game.geometry, z, fake)
        game.generator_optimiser.zero_grad()
        fabric.backward(generator_loss)
        game.generator_optimiser.step()
        for weight in trained:
            weight.requires_grad_(True)

        game.step += 1
        follow(game.average, generator, min(game.average_decay, game.step / (9 + game.step)))
        gap, penalty, loss = (logged / len(seen)).unbind()
        game.view.adapt(game, gap, fake.detach(), y)
        yield Record(game.step, gap, penalty, loss, generator_loss.detach())


@torch.no_grad()
def follow(average: nn.Module, generator: nn.Module, decay: float) -> None:
    """Moves the average's weights and statistics of batch normalisation towards the generator's;
    other buffers are copied."""
    mine: list[Tensor] = list(average.parameters())
    theirs: list[Tensor] = list(generator.parameters())
    for (name, buffer), source in zip(average.named_buffers(), generator.buffers(), strict=True):
        if name.endswith(("running_mean", "running_var")):  # the live ones are of the last batches
            mine.append(buffer)
            theirs.append(source)
        else:
            buffer.copy_(source)
    torch._foreach_lerp_(mine, theirs, 1 - decay)
