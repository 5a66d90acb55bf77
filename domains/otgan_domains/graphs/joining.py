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
from otgan_domains.graphs.starting import start
from otgan_domains.graphs.views import View


class Joining(nn.Module):
    """From a vector to a node that joins the graph, as what a critic sees and its links.

    A degree k, one of those that there are; a first neighbour a, drawn from a softmax over the
    nodes that starts as the distribution q_k of the neighbours of such nodes; k - 1 more, drawn
    without replacement from a mixture of one and two steps of a walk from a and of any end of an
    edge, so that links may close triangles, each tilted from the ends of edges to q_k and by
    exp <h, e(v)>; and features, made from those of the neighbours. `starting.py` says where
    training starts.

    Points are hard. Gradients are those of the soft ones: of the softmax in place of what was drawn
    from it (straight-through, Bengio et al. 2013, 'Estimating or Propagating Gradients Through
    Stochastic Neurons'), so p, its uniform distribution over the links, has that of (a + (k - 1) q)
    / k.

    Args:
        view: what a critic sees.
        metric: the graph.
        features: of the nodes, (nodes, k), the last `classes` columns one-hot.
        inputs: length of the vector.
        width: of hidden layers, and of what is known of each node.
    """

    known: Tensor
    features: Tensor
    ends: Tensor
    chance: Tensor
    log_degree: Tensor
    degrees: Tensor
    met: Tensor

    def __init__(
        self,
        view: View,
        metric: GraphMetric,
        features: Tensor,
        classes: int,
        inputs: int,
        width: int,
    ):
        super().__init__()
        self.view, self.classes = view, classes
        links = sparse.coo_array(metric.paths.links)
        degree = np.bincount(links.row, minlength=metric.nodes)
        known = torch.cat([structural(metric), features], 1)
        first = start(metric, known, features, classes)
        self.mean, self.deviation = first.scale
        for name, value in (
            ("known", known),
            ("ends", torch.from_numpy(np.stack([links.row, links.col])).long()),
            ("chance", torch.from_numpy(1 / degree[links.col]).float()),
            ("log_degree", torch.from_numpy(np.log(degree)).float()),
            ("degrees", first.degrees),
            ("met", first.met.log()),
        ):
            self.register_buffer(name, value, persistent=False)
        self.embed = nn.Sequential(
            nn.Linear(known.shape[1], width), LeakyReLU(), nn.Linear(width, width)
        )
        self.degree = nn.Linear(inputs, len(first.degrees))
        self.tilt = nn.Parameter(first.tilt)
        self.start, self.taste = nn.Linear(inputs + 1, width), nn.Linear(inputs + 1, width)
        self.reach = nn.Linear(inputs + 1, 3)
        with torch.no_grad():
            self.degree.weight.zero_()
            self.degree.bias.copy_(first.counts.log())
            self.reach.bias.copy_(torch.tensor([first.closing[0], *2 * [np.log(0.5)]]))
            self.reach.weight[:, -1] = torch.tensor([first.closing[1], 0, 0])
        if view.k:
            last = nn.Linear(width, view.k)
            nn.init.zeros_(last.weight)
            hidden = dense(inputs + 1 + view.k, width, 1, "none", LeakyReLU())
            self.describe = nn.Sequential(*hidden, last)
            self.around, self.spread = nn.Parameter(first.numbers), nn.Parameter(first.residual)
            self.classify = nn.Parameter(first.classes)

    def forward(self, h: Tensor) -> Tensor:
        """(n, inputs) -> (n, view.size + nodes)."""
        e = self.embed(self.known) / self.start.out_features**0.5
        k, log_degree = self._degree(h)
        z = (log_degree[:, None] - self.mean) / self.deviation
        h = torch.cat([h, z], 1)
        met = (self.met + z * (self.known @ self.tilt)).log_softmax(1)
        first = self._drawn((met + self.start(h) @ e.T).softmax(1))
        p = self._links(h, k, first, met, self.taste(h) @ e.T)
        features = self._described(h, p @ self.view.features)
        return torch.cat([self.view(features, p, log_degree), p], 1)

    def _degree(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Degrees and their logarithms, (n,) each."""
        drawn = self._drawn(self.degree(h).softmax(1))
        return self.degrees[drawn.detach().argmax(1)].long(), drawn @ self.degrees.log()

    def _links(self, h: Tensor, k: Tensor, first: Tensor, met: Tensor, taste: Tensor) -> Tensor:
        """Uniform over k links of each, (n, nodes)."""
        near = self._walk(first)
        ends = self.log_degree.log_softmax(0)
        mixed = torch.zeros_like(near)
        places = near, self._walk(near), ends.exp().expand_as(near)
        for place, share in zip(places, self.reach(h).softmax(1).T, strict=True):
            tilted = place * (met - ends).exp()
            mixed = mixed + share[:, None] * tilted / tilted.sum(1, keepdim=True)
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
        told = torch.cat([around, h[:, -1:], torch.ones_like(h[:, :1])], 1)
        logits = told @ self.classify + more[:, size:]
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
        Joining(view, metric, features, classes, width if depth else latent, width),
    )
    critic = Critic(
        *dense(view.size, width, depth, critic_norm, LeakyReLU()),
        nn.Linear(width if depth else view.size, 1),
    )
    return generator, LeadingCritic(view.size, critic)


def _through(hard: Tensor, soft: Tensor) -> Tensor:
    """The value of one with the gradient of the other."""
    return hard.detach() + soft - soft.detach()


def _gumbel(like: Tensor) -> Tensor:
    return -torch.rand_like(like).clamp_min(1e-20).log().neg().log()
