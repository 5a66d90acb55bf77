"""Training a critic between two fixed distributions, for as long as one says."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from types import MappingProxyType

from torch import Tensor, nn
from torch.optim import Adam

from otgan.constraints import Constraint
from otgan.engine import CriticLoss, Schedule
from otgan.geometry import Geometry
from otgan.networks.potentials import Envelope
from otgan.objectives import Kantorovich

Draw = Callable[[int], tuple[Tensor, Tensor]]
"""n -> n points of each distribution, (n, *E), (n, *E)."""

_TIMED = 15


def fit(
    critic: nn.Module,
    draw: Draw,
    geometry: Geometry,
    seconds: float,
    *,
    constraint: Constraint | None = None,
    rate: float = 0.02,
    batch: int = 256,
    steps: int | None = None,
) -> int:
    """Raises a critic's mean difference, E f(x) - E f(y), less the constraint's penalty.

    Adam (.9, .99), a short warm-up, then linear decay of the rate; the temperature of an `Envelope`
    falls to 0. The budget becomes a number of steps as soon as a few are timed.

    Args:
        critic: trained in place; built for the constraint already.
        draw: fresh points.
        seconds: of wall time; more than 0.
        steps: instead of seconds; those that a run returned repeat it exactly.

    Returns:
        Steps done.
    """
    constraint = constraint or Constraint()
    loss = CriticLoss(critic, geometry, Kantorovich(), constraint)
    optimiser = Adam(critic.parameters(), lr=rate, betas=(0.9, 0.99))
    schedule, marks, step = Schedule(10**9, decay=1), [time.perf_counter()], 0
    critic.train()
    while step < schedule.steps and step != steps:
        done = step / schedule.steps
        for group in optimiser.param_groups:
            group["lr"] = rate * schedule.rate(step) * min(1, (step + 1) / 20)
        if isinstance(critic, Envelope):
            critic.anneal(done)
        x, y = draw(batch)
        value, penalty, _ = loss(x, y, None, step)
        optimiser.zero_grad()
        (value + penalty).backward()
        optimiser.step()
        constraint.project(critic)
        step += 1
        if step <= _TIMED:
            marks.append(time.perf_counter())
        if step == _TIMED:
            pace = median(b - a for a, b in pairwise(marks))  # the first few are slower
            left = int((seconds - (marks[-1] - marks[0])) / pace)
            schedule = Schedule(steps or step + max(0, left), decay=1)
    if isinstance(critic, Envelope):
        critic.anneal(1)
    critic.eval()
    return step


def contest(
    makers: Mapping[str, Callable[[], nn.Module]],
    draw: Draw,
    judge: Callable[[nn.Module], float],
    geometry: Geometry,
    seconds: float,
    rates: Mapping[str, float] = MappingProxyType({}),
    trial: float = 0.06,
    steps: Sequence[int] = (),
) -> tuple[str, nn.Module, tuple[int, ...]]:
    """Trains each of several critics for a share `trial` of the time, and the best for the rest.

    Args:
        makers: name -> a fresh critic.
        judge: the larger, the better; on data that are not trained on.
        rates: learning rates by name, where they are not .02.
        steps: instead of seconds, those of every trial and of the long training.

    Returns:
        The name of the winner, the better of its two trainings, and the steps done.

    Raises:
        ValueError: not as many steps as there are trainings.
    """
    if steps and (len(steps) != len(makers) + 1 or min(steps) < 1):
        raise ValueError(
            f"steps are {len(makers) + 1} positive numbers here, for a trial of each of "
            f"{'; '.join(makers)} and for the best, got {list(steps)}"
        )
    tried: dict[str, tuple[float, nn.Module]] = {}
    done: list[int] = []

    def train(name: str, seconds: float) -> nn.Module:
        critic, given = makers[name](), steps[len(done)] if steps else None
        rate = rates.get(name, 0.02)
        done.append(fit(critic, draw, geometry, seconds, rate=rate, steps=given))
        return critic

    for name in makers:
        critic = train(name, trial * seconds)
        tried[name] = judge(critic), critic
    best = max(tried, key=lambda name: tried[name][0])
    critic = train(best, seconds * (1 - trial * len(makers)))
    better = critic if judge(critic) >= tried[best][0] else tried[best][1]
    return best, better, tuple(done)
