"""A generator of new nodes: a degree, a first neighbour, further ones near it, features."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn.functional import one_hot

from otgan.config import Norm
from otgan.geometry import GraphMetric
from otgan.networks.layers import Critic, Generator, LeakyReLU, dense
from otgan.networks.leading import LeadingCritic
from otgan_domains.graphs.features import structural
from otgan_domains.graphs.views import View

SHARPNESS = 4.0
"""What the share of a class among the neighbours adds to its logit, at the start."""


class Joining(nn.Module):
    """From a vector to a node that joins the graph, as what a critic sees and its links.

    A degree k; a first neighbour a, drawn from a softmax over the nodes; k - 1 more, drawn without
    replacement from exp <h, e(v)> ((1 - s) (W_1 a + ...)), a mixture of one and two steps of a walk
    from a and of any end of an edge, so that links may close triangles; and features, made from
    those of the neighbours.

    Points are hard. Gradients are those of the soft ones: of the softmax in place of what was drawn
    from it (straight-through, Bengio et al. 2013, 'Estimating or Propagating Gradients Through
    Stochastic Neurons'), so p, its uniform distribution over the links, has that of (a + (k - 1) q)
    / k.

    Args:
        view: what a critic sees.
        metric: the graph.
        features: of the nodes, (nodes, k), the last `classes` columns one-hot.
        most: largest degree.
        inputs: length of the vector.
        width: of hidden layers, and of what is known of each node.
    """

    known: Tensor
    features: Tensor
    ends: Tensor
    chance: Tensor
    log_degree: Tensor

    def __init__(
        self,
        view: View,
        metric: GraphMetric,
        features: Tensor,
        classes: int,
        most: int,
        inputs: int,
        width: int,
    ):
        super().__init__()
        self.view, self.classes, self.most = view, classes, min(most, metric.nodes)
        links = sparse.coo_array(metric.paths.links)
        degree = np.bincount(links.row, minlength=metric.nodes)
        for name, value in (
            ("known", torch.cat([structural(metric), features], 1)),
            ("ends", torch.from_numpy(np.stack([links.row, links.col])).long()),
            ("chance", torch.from_numpy(1 / degree[links.col]).float()),
            ("log_degree", torch.from_numpy(np.log(degree)).float()),
        ):
            self.register_buffer(name, value, persistent=False)
        self.embed = nn.Sequential(
            nn.Linear(self.known.shape[1], width), LeakyReLU(), nn.Linear(width, width)
        )
        self.degree = nn.Linear(inputs, 1)
        self.start, self.taste = nn.Linear(inputs, width), nn.Linear(inputs, width)
        self.reach = nn.Linear(inputs, 3)
        around, spread, closing = _linear(metric, features, view.k - classes)
        if view.k:
            last = nn.Linear(width, view.k)
            nn.init.zeros_(last.weight)
            hidden = dense(inputs + view.k, width, 1, "none", LeakyReLU())
            self.describe = nn.Sequential(*hidden, last)
            self.around, self.spread = nn.Parameter(around), nn.Parameter(spread)
        with torch.no_grad():
            self.reach.bias.copy_(torch.tensor([closing, *2 * [(1 - closing) / 2]]).log())

    def forward(self, h: Tensor) -> Tensor:
        """(n, inputs) -> (n, view.size + nodes)."""
        e = self.embed(self.known) / self.start.out_features**0.5
        k, log_degree = self._degree(h)
        first = self._drawn((self.log_degree + self.start(h) @ e.T).softmax(1))
        p = self._links(h, k, first, self.taste(h) @ e.T)
        features = self._described(h, p @ self.view.features)
        return torch.cat([self.view(features, p, log_degree), p], 1)

    def _degree(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Whole degrees and their logarithms, (n,) each."""
        mean, deviation = self.log_degree.mean(), self.log_degree.std()
        soft = mean + deviation * self.degree(h).squeeze(1)
        k = soft.detach().clamp(0, 20).exp().round().clamp(1, self.most)
        return k.long(), _through(k.log(), soft)

    def _links(self, h: Tensor, k: Tensor, first: Tensor, taste: Tensor) -> Tensor:
        """Uniform over k links of each, (n, nodes)."""
        near = self._walk(first)
        everywhere = self.log_degree.softmax(0).expand_as(near)
        places = torch.stack([near, self._walk(near), everywhere], 2)
        mixed = (places @ self.reach(h).softmax(1)[..., None]).squeeze(2)
        taken = first.detach() > 0.5
        logits = (mixed.clamp_min(1e-20).log() + taste).masked_fill(taken, -1e9)
        score = (logits.detach() + _gumbel(logits)).masked_fill(taken, float("inf"))
        order = score.topk(int(k.max()), 1).values
        linked = score >= order.gather(1, k[:, None] - 1)
        share = 1 / k[:, None].to(h)
        soft = share * first + (1 - share) * logits.softmax(1)
        return _through(linked * share, soft)

    def _described(self, h: Tensor, around: Tensor) -> Tensor:
        """Features for the mean of the neighbours', (n, k)."""
        if not self.view.k:
            return around
        more = self.describe(torch.cat([h, around], 1))
        size = self.view.k - self.classes
        noise = torch.randn_like(around[:, :size])
        numbers = around @ self.around + noise @ self.spread + more[:, :size]
        if not self.classes:
            return numbers
        logits = SHARPNESS * around[:, size:] + more[:, size:]
        return torch.cat([numbers, self._drawn(logits.softmax(1))], 1)

    def _walk(self, p: Tensor) -> Tensor:
        """Where a step to a random neighbour leads, (n, nodes) -> (n, nodes)."""
        n = len(self.log_degree)
        step = torch.sparse_coo_tensor(
            self.ends, self.chance, (n, n), is_coalesced=True, check_invariants=False
        )
        return torch.sparse.mm(step, p.T).T

    @staticmethod
    def _drawn(p: Tensor) -> Tensor:
        """One of each distribution, (n, m) -> (n, m)."""
        found = torch.multinomial(p.detach().nan_to_num(1.0), 1).squeeze(1)
        return _through(one_hot(found, p.shape[1]).to(p), p)


def joining(
    shape: tuple[int, ...],
    bounds: tuple[float, float] | None = None,
    *,
    view: View,
    metric: GraphMetric,
    features: Tensor,
    classes: int,
    most: int,
    latent: int = 64,
    width: int = 64,
    depth: int = 2,
    generator_norm: Norm = "batch",
    critic_norm: Norm = "none",
) -> tuple[Generator, LeadingCritic]:
    """A generator of nodes that join a graph, and a dense critic of what `view` shows of them.

    Args:
        shape: unused: the view says how long a point is.
        depth: hidden layers of each network.

    Returns:
        Generator (n, latent) -> (n, view.size + nodes), and critic of these or of their first
        view.size coordinates.
    """
    generator = Generator(
        *dense(latent, width, depth, generator_norm, nn.ReLU()),
        Joining(view, metric, features, classes, most, width if depth else latent, width),
    )
    critic = Critic(
        *dense(view.size, width, depth, critic_norm, LeakyReLU()),
        nn.Linear(width if depth else view.size, 1),
    )
    return generator, LeadingCritic(view.size, critic)


def _linear(metric: GraphMetric, features: Tensor, size: int) -> tuple[Tensor, Tensor, float]:
    """Where training starts: the regression of a node's numbers on its neighbours' mean features,
    a square root of its residuals' covariance, and how often two neighbours of a node are linked.
    """
    ones = metric.paths.adjacency
    degree = ones.sum(1)
    mean = (ones @ features.numpy()) / degree[:, None]
    numbers = features[:, :size].numpy().astype(float)
    ridge = 1e-3 * len(mean) * np.eye(mean.shape[1])
    slope = np.linalg.solve(mean.T @ mean + ridge, mean.T @ numbers)
    rest = numbers - mean @ slope
    value, vectors = np.linalg.eigh(rest.T @ rest / len(rest))
    root = (vectors * np.sqrt(value.clip(0))).T
    closed = ((ones @ ones).multiply(ones).sum(1) / degree / (degree - 1).clip(1))[degree > 1]
    share = float(np.clip(closed.mean() if len(closed) else 0, 0.02, 0.98))
    return torch.from_numpy(slope).float(), torch.from_numpy(root).float(), share


def _through(hard: Tensor, soft: Tensor) -> Tensor:
    """The value of one with the gradient of the other."""
    return hard.detach() + soft - soft.detach()


def _gumbel(like: Tensor) -> Tensor:
    return -torch.rand_like(like).clamp_min(1e-20).log().neg().log()
