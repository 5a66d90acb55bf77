"""A WGAN of random walks on one graph: where a walk that starts at a node is some steps later.

A real point is the row of exact probabilities for a node, a generated one the row that the
generator gives it. Both are distributions over nodes, so nothing is sampled but the start, and
every gradient is exact. The ground cost between nodes is 0 or 1; between rows it is therefore total
variation.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.functional import normalize

from otgan.config import InputError
from otgan.constraints import Constraint
from otgan.engine import Game, Schedule, train
from otgan.geometry import GraphMetric, Lp, Product
from otgan.objectives import Kantorovich
from otgan_domains.graphs.statistics import degrees

LARGEST = 20_000
"""Nodes of the largest graph: tables of all pairs are held in memory."""


class Transitions(nn.Module):
    """Generator: rows p(v | u) ~ exp(<a_u, b_v> + c_v), logits of low rank.

    Args:
        weights: positive, (nodes,): the row of every node before anything is learned.
        rank: length of a_u and b_v.
    """

    def __init__(self, weights: Tensor, rank: int):
        super().__init__()
        self.starts, self.ends = (
            nn.Parameter(0.1 * torch.randn(len(weights), rank)) for _ in range(2)
        )
        self.bias = nn.Parameter(weights.log())

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Rows of the nodes y, (n, 0) and (n,) -> (n, nodes); there is no noise to read."""
        return (self.starts[y] @ self.ends.T + self.bias).softmax(1)


class Cuts(nn.Module):
    """Critic: f(x; y) = <a_y, sum_v x_v b_v> / 2 with unit vectors a and b.

    At no node is its value outside [-1/2, 1/2], so it is 1-Lipschitz in total variation whatever
    its weights. With vectors long enough its largest mean difference is the cut norm of the
    difference of the two walks, but for a factor of at most 1.79 (Grothendieck's inequality; Alon,
    Naor 2006, 'Approximating the cut-norm via Grothendieck's inequality'): it sees groups of nodes
    first, single edges last.

    Args:
        dim: length of the vectors.
    """

    def __init__(self, nodes: int, dim: int):
        super().__init__()
        self.starts, self.ends = (nn.Parameter(torch.randn(nodes, dim)) for _ in range(2))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """(n, nodes) and (n,) -> (n,)."""
        return 0.5 * (normalize(self.starts[y]) * (x @ normalize(self.ends))).sum(1)


class ByItsShape(Constraint):
    """Nothing to charge: the critic's form bounds its slopes."""

    claim = "certified 1-Lipschitz"


def walk_gan(
    graph: GraphMetric,
    length: int = 1,
    *,
    rank: int = 32,
    dim: int = 32,
    steps: int = 300,
    every: int = 25,
    batch: int = 512,
    seed: int = 0,
    fabric: Fabric | None = None,
) -> Iterator[np.ndarray]:
    """Trains on walks of a graph and yields scores of pairs as it learns; stopping is the caller's.

    In the manner of Bojchevski et al. 2018, 'NetGAN: Generating Graphs via Random Walks', with the
    low rank of Rendsburg et al. 2020 ('NetGAN without GAN') in place of a recurrent network.

    Args:
        graph: its lengths do not count.
        length: a walk's end is seen after 1 to `length` steps, each as often: 1 learns edges, 8
            who is near whom.
        rank: of the generator's logits.
        dim: of the critic's vectors.
        every: steps between two scores.
        batch: starts a step, drawn by their degree, as a long walk visits them.

    Yields:
        symmetric, (nodes, nodes), summing to 2: how often a walk has its ends at u and v.

    Raises:
        InputError: a node without edges, or a graph too large for tables of all pairs.
    """
    fabric = fabric or Fabric(accelerator="cpu", devices=1)
    rows = fabric.to_device(walk_rows(graph, length))
    start = fabric.to_device(torch.tensor(degrees(graph), dtype=torch.float32))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        game = Game.start(
            fabric,
            Transitions(start, rank),
            Cuts(graph.nodes, dim),
            partial(torch.optim.Adam, lr=0.02, betas=(0.5, 0.9)),
            partial(torch.optim.Adam, lr=0.1, betas=(0.5, 0.9)),
            geometry=Product([(Lp(1), (graph.nodes,))], weights=[0.5]),
            objective=Kantorovich(),
            constraint=ByItsShape(),
            schedule=Schedule(steps),
            critic_steps=2,
            average_decay=0.9,
        )

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        draw = torch.Generator(start.device).manual_seed(seed)
        while True:
            y = torch.multinomial(start, batch, replacement=True, generator=draw)
            yield rows[y], y

    for record in train(game, batches(), lambda n: start.new_empty(n, 0)):
        if record.step % every == 0:
            yield ends_of(game.average, start)


@torch.no_grad()
def ends_of(generator: nn.Module, start: Tensor) -> np.ndarray:
    """How often a walk starts at u, by degree, and ends at v, or the other way round."""
    y = torch.arange(len(start), device=start.device)
    rows = torch.cat([generator(start.new_empty(len(part), 0), part) for part in y.split(1024)])
    joint = (start / start.sum()).double().unsqueeze(1) * rows.double()
    return (joint + joint.T).cpu().numpy()


def walk_rows(graph: GraphMetric, length: int) -> Tensor:
    """Where a walk is after 1 to `length` steps, each as often, by its start, (nodes, nodes).

    Raises:
        InputError: as `walk_gan`.
    """
    d = degrees(graph)
    if graph.nodes > LARGEST:
        raise InputError(
            f"walks need tables of all pairs, and {graph.nodes:,} nodes are more than {LARGEST:,}: "
            "take a part of the graph"
        )
    if not d.all():
        raise InputError(f"no walk leaves node {int(d.argmin())}, which has no edge: leave it out")
    links = graph.paths.links.copy()
    links.data = np.repeat(1 / d, np.diff(links.indptr))
    total = power = links.toarray()
    for _ in range(length - 1):
        power = links @ power
        total = total + power
    return torch.tensor(total / length, dtype=torch.float32)
