"""A pair of distributions of which everything is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from otgan.geometry import NormedSpace, Potential


@dataclass(frozen=True)
class Pair:
    """Two distributions, an optimal coupling of them, and an optimal critic.

    Args:
        coupled: (n, generator) -> x, y, (n, *E) each: draws of the optimal coupling.
        potential: the critic f with W1 = E f(x) - E f(y), (n, *E) -> (n,).
        kink: (n, *E) -> (n,), how far a point is from where f has no gradient; None if nowhere.
    """

    geometry: NormedSpace
    coupled: Callable[[int, torch.Generator], tuple[Tensor, Tensor]]
    potential: Potential
    kink: Potential | None = None

    def sample(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Independent draws of both sides, (n, *E) each: what a critic is trained on."""
        return self.coupled(n, generator)[0], self.coupled(n, generator)[1]

    def cost(self, n: int = 200_000, seed: int = 0) -> float:
        """W1, as the mean cost over n draws of the optimal coupling."""
        generator = torch.Generator().manual_seed(seed)
        total, done = 0.0, 0
        while done < n:
            x, y = self.coupled(min(10_000, n - done), generator)
            total += self.geometry.distance(x, y).double().sum().item()
            done += len(x)
        return total / n

    def gradient(self, x: Tensor) -> Tensor:
        """Of the optimal critic, (n, *E) -> (n, *E)."""
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            return torch.autograd.grad(self.potential(x).sum(), x)[0]

    def score(self, f: Potential, n: int = 20_000, seed: int = 1) -> dict[str, float]:
        """How well a critic in double precision does, on n fresh draws of the optimal coupling.

        Returns:
            `ratio`: its mean difference over the mean cost of the same draws; a 1-Lipschitz critic
            is never above 1. `cosine` and `l2`: of its gradient field at the moved points with the
            optimal one, as inner products and norms of L2, and the relative error; points within
            1e-3 of a kink are left out. `slope`: its largest slope on those draws.
        """
        x, y = (v.double() for v in self.coupled(n, torch.Generator().manual_seed(seed)))
        parts = zip(x.split(1000), y.split(1000), strict=True)
        gap = cost = inner = mine = best = error = slope = 0.0
        for x, y in parts:
            with torch.no_grad():
                gap += (f(x) - f(y)).double().sum().item()
                cost += self.geometry.distance(x, y).double().sum().item()
            if self.kink is not None:
                x = x[self.kink(x) > 1e-3]
            x = x.detach().requires_grad_()
            (g,) = torch.autograd.grad(f(x).sum(), x)
            h = self.gradient(x)
            slope = max(slope, self.geometry.dual_norm(g).max().item())
            inner += (g * h).double().sum().item()
            mine += g.double().square().sum().item()
            best += h.double().square().sum().item()
            error += (g - h).double().square().sum().item()
        return {
            "ratio": gap / cost,
            "cosine": inner / math.sqrt(max(mine * best, 1e-30)),
            "l2": error / best,
            "slope": slope,
        }
