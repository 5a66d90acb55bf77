"""The residual networks of WGAN-GP and SNGAN."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from otgan.conditions import Condition
from otgan.config import CriticCondition, GeneratorCondition, Norm
from otgan.networks.blocks import SumPool, channels, falling, resolutions, rising
from otgan.networks.layers import Critic, Generator, LeakyReLU, final, norm, told, value


def resnet(
    shape: tuple[int, ...],
    bounds: tuple[float, float] | None = None,
    *,
    latent: int = 64,
    width: int = 16,
    depth: int = 1,
    generator_norm: Norm = "batch",
    critic_norm: Norm = "none",
    condition: Condition | None = None,
    generator_condition: GeneratorCondition = "concat",
    critic_condition: CriticCondition = "projection",
) -> tuple[Generator, Critic]:
    """Residual blocks with means of 2 x 2 pixels down and nearest neighbours up (Gulrajani et al.
    2017, 'Improved Training of Wasserstein GANs', appendix E; Miyato et al. 2018, 'Spectral
    Normalization for Generative Adversarial Networks', appendix B.3).

    Their networks of 32 x 32 images have as many channels everywhere, those of larger ones fewer at
    higher resolutions; here that is so at every size, and cheaper.

    Args:
        shape: (channels, height, width), sides of at least 8, even or odd, equal or not.
        bounds: range of the data in chart coordinates, None if unbounded.
        latent: length of the noise vector.
        width: channels at full size, doubled with every halving of the image up to eightfold.
        depth: residual blocks at each resolution, at least 1.
        generator_norm, critic_norm: normalisation in the blocks.
        condition: what both networks are told.
        generator_condition: by "concat" with the noise, or by the "norm" layers.
        critic_condition: by "projection", or by "concat" as constant channels.

    Returns:
        Generator (n, latent) -> (n, c, h, w) and critic (n, c, h, w) -> (n,).

    Raises:
        ValueError: not images, or too small ones; no depth; conditional normalisation without
            normalisation.
    """
    if depth < 1:
        raise ValueError(f"resnet needs --network.depth 1 or more, got {depth}")
    sizes = resolutions(shape, "resnet")
    widths = channels(width, len(sizes))
    before, more = told(condition, generator_condition)
    modulated = condition if generator_condition == "norm" else None
    first, further = told(condition, critic_condition)

    def normal(c: int) -> list[nn.Module]:
        return norm(generator_norm, c, 2, modulated)

    def critical(c: int) -> list[nn.Module]:
        return norm(critic_norm, c, 2)

    up: list[nn.Module] = []
    down: list[nn.Module] = []
    for (a, b), size in zip(pairwise(widths), sizes[1:], strict=True):
        up += [rising(a, b, size, normal), *(rising(b, b, None, normal) for _ in range(depth - 1))]
        down = [
            falling(b, a, True, critical),
            *(falling(a, a, False, critical) for _ in range(depth - 1)),
            *down,
        ]
    down[0] = falling(shape[0] + further, widths[-2], True, critical, first=widths[-1])
    grid = (widths[0], *sizes[0])
    generator = Generator(
        *before,
        nn.Linear(latent + more, grid[0] * grid[1] * grid[2]),
        nn.Unflatten(1, grid),
        *up,
        *normal(widths[-1]),
        nn.ReLU(),
        nn.Conv2d(widths[-1], shape[0], 3, padding=1),
        *final(bounds),
        condition=condition,
    )
    critic = Critic(
        *first,
        *down,
        *(falling(grid[0], grid[0], False, critical) for _ in range(depth)),
        *critical(grid[0]),
        LeakyReLU(0.0),
        SumPool(),
        value(grid[0], condition, critic_condition),
        condition=condition,
    )
    return generator, critic
