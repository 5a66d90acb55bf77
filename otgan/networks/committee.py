"""A committee of critics: members look at parts of a point, the verdict is their weighted sum."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from otgan.config import Look
from otgan.geometry import Geometry, Lp
from otgan.geometry.base import flat


class Part(NamedTuple):
    """Coordinates of a flattened point, (k,), and the shape that they have together."""

    places: Tensor
    shape: tuple[int, ...]


class Committee(nn.Module):
    """f(x) = sum_k weight f_k(x on part k): no member can say more than its share, so one corrupted
    coordinate cannot have the only voice.

    If every f_k is 1-Lipschitz in lp on its part, the sum is (weight K^(1/q) m^(1/p))-Lipschitz,
    where a coordinate is in m parts at most and q is the dual exponent (Hoelder). A plain mean, the
    default weight 1 / K, is thus K^(1/p) too flat on disjoint parts; `certified_weight` is tight.
    On disjoint parts these are the additive critics of the product cost sum_k weight d_k.

    Args:
        members: critics (n, *shape of part k) -> (n,).
        parts: what each looks at.
    """

    weight: Tensor

    def __init__(
        self, members: Sequence[nn.Module], parts: Sequence[Part], weight: float | None = None
    ):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.shapes = [part.shape for part in parts]
        for k, part in enumerate(parts):
            self.register_buffer(f"places{k}", part.places)
        share = torch.tensor(1 / len(parts) if weight is None else weight)
        self.register_buffer("weight", share.nextafter(torch.zeros(())))  # never rounded up

    @property
    def parts(self) -> list[Part]:
        """What each member looks at."""
        return [Part(self.get_buffer(f"places{k}"), s) for k, s in enumerate(self.shapes)]

    def verdicts(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Of each member, (n, *E) -> (n, K)."""
        found = [
            member(flat(x)[:, places].view(-1, *shape), y)
            for member, (places, shape) in zip(self.members, self.parts, strict=True)
        ]
        return torch.stack(found, 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(n, *E) -> (n,)."""
        return self.weight * self.verdicts(x, y).sum(1)


def certified_weight(parts: Sequence[Part], geometry: Geometry) -> float:
    """The weight at which a committee of 1-Lipschitz members is 1-Lipschitz itself.

    Raises:
        ValueError: not an lp norm, where a part of a point may be farther away than the whole.
    """
    if not isinstance(geometry, Lp):
        raise ValueError(
            f"a certified committee needs an lp norm, under which parts are never farther apart "
            f"than wholes, and the ground cost is {geometry!r}: use one critic, or a slope penalty"
        )
    often = int(torch.cat([part.places for part in parts]).bincount().max())
    return len(parts) ** (-1 / geometry.q) * often ** (-1 / geometry.p)


def parts(look: Look, shape: Sequence[int], number: int) -> list[Part]:
    """What the members of a committee look at; random choices are torch's.

    Args:
        look: "columns", as many disjoint random sets of coordinates; "random", for each member a
            random half of them; "channels" or "patches" of images.
        number: of members; a square number of patches.

    Raises:
        ValueError: more members than there are such parts.
    """
    size = math.prod(shape)
    every = torch.arange(size).view(*shape)
    if look == "random":
        half = -(-size // 2)
        return [Part(torch.randperm(size)[:half], (half,)) for _ in range(number)]
    if look == "columns":
        _enough(number, size, "coordinates")
        return [
            Part(places, (len(places),)) for places in torch.randperm(size).tensor_split(number)
        ]
    if len(shape) != 3:
        raise ValueError(f"{look} are parts of images, not of points of shape {tuple(shape)}")
    if look == "channels":
        _enough(number, shape[0], "channels")
        blocks = list(every.tensor_split(number))
    else:
        side = math.isqrt(number)
        if side**2 != number:
            raise ValueError(f"patches are a square number, such as 4 or 9, got {number}")
        _enough(side, min(shape[1:]), "rows or columns of pixels")
        blocks = [
            patch for row in every.tensor_split(side, 1) for patch in row.tensor_split(side, 2)
        ]
    return [Part(block.flatten(), tuple(block.shape)) for block in blocks]


def committee(
    look: Look,
    shape: Sequence[int],
    number: int,
    make: Callable[[tuple[int, ...]], nn.Module],
) -> Committee:
    """Members made for the shapes of their parts, which `parts` describes."""
    seen = parts(look, shape, number)
    return Committee([make(part.shape) for part in seen], seen)


def _enough(number: int, there: int, what: str) -> None:
    if not 2 <= number <= there:
        raise ValueError(f"a committee of {number} cannot share {there} {what}")
