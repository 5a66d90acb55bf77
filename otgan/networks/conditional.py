"""Layers that are told the condition: the ways in which it enters a generator or a critic."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from otgan.conditions import Condition


class Conditioned(nn.Module):
    """A layer of two arguments, points (n, ...) and features of their conditions (n, width)."""


class Layers(nn.Sequential, Conditioned):
    """Layers in sequence within a network; features go to those that take them."""

    def forward(self, x: Tensor, features: Tensor | None = None) -> Tensor:
        """(n, ...) and, where layers take them, (n, width) -> (n, ...)."""
        for layer in self:
            x = layer(x, features) if isinstance(layer, Conditioned) else layer(x)
        return x


class Stack(Layers):
    """Layers in sequence, some of them told the condition.

    Args:
        condition: turns conditions (n, k) into features; None for networks that have none.
    """

    def __init__(self, *layers: nn.Module, condition: Condition | None = None):
        super().__init__(*layers)
        self.condition = condition

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(n, ...) and, where there is a condition, (n, k) -> (n, ...)."""
        return super().forward(x, None if self.condition is None else self.condition.features(y))


class Attach(Conditioned):
    """Concatenation: features as further coordinates, or as constant channels of images (Mirza and
    Osindero 2014, 'Conditional Generative Adversarial Nets')."""

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """(n, c, *sides), (n, width) -> (n, c + width, *sides)."""
        sides = x.shape[2:]
        wide = features.reshape(*features.shape, *[1] * len(sides)).expand(-1, -1, *sides)
        return torch.cat([x, wide.to(x.dtype)], 1)


class ConditionalNorm(Conditioned):
    """Normalisation whose scales and shifts depend on the condition (de Vries et al. 2017,
    'Modulating early visual processing by language', section 3).

    Args:
        norm: the layer, without scales and shifts of its own.
        channels: that it normalises.
        width: of the features.
    """

    def __init__(self, norm: nn.Module, channels: int, width: int):
        super().__init__()
        self.norm = norm
        self.scale = nn.Linear(width, channels)
        self.shift = nn.Linear(width, channels)
        for layer, start in ((self.scale, 1.0), (self.shift, 0.0)):
            nn.init.zeros_(layer.weight)
            nn.init.constant_(layer.bias, start)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """(n, c, *sides), (n, width) -> (n, c, *sides)."""
        sides = [1] * (x.dim() - 2)
        scale, shift = (f(features).view(*x.shape[:2], *sides) for f in (self.scale, self.shift))
        return self.norm(x) * scale + shift


class Projection(nn.Linear, Conditioned):
    """A critic's last layer: <w + V e, h> + b for features e of the condition (Miyato and Koyama
    2018, 'cGANs with Projection Discriminator'; their term in the condition alone cancels in a
    mean difference of pairs that share it)."""

    def __init__(self, inputs: int, width: int):
        super().__init__(inputs, 1)
        self.embedding = nn.Parameter(torch.zeros(inputs, width))

    def forward(self, h: Tensor, features: Tensor) -> Tensor:  # type: ignore[override]
        """(n, inputs), (n, width) -> (n, 1)."""
        own = (h * nn.functional.linear(features, self.embedding)).sum(1, keepdim=True)
        return super().forward(h) + own


class Shift(Conditioned):
    """Adds a vector that depends on the condition alone, so every slope stays as it is.

    Args:
        width: of the features.
        channels: of the points.
    """

    def __init__(self, width: int, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, width))

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """(n, c, *sides), (n, width) -> (n, c, *sides)."""
        shift = nn.functional.linear(features.to(x.dtype), self.weight.to(x.dtype))
        return x + shift.view(*shift.shape, *[1] * (x.dim() - 2))
