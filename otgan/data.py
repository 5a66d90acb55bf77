"""Samples in memory, and endless batches of them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor

from otgan.conditions import Condition
from otgan.config import InputError
from otgan.preprocess import Chart


@dataclass(frozen=True)
class Samples:
    """Points and what is known of each.

    Args:
        x: (n, *E), numbers in data units; uint8 for values in [0, 1] stored as 0..255, which
            become floats a batch at a time; int64 of shape (n,) for the nodes of a graph.
        y: what is known of each, one column an attribute, (n, k), classes by their number; (n,)
            where it is one; None where nothing is known.
    """

    x: Tensor
    y: Tensor | None = None

    def __post_init__(self):
        if self.y is not None and len(self.y) != len(self.x):
            raise ValueError(f"{len(self.x)} samples and {len(self.y)} labels: one each is needed")

    def __len__(self) -> int:
        return len(self.x)

    @property
    def shape(self) -> tuple[int, ...]:
        """E, the shape of one sample."""
        return tuple(self.x.shape[1:])

    def told(self, condition: Condition | None) -> Samples:
        """The same points with the attributes of a condition alone, (n, k).

        Raises:
            InputError: nothing is known of these points.
        """
        if condition is None:
            return Samples(self.x)
        if self.y is None:
            names = ", ".join(attribute.name for attribute in condition.attributes)
            raise InputError(f"{len(self)} samples have no {names}: label them, or leave them out")
        return Samples(self.x, condition.select(self.y))

    def points(self, index: Tensor | slice = slice(None)) -> Tensor:
        """Chosen points as floats in data units."""
        return floats(self.x[index])

    def draw(self, n: int, seed: int) -> Tensor:
        """n random points as floats, all of them in random order if there are fewer."""
        return self.points(self._some(n, seed))

    def drawn(self, n: int) -> Tensor:
        """n random points as floats by torch's own random numbers, none more than once more often
        than another."""
        times = -(-n // len(self))
        return self.points(torch.cat([torch.randperm(len(self)) for _ in range(times)])[:n])

    def known(self, n: int, seed: int) -> Tensor | None:
        """What is known of the points that `draw` draws."""
        return None if self.y is None else self.y[self._some(n, seed)]

    def first(self, n: int | None = None) -> Tensor:
        """The first attribute's classes as integers, of all or of the n that `draw` draws at 0."""
        assert self.y is not None
        y = self.y if n is None else self.y[self._some(n, 0)]
        return y.reshape(len(y), -1)[:, 0].long()

    def _some(self, n: int, seed: int) -> Tensor:
        return torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))[:n]

    def split(self, n: int, seed: int) -> tuple[Samples, Samples]:
        """The points that `draw` draws, and the others, both in random order."""
        order = self._some(len(self), seed)
        first, rest = (
            Samples(self.x[part], None if self.y is None else self.y[part])
            for part in (order[:n], order[n:])
        )
        return first, rest

    def fingerprint(self) -> str:
        """Shape and checksum of points and labels, to notice other data."""
        crc = zlib.crc32(self.x.contiguous().numpy().data)
        if self.y is not None:
            crc = zlib.crc32(self.y.contiguous().numpy().data, crc)
        return f"{'x'.join(map(str, self.x.shape))}:{crc:08x}"


def floats(x: Tensor) -> Tensor:
    """uint8 as [0, 1], other numbers as they are, in single precision; nodes stay integers."""
    if x.dtype == torch.uint8:
        return x.float() / 255
    return x if x.dtype == torch.int64 and x.dim() == 1 else x.float()


def split(data: Samples, share: float, most: int = 10_000) -> tuple[Samples, Samples]:
    """A random share of the samples held out, always the same one."""
    if not 0 < share < 1:
        raise InputError(f"--held-out is a share between 0 and 1, got {share}")
    if len(data) < 2:
        raise InputError(f"{len(data)} sample is not enough to train on and hold out from")
    held, kept = data.split(min(most, max(1, round(share * len(data)))), seed=0)
    return kept, held


def encoded(data: Samples, chart: Chart, fabric: Fabric) -> Samples:
    """The same samples in chart coordinates, for a chart that is too slow to go through each time
    that a point is drawn."""
    parts = (chart.encode(fabric.to_device(floats(x))).cpu() for x in data.x.split(1000))
    return Samples(torch.cat(list(parts)), data.y)


class Batches(Iterator):
    """Endless shuffled batches of a chart's targets; where it stands is one number, `drawn`, and
    torch's random state where the chart blurs.

    Every process draws the same order and keeps its share, so that a run on two processes sees
    what a run on one sees.

    Args:
        batch_size: samples of a batch, all processes together.

    Raises:
        ValueError: a batch larger than the data, or one that does not divide among processes.
    """

    def __init__(self, data: Samples, chart: Chart, batch_size: int, fabric: Fabric, seed: int):
        if batch_size > len(data):
            raise ValueError(
                f"a batch of {batch_size} needs more than the {len(data)} training samples: "
                f"lower --batch-size to {len(data)} or less"
            )
        if batch_size % fabric.world_size:
            raise ValueError(
                f"a batch of {batch_size} does not divide among {fabric.world_size} processes"
            )
        self.data, self.chart, self.batch_size = data, chart, batch_size
        self.fabric, self.seed, self.drawn = fabric, seed, 0
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)

    def __next__(self) -> tuple[Tensor, Tensor | None]:
        epoch, k = divmod(self.drawn, len(self.data) // self.batch_size)
        if epoch != self._epoch:
            shuffle = torch.Generator().manual_seed(1_000_003 * self.seed + epoch)
            self._epoch, self._order = epoch, torch.randperm(len(self.data), generator=shuffle)
        share = self.batch_size // self.fabric.world_size
        start = k * self.batch_size + self.fabric.global_rank * share
        index = self._order[start : start + share]
        self.drawn += 1
        x = floats(self.fabric.to_device(self.data.x[index]))
        y = None if self.data.y is None else self.fabric.to_device(self.data.y[index])
        return self.chart.target(x), y
