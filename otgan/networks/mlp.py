"""Dense critic and generator for points of any shape."""

from __future__ import annotations

import math

from torch import nn

from otgan.conditions import Condition
from otgan.config import CriticCondition, GeneratorCondition, Norm
from otgan.networks.layers import (
    Critic,
    Generator,
    LeakyReLU,
    dense,
    final,
    told,
    value,
)


def mlp(
    shape: tuple[int, ...],
    bounds: tuple[float, float] | None = None,
    *,
    latent: int = 64,
    width: int = 256,
    depth: int = 3,
    generator_norm: Norm = "batch",
    critic_norm: Norm = "none",
    condition: Condition | None = None,
    generator_condition: GeneratorCondition = "concat",
    critic_condition: CriticCondition = "projection",
) -> tuple[Generator, Critic]:
    """Dense layers.

    Args:
        shape: E, the shape of one sample.
        bounds: range of the data in chart coordinates, None if unbounded.
        latent: length of the noise vector.
        width: units of a hidden layer.
        depth: hidden layers of each network.
        generator_norm, critic_norm: normalisation after hidden layers.
        condition: what both networks are told.
        generator_condition: by "concat" with the noise, or by the "norm" layers.
        critic_condition: by "projection", or by "concat" with the sample.

    Returns:
        Generator (n, latent) -> (n, *E) and critic (n, *E) -> (n,).

    Raises:
        ValueError: conditional normalisation without normalisation.
    """
    before, more = told(condition, generator_condition)
    modulated = condition if generator_condition == "norm" else None
    first, further = told(condition, critic_condition)
    size = math.prod(shape)
    generator = Generator(
        *before,
        *dense(latent + more, width, depth, generator_norm, nn.ReLU(), modulated),
        nn.Linear(width if depth else latent + more, size),
        nn.Unflatten(1, shape),
        *final(bounds),
        condition=condition,
    )
    critic = Critic(
        nn.Flatten(),
        *first,
        *dense(size + further, width, depth, critic_norm, LeakyReLU()),
        value(width if depth else size + further, condition, critic_condition),
        condition=condition,
    )
    return generator, critic
