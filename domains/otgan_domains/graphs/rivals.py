"""What a walk GAN has to beat, on the same graph: scores of all pairs of nodes, (nodes, nodes)."""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx
import numpy as np
import torch
from torch import nn
from torch.nn.functional import log_softmax

from otgan.geometry import GraphMetric
from otgan_domains.graphs.statistics import degrees
from otgan_domains.graphs.walks import walk_rows


def adamic_adar(graph: GraphMetric) -> np.ndarray:
    """Common neighbours, each counting 1 / log of its degree (Adamic, Adar 2003)."""
    with np.errstate(divide="ignore"):
        weights = 1 / np.log(degrees(graph))
    weights[~np.isfinite(weights)] = 0  # no pair has a node of degree 1 in common
    a = graph.paths.adjacency.toarray()
    return (a * weights) @ a


def stochastic_blocks(graph: GraphMetric, resolution: float = 1.0, seed: int = 0) -> np.ndarray:
    """Expected edges of a degree-corrected block model, d_u d_v m_rs / (k_r k_s).

    Karrer, Newman 2011, 'Stochastic blockmodels and community structure in networks', equation 16:
    m_rs is the number of edge ends between two communities, k_r of all in one. Communities by
    Louvain's method (Blondel et al. 2008).

    Args:
        resolution: more communities above 1, fewer below.
    """
    pairs = nx.Graph(graph.edges.tolist())
    pairs.add_nodes_from(range(graph.nodes))
    found = nx.community.louvain_communities(pairs, resolution=resolution, seed=seed)
    member = np.zeros((graph.nodes, len(found)))
    for r, nodes in enumerate(found):
        member[list(nodes), r] = 1
    between = member.T @ (graph.paths.adjacency @ member)
    k = np.where(between.sum(1) > 0, between.sum(1), 1)
    share = degrees(graph)[:, None] * member / k
    return share @ between @ share.T


def low_rank(
    graph: GraphMetric,
    length: int = 1,
    rank: int = 9,
    steps: int = 200,
    every: int = 10,
    rate: float = 0.1,
    seed: int = 0,
) -> Iterator[np.ndarray]:
    """CELL: a random walk whose logits have low rank, by maximum likelihood; scores as it learns.

    Rendsburg, Heidrich, von Luxburg 2020, 'NetGAN without GAN: From Random Walks to Low-Rank
    Approximations', with the settings of its authors' code. Stopping is the caller's.

    Args:
        length: 1 is CELL; above, the likelihood is that of walks' ends, as `walk_gan` sees them.

    Yields:
        scores after every `every` steps: ends of its stationary walk.
    """
    draw = torch.Generator().manual_seed(seed)
    size, scale = graph.nodes, (2 / (graph.nodes + rank)) ** 0.5
    down, up = (
        nn.Parameter(scale * torch.randn(shape, generator=draw))
        for shape in ((size, rank), (rank, size))
    )
    optimiser = torch.optim.Adam([down, up], lr=rate, weight_decay=1e-7)
    start = torch.tensor(degrees(graph), dtype=torch.float32)
    ends = (start / start.sum()).unsqueeze(1) * walk_rows(graph, length)
    for step in range(1, steps + 1):
        loss = -(ends * log_softmax(down @ up, 1)).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % every == 0:
            yield from_transitions((down @ up).softmax(1).detach().double().numpy())


def from_transitions(p: np.ndarray) -> np.ndarray:
    """Scores of a random walk of transitions p: how often it takes a step between u and v."""
    stationary = np.full(len(p), 1 / len(p))
    for _ in range(200):
        stationary = stationary @ p
    flow = stationary[:, None] * p
    return flow + flow.T
