"""Potentials of quadratic transport, learned from batches."""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.geometry import Geometry, Power
from otgan.objectives.base import CriticAt, Objective
from otgan.transport import solve


class Quadratic(Objective):
    """The critic learns the potentials of exact transport between the batches under half the
    squared ground cost, one of which is known at real and one at generated points; the generator
    follows the critic (Liu, Gu, Samaras 2019, 'Wasserstein GAN with Quadratic Transport Cost',
    algorithm 1, without their penalty on gradients).

    Potentials are known up to a constant, so errors are charged as the variance of a difference.
    """

    def check(self, geometry: Geometry) -> None:
        if geometry.slopes == "edge":
            raise ValueError(
                f"a squared {geometry!r} is for nodes, and generated points of it are soft while "
                "they train: take one-potential transport, kantorovich"
            )

    def critic_loss(self, f: CriticAt, x: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        real, generated = f.both(x, fake)
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            found = solve(x.float(), fake.float().nan_to_num(), Power(f.geometry, 2))
        wanted = torch.cat([found.potential_x, found.potential_y]).to(real) / 2
        loss = (torch.cat([real, generated]) - wanted).var(correction=0)
        return loss, (real.mean() - generated.mean()).detach()

    def generator_loss(self, f: CriticAt, x: Tensor, fake: Tensor) -> Tensor:
        return -f(fake).mean()
