"""f-divergences, each by its variational bound (Nowozin, Cseke, Tomioka 2016, 'f-GAN')."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor
from torch.nn.functional import softplus

from otgan.objectives.base import Pointwise


@dataclass(frozen=True)
class Divergence:
    """D(p, q) = E_q f(p / q) = max over T of E_p T - E_q f*(T), where T = g(v) for a critic v.

    Args:
        f: convex with f(1) = 0, of u > 0.
        slope: f', whose value at p / q the best T has.
        activation: g, increasing, from all numbers into the domain of f*.
        conjugate: f*(g(v)), of v, in a form that does not overflow before its value does.
    """

    f: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    activation: Callable[[Tensor], Tensor]
    conjugate: Callable[[Tensor], Tensor]


DIVERGENCES: dict[str, Divergence] = {
    "total-variation": Divergence(
        f=lambda u: (u - 1).abs() / 2,
        slope=lambda u: (u - 1).sign() / 2,
        activation=lambda v: v.tanh() / 2,
        conjugate=lambda v: v.tanh() / 2,
    ),
    "kl": Divergence(
        f=lambda u: u * u.log(),
        slope=lambda u: 1 + u.log(),
        activation=lambda v: v,
        conjugate=lambda v: (v - 1).exp(),
    ),
    "reverse-kl": Divergence(
        f=lambda u: -u.log(),
        slope=lambda u: -1 / u,
        activation=lambda v: -(-v).exp(),
        conjugate=lambda v: v - 1,
    ),
    "pearson": Divergence(
        f=lambda u: (u - 1).square(),
        slope=lambda u: 2 * (u - 1),
        activation=lambda v: v,
        conjugate=lambda v: v.square() / 4 + v,
    ),
    "squared-hellinger": Divergence(
        f=lambda u: (u.sqrt() - 1).square(),
        slope=lambda u: 1 - u.rsqrt(),
        activation=lambda v: 1 - (-v).exp(),
        conjugate=lambda v: v.exp() - 1,
    ),
    "jensen-shannon": Divergence(
        f=lambda u: u * u.log() - (u + 1) * ((u + 1) / 2).log(),
        slope=lambda u: math.log(2) + u.log() - (u + 1).log(),
        activation=lambda v: math.log(2) - softplus(-v),
        conjugate=lambda v: softplus(v) - math.log(2),
    ),
}
"""Tables 1 and 2 of the paper. Pearson is E_q (p/q - 1)^2, squared Hellinger the integral of
(sqrt p - sqrt q)^2, Jensen-Shannon KL(p, m) + KL(q, m) with m = (p + q) / 2."""


@dataclass(frozen=True)
class FDivergence(Pointwise):
    """The saddle point of a variational bound (the same paper, equation 6): the critic raises
    E_p T - E_q f*(T) towards D(data, generated).

    Args:
        divergence: Jensen-Shannon by default.
        saturating: the generator lowers the bound; if False it raises E_q T, which points the same
            way with weights that do not vanish where the critic is sure (their equation 8).
    """

    divergence: Divergence = field(default=DIVERGENCES["jensen-shannon"])
    saturating: bool = True

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        d = self.divergence
        return d.conjugate(fake).mean() - d.activation(real).mean()

    def generator(self, fake: Tensor) -> Tensor:
        d = self.divergence
        return -(d.conjugate(fake) if self.saturating else d.activation(fake)).mean()
