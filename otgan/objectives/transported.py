"""Distances between samples, differentiated: of the points themselves, or of learned features."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from otgan.config import RunError
from otgan.geometry import Geometry, Lp, NormedSpace, Power
from otgan.objectives.base import CriticAt, Objective
from otgan.transport import exact, sinkhorn, sliced

_ITERATIONS, _TOLERANCE = 10_000, 1e-2


class Between(Objective):
    """A distance between two samples of what the critic says: the generator lowers it and the
    critic, if there is one, raises it."""

    @abstractmethod
    def distance(self, real: Tensor, fake: Tensor, geometry: Geometry) -> Tensor:
        """(n, *E), (n, *E) -> (), differentiable in both.

        Args:
            geometry: of the points; features have their own.
        """

    def check(self, geometry: Geometry) -> None:
        if geometry.slopes == "edge":
            raise ValueError(
                f"a generator of {geometry!r} learns through a function of the nodes, and this "
                "objective has none: take one with a critic of values, such as kantorovich"
            )

    def critic_loss(self, f: CriticAt, x: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        gap = self._between(f, x, fake)
        return -gap, gap.detach()

    def generator_loss(self, f: CriticAt, x: Tensor, fake: Tensor) -> Tensor:
        return self._between(f, x, fake)

    def _between(self, f: CriticAt, x: Tensor, fake: Tensor) -> Tensor:
        real, generated = f.both(x, fake)
        with torch.autocast(real.device.type, enabled=False):  # a ruler in bfloat16 is none
            found = self.distance(real.nan_to_num(), generated.nan_to_num(), f.geometry)
        return found + 0 * generated.sum()  # NaN where a network diverged, for the guard to see


@dataclass(frozen=True)
class Sinkhorn(Between):
    """The debiased Sinkhorn divergence between batches, with no critic (Genevay, Peyre, Cuturi
    2018, 'Learning Generative Models with Sinkhorn Divergences').

    Args:
        blur: weight of the entropy, as a share of the mean ground cost from real to generated
            points.
    """

    head = "none"

    blur: float = 0.1

    def distance(self, real: Tensor, fake: Tensor, geometry: Geometry) -> Tensor:
        with torch.no_grad():
            blur = self.blur * geometry.pairwise(real, fake).mean().item()
        # points that coincide need no transport, and blur may not be 0
        blur = max(blur, torch.finfo(real.dtype).tiny)
        try:
            return sinkhorn(
                real, fake, geometry, blur, iterations=_ITERATIONS, tolerance=_TOLERANCE
            )
        except RuntimeError as error:
            raise RunError(
                f"{error}. Give more than --objective.blur {self.blur:g}, 0.1 is usual"
            ) from None


@dataclass(frozen=True)
class Sliced(Between):
    """W1 between one-dimensional projections of batches, in directions drawn anew at every look,
    with no critic (Deshpande, Zhang, Schwing 2018, 'Generative Modeling using the Sliced
    Wasserstein Distance', equation 9; theirs is W2 under l2).

    Args:
        projections: directions a look.
    """

    head = "none"

    projections: int = 100

    def check(self, geometry: Geometry) -> None:
        super().check(geometry)
        if not isinstance(geometry, NormedSpace):
            raise ValueError(f"{geometry!r} is no norm, so it has no projections: try sinkhorn")

    def distance(self, real: Tensor, fake: Tensor, geometry: Geometry) -> Tensor:
        seed = int(torch.randint(1 << 62, ()))
        return sliced(real, fake, geometry, self.projections, seed)


class EnergyDistance(Between):
    """How much farther halves of the batches are across real and generated than within each, in
    features on a sphere under 1 - cosine (Salimans et al. 2018, 'Improving GANs Using Optimal
    Transport', equation 7; they smooth transport with an entropy of weight 1 / 500).

        sum of W over the four pairs of a real and a generated half - 2 W(X, X') - 2 W(Y, Y')
    """

    head = "features"

    def distance(self, real: Tensor, fake: Tensor, geometry: Geometry) -> Tensor:
        (x, other_x), (y, other_y) = ((v[::2], v[1::2]) for v in (real, fake))
        pairs = (x, y), (x, other_y), (other_x, y), (other_x, other_y)
        across = torch.stack([exact(*pair, _COSINE) for pair in pairs]).sum()
        return across - 2 * exact(x, other_x, _COSINE) - 2 * exact(y, other_y, _COSINE)


_COSINE = Power(Lp(2), 2)
"""Of features of norm 1 / sqrt(2) this is 1 - cosine."""
