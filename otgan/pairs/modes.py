"""Distributions on the plane whose modes can be counted, and the counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Modes:
    """Equally likely places with Gaussian noise around them, that belong to equally likely modes.

    Args:
        at: the places, (m, 2).
        mode: which mode each belongs to, (m,), numbered from 0.
        deviation: of the noise in each coordinate.
    """

    at: Tensor
    mode: Tensor
    deviation: float

    @property
    def number(self) -> int:
        """Of modes."""
        return int(self.mode.max()) + 1

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, 2)."""
        place = torch.randint(len(self.at), (n,), generator=generator)
        return self.at[place] + self.deviation * torch.randn(n, 2, generator=generator)

    def counts(self, x: Tensor) -> dict[str, float]:
        """Of points (n, 2), each counted for the mode of the nearest place.

        A point is of high quality within 3 deviations of a place, and a mode is found if it has one
        (Srivastava et al. 2017, 'VEEGAN', section 4; Lin et al. 2018, 'PacGAN', section 4).

        Returns:
            `modes` found; `quality`, the share of points of high quality; `kl` as in `balance`.
        """
        away, place = torch.cdist(x, self.at.to(x)).min(1)
        good, mode = away <= 3 * self.deviation, self.mode.to(place.device)[place]
        return {
            "modes": int(mode[good].unique().numel()),
            "quality": good.double().mean().item(),
            "kl": balance(mode, self.number),
        }


def balance(mode: Tensor, number: int) -> float:
    """KL divergence of the shares of modes among points, (n,), from equal ones; log(number) at
    most, where all points are of one mode."""
    share = mode.bincount(minlength=number).double() / len(mode)
    return math.log(number) + torch.special.xlogy(share, share).sum().item()


def ring(number: int = 8, radius: float = 2.0, deviation: float = 0.02) -> Modes:
    """Gaussians on a circle; by default those of Metz et al. 2017, section 3.1."""
    angle = 2 * torch.pi * torch.arange(number) / number
    return Modes(radius * _circle(angle), torch.arange(number), deviation)


def lattice(side: int = 5, spacing: float = 2.0, deviation: float = 0.05) -> Modes:
    """Gaussians on a square grid around 0; by default the 25 of Lin et al. 2018, section 4.1."""
    line = spacing * (torch.arange(side) - (side - 1) / 2)
    return Modes(torch.cartesian_prod(line, line), torch.arange(side**2), deviation)


def swiss_roll(arcs: int = 20, deviation: float = 0.033) -> Modes:
    """A spiral of one turn and a half, in equally likely arcs (scikit-learn's roll, seen from above
    and divided by 7.5, as in Gulrajani et al. 2017, figure 1)."""
    k = torch.arange(100 * arcs)
    angle = 1.5 * torch.pi * (1 + 2 * (k + 0.5) / len(k))
    return Modes(angle[:, None] / 7.5 * _circle(angle), k // 100, deviation)


def lines(number: int = 5, pieces: int = 4, spacing: float = 1.0, deviation: float = 0.02) -> Modes:
    """Parallel segments of length 2, in equally likely pieces; in one dimension less than the plane
    as in example 1 of Arjovsky et al. 2017, but for a little noise."""
    k = torch.arange(100 * pieces)
    along = 2 * (k + 0.5) / len(k) - 1
    across = spacing * (torch.arange(number) - (number - 1) / 2)
    at = torch.cartesian_prod(across, along)
    return Modes(at, torch.arange(number * pieces).repeat_interleave(100), deviation)


def _circle(angle: Tensor) -> Tensor:
    return torch.stack([angle.cos(), angle.sin()], 1)


PLANE: Mapping[str, Modes] = {
    "25 Gaussians": lattice(),
    "8 Gaussians": ring(),
    "Swiss roll": swiss_roll(),
    "parallel lines": lines(),
}
