"""Critics that say something other than a value, made of ordinary ones."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from otgan.geometry import Geometry
from otgan.networks.conditional import Stack
from otgan.networks.layers import Critic


def body(critic: nn.Module, outputs: int) -> Stack:
    """A critic of values with another last layer, (n, *E) -> (n, outputs).

    Raises:
        ValueError: it is no sequence of layers.
    """
    if not isinstance(critic, Critic):
        raise ValueError(
            f"features are the hidden layers of a critic, and a {type(critic).__name__} is no "
            "sequence of layers: use the network 'mlp', one critic, or an objective of values"
        )
    *layers, last = critic
    new = nn.Linear(cast(nn.Linear, last).in_features, outputs)
    return Stack(*layers, new, condition=critic.condition)


class Features(nn.Module):
    """Points on a sphere of radius 1 / sqrt(2), where the squared distance is 1 - cosine.

    Args:
        critic: whose hidden layers are taken.
        size: of a feature vector.

    Raises:
        ValueError: as `body`.
    """

    def __init__(self, critic: nn.Module, size: int):
        super().__init__()
        self.body = body(critic, size)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(n, *E) -> (n, size)."""
        return normalize(self.body(x, y).float()) / 2**0.5


class Autoencoder(nn.Module):
    """f(x) = -d(x, decoder(encoder(x))), the energy of a point with its sign turned (Zhao, Mathieu,
    LeCun 2017, section 2.3, where d is the squared error).

    Args:
        critic: whose hidden layers are the encoder's.
        decoder: a generator, (n, code) -> (n, *E).
        code: length of a code.
        geometry: d.

    Raises:
        ValueError: as `body`; points that are no arrays of real numbers.
    """

    def __init__(self, critic: nn.Module, decoder: nn.Module, code: int, geometry: Geometry):
        super().__init__()
        if geometry.slopes == "edge":
            raise ValueError(f"points of {geometry!r} are nodes, which nothing reconstructs")
        self.encoder, self.decoder = body(critic, code), decoder
        self.ruler = (geometry,)  # no part of the network

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(n, *E) -> (n,)."""
        again = self.decoder(self.encoder(x, y), y)
        with torch.autocast(x.device.type, enabled=False):  # a ruler in bfloat16 is none
            return -self.ruler[0].distance(x.float(), cast(Tensor, again).float())


class Points(nn.Module):
    """No critic: every point says itself."""

    def __init__(self) -> None:
        super().__init__()
        self.none = nn.Parameter(torch.empty(0))  # for optimisers, which refuse to have nothing

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(n, *E) -> (n, *E)."""
        return x
