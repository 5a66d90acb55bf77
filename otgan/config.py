"""Every setting of a run, typed and validated; imports no torch, so that help comes at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)
from tyro.conf import arg

from otgan.presets import PRESETS

Norm = Literal["none", "batch", "layer", "instance"]


GeneratorCondition = Literal["concat", "norm"]
Look = Literal["columns", "random", "channels", "patches"]
CriticCondition = Literal["concat", "projection"]
Policy = Literal["color", "translation", "cutout"]
Kind = Literal[
    "kantorovich",
    "minimax",
    "non-saturating",
    "f-divergence",
    "least-squares",
    "hinge",
    "margin",
    "relativistic",
    "relativistic-average",
    "unrolled",
    "quadratic",
    "sinkhorn",
    "sliced",
    "energy-distance",
]
Divergence = Literal[
    "total-variation", "kl", "reverse-kl", "pearson", "squared-hellinger", "jensen-shannon"
]


class InputError(ValueError):
    """What the user gave is wrong: one line that says what, and what to do. Exit code 2."""


class RunError(RuntimeError):
    """A run cannot go on: one line that says why, and what to do. Exit code 1."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Network(_Settings):
    """Generator and critic."""

    name: str | None = Field(None, description="Network pair; the domain's first if not given.")
    latent: PositiveInt = Field(64, description="Length of the noise vector.")
    width: PositiveInt | None = Field(
        None, description="Channels of the first convolution, units of a dense layer."
    )
    depth: NonNegativeInt | None = Field(
        None, description="Dense hidden layers; of resnet and r3gan residual blocks a resolution."
    )
    phases: tuple[PositiveInt, ...] | None = Field(
        None,
        min_length=1,
        description="Generator steps of each phase of a growing network: the lowest resolution, "
        "the next fading in, staying, ...; the last number serves for all further ones. 500 each, "
        "or fewer for all to be within --steps.",
    )
    generator_norm: Norm = Field("batch", description="Normalisation in the generator.")
    critic_norm: Norm = Field("none", description="Normalisation in the critic.")
    committee: PositiveInt = Field(1, description="Critics, each of which sees a part of a point.")
    look: Look = Field(
        "columns", description="Parts: disjoint coordinates, random halves, channels, patches."
    )
    generator_condition: GeneratorCondition = Field(
        "concat", description="Tell the generator its condition beside the noise, or by its norms."
    )
    critic_condition: CriticCondition = Field(
        "projection", description="Tell the critic by projection, or beside the sample."
    )


class Constraint(_Settings):
    """How the critic is kept 1-Lipschitz."""

    kind: Annotated[
        Literal["slope-penalty", "certified", "clipping", "spectral-norm", "none"],
        arg(aliases=["--constraint"]),
    ] = Field(
        "slope-penalty",
        description="Penalty on slopes, 1-Lipschitz by construction, weight clipping, spectral "
        "norm, or none.",
    )
    sided: Literal["one", "two", "zero"] = Field(
        "two", description="Charge slopes above 1 (WGAN-LP), around 1 (WGAN-GP), above 0 (R1, R2)."
    )
    weight: PositiveFloat | Literal["auto"] = Field(
        10.0, description="Penalty weight in ground-cost units of the chart; auto follows the data."
    )
    pairs: Literal["real-fake", "real", "fake", "both", "noised"] = Field(
        "real-fake",
        description="Where slopes are charged: between real and generated points, at real ones "
        "(R1), at generated ones (R2), at both, or from real to noised ones (DRAGAN).",
    )
    every: PositiveInt = Field(1, description="Charge every k-th critic step, k times as much.")
    bound: PositiveFloat = Field(0.01, description="Largest weight under clipping.")


class Objective(_Settings):
    """What the players minimise (docs/lineage.md)."""

    kind: Annotated[Kind, arg(aliases=["--objective"])] = Field(
        "kantorovich",
        description="Losses of critic values; of reconstructions (margin), of learned features "
        "(energy-distance); with no critic (sinkhorn, sliced).",
    )
    divergence: Divergence = Field("jensen-shannon", description="Of f-divergence.")
    labels: tuple[float, float, float] = Field(
        (0.0, 1.0, 1.0), description="Of least-squares: generated, real, what generators want."
    )
    margin: PositiveFloat = Field(1.0, description="Of margin, in chart units.")
    ahead: PositiveInt = Field(5, description="Critic steps that unrolled looks ahead.")
    ahead_rate: PositiveFloat = Field(0.01, description="Learning rate of these steps.")
    blur: PositiveFloat = Field(
        0.1, description="Of sinkhorn, as a share of the mean cost from real to generated points."
    )
    projections: PositiveInt = Field(100, description="Directions of sliced, at each step.")
    transport: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="With --source: weight of the mean ground cost from points to where they go.",
    )


class Optimiser(_Settings):
    """Both players' optimiser."""

    name: Literal["adam", "rmsprop"] = Field("adam", description="Adam or RMSprop.")
    rate: PositiveFloat = Field(2e-4, description="Learning rate of the generator.")
    critic_rate: PositiveFloat | None = Field(None, description="The critic's, if another.")
    beta1: float = Field(0.0, ge=0, lt=1, description="Adam's first decay.")
    beta2: float = Field(0.9, ge=0, lt=1, description="Adam's second decay.")


class Smoothing(_Settings):
    """What the critic sees in place of points, real and generated alike (docs/smoothing.md)."""

    kind: Annotated[
        Literal["none", "noise", "diffusion", "augment"], arg(aliases=["--smoothing"])
    ] = Field(
        "none",
        description="The points; with noise; after some steps of a diffusion as long as the critic "
        "overfits; images changed at random.",
    )
    std: PositiveFloat = Field(0.05, description="Standard deviation of the noise, in chart units.")
    anneal: NonNegativeInt = Field(
        0, description="Generator steps over which noise falls to 0; 0 keeps it."
    )
    shortest: PositiveInt = Field(10, description="Least steps of a diffusion.")
    longest: PositiveInt = Field(1000, description="Most steps of a diffusion.")
    target: float = Field(
        0.2, gt=0, lt=1, description="Overfitting of the critic to which a diffusion is steered."
    )
    policy: tuple[Policy, ...] = Field(
        ("color", "translation", "cutout"), description="Changes of images, in this order."
    )


class Config(_Settings):
    """A run's settings."""

    steps: PositiveInt | None = Field(None, description="Generator steps.")
    minutes: PositiveFloat | None = Field(
        None, description="Time budget instead of steps; becomes a step count early in the run."
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of weights, noise and shuffling.")
    batch_size: int = Field(64, ge=2, description="Samples a batch, all processes together.")
    critic_steps: NonNegativeInt = Field(
        5, description="Critic steps for each generator step; 0 where there is no critic."
    )
    condition: tuple[str, ...] = Field(
        (), description="Attributes of the data that samples can be asked for."
    )
    average: float = Field(
        0.995, ge=0, lt=1, description="Decay of the generator's moving average."
    )
    decay: float = Field(
        0.5, ge=0, le=0.9, description="Share of the steps, the last, over which rates fall to 0."
    )
    chart_steps: PositiveInt | None = Field(
        None,
        description="Steps of a learned chart, fitted before the game; by default its own number, "
        "or what half of --minutes allows.",
    )
    log_every: PositiveInt = Field(50, description="Steps between rows of metrics.csv.")
    monitor_every: PositiveInt = Field(
        250, description="Steps between held-out W estimates, sample grids and checkpoints."
    )
    patience: PositiveInt | None = Field(
        None,
        description="Checks without a better exact W1 after which rates fall and the run ends.",
    )
    accelerator: str = Field("auto", description="cpu, cuda, mps, ... (Lightning Fabric).")
    devices: PositiveInt | Literal["auto"] = Field(
        1, description="Number of devices or processes, or auto."
    )
    precision: Literal["32-true", "bf16-mixed"] = Field(
        "32-true", description="Floating-point precision."
    )
    strategy: str = Field("auto", description="Distributed strategy: auto, ddp, ...")
    network: Network = Network()
    objective: Objective = Objective()
    constraint: Constraint = Constraint()
    optimiser: Optimiser = Optimiser()
    smoothing: Smoothing = Smoothing()


def resolve(
    preset: str, domain_presets: Mapping[str, Mapping[str, Any]], *patches: Mapping[str, Any]
) -> Config:
    """Defaults < preset < the domain's patches for every preset ("*") and for this one < patches.

    Raises:
        InputError: an unknown preset, setting or value.
    """
    known = [*PRESETS, *(name for name in domain_presets if name not in ("*", *PRESETS))]
    if preset not in known:
        raise InputError(f"unknown preset '{preset}'{suggest(preset, known)}")
    merged: dict[str, Any] = {}
    for patch in (
        PRESETS.get(preset, {}),
        domain_presets.get("*", {}),
        domain_presets.get(preset, {}),
        *patches,
    ):
        merged = _merge(merged, patch)
    return checked(merged)


def checked(settings: Mapping[str, Any]) -> Config:
    """The settings as a Config.

    Raises:
        InputError: an unknown setting or a bad value.
    """
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"setting {where}={first['input']!r}: {first['msg'].lower()}") from None


def suggest(name: str, known: Iterable[str]) -> str:
    """': did you mean ...?' where a near name exists, else the list of what there is."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f": did you mean '{near[0]}'?" if near else f": there are {', '.join(known)}"


def _merge(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in patch.items():
        nested = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if nested else value
    return merged
