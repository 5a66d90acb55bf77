"""Networks that grow: they hold every resolution, and the step says which one is trained."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from otgan.networks.blocks import Down, Size, Up
from otgan.networks.controls import Staged


class Growth(Staged):
    """Which resolution is trained at a step, and how far it has come in.

    Args:
        levels: number of resolutions.
        phases: steps of each phase: the lowest resolution, the next one fading in, staying, the
            next one fading in, and so on; the last number is that of all further phases, and the
            highest resolution then stays.
    """

    def __init__(self, levels: int, phases: Sequence[int]):
        super().__init__()
        lengths = (list(phases) + [phases[-1]] * (2 * levels))[: 2 * levels - 2]
        self.ends = list(accumulate(lengths))

    def now(self) -> tuple[int, float]:
        """The level, from 0, and its share alpha: below 1 while it fades in, linearly."""
        step = int(self.step)
        phase = bisect_right(self.ends, step)
        if phase % 2 == 0:
            return phase // 2, 1.0
        start, end = self.ends[phase - 1 : phase + 1]
        return (phase + 1) // 2, (step - start) / (end - start)


class GrowingGenerator(nn.Module):
    """From a grid to the present resolution, then by nearest neighbours to the full size.

    While a level fades in, the image is (1 - alpha) times the upsampled lower one plus alpha times
    the new one. In training only the new image's means of 2 x 2 pixels are faded here, its detail
    by the critic, which does that to real images as well: what the critic sees is this blend.
    """

    def __init__(
        self,
        growth: Growth,
        stages: Sequence[nn.Module],
        paint: Sequence[nn.Module],
        sizes: Sequence[Size],
    ):
        super().__init__()
        self.growth, self.down = growth, Down()
        self.stages, self.paint = nn.ModuleList(stages), nn.ModuleList(paint)
        self.ups = nn.ModuleList(Up(size) for size in sizes[1:])

    def forward(self, x: Tensor) -> Tensor:
        """(n, latent) -> (n, c, h, w)."""
        level, alpha = self.growth.now()
        before = x
        for stage in self.stages[: level + 1]:
            before, x = x, stage(x)
        image = self.paint[level](x)
        if alpha < 1:
            up = self.ups[level - 1]
            low = up(self.paint[level - 1](before))
            if self.training:
                image = image + (1 - alpha) * (low - up(self.down(image)))
            else:
                image = torch.lerp(low, image, alpha)
        for up in self.ups[level:]:
            image = up(image)
        return image


class GrowingTrunk(nn.Module):
    """From an image, brought down to the present resolution, to features of the lowest grid.

    Args:
        look: an image of each resolution to its features.
        stages: features of each resolution but the lowest to those of the next lower one.
    """

    def __init__(
        self,
        growth: Growth,
        look: Sequence[nn.Module],
        stages: Sequence[nn.Module],
        sizes: Sequence[Size],
    ):
        super().__init__()
        self.growth, self.down = growth, Down()
        self.look, self.stages = nn.ModuleList(look), nn.ModuleList(stages)
        self.ups = nn.ModuleList(Up(size) for size in sizes[1:])

    def seen(self, x: Tensor) -> Tensor:
        """The image at the present resolution, its detail faded, (n, c, h, w) -> (n, c, *size)."""
        level, alpha = self.growth.now()
        for _ in self.ups[level:]:
            x = self.down(x)
        return x if alpha == 1 else torch.lerp(self.ups[level - 1](self.down(x)), x, alpha)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, channels, *grid)."""
        level, alpha = self.growth.now()
        x = self.seen(x)
        h = self.look[level](x)
        for k in range(level, 0, -1):
            h = self.stages[k - 1](h)
            if k == level and alpha < 1:
                h = torch.lerp(self.look[k - 1](self.down(x)), h, alpha)
        return h
