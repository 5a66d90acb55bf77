"""What all networks share: the two players' call signatures, normalisation, final activation."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from otgan.conditions import Condition
from otgan.config import Norm
from otgan.networks.conditional import Attach, ConditionalNorm, Projection, Stack

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
NORMS = (
    *BATCH_NORMS,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
    nn.modules.instancenorm._InstanceNorm,
)

L = TypeVar("L", nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


class Generator(Stack):
    """Layers from noise to a sample; called with the condition too, (n, latent) -> (n, *E)."""


class Critic(Stack):
    """Layers from a sample to one value; called with the condition too.

    The last layer starts at zero. A penalty on slopes around 1 has a second well where the critic
    has the wrong sign, and drives a critic that starts with a small wrong slope into it; from
    exactly 0, where the penalty has no gradient, the data alone choose the sign.
    """

    def __init__(self, *layers: nn.Module, condition: Condition | None = None):
        super().__init__(*layers, condition=condition)
        last = layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(n, *E) -> (n,)."""
        return super().forward(x, y).squeeze(1)


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


def told(condition: Condition | None, how: str) -> tuple[list[nn.Module], int]:
    """What stands before a network that is told its condition by concatenation, and how many inputs
    that adds."""
    if condition is None or how != "concat":
        return [], 0
    return [Attach()], condition.width


def value(inputs: int, condition: Condition | None, how: str) -> nn.Linear:
    """A critic's last layer, (n, inputs) -> (n, 1)."""
    if condition is None or how != "projection":
        return nn.Linear(inputs, 1)
    return Projection(inputs, condition.width)


def dense(
    inputs: int,
    width: int,
    depth: int,
    kind: Norm,
    activation: nn.Module,
    condition: Condition | None = None,
) -> list[nn.Module]:
    """Hidden layers, (n, inputs) -> (n, width), or nothing if depth is 0."""
    sizes = [inputs, *[width] * depth]
    return [
        m
        for a, b in pairwise(sizes)
        for m in (he_initialised(nn.Linear(a, b), kind), *norm(kind, b, 1, condition), activation)
    ]


def he_initialised(layer: L, kind: Norm) -> L:
    """`layer`, which stands before normalisation of this kind and a rectifier.

    Without normalisation it starts with weights that keep the scale of what passes (He et al.
    2015), as hidden dense layers do in the code of Gulrajani et al. 2017. torch's own make that 2.4
    times smaller at every layer: behind four of them a generator hardly sees its noise.
    """
    if kind == "none":
        inputs = layer.weight[0].numel()
        if isinstance(layer, nn.ConvTranspose2d):  # how many reach one output
            inputs = layer.weight[:, 0].numel() // math.prod(layer.stride)
        nn.init.normal_(layer.weight, std=math.sqrt(2 / inputs))
    return layer


def norm(
    kind: Norm, channels: int, dims: int, condition: Condition | None = None
) -> list[nn.Module]:
    """The normalisation layer for (n, channels) when dims is 1, (n, channels, h, w) when 2.

    Args:
        condition: what its scales and shifts depend on.

    Raises:
        ValueError: no such layer, or none to depend on a condition.
    """
    if kind == "none":
        if condition is not None:
            raise ValueError(
                "this generator is told its condition by its normalisation layers and has none: "
                "use --network.generator-condition concat, or a --network.generator-norm"
            )
        return []
    own = condition is None
    if kind == "batch":
        layer: nn.Module = (nn.BatchNorm2d if dims == 2 else nn.BatchNorm1d)(channels, affine=own)
    elif kind == "layer":
        layer = nn.GroupNorm(1, channels, affine=own)
    elif dims == 1:
        raise ValueError("instance normalisation needs images: use 'layer' in a dense network")
    else:
        layer = nn.InstanceNorm2d(channels, affine=own)
    return [layer if condition is None else ConditionalNorm(layer, channels, condition.width)]
