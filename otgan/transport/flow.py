"""Exact W1 between measures on the nodes of a graph, with the potential that proves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import torch
from scipy.sparse import csgraph
from torch import Tensor

from otgan.geometry.graphs import GraphMetric
from otgan.geometry.paths import Paths
from otgan.transport.beckmann import beckmann
from otgan.transport.measures import masses, through
from otgan.transport.simplex import simplex

_TABLE = 1 << 21
"""Entries of the largest table of distances handed to the simplex."""

_BALANCE = 1e-5  # as the sums of the two measures: relative, for float32


@dataclass(frozen=True)
class Flow:
    """W1 on a graph between a lower bound, the value, and an upper bound.

    The value is sum potential * (a - b). The potential is 1-Lipschitz on every edge, so no
    transport is cheaper; `upper` is what a flow that moves a to b costs. All three are for the true
    masses and lengths in double precision, whatever integers the solver saw.

    Attributes:
        value: (), differentiable in a and b.
        upper: the cost of a flow.
        potential: an optimal critic, (nodes,).
        route: () -> mass that moves along each edge, (m,).
    """

    value: Tensor
    upper: float
    potential: Tensor
    route: Callable[[], np.ndarray] = field(repr=False, compare=False)

    @cached_property
    def edges(self) -> Tensor:
        """Mass that moves along each edge, from `geometry.edges[:, 0]` to `[:, 1]`, negative the
        other way, (m,): what leaves a node less what arrives is a - b there, and sum |edges| *
        lengths is `upper`. Found at the first call, by Dijkstra again where distances were used."""
        return torch.from_numpy(self.route()).to(self.potential.device)

    @property
    def lower(self) -> float:
        return self.value.item()

    @property
    def gap(self) -> float:
        """How far the value may be below W1."""
        return max(self.upper - self.lower, 0.0)


def flow(a: Tensor, b: Tensor, geometry: GraphMetric) -> Flow:
    """Exact W1 under shortest paths, as a min-cost flow on the edges (Beckmann 1952).

    Needs no distances, so memory grows with the edges alone. Where few nodes carry mass and paths
    are long, the distances between those nodes are computed instead, and the network simplex moves
    the mass. Differentiable in the masses, through the potential (envelope theorem).

    Args:
        a, b: mass on every node, (nodes,), at least 0, of equal sums.
        geometry: the graph.

    Raises:
        ValueError: a wrong length, a NaN, infinite or negative mass, no mass at all, sums that
            differ, in total or between components of the graph.
        RuntimeError: the solver stopped before the optimum.

    Example:
        >>> line = GraphMetric([[0, 1], [1, 2]], [2.0, 3.0])
        >>> found = flow(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.5, 0.5]), line)
        >>> found.value.item(), found.gap, found.potential.tolist(), found.edges.tolist()
        (3.5, 0.0, [5.0, 3.0, 0.0], [1.0, 0.5])
    """
    excess, paths = _excess(a, b, geometry), geometry.paths
    if excess.any():
        solver = by_distances if few_with_mass(paths, excess) else beckmann
        potential, upper, route = solver(paths, excess)
        potential, _ = paths.envelope(potential)
        potential -= potential.min()
    else:
        potential, upper, route = np.zeros(paths.nodes), 0.0, partial(np.zeros, len(paths.ends))
    f = torch.from_numpy(potential).to(a.device)
    value = torch.tensor(potential @ excess, device=a.device)
    return Flow(through(b, -f, through(a, f, value)), upper, f, route)


def histogram(x: Tensor, geometry: GraphMetric, weights: Tensor | None = None) -> Tensor:
    """The mass that a sample of nodes puts on every node, (n,) -> (nodes,) float64.

    Args:
        weights: (n,); 1 / n each by default.

    Raises:
        ValueError: no points, a node that is not in the graph, or as many weights as there are not
            points.
    """
    geometry.check(x)
    if not len(x) or (weights is not None and weights.shape != x.shape):
        got = "none" if weights is None else f"weights of shape {tuple(weights.shape)}"
        raise ValueError(f"a sample needs points, and a weight for each: {len(x)} points, {got}")
    if weights is None:
        weights = torch.full((len(x),), 1 / len(x), dtype=torch.float64, device=x.device)
    return weights.new_zeros(geometry.nodes, dtype=torch.float64).index_add(
        0, x.long(), weights.double()
    )


def _excess(a: Tensor, b: Tensor, geometry: GraphMetric) -> np.ndarray:
    """a - b on every node, balanced in each component: what both have need not move."""
    n = geometry.nodes
    for name, mass in (("a", a), ("b", b)):
        if mass.shape != (n,):
            raise ValueError(
                f"{name} has shape {tuple(mass.shape)}, and the graph has {n} nodes: give one mass "
                "for each, for samples of nodes by `histogram`"
            )
    masses(a, b, n, n, torch.empty(0))  # raises; unscaled, equal masses cancel to nothing
    excess = (a.detach().cpu().double() - b.detach().cpu().double()).numpy()
    labels = geometry.paths.components
    surplus = np.bincount(labels, excess)
    wrong = np.flatnonzero(np.abs(surplus) > _BALANCE * a.sum().item())
    if len(wrong):
        wrong = wrong[np.argsort(-np.abs(surplus[wrong]))]
        raise ValueError(
            f"mass cannot move between parts of the graph that no edge connects: "
            f"{'; '.join(_part(geometry, k, surplus[k]) for k in wrong[:3])}; "
            f"{len(wrong)} of {len(surplus)} parts are unbalanced"
        )
    rest = np.bincount(labels, np.abs(excess))
    return excess - np.abs(excess) * (surplus / np.where(rest > 0, rest, 1))[labels]


def _part(geometry: GraphMetric, label: int, surplus: float) -> str:
    nodes = np.flatnonzero(geometry.paths.components == label)
    side = "a" if surplus > 0 else "b"
    return (
        f"the part of {len(nodes)} nodes around {geometry.names[nodes[0]]!r} has "
        f"{abs(surplus):.6g} more in {side}"
    )


def few_with_mass(paths: Paths, excess: np.ndarray) -> bool:
    """Whether Dijkstra from the nodes with mass takes less time than a flow on all edges.

    The time of a flow grows with the edges and with how many of them paths have: on 20,000 nodes,
    Dijkstra is the faster one up to 40 sources if paths have 10 edges, up to 900 if they have 120
    (`benchmarks/graph_transport.py --samples K --solver edges`, and `distances`).
    """
    x, y = np.count_nonzero(excess > 0), np.count_nonzero(excess < 0)
    if x * y > _TABLE or len(np.unique(paths.components[excess != 0])) > 1:
        return False
    start = int(np.argmax(np.abs(excess)))
    hops = csgraph.dijkstra(paths.links, indices=start, unweighted=True)
    across = hops[np.isfinite(hops)].max()
    return min(x, y) <= 8 * across and len(paths.ends) * across > 1 << 22


def by_distances(
    paths: Paths, excess: np.ndarray
) -> tuple[np.ndarray, float, Callable[[], np.ndarray]]:
    """The same as `beckmann` by the network simplex on a table of distances; one component. The
    flow is routed along shortest paths when it is called for."""
    x, y = np.flatnonzero(excess > 0), np.flatnonzero(excess < 0)
    cost = torch.from_numpy(np.ascontiguousarray(paths.table(x, y)))
    best = simplex(cost, torch.from_numpy(excess[x]), torch.from_numpy(-excess[y]))
    potential = np.full(paths.nodes, np.inf)
    potential[y] = best.g.numpy()
    i, j = (best.plan > 0).numpy().nonzero()
    route = partial(paths.carry, x[i], y[j], best.plan[i, j].numpy())
    return potential, float((best.plan * cost).sum()), route
