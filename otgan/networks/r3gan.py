"""R3GAN: residual networks without normalisation."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

from otgan.conditions import Condition
from otgan.networks.blocks import Residual, Smooth, channels, resolutions
from otgan.networks.layers import Critic, Generator, LeakyReLU, final, told, value

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)

GROUP = 16
"""Channels of a group."""


class Basis(nn.Module):
    """Learned grids, a channel each, as strong as the noise says."""

    def __init__(self, latent: int, grid: tuple[int, int, int]):
        super().__init__()
        self.basis = nn.Parameter(torch.randn(grid))
        self.linear = started(nn.Linear(latent, grid[0], bias=False), 1.0)

    def forward(self, z: Tensor) -> Tensor:
        """(n, latent) -> (n, *grid)."""
        return self.basis * self.linear(z)[:, :, None, None]


def r3gan(
    shape: tuple[int, ...],
    bounds: tuple[float, float] | None = None,
    *,
    latent: int = 64,
    width: int = 16,
    depth: int = 1,
    condition: Condition | None = None,
) -> tuple[Generator, Critic]:
    """Inverted bottlenecks with grouped convolutions, no normalisation, and an initialisation that
    stands for it (Huang et al. 2024, 'The GAN is dead; long live the GAN! A Modern Baseline GAN',
    section 4, with values of the authors' code; Zhang et al. 2019, 'Fixup Initialization').

    Made for relativistic pairing with R1 and R2.

    Args:
        shape: (channels, height, width), sides of at least 8, even or odd, equal or not.
        bounds: range of the data in chart coordinates, None if unbounded; tanh keeps to it, where
            the paper has no activation.
        latent: length of the noise vector.
        width: channels at full size, doubled with every halving of the image up to eightfold.
        depth: residual blocks at each resolution; two in the paper.
        condition: what both networks are told: the generator beside the noise, the critic by
            projection.

    Returns:
        Generator (n, latent) -> (n, c, h, w) and critic (n, c, h, w) -> (n,).

    Raises:
        ValueError: not images, or too small ones; no depth.
    """
    if depth < 1:
        raise ValueError(f"r3gan needs --network.depth 1 or more, got {depth}")
    sizes = resolutions(shape, "r3gan")
    widths = channels(width, len(sizes))
    before, more = told(condition, "concat")
    grid = (widths[0], *sizes[0])
    total = depth * len(sizes)

    def blocks(c: int) -> list[nn.Module]:
        return [_block(c, total) for _ in range(depth)]

    up: list[nn.Module] = [*blocks(widths[0])]
    down: list[nn.Module] = [*blocks(widths[0])]
    for (a, b), small, large in zip(pairwise(widths), sizes, sizes[1:], strict=False):
        up += [*_narrowed(a, b), Smooth(large), *blocks(b)]
        down = [*blocks(b), Smooth(small), *_narrowed(b, a), *down]
    generator = Generator(
        *before,
        Basis(latent + more, grid),
        *up,
        started(nn.Conv2d(widths[-1], shape[0], 1, bias=False), 1.0),
        *final(bounds),
        condition=condition,
    )
    critic = Critic(
        started(nn.Conv2d(shape[0], widths[-1], 1, bias=False), 1.0),
        *down,
        started(nn.Conv2d(grid[0], grid[0], sizes[0], groups=grid[0], bias=False), 1.0),
        nn.Flatten(),
        value(grid[0], condition, "projection"),
        condition=condition,
    )
    return generator, critic


def _block(c: int, total: int) -> Residual:
    """1x1 to twice the channels, grouped 3x3, 1x1 back, 0 at first: of `total` in its network."""
    wide = 2 * c
    groups = wide // math.gcd(wide, GROUP)
    gain = math.sqrt(2 / (1 + 0.2**2)) * total ** (-1 / 4)
    main = nn.Sequential(
        started(nn.Conv2d(c, wide, 1), gain),
        LeakyReLU(),
        started(nn.Conv2d(wide, wide, 3, padding=1, groups=groups), gain),
        LeakyReLU(),
        started(nn.Conv2d(wide, c, 1, bias=False), 0.0),
    )
    return Residual(main)


def _narrowed(inputs: int, outputs: int) -> list[nn.Module]:
    if inputs == outputs:
        return []
    return [started(nn.Conv2d(inputs, outputs, 1, bias=False), 1.0)]


def started(layer: Layer, gain: float) -> Layer:
    """Weights of deviation gain / sqrt(fan-in), biases 0."""
    fan_in = layer.weight[0].numel()
    nn.init.normal_(layer.weight, std=gain / math.sqrt(fan_in))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
