"""Networks on molecules that cannot see the order of the atoms."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from otgan.conditions import Condition
from otgan.config import CriticCondition
from otgan.networks.layers import Critic, Generator, LeakyReLU, told, value
from otgan_domains.molecules.dense import mlp_on_codes
from otgan_domains.molecules.onehot import codes, dense
from otgan_domains.molecules.vocabulary import Vocabulary

WALKS = 8
"""Steps of the random walks whose shares of returns tell rings apart."""


class Relational(nn.Module):
    """One layer of a relational graph network, residual, with a view of the whole molecule.

    h_v' = h_v + act(W_0 h_v + sum_r W_r sum_u A_r(v, u) h_u + W mean_u h_u), with a relation r for
    each bond order (Schlichtkrull et al. 2018, 'Modeling Relational Data with Graph Convolutional
    Networks', equation 2). Dense, so that soft bonds are no special case.
    """

    def __init__(self, width: int, relations: int, activation: nn.Module, norm: bool):
        super().__init__()
        self.mix = nn.Linear(width * (relations + 1), width)
        self.whole = nn.Linear(width, width, bias=False)
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.activation = activation

    def forward(self, h: Tensor, bonds: Tensor, there: Tensor) -> Tensor:
        """(n, N, width), (n, relations, N, N), (n, N, 1) -> (n, N, width)."""
        g = self.norm(h)
        heard = (bonds.flatten(1, 2) @ g).unflatten(1, bonds.shape[1:3]).transpose(1, 2).flatten(2)
        whole = (g * there).sum(1, keepdim=True) / there.sum(1, keepdim=True).clamp_min(1)
        mixed = self.mix(torch.cat([g, heard], 2)) + self.whole(whole)
        return h + self.activation(mixed) * there


class GraphEncoder(nn.Module):
    """Packed molecules (n, N, N + 1) to vectors (n, latent), whatever the order of the atoms.

    Atoms start with their code, how many bonds of each order they have, and how often random walks
    of 2, 3, ... steps come back (Dwivedi et al. 2022, 'Graph Neural Networks with Learnable
    Structural and Positional Representations'), without which rings of different sizes could look
    alike to message passing.
    """

    def __init__(self, vocabulary: Vocabulary, latent: int, width: int = 96, depth: int = 4):
        super().__init__()
        self.vocabulary = vocabulary
        self.atoms = nn.Linear(vocabulary.kinds + vocabulary.orders + WALKS - 1, width)
        self.layers = nn.ModuleList(
            Relational(width, vocabulary.orders, nn.SiLU(), norm=True) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.gate, self.value = nn.Linear(width, 2 * width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(2 * width, latent)

    def forward(self, x: Tensor) -> Tensor:
        used = (x[..., 0] > 0).any(0).nonzero()
        last = int(used.max()) + 1 if len(used) else 1  # few molecules are as large as the largest
        parts = codes(x[:, :last, : last + 1], self.vocabulary)
        atoms, bonds = (part.to(self.atoms.weight) for part in parts)
        there = 1 - atoms[..., :1]
        bonds = bonds[..., 1:].permute(0, 3, 1, 2).contiguous()
        known = torch.cat([atoms, bonds.sum(3).transpose(1, 2), returns(bonds.sum(1))], 2)
        h = self.atoms(known) * there
        for layer in self.layers:
            h = layer(h, bonds, there)
        g = self.norm(h)
        pooled = (self.gate(g).sigmoid() * self.value(g) * there).sum(1)
        return self.out(nn.functional.silu(pooled))


def returns(bonds: Tensor) -> Tensor:
    """Shares of random walks of 2 .. WALKS steps that come back, (n, N, N) -> (n, N, WALKS - 1)."""
    step = bonds / bonds.sum(2, keepdim=True).clamp_min(1)
    power, shares = step, []
    for _ in range(WALKS - 1):
        power = power @ step
        shares.append(power.diagonal(dim1=1, dim2=2))
    return torch.stack(shares, 2)


class GraphFeatures(nn.Module):
    """One-hot molecules, soft ones too, to features, (n, length) -> (n, width); for critics: every
    slope exists, and no normalisation."""

    def __init__(self, vocabulary: Vocabulary, width: int, depth: int):
        super().__init__()
        self.vocabulary = vocabulary
        self.atoms = nn.Linear(vocabulary.kinds, width)
        self.layers = nn.ModuleList(
            Relational(width, vocabulary.orders, LeakyReLU(), norm=False) for _ in range(depth)
        )
        self.value, self.activation = nn.Linear(width, width), LeakyReLU()

    def forward(self, v: Tensor) -> Tensor:
        atoms, bonds = dense(v, self.vocabulary)
        there, bonds = 1 - atoms[..., :1], bonds[..., 1:].permute(0, 3, 1, 2)
        h = self.atoms(atoms) * there
        for layer in self.layers:
            h = layer(h, bonds, there)
        return (self.activation(self.value(h)) * there).mean(1)


def graph(
    vocabulary: Vocabulary,
    shape: tuple[int, ...],
    bounds: None = None,
    *,
    width: int = 64,
    depth: int = 3,
    condition: Condition | None = None,
    critic_condition: CriticCondition = "projection",
    **options: Any,
) -> tuple[Generator, Critic]:
    """A dense generator of all atoms and bonds at once, and a relational critic.

    The critic gives one value a molecule, whatever the order of its atoms: under the domain's
    product norm it measures the distance up to permutations, which is no larger.

    Args:
        width, depth: units and layers of the critic; the generator has 4 width units a layer.
    """
    generator, _ = mlp_on_codes(
        vocabulary, shape, width=4 * width, depth=depth, condition=condition, **options
    )
    first, further = told(condition, critic_condition)
    critic = Critic(
        GraphFeatures(vocabulary, width, depth),
        *first,
        nn.Linear(width + further, width),
        LeakyReLU(),
        value(width, condition, critic_condition),
        condition=condition,
    )
    return generator, critic
