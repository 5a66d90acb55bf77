"""From settings to the objects of a game."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Callable
from functools import partial

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from otgan import config as settings
from otgan.conditions import Condition
from otgan.config import Config, InputError, suggest
from otgan.constraints import Certified, Constraint, SlopePenalty, SpectralNorm, WeightClipping
from otgan.data import Samples
from otgan.domain import Domain
from otgan.engine import Game, Schedule
from otgan.networks import mlp
from otgan.networks.committee import committee
from otgan.objectives import OBJECTIVES
from otgan.views import Augmentation, Diffusion, Noise, View

SAMPLE = 64
"""Points that a constraint may see of the data."""

HELD_BACK, MOST_HELD_BACK = 0.1, 1000
"""Share and most training points kept from the critic, to see how far it overfits."""

UNKNOWN_STEPS = 1_000_000_000
"""Stands for the step count until a time budget has become one."""


def fabric(config: Config) -> Fabric:
    """Devices, processes and precision as configured, launched.

    Raises:
        InputError: this machine or this PyTorch has no such thing.
    """
    cores = os.cpu_count() or 1
    try:
        fabric = Fabric(
            accelerator=config.accelerator,
            strategy=config.strategy,
            devices=config.devices,
            precision=config.precision,
        )
        if fabric.device.type == "cpu" and config.devices not in ("auto", *range(cores + 1)):
            raise ValueError(f"more processes than the {cores} cores")
        fabric.launch()
        return fabric
    except Exception as error:  # Lightning's own errors share no base class
        raise InputError(
            f"cannot run with --accelerator {config.accelerator} --devices {config.devices} "
            f"--strategy {config.strategy}: {error}"
        ) from None


def condition(domain: Domain, config: Config) -> Condition | None:
    """What critic and generator are told.

    Raises:
        InputError: the data have no such attribute.
    """
    return Condition.of(domain.attributes, config.condition)


def networks(domain: Domain, config: Config, shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    """Generator and critic for points of this shape in the chart.

    Raises:
        InputError: an unknown network, or one that cannot have this shape.
    """
    name = config.network.name or next(iter(domain.networks))
    if name not in domain.networks:
        raise InputError(f"unknown network '{name}'{suggest(name, domain.networks)}")
    told = condition(domain, config)
    ways = set() if told else {"generator_condition", "critic_condition"}
    ours = {"name", "committee", "look", *ways}
    chosen = config.network.model_dump(exclude=ours, exclude_none=True)
    if told:
        chosen["condition"] = told
        if "condition" not in inspect.signature(domain.networks[name]).parameters:
            raise InputError(f"the network '{name}' takes no condition: drop --condition")

    def make(shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
        return domain.networks[name](shape, domain.chart.bounds, **chosen)

    def member(part: tuple[int, ...]) -> nn.Module:
        if len(part) == len(shape):
            with contextlib.suppress(ValueError):  # too small for convolutions, say
                return make(part)[1]
        return mlp(part, **chosen)[1]

    try:
        generator, critic = make(shape)
        if config.network.committee > 1:
            critic = committee(config.network.look, shape, config.network.committee, member)
        return generator, critic
    except ValueError as error:
        raise InputError(str(error)) from None


def constraint(chosen: settings.Constraint, points: Tensor) -> Constraint:
    """The constraint, for data of which `points` is a sample, (k, *E)."""
    if chosen.kind == "slope-penalty":
        return SlopePenalty(chosen.sided, chosen.weight, chosen.pairs, chosen.every)
    if chosen.kind == "certified":
        return Certified(points)
    if chosen.kind == "clipping":
        return WeightClipping(chosen.bound)
    return SpectralNorm() if chosen.kind == "spectral-norm" else Constraint()


def optimisers(chosen: settings.Optimiser) -> tuple[Callable, Callable]:
    """The generator's and the critic's, each parameters -> Optimizer."""
    if chosen.name == "rmsprop":
        make: Callable = torch.optim.RMSprop
    else:
        make = partial(torch.optim.Adam, betas=(chosen.beta1, chosen.beta2), fused=True)
    return partial(make, lr=chosen.rate), partial(make, lr=chosen.critic_rate or chosen.rate)


def seen(domain: Domain, config: Config) -> tuple[Samples, Samples | None]:
    """Training data that the critic learns from, and those that it does not, if it needs some.

    Raises:
        InputError: too few to keep some back.
    """
    assert domain.train is not None
    if config.smoothing.kind != "diffusion":
        return domain.train, None
    n = min(int(HELD_BACK * len(domain.train)), MOST_HELD_BACK)
    if not n:
        raise InputError(
            f"--smoothing diffusion keeps a tenth of the training data back, and there are "
            f"{len(domain.train)} samples: get more, or take --smoothing noise"
        )
    held_back, rest = domain.train.split(n, config.seed)
    return rest, held_back


def view(domain: Domain, config: Config, held_back: Samples | None, fabric: Fabric) -> View:
    """What the critic sees in place of points.

    Raises:
        ValueError: settings that do not go together.
    """
    assert domain.train is not None
    chosen = config.smoothing
    if chosen.kind == "noise":
        return Noise(chosen.std, chosen.anneal)
    if held_back is not None:
        told = held_back.told(condition(domain, config))
        points = domain.chart.encode(fabric.to_device(told.points())).cpu()
        bounds = chosen.shortest, chosen.longest
        return Diffusion(points, told.y, chosen.std, *bounds, chosen.target)
    if chosen.kind == "augment":
        shape = domain.chart.encoded_shape(domain.train.shape)
        return Augmentation(shape, domain.chart.bounds, chosen.policy)
    return View()


def game(domain: Domain, config: Config, fabric: Fabric) -> Game:
    """Players and rules for a domain with training data.

    Raises:
        InputError: settings that do not go together.
    """
    assert domain.train is not None
    training, held_back = seen(domain, config)
    with fabric.init_module(empty_init=False):
        shape = domain.chart.encoded_shape(domain.train.shape)
        generator, critic = networks(domain, config, shape)
    try:
        return Game.start(
            fabric,
            generator,
            critic,
            *optimisers(config.optimiser),
            geometry=domain.geometry,
            objective=OBJECTIVES[config.objective](),
            constraint=constraint(config.constraint, _sample(domain, training, config, fabric)),
            schedule=Schedule(config.steps or UNKNOWN_STEPS, config.decay),
            view=view(domain, config, held_back, fabric),
            critic_steps=config.critic_steps,
            average_decay=config.average,
        )
    except ValueError as error:
        raise InputError(str(error)) from None


def _sample(domain: Domain, training: Samples, config: Config, fabric: Fabric) -> Tensor:
    """As many training points as weights were saved for, in chart coordinates, (SAMPLE, *E)."""
    points = fabric.to_device(training.draw(SAMPLE, config.seed))
    return domain.chart.encode(points[torch.arange(SAMPLE) % len(points)])


def noise(latent: int, fabric: Fabric) -> Callable[[int], Tensor]:
    """n -> standard normal inputs of the generator, (n, latent)."""
    return lambda n: torch.randn(n, latent, device=fabric.device)
