"""The largest 1-Lipschitz function below any function of the nodes of a graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from otgan.geometry import GraphMetric
from otgan.networks.gnn import NodeCritic


class Projected(nn.Module):
    """f~(v) = min over u of f(u) + d(u, v), 1-Lipschitz under shortest paths whatever f is.

    A function that is 1-Lipschitz already stays as it is (`GraphMetric.envelope`). One Dijkstra for
    each condition in the batch.

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
        return torch.stack([geometry.envelope(f) for f in self.critic.on_nodes(y).float()])
