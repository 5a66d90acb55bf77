"""Charts: invertible maps from the data's own units to the coordinates the networks live in.

Critic, generator and geometry see chart coordinates only. A chart that multiplies every distance
by one factor leaves the ruler as it is; `unit` is that factor's inverse, so that distance in data
units = unit * distance in the chart. Whitening is no such map: distances after it are Mahalanobis
distances of the data, and `unit` is None.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn


class Chart(nn.Module):
    """The identity, and the base of the others; fitted charts keep their state in buffers."""

    unit: float | None = 1.0
    """Length of one chart unit in data units; None where the chart is no similarity."""

    bounds: tuple[float, float] | None = None
    """Range of encoded data, which allows a bounded final activation; None if unbounded."""

    def encode(self, x: Tensor) -> Tensor:
        """Data units to chart coordinates, (n, *E) -> (n, *E)."""
        return x

    def decode(self, x: Tensor) -> Tensor:
        """The inverse of encode, (n, *E) -> (n, *E)."""
        return x


class Identity(Chart):
    """Data as it is."""


class Scaling(Chart):
    """Maps the interval [low, high] to [-1, 1]: a similarity, so every norm keeps its meaning.

    Example:
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


class Whitening(Chart):
    """Coordinates of zero mean and unit covariance: l2 in them is the Mahalanobis distance.

    Args:
        shape: E, the shape of one sample.
        method: "pca" turns to the principal axes, "zca" turns back, staying closest to the data
            (Bell and Sejnowski 1997), "cholesky" is triangular.

    Example:
        >>> x = torch.randn(1000, 3) @ torch.diag(torch.tensor([1.0, 10.0, 100.0]))
        >>> chart = Whitening(x.shape[1:]).fit(x)
        >>> torch.allclose(chart.encode(x).T.cov(), torch.eye(3), atol=1e-3)
        True
    """

    unit = None

    def __init__(self, shape: tuple[int, ...], method: Literal["pca", "zca", "cholesky"] = "pca"):
        super().__init__()
        size = torch.Size(shape).numel()
        self.method = method
        self.mean: Tensor
        self.forward_matrix: Tensor
        self.inverse_matrix: Tensor
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("forward_matrix", torch.eye(size))
        self.register_buffer("inverse_matrix", torch.eye(size))

    def fit(self, x: Tensor) -> Whitening:
        """Fits to x, (n, *E), in float64.

        Raises:
            ValueError: x has directions without variance.
        """
        flat = x.flatten(1).double()
        mean = flat.mean(0)
        covariance = (flat - mean).T @ (flat - mean) / (len(flat) - 1)
        precision = torch.finfo(x.dtype if x.is_floating_point() else torch.float32).eps
        deviation = covariance.diagonal().sqrt()
        constant = deviation <= precision * flat.abs().amax(0)
        # Of the correlations: units of the columns must not matter.
        correlation = covariance / torch.where(constant, 1, deviation)[:, None]
        correlation = correlation / torch.where(constant, 1, deviation)[None, :]
        dead = int((torch.linalg.eigvalsh(correlation) <= len(deviation) * precision).sum())
        if dead:
            raise ValueError(
                f"whitening needs variance in every direction, and {dead} of {len(deviation)} have "
                f"none in {len(flat)} samples: drop constant columns, or use chart 'scaling'"
            )
        values, axes = torch.linalg.eigh(covariance)
        if self.method == "cholesky":
            inverse = torch.linalg.cholesky(covariance)
            forward = torch.linalg.inv(inverse)
        else:
            back = axes if self.method == "zca" else torch.eye(len(values), dtype=torch.float64)
            forward = back @ torch.diag(values.rsqrt()) @ axes.T
            inverse = axes @ torch.diag(values.sqrt()) @ back.T
        for buffer, value in (
            (self.mean, mean),
            (self.forward_matrix, forward),
            (self.inverse_matrix, inverse),
        ):
            buffer.copy_(value)
        return self

    def encode(self, x: Tensor) -> Tensor:
        return ((x.flatten(1) - self.mean) @ self.forward_matrix.T).view(x.shape)

    def decode(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.inverse_matrix.T + self.mean).view(x.shape)
