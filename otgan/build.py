"""From settings to the objects of a game."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from otgan import config as settings
from otgan.conditions import Condition
from otgan.config import Config, InputError, suggest
from otgan.constraints import Certified, Constraint, SlopePenalty, SpectralNorm, WeightClipping
from otgan.data import Samples, encoded
from otgan.domain import Domain
from otgan.engine import Game, Schedule
from otgan.networks import mapping, mlp
from otgan.networks.blocks import resolutions
from otgan.networks.blurred import Blurred
from otgan.networks.committee import committee
from otgan.networks.heads import Autoencoder, Features, Points
from otgan.objectives import (
    DIVERGENCES,
    OBJECTIVES,
    FDivergence,
    Head,
    LeastSquares,
    Margin,
    Moved,
    Objective,
    Sinkhorn,
    Sliced,
    Unrolled,
)
from otgan.preprocess import Encoding, Identity
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
    """Generator and critic for points of this shape in the chart; a map's is its own.

    Raises:
        InputError: an unknown network, or one that cannot have this shape.
    """
    name = config.network.name or next(iter(domain.networks))
    if name not in domain.networks:
        raise InputError(f"unknown network '{name}'{suggest(name, domain.networks)}")
    told, head = condition(domain, config), OBJECTIVES[config.objective.kind].head
    if told and head in ("features", "none"):
        raise InputError(
            f"--objective {config.objective.kind} compares samples whatever their conditions: drop "
            "--condition, or take an objective of critic values"
        )
    if told and domain.source is not None:
        raise InputError("a map of --source takes no condition: drop --condition")
    ways = set() if told else {"generator_condition", "critic_condition"}
    ours = {"name", "committee", "look", *ways}
    chosen = config.network.model_dump(exclude=ours, exclude_none=True)
    if told:
        chosen["condition"] = told
        if "condition" not in inspect.signature(domain.networks[name]).parameters:
            raise InputError(f"the network '{name}' takes no condition: drop --condition")
    known = _known(domain.networks[name], chosen)
    usual = settings.Network().model_dump()
    if others := [key for key in chosen if key not in known and chosen[key] != usual[key]]:
        flag, default = others[0].replace("_", "-"), usual[others[0]]
        instead = "leave it out" if default is None else f"give --network.{flag} {default}"
        raise InputError(f"the network '{name}' has no --network.{flag}: {instead}")

    def make(shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
        return domain.networks[name](shape, domain.chart.bounds, **known)

    def member(part: tuple[int, ...]) -> nn.Module:
        if len(part) == len(shape):
            with contextlib.suppress(ValueError):  # too small for convolutions, say
                return make(part)[1]
        return mlp(part, **_known(mlp, chosen))[1]

    try:
        generator, critic = make(shape)
        if domain.source is not None:
            generator = mapping(shape, domain.chart.bounds, **_known(mapping, chosen))
        elif domain.chart.blur:
            generator = Blurred(generator, domain.chart.blur, config.network.latent, shape)
        if config.network.committee > 1:
            critic = committee(config.network.look, shape, config.network.committee, member)
        latent = config.network.latent
        heads: dict[Head, Callable[[], nn.Module]] = {
            "value": lambda: critic,
            "features": lambda: Features(critic, latent),
            "autoencoder": lambda: Autoencoder(critic, make(shape)[0], latent, domain.geometry),
            "none": Points,
        }
        return generator, heads[head]()
    except ValueError as error:
        raise InputError(str(error)) from None


def phases(domain: Domain, config: Config) -> tuple[int, ...] | None:
    """Of a growing network in a run of known length for which none were given: its usual ones, or
    equal shares of the steps where those would not let it grow up in time."""
    builder = domain.networks.get(config.network.name or next(iter(domain.networks)))
    takes = inspect.signature(builder).parameters if builder else {}
    usual = takes["phases"].default if "phases" in takes else None
    if config.network.phases or not config.steps or not isinstance(usual, tuple):
        return config.network.phases
    assert domain.train is not None
    shape = domain.chart.encoded_shape(domain.train.shape)
    try:
        number = 2 * len(resolutions(shape, "")) - 1
    except ValueError:
        return None  # nor is there a network, and `networks` says why
    return (max(1, min(usual[-1], config.steps // number)),)


def _known(builder: Callable, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Those settings that a builder of networks takes."""
    takes = inspect.signature(builder).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values()):
        return dict(chosen)
    return {key: chosen[key] for key in chosen if key in takes}


def constraint(chosen: settings.Constraint, points: Tensor) -> Constraint:
    """The constraint, for data of which `points` is a sample, (k, *E)."""
    if chosen.kind == "slope-penalty":
        return SlopePenalty(chosen.sided, chosen.weight, chosen.pairs, chosen.every)
    if chosen.kind == "certified":
        return Certified(points)
    if chosen.kind == "clipping":
        return WeightClipping(chosen.bound)
    return SpectralNorm() if chosen.kind == "spectral-norm" else Constraint()


def objective(chosen: settings.Objective) -> Objective:
    """What the players minimise."""
    makers: dict[str, Callable[[], Objective]] = {
        "f-divergence": lambda: FDivergence(DIVERGENCES[chosen.divergence]),
        "least-squares": lambda: LeastSquares(*chosen.labels),
        "margin": lambda: Margin(chosen.margin),
        "unrolled": lambda: Unrolled(chosen.ahead, chosen.ahead_rate),
        "sinkhorn": lambda: Sinkhorn(chosen.blur),
        "sliced": lambda: Sliced(chosen.projections),
    }
    found = makers.get(chosen.kind, OBJECTIVES[chosen.kind])()
    return Moved(found, chosen.transport) if chosen.transport else found


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
    if chosen.kind == "diffusion" and OBJECTIVES[config.objective.kind].head != "value":
        raise ValueError(
            f"a diffusion follows the values of a critic, and --objective {config.objective.kind} "
            "has none: try --smoothing noise"
        )
    if chosen.kind == "noise":
        return Noise(chosen.std, chosen.anneal)
    if held_back is not None:
        told = held_back.told(condition(domain, config))
        points = domain.chart.target(fabric.to_device(told.points())).cpu()
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
    if config.objective.transport and domain.source is None:
        raise InputError(
            "--objective.transport is for maps, and noise goes nowhere from a point: give --source"
        )
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
            objective=objective(config.objective),
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


def source(domain: Domain, config: Config, fabric: Fabric) -> Callable[[int], Tensor]:
    """n -> inputs of the generator: noise, or random training points of another data set in chart
    coordinates. All that a checkpoint needs to know of either is torch's random state."""
    if domain.source is None:
        return noise(config.network.latent, fabric)
    assert domain.source.train is not None
    data, chart = domain.source.train, domain.chart
    if isinstance(chart, Encoding):
        data, chart = encoded(data, chart, fabric), Identity(chart.blur)
    return lambda n: chart.target(fabric.to_device(data.drawn(n)))


def noise(latent: int, fabric: Fabric) -> Callable[[int], Tensor]:
    """n -> standard normal inputs of the generator, (n, latent)."""
    return lambda n: torch.randn(n, latent, device=fabric.device)
