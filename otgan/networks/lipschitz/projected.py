"""Any function of the nodes of a graph, made 1-Lipschitz."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from otgan.geometry import Geometry, GraphMetric
from otgan.networks.gnn import NodeCritic

_POWER = 16


def shown(critic: nn.Module, geometry: Geometry) -> nn.Module:
    """A critic as its values are reported: projected if its points are the nodes of a graph."""
    if isinstance(critic, NodeCritic) and isinstance(geometry, GraphMetric):
        return Projected(critic, geometry)
    return critic


class Projected(nn.Module):
    """f~(v) = min over u of g(u) + d(u, v), 1-Lipschitz under shortest paths whatever f is, where
    g = f / max(1, s) and s is the power mean of f's slopes over all edges, of exponent 16.

    A function that is 1-Lipschitz already stays as it is. The envelope alone would do too
    (`GraphMetric.envelope`), but could not be trained: far outside the set one deep node is below
    all the others, and E f~(x) - E f~(G(z)) has no gradient left. After the division no slope
    exceeds the number of edges to the power of 1/16. One Dijkstra for each condition in a batch.

    Args:
        critic: f.
        geometry: the graph.
    """

    def __init__(self, critic: NodeCritic, geometry: GraphMetric):
        super().__init__()
        self.critic = critic
        self.graph = (geometry,)  # no part of the critic

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Nodes (n,) or soft points (n, nodes), and conditions (n, k) -> (n,)."""
        if y is None:
            values = self.on_nodes()[0]
            return values[x] if x.dim() == 1 else x.to(values.dtype) @ values
        given, row = y.unique(dim=0, return_inverse=True)
        values = self.on_nodes(given)
        return values[row, x] if x.dim() == 1 else (x.to(values.dtype) * values[row]).sum(1)

    def on_nodes(self, y: Tensor | None = None) -> Tensor:
        """The values at all nodes, at each of the conditions (m, k) -> (m, nodes); (1, nodes)."""
        (geometry,) = self.graph
        f = self.critic.on_nodes(y).float()
        ends = f[:, geometry.edges]
        slopes = (ends[..., 0] - ends[..., 1]).abs() / geometry.lengths.to(f)
        steepest = slopes.detach().amax(1, keepdim=True).clamp_min(1e-30)
        powers = (slopes / steepest).pow(_POWER).mean(1, keepdim=True)
        mean = (powers + 1e-12).pow(1 / _POWER)  # with a gradient at 0
        return torch.stack([geometry.envelope(g) for g in f / (steepest * mean).clamp_min(1)])
