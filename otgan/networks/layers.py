"""What all networks share: the two players' call signatures, normalisation, final activation."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from otgan.config import Norm

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
NORMS = (
    *BATCH_NORMS,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
    nn.modules.instancenorm._InstanceNorm,
)


class Generator(nn.Sequential):
    """Layers from noise to a sample; called with the condition too, which it ignores."""

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """(n, latent) -> (n, *E)."""
        return super().forward(z)


class Critic(nn.Sequential):
    """Layers from a sample to one value; called with the condition too, which it ignores.

    The last layer starts at zero. A penalty on slopes around 1 has a second well where the critic
    has the wrong sign, and drives a critic that starts with a small wrong slope into it; from
    exactly 0, where the penalty has no gradient, the data alone choose the sign.
    """

    def __init__(self, *layers: nn.Module):
        super().__init__(*layers)
        last = layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(n, *E) -> (n,)."""
        return super().forward(x).squeeze(1)


class LeakyReLU(nn.Module):
    """max(x, slope * x), whose second derivative is absent rather than zero.

    torch's own sends a tensor of zeros back through every layer below it when a gradient penalty
    is differentiated.
    """

    def __init__(self, slope: float = 0.2):
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return _Leak.apply(x, self.slope)


class _Leak(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.slope = slope
        return leaky_relu(x, slope)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.leaky_relu_backward(gradient, x.detach(), ctx.slope, False), None


class Stretch(nn.Module):
    """Maps [-1, 1] to [low, high]."""

    def __init__(self, low: float, high: float):
        super().__init__()
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        return self.low + (x + 1) * (self.high - self.low) / 2


def final(bounds: tuple[float, float] | None) -> list[nn.Module]:
    """The last activation of a generator whose data lie within bounds: tanh, or none."""
    if bounds is None:
        return []
    return [nn.Tanh()] if bounds == (-1.0, 1.0) else [nn.Tanh(), Stretch(*bounds)]


def dense(
    inputs: int, width: int, depth: int, kind: Norm, activation: nn.Module
) -> list[nn.Module]:
    """Hidden layers, (n, inputs) -> (n, width), or nothing if depth is 0."""
    sizes = [inputs, *[width] * depth]
    return [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), *norm(kind, b, 1), activation)]


def norm(kind: Norm, channels: int, dims: int) -> list[nn.Module]:
    """The normalisation layer for (n, channels) when dims is 1, (n, channels, h, w) when 2."""
    if kind == "batch":
        return [nn.BatchNorm2d(channels) if dims == 2 else nn.BatchNorm1d(channels)]
    if kind == "layer":
        return [nn.GroupNorm(1, channels)]
    if kind == "instance":
        if dims == 1:
            raise ValueError("instance normalisation needs images: use 'layer' in a dense network")
        return [nn.InstanceNorm2d(channels, affine=True)]
    return []
