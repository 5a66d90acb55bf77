"""Differentiable augmentation of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from otgan.views.base import View


def brightness(x: Tensor) -> Tensor:
    """Adds up to a half, one number for each image of values in [-1, 1], (n, c, h, w)."""
    return x + _uniform(x, -0.5, 0.5)


def saturation(x: Tensor) -> Tensor:
    """Colours 0 to 2 times as far from their grey; grey images stay."""
    return _stretched(x, x.mean(1, keepdim=True), 0, 2)


def contrast(x: Tensor) -> Tensor:
    """Values .5 to 1.5 times as far from the image's mean."""
    return _stretched(x, x.mean((1, 2, 3), keepdim=True), 0.5, 1.5)


def translation(x: Tensor) -> Tensor:
    """Moves each image by up to an eighth of its size either way, 0 comes in."""
    n, _, h, w = x.shape
    rows, columns = (_moved(n, size, x.device) for size in (h, w))
    image = torch.arange(n, device=x.device)[:, None, None]
    framed = pad(x, [1, 1, 1, 1]).permute(0, 2, 3, 1)
    return framed[image, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cutout(x: Tensor) -> Tensor:
    """Puts 0 into a rectangle half as high and wide as the image, its centre anywhere in it."""
    n, _, h, w = x.shape
    rows, columns = (_cut(n, size, x.device) for size in (h, w))
    return x.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)


POLICIES: dict[str, tuple[Callable[[Tensor], Tensor], ...]] = {
    "color": (brightness, saturation, contrast),
    "translation": (translation,),
    "cutout": (cutout,),
}


class Augmentation(View):
    """Random changes of images through which gradients pass (Zhao et al. 2020, 'Differentiable
    Augmentation for Data-Efficient GAN Training').

    The paper's maps, on images brought to [-1, 1]. `color` stretches distances by up to 3, so that
    the critic's difference on its views bounds no distance between the images; the other two
    stretch none under lp norms.

    Args:
        shape: of an image, (c, h, w).
        bounds: range of the chart.
        policy: names of `POLICIES`, in the order in which they are done.

    Raises:
        ValueError: no images, no bounds, an unknown or no policy.
    """

    def __init__(
        self,
        shape: Sequence[int],
        bounds: tuple[float, float] | None,
        policy: Sequence[str] = tuple(POLICIES),
    ):
        super().__init__()
        if len(shape) != 3:
            raise ValueError(
                f"augmentation is for images of shape (c, h, w), and a sample has {tuple(shape)}: "
                "try --smoothing noise or diffusion"
            )
        if bounds is None:
            raise ValueError(
                "augmentation needs to know what is black and what is white, and this chart has no "
                "bounds: take --chart scaling, or --smoothing noise or diffusion"
            )
        if not policy or not set(policy) <= set(POLICIES):
            raise ValueError(
                f"augmentation by {', '.join(policy) or 'nothing'}: take some of "
                f"{', '.join(POLICIES)}"
            )
        low, high = bounds
        self.centre, self.radius = (low + high) / 2, (high - low) / 2
        self.maps = [change for name in policy for change in POLICIES[name]]

    def forward(self, x: Tensor) -> Tensor:
        x = (x - self.centre) / self.radius
        for change in self.maps:
            x = change(x)
        return x * self.radius + self.centre


def _uniform(x: Tensor, low: float, high: float) -> Tensor:
    """One number for each image, (n, 1, 1, 1)."""
    u = torch.rand(len(x), 1, 1, 1, dtype=x.dtype, device=x.device)
    return low + (high - low) * u


def _stretched(x: Tensor, mean: Tensor, low: float, high: float) -> Tensor:
    return (x - mean) * _uniform(x, low, high) + mean


def _moved(n: int, size: int, device: torch.device) -> Tensor:
    """Where each row comes from in an image with a frame of one pixel, (n, size)."""
    most = int(size / 8 + 0.5)
    by = torch.randint(-most, most + 1, (n, 1), device=device)
    return (torch.arange(size, device=device) + 1 + by).clamp(0, size + 1)


def _cut(n: int, size: int, device: torch.device) -> Tensor:
    """Whether each row is cut, (n, size)."""
    length = int(size / 2 + 0.5)
    start = torch.randint(size + 1 - length % 2, (n, 1), device=device) - length // 2
    row = torch.arange(size, device=device)
    return (row >= start) & (row < start + length)
