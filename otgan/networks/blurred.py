"""Generators of what a chart blurs."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Blurred(nn.Module):
    """Adds its first inputs, as the noise that every point to generate has anyway.

    A dense generator has to bend noise into points, and gives less than is asked for of the noise
    about them.

    Args:
        generator: noise (n, latent) and, if any, conditions, to points (n, *E).
        std: of the noise to add.
        latent: length of the inputs.
        shape: E.

    Raises:
        ValueError: fewer inputs than coordinates.
    """

    def __init__(self, generator: nn.Module, std: float, latent: int, shape: tuple[int, ...]):
        super().__init__()
        if latent < math.prod(shape):
            raise ValueError(
                f"{latent} numbers of noise are too few to blur {math.prod(shape)} coordinates: "
                f"give --network.latent {math.prod(shape)} or more"
            )
        self.generator, self.std, self.shape = generator, std, shape

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """(n, latent) -> (n, *E)."""
        noise = z[:, : math.prod(self.shape)].reshape(-1, *self.shape)
        return torch.add(self.generator(z, y), noise, alpha=self.std)
