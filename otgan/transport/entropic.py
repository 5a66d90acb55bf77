"""Entropic transport: Sinkhorn's iterations, and the divergence made of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from otgan.geometry import Geometry
from otgan.transport.measures import check_cost, check_memory, check_points, masses, through

_COOLING = 0.8
_MATRICES = 6  # three costs, each with its temporaries


def sinkhorn(
    x: Tensor,
    y: Tensor,
    geometry: Geometry,
    blur: float,
    a: Tensor | None = None,
    b: Tensor | None = None,
    *,
    debiased: bool = True,
    iterations: int = 2000,
    tolerance: float = 1e-3,
) -> Tensor:
    """Entropic transport cost, debiased (the Sinkhorn divergence) unless told otherwise.

        OT(a, b) = min over plans P of  <P, c> + blur * KL(P | a x b)
        S(a, b)  = OT(a, b) - OT(a, a) / 2 - OT(b, b) / 2

    (Genevay, Peyre and Cuturi 2018, 'Learning generative models with Sinkhorn divergences'; Feydy
    et al. 2019, 'Interpolating between optimal transport and MMD'.) OT is at
    least W1, and above it by no more than blur * log(min(n, m)) for uniform weights. S is exactly 0
    between equal samples.

    Any ground cost will do for OT. That S is at least 0, and 0 only between equal measures, is
    proven where exp(-c / blur) is a positive definite kernel: for l1, l2 and the squared l2, which
    are conditionally negative definite. l-infinity from three dimensions on and shortest paths are
    in general not, and there S may fall below 0.

    Differentiable in points and weights through the converged potentials (envelope theorem), not
    through the iterations. These run on logarithms, average both sides' updates, and
    cool the blur from the largest cost downward; their number grows like largest cost / blur.

    Args:
        x, y: samples, (n, *E) and (m, *E).
        geometry: the ground cost c, itself and not its square.
        blur: weight of the entropy, in units of the ground cost, above 0.
        a, b: weights of x and y, (n,) and (m,), at least 0, of equal sums; uniform by default.
        iterations: the most that each OT may take.
        tolerance: share of the mass by which a marginal of P may be off; the value is off by its
            square, roughly.

    Returns:
        (), in units of the ground cost times those of the weights.

    Raises:
        ValueError: a blur that is not above 0, or bad samples, costs or weights as in `exact`.
        RuntimeError: not converged.

    Example:
        >>> from otgan.geometry import Lp
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> sinkhorn(x, x, Lp(2), blur=0.1), sinkhorn(x, x + 3, Lp(2), blur=0.1) > 2.9
        (tensor(0.), tensor(True))
    """
    check_points(x, y)
    if not 0 < blur < math.inf:
        raise ValueError(f"blur is a length in units of the ground cost, above 0, got {blur}")
    if x.device.type == "cpu":
        check_memory(len(x), len(y), _MATRICES * x.element_size())

    def regularised(
        x: Tensor, y: Tensor, a: Tensor | None, b: Tensor | None, mass_x: Tensor, mass_y: Tensor
    ) -> Tensor:
        cost = geometry.pairwise(x, y)
        check_cost(cost)
        f, g, plan = _converged(cost.detach(), mass_x, mass_y, blur, iterations, tolerance)
        value = (mass_x * f).sum() + (mass_y * g).sum() - blur * (plan.sum() - mass_x.sum())
        value = value + (plan * (cost - cost.detach())).sum()
        return through(b, g, through(a, f, value))

    mass_x, mass_y = masses(a, b, len(x), len(y), geometry.distance(x[:1], y[:1]).detach())
    value = regularised(x, y, a, b, mass_x, mass_y)
    if not debiased:
        return value
    own_x = regularised(x, x, a, a, mass_x, mass_x)
    own_y = regularised(y, y, b, b, mass_y, mass_y)
    return value - (own_x + own_y) / 2


@torch.no_grad()
def _converged(
    cost: Tensor, a: Tensor, b: Tensor, blur: float, iterations: int, tolerance: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Potentials (n,), (m,) and the plan (n, m) of masses a, b."""
    mass = a.sum()
    a, b = a / mass, b / mass
    log_a, log_b = a.log(), b.log()
    f, g = torch.zeros_like(a), torch.zeros_like(b)
    warmth, astray = max(blur, cost.max().item()), 1.0
    for _ in range(iterations):
        new_f = _softmin(cost - g, log_b, warmth)
        new_g = _softmin(cost.T - f, log_a, warmth)
        if warmth == blur:
            astray = max(_astray(a, f - new_f, blur), _astray(b, g - new_g, blur))
            if astray <= tolerance:
                exponent = (new_f[:, None] + new_g - cost) / blur + log_a[:, None] + log_b
                return new_f, new_g, mass * exponent.exp()
        f, g = (f + new_f) / 2, (g + new_g) / 2
        warmth = max(blur, _COOLING * warmth)
    raise RuntimeError(
        f"after {iterations} iterations sinkhorn has {astray:.2g} of the mass astray, above "
        f"tolerance={tolerance:g}: raise iterations or blur={blur:.3g}, or use `exact`"
    )


def _softmin(cost: Tensor, log_weight: Tensor, warmth: float) -> Tensor:
    return -warmth * torch.logsumexp(log_weight - cost / warmth, 1)


def _astray(mass: Tensor, change: Tensor, blur: float) -> float:
    return (mass * torch.expm1(change / blur).abs()).sum().item()
