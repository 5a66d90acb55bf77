"""Convolutions that are 1-Lipschitz in l2 whatever their weights."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad, pixel_unshuffle

from otgan.networks.lipschitz.rows import orthogonal


class OrthogonalConv(nn.Module):
    """A strided convolution as a product of orthogonal maps (Su, Byeon, Huang 2022, 'Scaling-up
    Diverse Orthogonal Convolutional Networks by a Paraunitary Framework').

    Blocks of stride x stride pixels become channels, orthogonal matrices mix channels, and between
    them half of the channels move one pixel, down, right, up, left. What leaves at one side enters
    at the other: a permutation, so the whole is an isometry where channels do not get fewer, and
    orthogonal rows where they do. Sides that the stride does not divide are filled up with zeros.

    Args:
        inputs, outputs: channels.
        kernel: side of the convolution that this stands for; it reaches ceil(kernel / stride)
            blocks.
        stride: grids shrink by it, rounded up.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1):
        super().__init__()
        self.stride, moves = stride, 2 * (-(-kernel // stride) - 1)
        sizes = [inputs * stride**2] + [outputs] * (1 + moves)
        self.weights = nn.ParameterList(
            nn.init.xavier_normal_(torch.empty(b, a)) for a, b in pairwise(sizes)
        )
        reach = sizes[0] ** -0.5
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-reach, reach))

    def extra_repr(self) -> str:
        return f"{self.weights[0].shape[1]} -> {len(self.bias)}, stride {self.stride}"

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, ceil(h / stride), ceil(w / stride))."""
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 breaks the certificate
            x = x.to(torch.promote_types(x.dtype, self.bias.dtype))
            height, width = (-side % self.stride for side in x.shape[-2:])
            x = pixel_unshuffle(pad(x, (0, width, 0, height)), self.stride).movedim(1, 3)
            for k, weight in enumerate(self.weights):
                if k:
                    x = _moved(x, k - 1)
                x = linear(x, orthogonal(weight).to(x.dtype))
            return (x + self.bias.to(x.dtype)).movedim(3, 1)


def _moved(x: Tensor, k: int) -> Tensor:
    """Half of the channels of (n, h, w, c) moved: down, right, up, left for k = 0, 1, 2, 3, ..."""
    kept, moved = x.chunk(2, 3)
    return torch.cat([kept, moved.roll(-1 if k % 4 > 1 else 1, 1 + k % 2)], 3)
