"""Dense layers that are 1-Lipschitz whatever their weights, and the activation between them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from otgan.geometry import NormedSpace
from otgan.geometry.base import flat
from otgan.networks.potentials import cayley


class Rows(nn.Module, ABC):
    """x -> matrix() x + bias on flattened points.

    In single precision at least: a matrix of norm 1 in bfloat16 may have a norm above 1, so
    autocast is off inside.
    """

    def __init__(self, weight: Tensor, reach: float):
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.empty(len(weight)).uniform_(-reach, reach))

    @abstractmethod
    def matrix(self) -> Tensor:
        """(outputs, inputs), of operator norm at most 1."""

    def extra_repr(self) -> str:
        return f"{self.weight[0].numel()} -> {len(self.weight)}"

    def forward(self, x: Tensor) -> Tensor:
        """(n, *E) -> (n, outputs)."""
        with torch.autocast(x.device.type, enabled=False):
            matrix = self.matrix()
            x = flat(x).to(torch.promote_types(x.dtype, matrix.dtype))
            return linear(x, matrix.to(x.dtype), self.bias.to(x.dtype))


class Orthogonal(Rows):
    """Orthonormal rows or, where there are more outputs than inputs, columns: l2 to l2.

    Q = [Z (1 - A); -2 V Z] for a weight [U; V], A = U - U^T + V^T V and Z = (1 + A)^-1 (Trockman
    and Kolter 2021, 'Orthogonalizing Convolutional Layers with the Cayley Transform', section 4).

    Example:
        >>> matrix = Orthogonal(5, 3).matrix()
        >>> torch.allclose(matrix @ matrix.T, torch.eye(3), atol=1e-6)
        True
    """

    def __init__(self, inputs: int, outputs: int):
        weight = nn.init.xavier_normal_(torch.empty(outputs, inputs))
        super().__init__(weight, 1 / math.sqrt(inputs))

    def matrix(self) -> Tensor:
        return orthogonal(self.weight)


class Measured:
    """A layer that measures with a norm which is no part of it: it saves and trains its own weights
    alone.

    Attributes:
        ruler: the norm, in a tuple, where a module would make it a part.
    """

    ruler: tuple[NormedSpace]


class DualRows(Measured, Rows):
    """Rows of dual norm at most 1: a normed space to l-infinity.

    Args:
        geometry: the norm.
        shape: of a point, E.
        outputs: rows.
    """

    def __init__(self, geometry: NormedSpace, shape: Sequence[int], outputs: int):
        weight = torch.randn(outputs, *shape)
        norms = geometry.dual_norm(weight).view(-1, *[1] * len(shape))
        super().__init__(weight / norms, 0.1)
        self.ruler = (geometry,)

    def matrix(self) -> Tensor:
        (geometry,) = self.ruler
        return flat(self.weight) / geometry.dual_norm(self.weight).unsqueeze(1).clamp_min(1)


class L1Rows(Rows):
    """Rows of l1 norm at most 1: l-infinity to itself, universal with `MaxMin`.

    Anil, Lucas, Grosse 2019, 'Sorting out Lipschitz function approximation', section 4.2. Rows are
    projected onto the l1 ball (Duchi et al. 2008, figure 1) and start as half a unit vector each,
    since means of all inputs would silence the signal.
    """

    def __init__(self, inputs: int, outputs: int):
        weight = torch.randn(outputs, inputs) / inputs
        places = torch.cat([torch.randperm(inputs) for _ in range(-(-outputs // inputs))])
        weight[torch.arange(outputs), places[:outputs]] += 1
        super().__init__(weight / weight.abs().sum(1, keepdim=True), 0.1)

    def matrix(self) -> Tensor:
        size = self.weight.abs()
        ordered = size.sort(1, descending=True).values
        rank = torch.arange(1, size.shape[1] + 1, dtype=size.dtype, device=size.device)
        excess = (ordered.cumsum(1) - 1) / rank
        last = ((ordered > excess).sum(1, keepdim=True) - 1).clamp_min(0)
        return self.weight.sign() * (size - excess.gather(1, last).relu()).relu()


class MaxMin(nn.Module):
    """The larger and the smaller of channels k and k + half: GroupSort by twos.

    A permutation at every point, so 1-Lipschitz in every lp norm and no gradient is lost (Anil et
    al. 2019, section 4.1).

    Raises:
        ValueError: an odd number of channels.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(n, 2 k, ...) -> (n, 2 k, ...)."""
        if x.shape[1] % 2:
            raise ValueError(f"MaxMin sorts pairs and got {x.shape[1]} channels: make them even")
        a, b = x.chunk(2, 1)
        more = (a - b).relu()  # a third of the time of maximum and minimum
        return torch.cat([b + more, a - more], 1)


def orthogonal(w: Tensor) -> Tensor:
    """Orthonormal columns from a tall weight, rows from a wide one, (n, m) -> (n, m)."""
    return cayley(w) if w.shape[0] >= w.shape[1] else cayley(w.mT).mT
