"""BigGAN's conditional residual networks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from otgan.conditions import Condition
from otgan.networks.blocks import (
    Attention,
    Size,
    SumPool,
    channels,
    falling,
    resolutions,
    rising,
)
from otgan.networks.conditional import ConditionalNorm, Conditioned
from otgan.networks.layers import Critic, Generator, LeakyReLU, final, value

POSITIONS = 32 * 32
"""Most positions of a grid with attention."""


class Chunked(Conditioned):
    """Blocks that are each told a chunk of the noise beside the condition (Brock et al. 2019,
    appendix B).

    Args:
        start: the first chunk, and features of the condition, to a grid.
        layers: blocks of a generator; those that take features get a chunk each.
        sizes: lengths of the chunks.
        embed: of the condition's features, one for all blocks; None without a condition.
    """

    def __init__(
        self,
        start: nn.Module,
        layers: Sequence[nn.Module],
        sizes: Sequence[int],
        embed: nn.Module | None,
    ):
        super().__init__()
        self.start, self.layers, self.embed = start, nn.ModuleList(layers), embed
        self.sizes = list(sizes)

    def forward(self, z: Tensor, features: Tensor | None = None) -> Tensor:
        """(n, latent), (n, width) -> (n, c, h, w)."""
        told = [] if self.embed is None else [self.embed(features)]
        chunks = iter([torch.cat([chunk, *told], 1) for chunk in z.split(self.sizes, 1)])
        x = self.start(next(chunks))
        for layer in self.layers:
            x = layer(x, next(chunks)) if isinstance(layer, Conditioned) else layer(x)
        return x


def biggan(
    shape: tuple[int, ...],
    bounds: tuple[float, float] | None = None,
    *,
    latent: int = 64,
    width: int = 16,
    orthogonal: float = 1e-4,
    condition: Condition | None = None,
) -> tuple[Generator, Critic]:
    """Residual networks with self-attention; noise and condition enter the generator at every block
    by its batch normalisation; its other weights are spectrally normalised and kept nearly
    orthogonal (Brock, Donahue, Simonyan 2019, 'Large Scale GAN Training for High Fidelity Natural
    Image Synthesis', sections 3 and B).

    The critic is left to the constraint, which is spectral normalisation in the paper.

    Args:
        shape: (channels, height, width), sides of at least 8, even or odd, equal or not.
        bounds: range of the data in chart coordinates, None if unbounded.
        latent: length of the noise vector, at least one for every resolution.
        width: channels at full size, doubled with every halving of the image up to eightfold.
        orthogonal: weight of the regularisation of the generator's weights (equation 3).
        condition: what both networks are told: the generator by an embedding in every block, the
            critic by projection.

    Returns:
        Generator (n, latent) -> (n, c, h, w) and critic (n, c, h, w) -> (n,).

    Raises:
        ValueError: not images, or too small ones; too little noise.
    """
    sizes = resolutions(shape, "biggan")
    widths = channels(width, len(sizes))
    if latent < len(sizes):
        raise ValueError(
            f"biggan gives each of {len(sizes)} layers its own part of the noise: "
            f"--network.latent {len(sizes)} or more, got {latent}"
        )
    attended = _attended(sizes)
    generator = Generator(
        _chunked(shape[0], sizes, widths, attended, latent, condition.width if condition else 0),
        *final(bounds),
        condition=condition,
    )
    for module in list(generator.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear) and module.weight.any():
            orthogonally(module.weight, orthogonal)
            spectral_norm(module)
    down: list[nn.Module] = []
    for k, (a, b) in enumerate(pairwise(widths)):
        last = k == len(sizes) - 2
        block = falling(shape[0], a, True, first=b) if last else falling(b, a, True)
        down = [block, *([Attention(a)] if k == attended else []), *down]
    critic = Critic(
        *down,
        falling(widths[0], widths[0], False),
        LeakyReLU(0.0),
        SumPool(),
        value(widths[0], condition, "projection"),
        condition=condition,
    )
    return generator, critic


def _chunked(
    image: int,
    sizes: Sequence[Size],
    widths: Sequence[int],
    attended: int,
    latent: int,
    told: int,
) -> Chunked:
    """The generator but for its last activation."""
    embedded, chunk = latent if told else 0, latent // len(sizes)
    chunks = [latent - chunk * (len(sizes) - 1)] + [chunk] * (len(sizes) - 1)

    def modulated(c: int) -> list[nn.Module]:
        return [ConditionalNorm(nn.BatchNorm2d(c, affine=False), c, chunk + embedded)]

    grid = (widths[0], *sizes[0])
    start = nn.Linear(chunks[0] + embedded, grid[0] * grid[1] * grid[2])
    layers: list[nn.Module] = [Attention(grid[0])] if attended == 0 else []
    for k, (a, b) in enumerate(pairwise(widths), 1):
        layers += [rising(a, b, sizes[k], modulated), *([Attention(b)] if k == attended else [])]
    c = widths[-1]
    layers += [nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, image, 3, padding=1)]
    embed = nn.Linear(told, embedded, bias=False) if told else None
    return Chunked(nn.Sequential(start, nn.Unflatten(1, grid)), layers, chunks, embed)


def orthogonally(weight: Tensor, strength: float) -> None:
    """Adds the gradient of strength * ||W W' * (1 - I)||^2, for W as a matrix (outputs, rest), to
    every gradient of the weight: rows come apart, and keep their lengths (equation 3)."""

    def add(gradient: Tensor) -> Tensor:
        rows = weight.detach().flatten(1)
        products = rows @ rows.mT
        return gradient + strength * 4 * (products.fill_diagonal_(0) @ rows).view_as(weight)

    weight.register_hook(add)


def _attended(sizes: Sequence[Size]) -> int:
    """The highest resolution below the full one that is not too large for attention, or -1."""
    return max((k for k, (h, w) in enumerate(sizes[:-1]) if h * w <= POSITIONS), default=-1)
