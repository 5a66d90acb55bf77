"""Layers of Karras et al. 2018, 'Progressive Growing of GANs for Improved Quality, Stability, and
Variation': equal learning rates, pixel norm, minibatch deviation."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from otgan.networks.layers import LeakyReLU


class EqualLinear(nn.Linear):
    """A dense layer with the same learning rate for every weight, whatever its fan-in: weights are
    standard normal at first and scaled by He's constant when used (section 4.1).

    Args:
        gain: of the activation after it: sqrt(2) for rectifiers, 1 for none.
        rate: of this layer's learning, in that of the optimiser (Karras et al. 2019, appendix C).
        start: of the bias.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        gain: float = math.sqrt(2),
        rate: float = 1.0,
        start: float = 0.0,
    ):
        super().__init__(inputs, outputs)
        nn.init.normal_(self.weight, std=1 / rate)
        nn.init.constant_(self.bias, start / rate)
        self.scale, self.rate = rate * gain / math.sqrt(inputs), rate

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs) -> (n, outputs)."""
        return linear(x, self.weight * self.scale, self.bias * self.rate)


class EqualConv(nn.Conv2d):
    """A convolution of stride 1 that keeps sizes, with the same learning rate for every weight."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, gain: float = math.sqrt(2), bias: bool = True
    ):
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        self.scale = gain / math.sqrt(inputs * kernel**2)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h, w)."""
        return self._conv_forward(x, self.weight * self.scale, self.bias)


class PixelNorm(nn.Module):
    """Divides by the root mean square over channels, at every position (section 4.2)."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, *sides) -> (n, c, *sides)."""
        return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class MinibatchDeviation(nn.Module):
    """Adds a channel: the standard deviation over the batch, averaged over channels and positions,
    so that a critic sees whether samples vary (section 3).

    The value at a sample then depends on its batch, as with batch normalisation, and a slope at it
    on the others' places.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c + 1, h, w)."""
        deviation = (x.var(0, correction=0) + 1e-8).sqrt().mean()
        return torch.cat([x, deviation.expand(len(x), 1, *x.shape[2:])], 1)


def judged(grid: tuple[int, int, int]) -> list[nn.Module]:
    """The end of a critic but for its last layer, (n, c, h, w) -> (n, c).

    That one starts at zero and learns at the full rate: equalised, it would take as many steps as
    1 / rate to arrive, and the generator runs off meanwhile.
    """
    c = grid[0]
    return [
        MinibatchDeviation(), EqualConv(c + 1, c, 3), LeakyReLU(),
        nn.Flatten(), EqualLinear(c * grid[1] * grid[2], c), LeakyReLU(),
    ]  # fmt: skip
