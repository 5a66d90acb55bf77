"""Charts: invertible maps from the data's own units to the coordinates the networks live in.

Critic, generator and geometry see chart coordinates only. A chart that multiplies every distance
by one factor leaves the ruler as it is; `unit` is that factor's inverse, so that distance in data
units = unit * distance in the chart. Whitening is no such map: distances after it are Mahalanobis
distances of the data, and `unit` is None.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Chart(nn.Module):
    """The identity, and the base of the others; fitted charts keep their state in buffers."""

    unit: float | None = 1.0
    """Length of one chart unit in data units; None where the chart is no similarity."""

    bounds: tuple[float, float] | None = None
    """Range of encoded data, which allows a bounded final activation; None if unbounded."""

    blur: float = 0.0
    """Standard deviation of the Gaussian noise that stays on what a generator is to make."""

    def encoded_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of one encoded point, from that of one in data units."""
        return shape

    def encode(self, x: Tensor) -> Tensor:
        """Data units to chart coordinates, (n, *E) -> (n, *encoded_shape(E))."""
        return x

    def decode(self, x: Tensor) -> Tensor:
        """The inverse of encode, (n, *encoded_shape(E)) -> (n, *E)."""
        return x

    def target(self, x: Tensor) -> Tensor:
        """What a generator is to make of points: `encode`, blurred with torch's random numbers."""
        z = self.encode(x)
        return z + self.blur * torch.randn_like(z) if self.blur else z


class Identity(Chart):
    """Data as it is, or blurred for a generator."""

    def __init__(self, blur: float = 0.0):
        super().__init__()
        self.blur = blur


class Scaling(Chart):
    """Maps the interval [low, high] to [-1, 1]: a similarity, so every norm keeps its meaning.

    Example:
        >>> import torch
        >>> chart = Scaling(0, 255)
        >>> chart.encode(torch.tensor([[0.0, 255.0]])), chart.unit
        (tensor([[-1.,  1.]]), 127.5)
    """

    bounds = (-1.0, 1.0)

    def __init__(self, low: float = 0.0, high: float = 1.0):
        super().__init__()
        if not low < high:
            raise ValueError(f"Scaling needs low < high, got {low} and {high}")
        self.centre, self.radius = (low + high) / 2, (high - low) / 2
        self.unit = self.radius

    def encode(self, x: Tensor) -> Tensor:
        return (x - self.centre) / self.radius

    def decode(self, x: Tensor) -> Tensor:
        return x * self.radius + self.centre
