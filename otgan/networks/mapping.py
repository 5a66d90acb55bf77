"""Generators that start from a point instead of noise."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from otgan.networks.blocks import Down, Size, Up, resolutions
from otgan.networks.layers import LeakyReLU, dense


class Within(nn.Module):
    """The nearest point with coordinates within bounds. Where one is outside, a gradient step that
    leads back in still counts, which a clamp would not let through."""

    def __init__(self, low: float, high: float):
        super().__init__()
        self.bounds = low, high

    def forward(self, x: Tensor) -> Tensor:
        return _Within.apply(x, *self.bounds)


class _Within(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bounds = low, high
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (x,), (low, high) = ctx.saved_tensors, ctx.bounds
        out = ((x < low) & (gradient > 0)) | ((x > high) & (gradient < 0))
        return gradient.masked_fill(out, 0.0), None, None


class Mapping(nn.Module):
    """x + change(x), the identity at first.

    Args:
        change: (n, *E) -> (n, *E), whose last layer starts at zero here.
        last: that layer.
        bounds: range of the data in chart coordinates, None if unbounded.
    """

    def __init__(
        self, change: nn.Module, last: nn.Linear | nn.Conv2d, bounds: tuple[float, float] | None
    ):
        super().__init__()
        self.change = change
        self.within = Within(*bounds) if bounds else nn.Identity()
        for weight in last.parameters():
            nn.init.zeros_(weight)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(n, *E) -> (n, *E)."""
        return self.within(x + self.change(x))


class Bend(nn.Module):
    """Down to a coarser grid, something there, and back, beside what was there before (Ronneberger,
    Fischer, Brox 2015, 'U-Net')."""

    def __init__(self, channels: int, deeper: int, size: Size, inner: nn.Module):
        super().__init__()
        self.down = nn.Sequential(Down(), _convolution(channels, deeper))
        self.inner = inner
        self.up = nn.Sequential(_convolution(deeper, channels), Up(size))
        self.join = _convolution(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, *size) -> the same."""
        return self.join(torch.cat([x, self.up(self.inner(self.down(x)))], 1))


def mapping(
    shape: tuple[int, ...],
    bounds: tuple[float, float] | None = None,
    *,
    width: int | None = None,
    depth: int = 2,
) -> Mapping:
    """Points to points: convolutions in the shape of a U for images with sides of 8 at least, dense
    layers for all others.

    Args:
        shape: E, the shape of one point.
        bounds: range of the data in chart coordinates, None if unbounded.
        width: channels at the image's own size, which double up to eightfold, 32 by default; units
            of a dense layer, 256.
        depth: dense hidden layers; in a U, of 4 * width units at its lowest grid.

    Raises:
        ValueError: nodes of a graph, which nothing is added to.
    """
    if not shape:
        raise ValueError("a map adds to coordinates, and nodes have none: drop --source")
    if len(shape) == 3 and min(shape[1:]) >= 8:
        return _u(shape, bounds, width or 32, depth)
    size, width = math.prod(shape), width or 256
    last = nn.Linear(width if depth else size, size)
    hidden = dense(size, width, depth, "none", LeakyReLU())
    change = nn.Sequential(nn.Flatten(), *hidden, last, nn.Unflatten(1, shape))
    return Mapping(change, last, bounds)


def _u(
    shape: tuple[int, ...], bounds: tuple[float, float] | None, width: int, depth: int
) -> Mapping:
    sizes = resolutions(shape, "a map")
    widths = [width * min(2**k, 8) for k in range(len(sizes))][::-1]
    flat = widths[0] * math.prod(sizes[0])
    hidden = dense(flat, 4 * width, depth, "none", LeakyReLU())
    back = nn.Linear(4 * width if depth else flat, flat)
    inner: nn.Module = nn.Sequential(
        nn.Flatten(), *hidden, back, nn.Unflatten(1, (widths[0], *sizes[0]))
    )
    for deeper, channels, size in zip(widths, widths[1:], sizes[1:], strict=False):
        inner = Bend(channels, deeper, size, inner)
    last = nn.Conv2d(width, shape[0], 3, padding=1)
    return Mapping(nn.Sequential(_convolution(shape[0], width), inner, last), last, bounds)


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), LeakyReLU())
