"""Exact transport between samples, by the network simplex of POT."""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.geometry import Geometry, GraphMetric
from otgan.transport.flow import flow, histogram
from otgan.transport.measures import (
    check_cost,
    check_memory,
    check_points,
    masses,
    through,
    tracked,
)
from otgan.transport.simplex import Optimum, simplex
from otgan.transport.solution import Extension, Solution

_BYTES = 48  # measured: the solver takes 32 for each pair, the matrix 8, its source up to 8
_GAP = 1e-6
_DOUBLE = torch.empty(0, dtype=torch.float64)


def exact(
    x: Tensor,
    y: Tensor,
    geometry: Geometry,
    a: Tensor | None = None,
    b: Tensor | None = None,
    *,
    leave_out: float = 0.0,
) -> Tensor:
    """Exact W1 between two samples (network simplex of POT; Bonneel et al. 2011).

    Differentiable in x and y with the optimal plan held fixed, and in a and b through the dual
    potentials (envelope theorem). A pair at cost 0 pulls nothing. Any ground cost will do,
    metric or not; the value is sum plan * cost, without a root. On a graph the mass flows along the
    edges (`otgan.transport.flow`) unless some may stay, and no matrix is built.

    Args:
        x, y: samples, (n, *E) and (m, *E).
        geometry: the ground cost.
        a, b: weights of x and y, (n,) and (m,), at least 0, of equal sums; uniform by default.
        leave_out: share of the mass, in [0, 1), that may stay on each side (Caffarelli and McCann
            2010, 'Free boundaries in optimal transport'; Chapel et al. 2020, 'Partial optimal
            transport'). The value is the cost of the mass moved, not divided by it.

    Returns:
        (), in units of the ground cost times those of the weights.

    Raises:
        ValueError: an empty sample, different shapes, points or costs that are not finite, bad
            weights, a bad leave_out, or more pairs than memory holds.
        RuntimeError: a solver stopped before the optimum.

    Example:
        >>> from otgan.geometry import Lp
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> exact(x, x + 3, Lp(2))
        tensor(3.)
        >>> exact(x, torch.tensor([[0.0], [100.0]]), Lp(2), leave_out=0.5)
        tensor(0.)
    """
    if isinstance(geometry, GraphMetric) and not leave_out:
        return _on_graph(x, y, geometry, a, b)
    return _value(x, y, geometry, a, b, _optimum(x, y, geometry, a, b, leave_out))


def solve(
    x: Tensor,
    y: Tensor,
    geometry: Geometry,
    a: Tensor | None = None,
    b: Tensor | None = None,
    *,
    leave_out: float = 0.0,
) -> Solution:
    """The same as `exact`, with its plan and its potentials; arguments and errors as there.

    Example:
        >>> from otgan.geometry import Lp
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> f = solve(x, x + 3, Lp(2)).potential
        >>> f(torch.tensor([[0.0]])) - f(torch.tensor([[2.0]]))
        tensor([2.])
    """
    best = _optimum(x, y, geometry, a, b, leave_out)
    cost = _value(x, y, geometry, a, b, best)
    like = cost.detach()
    f = Extension(y.detach(), best.g.to(like), geometry, best.low, best.high)
    with torch.no_grad():
        on_x, on_y = (f(x), f(y)) if geometry.metric else (best.f.to(like), best.g.to(like))
    dual = (best.a.to(like) * on_x).sum() - (best.b.to(like) * on_y).sum()
    if leave_out:
        dual = dual - leave_out * best.a.sum().to(like) * (best.high - best.low)
    return Solution(cost, dual, best.plan.to(like), on_x, on_y, f)


def _on_graph(
    x: Tensor, y: Tensor, geometry: GraphMetric, a: Tensor | None, b: Tensor | None
) -> Tensor:
    check_points(x, y)
    mass_x, mass_y = masses(a, b, len(x), len(y), _DOUBLE)
    found = flow(
        histogram(x.cpu(), geometry, tracked(mass_x, a)),
        histogram(y.cpu(), geometry, tracked(mass_y, b)),
        geometry,
    )
    if found.gap > _GAP * found.upper:
        raise RuntimeError(
            f"the flow on the graph stopped between {found.lower:.6g} and {found.upper:.6g}: its "
            "lengths differ too much, merge nodes at negligible distances"
        )
    return found.value.to(geometry.lengths)


def _optimum(
    x: Tensor, y: Tensor, geometry: Geometry, a: Tensor | None, b: Tensor | None, leave_out: float
) -> Optimum:
    check_points(x, y)
    check_memory(len(x), len(y), _BYTES)
    if not 0 <= leave_out < 1:
        raise ValueError(
            f"leave_out is a share of the mass, at least 0 and below 1, got {leave_out}"
        )
    mass_x, mass_y = masses(a, b, len(x), len(y), _DOUBLE)
    with torch.no_grad():
        cost = geometry.pairwise(x, y)
    check_cost(cost)
    return simplex(cost.to(_DOUBLE), mass_x, mass_y, leave_out)


def _value(
    x: Tensor, y: Tensor, geometry: Geometry, a: Tensor | None, b: Tensor | None, best: Optimum
) -> Tensor:
    i, j = best.moves.to(x.device)
    cost = geometry.distance(x[i], y[j])
    value = (best.plan[tuple(best.moves)].to(cost) * cost).sum()
    stay = best.leave_out * (best.high - best.low) if best.leave_out else 0.0
    return through(b, -best.g, through(a, best.f - stay, value))
