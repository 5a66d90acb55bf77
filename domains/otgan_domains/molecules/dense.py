"""Dense networks for small molecules: no permutation leaves their critic as it is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from otgan.conditions import Condition
from otgan.networks import mlp
from otgan.networks.layers import Critic, Generator
from otgan_domains.molecules.vocabulary import Vocabulary


class Codes(nn.Module):
    """Scores of codes (n, length) to one-hot codes, with the gradients of their softmax (straight
    through; Jang et al. 2017, 'Categorical Reparameterization with Gumbel-Softmax')."""

    def __init__(self, vocabulary: Vocabulary):
        super().__init__()
        self.sizes = vocabulary.most * vocabulary.kinds, vocabulary.pairs * vocabulary.bonds
        self.widths = vocabulary.kinds, vocabulary.bonds

    def forward(self, scores: Tensor) -> Tensor:
        parts = []
        for part, width in zip(scores.split(self.sizes, 1), self.widths, strict=True):
            soft = part.unflatten(1, (-1, width)).softmax(2)
            hard = torch.zeros_like(soft).scatter_(2, soft.argmax(2, keepdim=True), 1)
            parts.append((hard + soft - soft.detach()).flatten(1))
        return torch.cat(parts, 1)


def mlp_on_codes(
    vocabulary: Vocabulary,
    shape: tuple[int, ...],
    bounds: None = None,
    *,
    condition: Condition | None = None,
    **options: Any,
) -> tuple[Generator, Critic]:
    """`otgan.networks.mlp` on vectors (n, length), its generator ending in `Codes`."""
    generator, critic = mlp((vocabulary.length,), condition=condition, **options)
    generator.append(Codes(vocabulary))
    return generator, critic
