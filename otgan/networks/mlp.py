"""Dense critic and generator for points of any shape."""

from __future__ import annotations

import math

from torch import nn

from otgan.config import Norm
from otgan.networks.layers import Critic, Generator, LeakyReLU, dense, final


def mlp(
    shape: tuple[int, ...],
    bounds: tuple[float, float] | None = None,
    *,
    latent: int = 64,
    width: int = 256,
    depth: int = 3,
    generator_norm: Norm = "batch",
    critic_norm: Norm = "none",
) -> tuple[Generator, Critic]:
    """Dense layers.

    Args:
        shape: E, the shape of one sample.
        bounds: range of the data in chart coordinates, None if unbounded.
        latent: length of the noise vector.
        width: units of a hidden layer.
        depth: hidden layers of each network.
        generator_norm, critic_norm: normalisation after hidden layers.

    Returns:
        Generator (n, latent) -> (n, *E) and critic (n, *E) -> (n,).
    """
    size = math.prod(shape)
    generator = Generator(
        *dense(latent, width, depth, generator_norm, nn.ReLU()),
        nn.Linear(width if depth else latent, size),
        nn.Unflatten(1, shape),
        *final(bounds),
    )
    critic = Critic(
        nn.Flatten(),
        *dense(size, width, depth, critic_norm, LeakyReLU()),
        nn.Linear(width if depth else size, 1),
    )
    return generator, critic
