"""Laws of `slope`: what a Lipschitz constraint relies on."""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.geometry import Geometry, Potential
from otgan.testing.laws import Law, at_most, equal, law, linear, require, slope, tolerance

LAWS: list[Law] = []


@law(LAWS)
def slopes_are_one_a_pair(geometry: Geometry, x: Tensor) -> None:
    """(n,), at least 0, and the same where gradients are off, as in monitors."""
    (f, _), y = linear(x), x.roll(1, 0)
    found = slope(geometry, f, x, y)
    require(found.shape == (len(x),), f"slope has shape {tuple(found.shape)}, not ({len(x)},)")
    at_most(-found, 0, "-slope")
    with torch.no_grad():
        off = slope(geometry, f, x, y)
    require(not off.requires_grad, "slope keeps a graph where gradients are off")
    equal(off, found, "slope with gradients off, against on")


@law(LAWS, "metric")
def slopes_of_distance_are_at_most_1(geometry: Geometry, x: Tensor) -> None:
    """d(., a) is 1-Lipschitz, so no slope of it exceeds 1."""
    y = x.roll(1, 0)
    d = geometry.distance(x, y)
    # a secant between close points is a ratio of rounding errors
    sure = d / d.max() if geometry.slopes == "secant" else torch.ones_like(d)
    for a in x[:3].split(1):
        excess = slope(geometry, _distance_to(geometry, a), x, y).detach() - 1
        at_most(sure * excess, tolerance(d), "slope of d(., a) - 1")


@law(LAWS, "metric", "pairs")
def slopes_of_distance_reach_1(geometry: Geometry, x: Tensor) -> None:
    """Between a and any other point, d(., a) climbs at full slope."""
    a = x[:1].expand_as(x)
    d = geometry.distance(x, a)
    found = slope(geometry, _distance_to(geometry, x[:1]), x, a).detach()
    missing = torch.where(d > 1e-2 * d.max(), (found - 1).abs(), 0)
    at_most(missing, 100 * tolerance(d), "|slope of d(., a) - 1| between x and a")


@law(LAWS)
def slopes_scale(geometry: Geometry, x: Tensor) -> None:
    """slope(c f) = |c| slope(f), and 0 for a constant."""
    (f, _), y = linear(x), x.roll(1, 0)
    once = slope(geometry, f, x, y)
    for c in (3.0, -0.5, 0.0):
        scaled = slope(geometry, lambda z, c=c: c * f(z), x, y)  # type: ignore[misc]
        equal(scaled, abs(c) * once, f"slope of {c} f, against {abs(c)} slope of f")


@law(LAWS)
def slopes_train_the_critic(geometry: Geometry, x: Tensor) -> None:
    """Gradients in the weights of f are finite, also where f is flat or x = y, and exact.

    Exact by Euler: the slope of a linear f is homogeneous in its weights w, so <w, gradient> is
    the slope.
    """
    for y in (x, x.roll(1, 0)):
        for scale in (0.0, 1.0):
            f, w = linear(x, scale)
            found = slope(geometry, f, x, y)
            charge = (found - 1).square().sum()
            (gradient,) = torch.autograd.grad(charge, w, retain_graph=True)
            require(gradient.isfinite().all(), "the gradient of a penalty is not finite")
            (gradient,) = torch.autograd.grad(found.sum(), w)
            equal(gradient @ w.detach(), found.detach().sum(), "<w, gradient>, against slope")


def _distance_to(geometry: Geometry, a: Tensor) -> Potential:
    return lambda z: geometry.distance(z, a.expand_as(z))
