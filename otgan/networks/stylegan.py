"""The style-based generator and its residual critic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from otgan.conditions import Condition
from otgan.networks.blocks import Residual, Size, Smooth, channels, resolutions
from otgan.networks.conditional import Conditioned
from otgan.networks.controls import Truncating
from otgan.networks.equalised import EqualConv, EqualLinear, PixelNorm, judged
from otgan.networks.layers import Critic, Generator, LeakyReLU, final, value


class Mapping(Conditioned, Truncating):
    """Noise to a style w, and a running mean of styles towards which samples can be truncated,
    mean + truncation (w - mean) (Karras et al. 2019, 'A Style-Based Generator Architecture for
    Generative Adversarial Networks', sections 2 and B).

    Args:
        latent: length of noise and of styles.
        depth: layers, which learn at a hundredth of the rate.
        told: width of the condition's features; they are embedded and stand beside the noise.
    """

    mean: Tensor

    def __init__(self, latent: int, depth: int, told: int = 0):
        super().__init__()
        self.embed = EqualLinear(told, latent, gain=1) if told else None
        sizes = [2 * latent if told else latent] + [latent] * depth
        self.layers = nn.Sequential(
            *(m for a, b in pairwise(sizes) for m in (EqualLinear(a, b, rate=0.01), LeakyReLU()))
        )
        self.norm = PixelNorm()
        self.register_buffer("mean", torch.zeros(latent))

    def forward(self, z: Tensor, features: Tensor | None = None) -> Tensor:
        """(n, latent) -> (n, latent)."""
        z = self.norm(z)
        if self.embed is not None and features is not None:
            z = torch.cat([z, self.norm(self.embed(features))], 1)
        w = self.layers(z)
        if self.training:
            self.mean.lerp_(w.detach().float().mean(0), 0.005)
        return w if self.truncation == 1 else torch.lerp(self.mean, w, self.truncation)


class Modulated(nn.Module):
    """A convolution whose input channels are scaled by the style and, if demodulated, whose output
    channels are scaled to unit variance for inputs of unit variance (Karras et al. 2020, 'Analyzing
    and Improving the Image Quality of StyleGAN', section 2.2, equations 1 and 3). Scaling
    activations rather than weights is the same and needs no weights for each sample."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, latent: int, demodulate: bool = True
    ):
        super().__init__()
        self.style = EqualLinear(latent, inputs, gain=1, start=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        self.demodulate = demodulate

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(n, inputs, h, w), (n, latent) -> (n, outputs, h, w)."""
        style, weight = self.style(w), self.weight * self.scale
        x = conv2d(x * style[:, :, None, None], weight, padding=weight.shape[2] // 2)
        if not self.demodulate:
            return x
        square = style.square() @ weight.square().sum((2, 3)).mT
        return x * (square + 1e-8).rsqrt()[:, :, None, None]


class Styled(nn.Module):
    """Modulated convolution, noise at every pixel as strong as is learned, bias, activation."""

    def __init__(self, inputs: int, outputs: int, latent: int, size: Size | None = None):
        super().__init__()
        self.up = Smooth(size) if size else nn.Identity()
        self.conv = Modulated(inputs, outputs, 3, latent)
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs, 1, 1))
        self.activation = LeakyReLU()

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(n, inputs, h, w), (n, latent) -> (n, outputs, *size)."""
        x = self.conv(self.up(x), w)
        noise = torch.randn(len(x), 1, *x.shape[2:], dtype=x.dtype, device=x.device)
        return self.activation(x + self.strength * noise + self.bias) * math.sqrt(2)


class Synthesis(nn.Module):
    """From a learned grid up, the sum of the images that every resolution paints (Karras et al.
    2020, figure 7b)."""

    def __init__(self, image: int, widths: Sequence[int], sizes: Sequence[Size], latent: int):
        super().__init__()
        self.grid = nn.Parameter(torch.randn(1, widths[0], *sizes[0]))
        self.first = Styled(widths[0], widths[0], latent)
        pairs = list(zip(pairwise(widths), sizes[1:], strict=True))
        self.rise = nn.ModuleList(Styled(a, b, latent, size) for (a, b), size in pairs)
        self.stay = nn.ModuleList(Styled(b, b, latent) for (_, b), _ in pairs)
        self.paint = nn.ModuleList(Modulated(c, image, 1, latent, False) for c in widths)
        self.ups = nn.ModuleList(Smooth(size) for size in sizes[1:])
        self.bias = nn.Parameter(torch.zeros(image, 1, 1))

    def forward(self, w: Tensor) -> Tensor:
        """(n, latent) -> (n, c, h, w)."""
        x = self.first(self.grid.expand(len(w), -1, -1, -1), w)
        image = self.paint[0](x, w)
        levels = zip(self.ups, self.rise, self.stay, self.paint[1:], strict=True)
        for up, rise, stay, paint in levels:
            x = stay(rise(x, w), w)
            image = up(image) + paint(x, w)
        return image + self.bias


def stylegan(
    shape: tuple[int, ...],
    bounds: tuple[float, float] | None = None,
    *,
    latent: int = 64,
    width: int = 16,
    depth: int = 8,
    condition: Condition | None = None,
) -> tuple[Generator, Critic]:
    """A style-based generator with skip connections and a residual critic, without growing (Karras
    et al. 2020, 'Analyzing and Improving the Image Quality of StyleGAN').

    Styles are not mixed, and path lengths not regularised.

    Args:
        shape: (channels, height, width), sides of at least 8, even or odd, equal or not.
        bounds: range of the data in chart coordinates, None if unbounded; tanh keeps to it, where
            the paper has no activation.
        latent: length of the noise vector and of styles.
        width: channels at full size, doubled with every halving of the image up to eightfold.
        depth: layers from noise to style.
        condition: what both networks are told: the generator beside the noise, the critic by
            projection.

    Returns:
        Generator (n, latent) -> (n, c, h, w), which draws noise at every call, and critic
        (n, c, h, w) -> (n,).

    Raises:
        ValueError: not images, or too small ones.
    """
    sizes = resolutions(shape, "stylegan")
    widths = channels(width, len(sizes))
    grid = (widths[0], *sizes[0])
    generator = Generator(
        Mapping(latent, depth, condition.width if condition else 0),
        Synthesis(shape[0], widths, sizes, latent),
        *final(bounds),
        condition=condition,
    )
    critic = Critic(
        EqualConv(shape[0], widths[-1], 1),
        LeakyReLU(),
        *(
            _falling(a, b, size)
            for (a, b), size in zip(pairwise(widths[::-1]), sizes[-2::-1], strict=True)
        ),
        *judged(grid),
        value(grid[0], condition, "projection"),
        condition=condition,
    )
    return generator, critic


def _falling(inputs: int, outputs: int, size: Size) -> Residual:
    down = Smooth(size)
    main = nn.Sequential(
        EqualConv(inputs, inputs, 3), LeakyReLU(), EqualConv(inputs, outputs, 3), down, LeakyReLU()
    )
    shortcut = nn.Sequential(down, EqualConv(inputs, outputs, 1, gain=1, bias=False))
    return Residual(main, shortcut, math.sqrt(0.5))
