"""Convolutional critic and generator for images."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from otgan.conditions import Condition
from otgan.config import CriticCondition, GeneratorCondition, Norm
from otgan.networks.blocks import channels, resolutions
from otgan.networks.layers import (
    Critic,
    Generator,
    LeakyReLU,
    dense,
    final,
    he_initialised,
    norm,
    told,
    value,
)


def dcgan(
    shape: tuple[int, ...],
    bounds: tuple[float, float] | None = None,
    *,
    latent: int = 64,
    width: int = 64,
    depth: int = 2,
    generator_norm: Norm = "batch",
    critic_norm: Norm = "none",
    condition: Condition | None = None,
    generator_condition: GeneratorCondition = "concat",
    critic_condition: CriticCondition = "projection",
) -> tuple[Generator, Critic]:
    """Strided convolutions down to a grid of 4 to 7 and back (Radford, Metz, Chintala 2016).

    Dense layers between the noise and the grid, and between the grid and the value, are what
    small images want (as in InfoGAN, Chen et al. 2016): with few convolutions the rest is nearly
    linear. The plain DCGAN has depth 0.

    Args:
        shape: (channels, height, width), sides of at least 8, even or odd, equal or not.
        bounds: range of the data in chart coordinates, None if unbounded.
        latent: length of the noise vector.
        width: channels of the critic's first convolution; they double up to eightfold.
        depth: dense hidden layers of 4 * width units, in each network.
        generator_norm, critic_norm: normalisation after hidden layers.
        condition: what both networks are told.
        generator_condition: by "concat" with the noise, or by the "norm" layers.
        critic_condition: by "projection", or by "concat" as constant channels.

    Returns:
        Generator (n, latent) -> (n, c, h, w) and critic (n, c, h, w) -> (n,).

    Raises:
        ValueError: not images, or too small ones; conditional normalisation without normalisation.
    """
    before, more = told(condition, generator_condition)
    modulated = condition if generator_condition == "norm" else None
    first, further = told(condition, critic_condition)
    sizes = resolutions(shape, "dcgan")
    widths = [shape[0], *channels(width, len(sizes) - 1)[::-1]]
    grid = (widths[-1], *sizes[0])
    flat, hidden = grid[0] * grid[1] * grid[2], 4 * width

    down: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(widths)):
        kind = critic_norm if i else "none"  # the first layer sees the raw range
        layer = he_initialised(nn.Conv2d(a if i else a + further, b, 4, 2, 1), kind)
        down += [layer, *norm(kind, b, 2), LeakyReLU()]
    # A dense layer has no instances to normalise over.
    dense_norm: Norm = "layer" if critic_norm == "instance" else critic_norm
    critic = Critic(
        *first,
        *down,
        nn.Flatten(),
        *dense(flat, hidden, depth, dense_norm, LeakyReLU()),
        value(hidden if depth else flat, condition, critic_condition),
        condition=condition,
    )

    up: list[nn.Module] = []
    for (a, b), size in zip(pairwise(widths[::-1]), sizes[1:], strict=True):
        odd = (size[0] % 2, size[1] % 2)
        convolution = nn.ConvTranspose2d(a, b, 4, 2, 1, odd)
        if size != sizes[-1]:
            he_initialised(convolution, generator_norm)
        up += [*norm(generator_norm, a, 2, modulated), nn.ReLU(), convolution]
    dense_norm = "layer" if generator_norm == "instance" else generator_norm
    generator = Generator(
        *before,
        *dense(latent + more, hidden, depth, dense_norm, nn.ReLU(), modulated),
        he_initialised(nn.Linear(hidden if depth else latent + more, flat), generator_norm),
        nn.Unflatten(1, grid),
        *up,
        *final(bounds),
        condition=condition,
    )
    return generator, critic
