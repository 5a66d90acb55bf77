"""Graph networks: a critic and a generator of the nodes of a graph (PyTorch Geometric)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from otgan.conditions import Condition
from otgan.config import CriticCondition, GeneratorCondition, Norm, RunError
from otgan.geometry import GraphMetric
from otgan.networks.layers import Generator, LeakyReLU, dense, told, value

Convolution = Literal["sage", "gcn", "gat", "gin"]


def convolution(kind: Convolution, width: int) -> nn.Module:
    """A round of messages, (nodes, width), edges or a matrix -> (nodes, width): of GraphSAGE
    (Hamilton et al. 2017), GCN (Kipf and Welling 2017), GAT (Velickovic et al. 2018) or GIN (Xu et
    al. 2019)."""
    from torch_geometric import nn as pyg

    if kind == "gat":
        heads = 4 if width % 4 == 0 else 1
        return pyg.GATConv(width, width // heads, heads)
    if kind == "gin":
        return pyg.GINConv(
            nn.Sequential(nn.Linear(width, width), LeakyReLU(), nn.Linear(width, width))
        )
    return {"gcn": pyg.GCNConv, "sage": pyg.SAGEConv}[kind](width, width)


class Neighbourhood(nn.Module):
    """The edges along which messages go, at most so many into each node, drawn anew at each call
    while training (Hamilton et al. 2017, 'Inductive Representation Learning on Large Graphs').

    Args:
        most: messages into one node; all of them if None.
        sums: messages are only added up, which on a CPU a sparse product does two to three times
            as fast as messages one by one.
    """

    starts: Tensor
    sources: Tensor

    def __init__(self, geometry: GraphMetric, most: int | None, sums: bool):
        super().__init__()
        links = geometry.paths.links
        for name, array in (("starts", links.indptr), ("sources", links.indices)):
            self.register_buffer(name, torch.from_numpy(array).long(), persistent=False)
        self.most, self.sums = most, sums

    def forward(self, x: Tensor) -> Tensor:
        """What takes messages of nodes x (nodes, k): (2, edges) from, to; or a matrix in compressed
        rows (nodes, nodes), a 1 for each message to a row from a column."""
        starts, sources = self._drawn()
        if self.sums and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64):
            ones = torch.ones(len(sources), dtype=x.dtype)
            size = len(x), len(x)  # invariants: a neighbour may be drawn twice
            return torch.sparse_csr_tensor(starts, sources, ones, size, check_invariants=False)
        nodes = torch.arange(len(x), device=x.device)
        return torch.stack([sources, nodes.repeat_interleave(starts.diff())])

    def _drawn(self) -> tuple[Tensor, Tensor]:
        """Where each node's messages start, (nodes + 1,), and whom they are from, (edges,)."""
        degree = self.starts.diff()
        if self.most is None or not self.training or degree.max() <= self.most:
            return self.starts, self.sources
        taken = degree.clamp_max(self.most)
        starts = nn.functional.pad(taken.cumsum(0), (1, 0))
        to = torch.arange(len(degree), device=degree.device).repeat_interleave(taken)
        place = torch.arange(len(to), device=to.device) - starts[to]
        hub = degree[to] > self.most
        place[hub] = (torch.rand(int(hub.sum()), device=to.device) * degree[to[hub]]).long()
        return starts, self.sources[self.starts[to] + place]


class Encoder(nn.Module):
    """Features of the nodes, made of their own and their neighbours'.

    Args:
        features: of the nodes, (nodes, k).
        width: of the result.
        depth: rounds of messages, each added to what was there.
    """

    features: Tensor

    def __init__(
        self,
        features: Tensor,
        neighbourhood: Neighbourhood,
        kind: Convolution,
        width: int,
        depth: int,
    ):
        super().__init__()
        self.register_buffer("features", features)
        self.neighbourhood = neighbourhood
        self.first = nn.Sequential(nn.Linear(features.shape[1], width), LeakyReLU())
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.rounds = nn.ModuleList(convolution(kind, width) for _ in range(depth))
        self.last = nn.Sequential(nn.Linear(width, width), LeakyReLU())

    def forward(self) -> Tensor:
        """(nodes, width)."""
        h, edges = self.first(self.features), None
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse (CSR|invariant)", UserWarning)
            for norm, messages in zip(self.norms, self.rounds, strict=True):
                x = norm(h)
                edges = self.neighbourhood(x) if edges is None else edges
                h = h + nn.functional.leaky_relu(messages(x, edges), 0.2)
        return self.last(h)


class NodeCritic(nn.Module):
    """A function of the nodes, linear in soft points: f(p, y) = sum over v of p(v) f(v, y).

    Args:
        encoder: () -> features of the nodes, (nodes, width).
        condition: told by projection, so that f is linear in the nodes' features at each condition.
    """

    def __init__(self, encoder: nn.Module, width: int, condition: Condition | None = None):
        super().__init__()
        self.encoder, self.condition = encoder, condition
        self.last = value(width, condition, "projection")
        nn.init.zeros_(self.last.weight)  # as for every Critic

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Nodes (n,) or soft points (n, nodes), and conditions (n, k) -> (n,)."""
        h = self.encoder()
        at = h[x] if x.dim() == 1 else x.to(h.dtype) @ h
        return self._value(at, y)

    def on_nodes(self, y: Tensor | None = None) -> Tensor:
        """The values at all nodes, at each of the conditions (m, k) -> (m, nodes); (1, nodes)."""
        h = self.encoder()
        if y is None:
            return self._value(h, None)[None]
        return torch.stack([self._value(h, one.expand(len(h), -1)) for one in y])

    def _value(self, h: Tensor, y: Tensor | None) -> Tensor:
        if self.condition is None:
            return self.last(h).squeeze(1)
        return self.last(h, self.condition.features(y)).squeeze(1)


class Nodes(nn.Module):
    """Soft points while training, softmax of <h, features of the node>; afterwards nodes drawn
    from them.

    Args:
        encoder: () -> features of the nodes, (nodes, width).
    """

    def __init__(self, encoder: nn.Module, width: int):
        super().__init__()
        self.encoder, self.scale = encoder, width**-0.5

    def forward(self, h: Tensor) -> Tensor:
        """(n, width) -> (n, nodes), or (n,)."""
        p = ((h @ self.encoder().T) * self.scale).softmax(1)
        if self.training:
            return p
        if not p.isfinite().all():
            raise RunError("the generator gives NaN: the run diverged; train with a lower rate")
        return torch.multinomial(p, 1).squeeze(1)


def gnn(
    shape: tuple[int, ...],
    bounds: tuple[float, float] | None = None,
    *,
    geometry: GraphMetric,
    features: Tensor,
    kind: Convolution = "sage",
    neighbours: int | None = None,
    latent: int = 64,
    width: int = 64,
    depth: int = 2,
    generator_norm: Norm = "batch",
    critic_norm: Norm = "none",
    condition: Condition | None = None,
    generator_condition: GeneratorCondition = "concat",
    critic_condition: CriticCondition = "projection",
) -> tuple[Generator, NodeCritic]:
    """A critic that is a graph network on the nodes, and a generator that chooses among them.

    The generator turns noise into a vector h and gives node v the weight exp <h, e(v)>, with
    features e(v) of a graph network of its own.

    Args:
        shape: (), that of a node.
        geometry: the graph.
        features: of the nodes, (nodes, k).
        kind: what a round of messages is.
        neighbours: messages into one node in a training step; all if None.
        width: features of a node, and units of the generator's hidden layers.
        depth: rounds of messages, and the generator's hidden layers.

    Returns:
        Generator (n, latent) -> (n, nodes) in training and (n,) afterwards, and critic of either.

    Raises:
        ValueError: normalisation in the critic, a condition beside the sample, or a sum over some
            of the neighbours.
    """
    if neighbours is not None and kind in ("gcn", "gin"):
        raise ValueError(
            f"{kind} adds messages up, so that with {neighbours} of each node's neighbours it is "
            "another network than with all of them: take sage or gat on a graph this large"
        )
    if critic_norm != "none":
        raise ValueError(
            f"a graph critic has its own normalisation, of each node: leave "
            f"--network.critic-norm none, got {critic_norm}"
        )
    if condition is not None and critic_condition != "projection":
        raise ValueError(
            "a critic of soft nodes is linear in them, so it is told its condition by projection: "
            f"leave --network.critic-condition projection, got {critic_condition}"
        )
    encoder: Callable[[], Encoder] = partial(
        _encoder, features, geometry, neighbours, kind, width, depth
    )
    before, more = told(condition, generator_condition)
    modulated = condition if generator_condition == "norm" else None
    generator = Generator(
        *before,
        *dense(latent + more, width, depth, generator_norm, nn.ReLU(), modulated),
        nn.Linear(width if depth else latent + more, width),
        Nodes(encoder(), width),
        condition=condition,
    )
    return generator, NodeCritic(encoder(), width, condition)


def _encoder(
    features: Tensor,
    geometry: GraphMetric,
    neighbours: int | None,
    kind: Convolution,
    width: int,
    depth: int,
) -> Encoder:
    messages = Neighbourhood(geometry, neighbours, sums=kind != "gat")
    return Encoder(features, messages, kind, width, depth)
