"""The same on the nodes of a graph, and for every condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from otgan.geometry import GraphMetric
from otgan.pairs.pair import Pair


@dataclass(frozen=True)
class NodePair:
    """The uniform distribution on the nodes of a graph, and the same with each node moved.

    Attributes:
        moved: where each node goes, (nodes,).
        potential: the optimal critic on the nodes, (nodes,), 1-Lipschitz.
        cost: W1, exactly.
    """

    geometry: GraphMetric
    moved: Tensor
    potential: Tensor
    cost: float

    @property
    def masses(self) -> tuple[Tensor, Tensor]:
        """Of the moved and of the uniform distribution, (nodes,) each."""
        n = len(self.moved)
        moved = torch.bincount(self.moved, minlength=n).double() / n
        return moved, torch.full_like(moved, 1 / n)


def node_funnels(
    geometry: GraphMetric, number: int = 4, keep: float = 0.5, seed: int = 0
) -> NodePair:
    """Funnels towards nodes of a connected graph: each node moves along a shortest path to the
    active landmark, to the first node with at most a share `keep` of the way left."""
    generator = torch.Generator().manual_seed(seed)
    paths = geometry.paths
    landmarks = torch.randperm(paths.nodes, generator=generator)[:number].numpy()
    trees = [part[1:] for part in paths.trees(landmarks)]
    distance = torch.cat([torch.from_numpy(d) for d, _ in trees])
    before = torch.cat([torch.from_numpy(p).long() for _, p in trees])
    scale = 0.05 * distance.median()
    bias = scale * torch.randn(number, generator=generator, dtype=torch.float64)
    u, active = (distance + bias[:, None]).min(0)
    nodes = torch.arange(paths.nodes)
    goal = keep * distance[active, nodes]
    moved = nodes.clone()
    while (far := distance[active, moved] > goal).any():
        moved = torch.where(far, before[active, moved], moved)
    return NodePair(geometry, moved, -u, (u - u[moved]).mean().item())


@dataclass(frozen=True)
class ConditionalPair:
    """A pair for each condition, all equally likely: the joint W1, where mass keeps its condition,
    is the mean of theirs."""

    pairs: Sequence[Pair]

    def coupled(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draws of the optimal coupling and their condition, (n, *E), (n, *E), (n,)."""
        condition = torch.randint(len(self.pairs), (n,), generator=generator)
        parts = [pair.coupled(n, generator) for pair in self.pairs]
        x, y = (torch.stack(side)[condition, torch.arange(n)] for side in zip(*parts, strict=True))
        return x, y, condition

    def potential(self, x: Tensor, condition: Tensor) -> Tensor:
        """The optimal critic, (n, *E), (n,) -> (n,)."""
        return torch.stack([p.potential(x) for p in self.pairs])[condition, torch.arange(len(x))]

    def cost(self, n: int = 200_000, seed: int = 0) -> float:
        """The joint W1, as the mean of n draws for each condition."""
        return sum(pair.cost(n, seed) for pair in self.pairs) / len(self.pairs)
