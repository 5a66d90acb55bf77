"""Training a critic between two fixed distributions, for as long as one says."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from torch import Tensor, nn
from torch.optim import Adam

from otgan.constraints import Constraint
from otgan.engine import CriticLoss, Schedule
from otgan.geometry import Geometry
from otgan.networks.potentials import Envelope
from otgan.objectives import Kantorovich

Draw = Callable[[int], tuple[Tensor, Tensor]]
"""n -> n points of each distribution, (n, *E), (n, *E)."""

_WARM_UP, _TIMED = 3, 12


def fit(
    critic: nn.Module,
    draw: Draw,
    geometry: Geometry,
    seconds: float,
    *,
    constraint: Constraint | None = None,
    rate: float = 0.02,
    batch: int = 256,
) -> int:
    """Raises a critic's mean difference, E f(x) - E f(y), less the constraint's penalty.

    Adam (.9, .99), a short warm-up, linear decay of the rate over the second half; the temperature
    of an `Envelope` falls to 0. The budget becomes a number of steps as soon as a few are timed.

    Args:
        critic: trained in place; built for the constraint already.
        draw: fresh points.
        seconds: of wall time; more than 0.

    Returns:
        Steps done.
    """
    constraint = constraint or Constraint()
    loss = CriticLoss(critic, geometry, Kantorovich(), constraint)
    optimiser = Adam(critic.parameters(), lr=rate, betas=(0.9, 0.99))
    schedule, start, step = Schedule(10**9), time.perf_counter(), 0
    critic.train()
    while step < schedule.steps:
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
        if step == _WARM_UP:
            start, seconds = time.perf_counter(), seconds - (time.perf_counter() - start)
        if step == _WARM_UP + _TIMED:
            pace = (time.perf_counter() - start) / _TIMED
            schedule = Schedule(max(step, int(seconds / pace)))
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
    rates: Mapping[str, float],
    trial: float = 0.06,
) -> tuple[str, nn.Module]:
    """Trains each of several critics for a share `trial` of the time, and the best for the rest.

    Args:
        makers: name -> a fresh critic.
        judge: the larger, the better; on data that are not trained on.

    Returns:
        The name of the winner, and the better of its two trainings.
    """
    tried = {}
    for name, make in makers.items():
        critic = make()
        fit(critic, draw, geometry, trial * seconds, rate=rates[name])
        tried[name] = judge(critic), critic
    best = max(tried, key=lambda name: tried[name][0])
    critic = makers[best]()
    fit(critic, draw, geometry, seconds * (1 - trial * len(makers)), rate=rates[best])
    return best, critic if judge(critic) >= tried[best][0] else tried[best][1]
