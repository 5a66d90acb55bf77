"""Laws of `norm` and `dual_norm`."""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.geometry import NormedSpace
from otgan.geometry.base import flat
from otgan.testing.laws import Law, at_most, equal, law, linear, require, slack, slope

LAWS: list[Law] = []


@law(LAWS, "float", "norm")
def distance_is_norm_of_difference(geometry: NormedSpace, x: Tensor) -> None:
    y = x.roll(1, 0)
    equal(geometry.distance(x, y), geometry.norm(x - y), "distance, against norm(x - y)")


@law(LAWS, "float", "norm")
def norms_scale(geometry: NormedSpace, x: Tensor) -> None:
    """||c v|| = |c| ||v||, and so for the dual."""
    for norm in (geometry.norm, geometry.dual_norm):
        v = torch.randn_like(x)
        for c in (-2.5, 1e-3, 0.0):
            equal(norm(c * v), abs(c) * norm(v), f"{norm.__name__}({c} v)")


@law(LAWS, "float", "norm")
def only_0_has_norm_0(geometry: NormedSpace, x: Tensor) -> None:
    """Tried on unit vectors, on the constant one and at random."""
    size = x[0].numel()
    units = torch.eye(size, dtype=x.dtype, device=x.device)[torch.randperm(size)[:256]]
    v = torch.cat([units, torch.ones_like(units[:1])]).view(-1, *x.shape[1:])
    for norm in (geometry.norm, geometry.dual_norm):
        sizes = norm(torch.cat([v, torch.randn_like(x)]))
        smallest, rounding = sizes.min().item(), torch.finfo(x.dtype).eps * sizes.max().item()
        require(smallest > rounding, f"some {norm.__name__}(v) is {smallest:.3g} for v not 0")
        at_most(norm(torch.zeros_like(x)), 0, f"{norm.__name__}(0)")


@law(LAWS, "float", "norm")
def hoelder_holds(geometry: NormedSpace, x: Tensor) -> None:
    """<g, v> <= dual_norm(g) norm(v)."""
    g = torch.randn_like(x)
    for v in (torch.randn_like(x), x - x.roll(1, 0), g, g.sign()):
        bound = geometry.dual_norm(g) * geometry.norm(v)
        at_most(_inner(g, v) - bound, slack(bound), "<g, v> - dual_norm(g) norm(v)")


@law(LAWS, "float", "norm")
def hoelder_is_attained(geometry: NormedSpace, x: Tensor) -> None:
    """The gradient v of dual_norm at g has norm 1 and <g, v> = dual_norm(g); and vice versa."""
    norms = (geometry.norm, geometry.dual_norm)
    for norm, dual in (norms, norms[::-1]):
        g = torch.randn_like(x).requires_grad_()
        size = dual(g)
        (v,) = torch.autograd.grad(size.sum(), g)
        what = f"v = gradient of {dual.__name__} at g"
        equal(norm(v), torch.ones_like(size), f"{norm.__name__}(v), {what}, against 1")
        equal(_inner(g, v).detach(), size.detach(), f"<g, v>, {what}, against {dual.__name__}(g)")


@law(LAWS, "float", "norm")
def gradients_of_norms_at_0_are_finite(geometry: NormedSpace, x: Tensor) -> None:
    """A critic starts flat, and its penalty is the dual norm at 0."""
    for norm in (geometry.norm, geometry.dual_norm):
        v = torch.zeros_like(x).requires_grad_()
        (gradient,) = torch.autograd.grad(norm(v).sum(), v)
        require(gradient.isfinite().all(), f"{norm.__name__} has no finite gradient at 0")


@law(LAWS, "float", "norm")
def secants_are_at_most_slopes(geometry: NormedSpace, x: Tensor) -> None:
    """|f(x) - f(y)| <= slope * d(x, y) for linear f."""
    (f, _), y = linear(x), x.roll(1, 0)
    bound = (slope(geometry, f, x, y) * geometry.distance(x, y)).detach()
    at_most(f(x - y).detach().abs() - bound, slack(bound), "|f(x) - f(y)| - slope d(x, y)")


def _inner(g: Tensor, v: Tensor) -> Tensor:
    return (flat(g) * flat(v)).sum(1)
