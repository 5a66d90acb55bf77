"""Where training of new nodes starts: what counting, least squares and maximum likelihood say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from otgan.geometry import GraphMetric


@dataclass(frozen=True)
class Start:
    """Fits to the nodes of a graph. With z the standardised logarithm of a node's degree:

    Attributes:
        degrees: that there are, ascending (m,), and how many nodes have each (m,).
        scale: mean and deviation of log degrees.
        met: how many nodes are linked to a node, each counting 1 / its degree, (nodes,): a random
            neighbour of a random node is this one in proportion. Leaves of a hub make it the hub,
            where the end of a random edge is as often a leaf.
        tilt: (columns of `known`,): nodes with z meet others in proportion to
            met exp(z <tilt, known>).
        closing: (2,): two neighbours are linked with log odds closing[0] + closing[1] z.
        numbers: of a node from the mean features of its neighbours, (k, numbers).
        residual: root of the covariance of what is left, (numbers, numbers).
        classes: logits of a node's class from its neighbours' mean features, z and 1,
            (k + 2, classes).
    """

    degrees: Tensor
    counts: Tensor
    scale: tuple[float, float]
    met: Tensor
    tilt: Tensor
    closing: Tensor
    numbers: Tensor
    residual: Tensor
    classes: Tensor


def start(metric: GraphMetric, known: Tensor, features: Tensor, classes: int) -> Start:
    """Fits to all nodes of the graph.

    Args:
        known: of each node, standardised, (nodes, columns).
        features: of each node, (nodes, k), the last `classes` columns one-hot.
    """
    ones = metric.paths.adjacency
    degree = torch.from_numpy(np.asarray(ones.sum(1), float))
    logs = degree.log()
    scale = logs.mean().item(), logs.std(correction=0).item() or 1.0
    z = (logs - scale[0]) / scale[1]
    degrees, group, counts = degree.unique(return_inverse=True, return_counts=True)
    groups = torch.zeros(len(degrees), len(z)).double()
    groups[group, torch.arange(len(z))] = 1 / degree
    met = torch.from_numpy(groups.numpy() @ ones)
    around = torch.from_numpy(ones @ features.numpy().astype(float)) / degree[:, None]
    size = features.shape[1] - classes
    numbers, residual = _least_squares(around, features[:, :size].double())
    found = Start(
        degrees=degrees,
        counts=counts,
        scale=scale,
        met=met.sum(0),
        tilt=_tilt(met, (degrees.log() - scale[0]) / scale[1], known.double()),
        closing=_closing(metric, degree, z),
        numbers=numbers,
        residual=residual,
        classes=_classes(around, z, features[:, size:]),
    )
    tensors = {name: x.float() for name, x in vars(found).items() if isinstance(x, Tensor)}
    return Start(**tensors, scale=scale)


def _tilt(met: Tensor, z: Tensor, known: Tensor) -> Tensor:
    """Of the links of nodes of each degree, met (m, nodes), the most likely tilt."""
    base = met.sum(0).log()

    def loss(w: Tensor) -> Tensor:
        return -(met * (base + z[:, None] * (known @ w)).log_softmax(1)).sum()

    return _fitted(loss, known.shape[1])


def _closing(metric: GraphMetric, degree: Tensor, z: Tensor) -> Tensor:
    """Each node with two neighbours counts once; from what they have in common."""
    ones = metric.paths.adjacency
    linked = torch.from_numpy(np.asarray((ones @ ones).multiply(ones).sum(1), float))
    some = degree > 1
    share = linked[some] / (degree * (degree - 1))[some]
    common = share.mean().nan_to_num(0.0).clamp(0.02, 0.98).logit()

    def loss(w: Tensor) -> Tensor:
        odds = common + w[0] + w[1] * z[some]
        return binary_cross_entropy_with_logits(odds, share, reduction="sum")

    return _fitted(loss, 2) + torch.stack([common, torch.zeros_like(common)])


def _least_squares(around: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    ridge = 1e-3 * len(around) * torch.eye(around.shape[1]).double()
    slope = torch.linalg.solve(around.T @ around + ridge, around.T @ numbers)
    rest = numbers - around @ slope
    value, vectors = torch.linalg.eigh(rest.T @ rest / len(rest))
    return slope, (vectors * value.clamp_min(0).sqrt()).T


def _classes(around: Tensor, z: Tensor, hot: Tensor) -> Tensor:
    inputs = torch.cat([around, z[:, None], torch.ones_like(z)[:, None]], 1)
    shape = inputs.shape[1], hot.shape[1]
    if not hot.shape[1]:
        return torch.zeros(shape)

    def loss(w: Tensor) -> Tensor:
        return cross_entropy(inputs @ w.view(shape), hot.argmax(1), reduction="sum")

    return _fitted(loss, shape[0] * shape[1]).view(shape)


def _fitted(loss: Callable[[Tensor], Tensor], size: int) -> Tensor:
    """Where a convex loss + |w|^2 / 2 is least, (size,)."""
    w = torch.zeros(size).double().requires_grad_()
    search = torch.optim.LBFGS([w], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        search.zero_grad()
        total = loss(w) + w.square().sum() / 2
        total.backward()
        return total

    search.step(closure)
    return w.detach()
