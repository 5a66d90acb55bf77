"""From an ordinary critic to one that is 1-Lipschitz for a ground cost whatever its weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, starmap
from typing import cast

import torch
from torch import Tensor, nn

from otgan.conditions import Condition
from otgan.geometry import Geometry, GraphMetric, Leading, Lp, NormedSpace
from otgan.geometry.base import flat
from otgan.networks.committee import Committee, certified_weight
from otgan.networks.conditional import Attach, Shift, Stack
from otgan.networks.gnn import NodeCritic
from otgan.networks.layers import NORMS, LeakyReLU
from otgan.networks.leading import LeadingCritic
from otgan.networks.lipschitz.convolutions import OrthogonalConv
from otgan.networks.lipschitz.projected import Projected
from otgan.networks.lipschitz.rows import DualRows, L1Rows, MaxMin, Measured, Orthogonal
from otgan.networks.potentials import Landmarks

_ACTIVATIONS = (LeakyReLU, nn.LeakyReLU, nn.ReLU)


class LipschitzCritic(Stack):
    """1-Lipschitz layers from a sample to one value, at each condition."""

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(n, *E) -> (n,)."""
        return super().forward(x, y).squeeze(1)


class Whiten(Measured, nn.Module):
    """A x, the coordinates in which a norm |A x| is l2."""

    def __init__(self, geometry: NormedSpace):
        super().__init__()
        self.ruler = (geometry,)

    def forward(self, x: Tensor) -> Tensor:
        """(n, *E) -> (n, k)."""
        with torch.autocast(x.device.type, enabled=False):
            return cast(Tensor, self.ruler[0].whiten(x))


def lipschitz(network: nn.Module, geometry: Geometry, points: Tensor | None = None) -> nn.Module:
    """A new critic like the network, but 1-Lipschitz for the geometry by construction.

    Every layer is replaced by one of operator norm at most 1 and as many outputs, made even for
    `MaxMin`, which stands for every activation; the last is one row of norm 1.

    - Under l2, dense layers and convolutions are orthogonal.
    - Under a norm that is l2 in other coordinates, dense orthogonal layers of these coordinates.
    - Under any other norm, rows of dual norm at most 1 into l-infinity, and rows of l1 norm at most
      1 from there on.
    - Where only a metric is known, distances to landmarks, which start at the points.
    - A critic of the first coordinates becomes one for the norm of these.
    - A function of the nodes of a graph stays what it is below a projection (`Projected`).
    - Every member of a committee becomes one, and their weights what makes the sum 1-Lipschitz.
    - A condition moves the biases alone: the critic is 1-Lipschitz in the sample at each condition.

    Convolutions exist under l2 alone; elsewhere a convolutional critic becomes a dense one with as
    many hidden layers, each as wide as its widest (in channels or units).

    Args:
        network: Flatten, Linear, Conv2d, LeakyReLU and ReLU layers in sequence.
        points: a sample of the space, (k, *E); needed by convolutions, norms of images, landmarks.

    Raises:
        ValueError: another layer, normalisation above all; no points where they are needed.
    """
    if isinstance(network, Committee):
        seen = network.parts
        if points is None:
            raise ValueError("a certified committee needs points, a sample of the data")
        members = [
            lipschitz(member, geometry, flat(points)[:, places].view(-1, *shape))
            for member, (places, shape) in zip(network.members, seen, strict=True)
        ]
        return Committee(members, seen, certified_weight(seen, geometry))
    if isinstance(network, NodeCritic) and isinstance(geometry, GraphMetric):
        return Projected(network, geometry)
    if isinstance(network, LeadingCritic) and isinstance(geometry, Leading):
        return LeadingCritic(network.size, lipschitz(network.critic, geometry.norm))
    condition = network.condition if isinstance(network, Stack) else None
    if not isinstance(geometry, NormedSpace):
        if points is None:
            raise ValueError(
                f"{geometry!r} is no norm, so its certified critic is made of distances to "
                "landmarks: give points, a sample of the data, for them to start at"
            )
        return Landmarks(geometry, points, condition=condition)
    layers = _weighted(network)
    weight, convolves = layers[0].weight, isinstance(layers[0], nn.Conv2d)
    if points is None and convolves:
        raise ValueError(
            "a certified critic with convolutions needs the size of its images: give points, a "
            "sample of the data"
        )
    with weight.device:  # the geometry's tensors are there
        told = condition and any(isinstance(m, Attach) for m in network.modules())
        size = weight.shape[1] - (condition.width if condition and told else 0)
        x = torch.zeros(1, *((size,) if points is None else points.shape[1:]))
        made = list(_layers(geometry, layers, x))
        if condition is not None:
            made = _shifted(made, x, condition)
        return LipschitzCritic(*made, condition=condition)


def _shifted(layers: Sequence[nn.Module], x: Tensor, condition: Condition) -> list[nn.Module]:
    """The layers, each but the last followed by a shift that depends on the condition."""
    made: list[nn.Module] = []
    for layer in layers[:-1]:
        x = layer(x).detach()
        made.append(layer)
        if not isinstance(layer, MaxMin | Whiten):
            made.append(Shift(condition.width, x.shape[1]))
    return [*made, layers[-1]]


def _layers(
    geometry: NormedSpace, like: Sequence[nn.Linear | nn.Conv2d], x: Tensor
) -> Iterator[nn.Module]:
    """1-Lipschitz layers like some, for points of the shape of x, (1, *E)."""
    widths = [_width(layer) for layer in like]
    if isinstance(geometry, Lp) and geometry.p == 2:
        yield from _between(_orthogonal(like, widths, x))
        return
    if isinstance(like[0], nn.Conv2d):
        widths = [max(widths)] * (len(like) - 1) + [1]
    white = geometry.whiten(x)
    if white is not None:
        yield Whiten(geometry)
        yield from _between(starmap(Orthogonal, pairwise([white.shape[1], *widths])))
    else:
        first = DualRows(geometry, x.shape[1:], widths[0])
        yield from _between([first, *starmap(L1Rows, pairwise(widths))])


def _orthogonal(
    like: Sequence[nn.Linear | nn.Conv2d], widths: Sequence[int], x: Tensor
) -> Iterator[nn.Module]:
    for layer, width in zip(like, widths, strict=True):
        made: nn.Module
        if isinstance(layer, nn.Conv2d):
            made = OrthogonalConv(x.shape[1], width, layer.kernel_size[0], layer.stride[0])
        elif x.dim() == 4 and 1 < width < x[0].numel():
            made = _narrowing(x.shape[1:], width)
        else:
            made = Orthogonal(x[0].numel(), width)
        x = made(x).detach()
        yield made


def _narrowing(shape: Sequence[int], width: int) -> nn.Module:
    """From a grid to fewer units: first fewer channels, since large matrices take the time."""
    channels, pixels = shape[0], shape[1] * shape[2]
    fewer = min(channels, -(-width // pixels))
    return nn.Sequential(OrthogonalConv(channels, fewer, 1), Orthogonal(fewer * pixels, width))


def _between(layers: Iterable[nn.Module]) -> Iterator[nn.Module]:
    """The layers, with MaxMin between."""
    for k, layer in enumerate(layers):
        if k:
            yield MaxMin()
        yield layer


def _width(layer: nn.Linear | nn.Conv2d) -> int:
    """Outputs, made even but for the single value at the end."""
    outputs = layer.weight.shape[0]
    return outputs + outputs % 2 if outputs > 1 else 1


def _weighted(network: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    """The layers that have weights, the last of them a row.

    Raises:
        ValueError: another kind of layer.
    """
    found = []
    for module in network.modules():
        if isinstance(module, (nn.Sequential, nn.Flatten, Attach, *_ACTIVATIONS)):
            continue
        if not isinstance(module, nn.Linear | nn.Conv2d) or not _square(module):
            what = (
                "normalisation" if isinstance(module, NORMS) else repr(module).partition("(\n")[0]
            )
            raise ValueError(
                f"a certified critic has no {what}: build it of Flatten, Linear, square Conv2d and "
                "LeakyReLU alone, and without normalisation (--network.critic-norm none)"
            )
        found.append(module)
    if not found or found[-1].weight.shape[:-1] != (1,):
        raise ValueError("a certified critic ends in one value: make nn.Linear(..., 1) the last")
    return found


def _square(layer: nn.Linear | nn.Conv2d) -> bool:
    """Whether an orthogonal layer can stand for it."""
    if isinstance(layer, nn.Linear):
        return True
    sides = (*layer.kernel_size, *layer.stride, layer.groups, *layer.dilation)
    return sides[0] == sides[1] and sides[2] == sides[3] and set(sides[4:]) == {1}
