"""What networks of images are made of: grids, resampling, residual blocks, attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, pad

from otgan.networks.conditional import Conditioned, Layers
from otgan.networks.layers import LeakyReLU

Size = tuple[int, int]
Norms = Callable[[int], Sequence[nn.Module]]
"""Channels to a normalisation layer, or to none."""


def resolutions(shape: Sequence[int], network: str) -> list[Size]:
    """Heights and widths from a grid whose shorter side is 4 to 7 up to the image, each about twice
    the one before.

    Raises:
        ValueError: not images, or too small ones.
    """
    if len(shape) != 3 or min(shape[1:]) < 8:
        raise ValueError(
            f"{network} needs images (c, h, w) with sides of at least 8, got {tuple(shape)}: "
            "use the network 'mlp'"
        )
    sizes = [(shape[1], shape[2])]
    while min(sizes[0]) >= 8:
        sizes.insert(0, (sizes[0][0] // 2, sizes[0][1] // 2))
    return sizes


def channels(width: int, levels: int) -> list[int]:
    """Of each resolution from the grid up: width at the last, doubled below, up to eightfold."""
    return [width * min(2**k, 8) for k in range(levels)][::-1]


class Up(nn.Module):
    """Nearest neighbours up to about twice the size; `Down` undoes it exactly."""

    def __init__(self, size: Size):
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h // 2, w // 2) -> (n, c, h, w)."""
        x = interpolate(x, scale_factor=2, mode="nearest")
        more = self.size[0] - x.shape[2], self.size[1] - x.shape[3]
        return pad(x, (0, more[1], 0, more[0]), "replicate") if any(more) else x


class Down(nn.Module):
    """Means of 2 x 2 pixels; an odd last row or column is left out."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h // 2, w // 2)."""
        return avg_pool2d(x, 2)


class Smooth(nn.Module):
    """Bilinear resampling; for twice and half the size, the filter (1, 3, 3, 1) of Karras et al.
    2020, 'Analyzing and Improving the Image Quality of StyleGAN'."""

    def __init__(self, size: Size):
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, *any) -> (n, c, *size)."""
        smaller = self.size[0] < x.shape[2]
        wide = x.to(torch.promote_types(x.dtype, torch.float32))  # none for bfloat16 on processors
        return interpolate(wide, size=self.size, mode="bilinear", antialias=smaller).to(x.dtype)


class SumPool(nn.Module):
    """Sum over positions (Miyato et al. 2018, appendix B.3)."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c)."""
        return x.sum((2, 3))


class Residual(Conditioned):
    """(shortcut(x) + main(x)) * scale (He et al. 2016, 'Deep Residual Learning')."""

    def __init__(self, main: nn.Module, shortcut: nn.Module | None = None, scale: float = 1.0):
        super().__init__()
        self.main = main if isinstance(main, Layers) else Layers(main)
        self.shortcut = shortcut or nn.Identity()
        self.scale = scale

    def forward(self, x: Tensor, features: Tensor | None = None) -> Tensor:
        """(n, a, h, w) -> (n, b, *another size)."""
        return (self.shortcut(x) + self.main(x, features)) * self.scale


def rising(inputs: int, outputs: int, size: Size | None, norms: Norms) -> Residual:
    """A block of a generator: norm, ReLU, up, 3x3, norm, ReLU, 3x3 (Gulrajani et al. 2017,
    'Improved Training of Wasserstein GANs', appendix E).

    Args:
        size: to which it brings grids; None keeps theirs.
    """
    up = [Up(size)] if size else []
    main = Layers(
        *norms(inputs), nn.ReLU(), *up, nn.Conv2d(inputs, outputs, 3, padding=1),
        *norms(outputs), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=1),
    )  # fmt: skip
    return Residual(main, nn.Sequential(*_project(inputs, outputs), *up))


def falling(
    inputs: int, outputs: int, halve: bool, norms: Norms = lambda _: (), first: int | None = None
) -> Residual:
    """A block of a critic: norm, ReLU, 3x3, norm, ReLU, 3x3, mean of 2 x 2 pixels (same source).

    Args:
        halve: the grid.
        first: channels between the convolutions of a critic's first block, whose inputs are an
            image, so that nothing comes before them; others have as many as inputs.
    """
    hidden = first or inputs
    down = [Down()] if halve else []
    before = [] if first else [*norms(inputs), LeakyReLU(0.0)]
    main = Layers(
        *before, nn.Conv2d(inputs, hidden, 3, padding=1),
        *norms(hidden), LeakyReLU(0.0), nn.Conv2d(hidden, outputs, 3, padding=1), *down,
    )  # fmt: skip
    return Residual(main, nn.Sequential(*down, *_project(inputs, outputs)))


def _project(inputs: int, outputs: int) -> list[nn.Module]:
    """A 1x1 convolution where the number of channels changes; it commutes with resampling, so it is
    done at the smaller size."""
    return [nn.Conv2d(inputs, outputs, 1)] if inputs != outputs else []


class Attention(nn.Module):
    """Every position adds what it finds at all others, as much as a learned gamma says, 0 at first
    (Zhang et al. 2019, 'Self-Attention Generative Adversarial Networks', section 3).

    Memory and time are quadratic in the number of positions.
    """

    def __init__(self, channels: int):
        super().__init__()
        small, half = max(1, channels // 8), max(1, channels // 2)
        self.query, self.key = nn.Conv2d(channels, small, 1), nn.Conv2d(channels, small, 1)
        self.value, self.back = nn.Conv2d(channels, half, 1), nn.Conv2d(half, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        query, key, value = (f(x).flatten(2) for f in (self.query, self.key, self.value))
        share = (query.mT @ key).softmax(2)  # (n, positions, positions)
        found = (value @ share.mT).unflatten(2, x.shape[2:])
        return x + self.gamma * self.back(found)
