"""Progressive growing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from otgan.conditions import Condition
from otgan.networks.blocks import Down, Up, channels, resolutions
from otgan.networks.equalised import EqualConv, EqualLinear, PixelNorm, judged
from otgan.networks.growing import GrowingGenerator, GrowingTrunk, Growth
from otgan.networks.layers import Critic, Generator, LeakyReLU, final, told, value


def progan(
    shape: tuple[int, ...],
    bounds: tuple[float, float] | None = None,
    *,
    latent: int = 64,
    width: int = 16,
    phases: Sequence[int] = (500,),
    condition: Condition | None = None,
) -> tuple[Generator, Critic]:
    """Progressive growing with equal learning rates, pixel norm and minibatch deviation (Karras et
    al. 2018, 'Progressive Growing of GANs for Improved Quality, Stability, and Variation', sections
    2 to 4 and table 2).

    Both networks have all resolutions from the start and read which one is trained from the step,
    which is part of their state; images have the full size throughout, so nothing outside notices.
    Weights of resolutions to come have no gradients yet and stay as they are.

    Args:
        shape: (channels, height, width), sides of at least 8, even or odd, equal or not.
        bounds: range of the data in chart coordinates, None if unbounded; tanh keeps to it, where
            the paper has no activation.
        latent: length of the noise vector.
        width: channels at full size, doubled with every halving of the image up to eightfold.
        phases: generator steps of each phase (`Growth`).
        condition: what both networks are told: the generator beside the noise, the critic by
            projection.

    Returns:
        Generator (n, latent) -> (n, c, h, w) and critic (n, c, h, w) -> (n,).

    Raises:
        ValueError: not images, or too small ones.
    """
    sizes = resolutions(shape, "progan")
    widths = channels(width, len(sizes))
    before, more = told(condition, "concat")
    grid = (widths[0], *sizes[0])
    flat = grid[0] * grid[1] * grid[2]
    growing = Growth(len(sizes), phases), Growth(len(sizes), phases)

    start = nn.Sequential(
        PixelNorm(), EqualLinear(latent + more, flat, gain=2**0.5 / 4), nn.Unflatten(1, grid),
        LeakyReLU(), PixelNorm(), *_convolved(grid[0], grid[0]),
    )  # fmt: skip
    rises = [
        nn.Sequential(Up(size), *_convolved(a, b), *_convolved(b, b))
        for (a, b), size in zip(pairwise(widths), sizes[1:], strict=True)
    ]
    paint = [nn.Sequential(EqualConv(c, shape[0], 1, gain=1), *final(bounds)) for c in widths]
    look = [nn.Sequential(EqualConv(shape[0], c, 1), LeakyReLU()) for c in widths]
    falls = [
        nn.Sequential(
            EqualConv(b, b, 3), LeakyReLU(), EqualConv(b, a, 3), LeakyReLU(), Down()
        )
        for a, b in pairwise(widths)
    ]  # fmt: skip
    generator = Generator(
        *before, GrowingGenerator(growing[0], [start, *rises], paint, sizes), condition=condition
    )
    critic = Critic(
        GrowingTrunk(growing[1], look, falls, sizes), *judged(grid),
        value(grid[0], condition, "projection"), condition=condition,
    )  # fmt: skip
    return generator, critic


def _convolved(inputs: int, outputs: int) -> list[nn.Module]:
    return [EqualConv(inputs, outputs, 3), LeakyReLU(), PixelNorm()]
