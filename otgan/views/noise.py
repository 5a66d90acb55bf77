"""Instance noise."""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.geometry import Geometry
from otgan.geometry.base import positive
from otgan.views.base import View


class Noise(View):
    """x + std * e with e standard normal: real and generated data overlap, so that a critic cannot
    tell them apart by what no sample of them shows.

    The same noise on both brings no two distributions further apart under a translation-invariant
    metric: W1(mu * N, nu * N) <= W1(mu, nu). (Arjovsky and Bottou 2017, 'Towards Principled Methods
    for Training Generative Adversarial Networks', section 3; Sonderby et al. 2017, 'Amortised MAP
    Inference for Image Super-resolution', appendix C.)

    Args:
        std: standard deviation of every coordinate, in chart units.
        anneal: generator steps over which it falls to 0, linearly; 0 keeps it. Steps, and no share
            of the run, so that no change of the run's length changes what has been played.

    Raises:
        ValueError: std is not positive.
    """

    std: Tensor

    def __init__(self, std: float = 0.05, anneal: int = 0):
        super().__init__()
        self.full, self.anneal = positive(std, "the noise of a view"), anneal
        self.register_buffer("std", torch.tensor(self.full))

    def check(self, geometry: Geometry) -> None:
        if not geometry.translation_invariant:
            raise ValueError(
                f"points of {geometry!r} cannot be noised: it is not known that d(x + v, y + v) = "
                "d(x, y). Leave --smoothing out, or say `translation_invariant = True` in a metric "
                "of your own if that is so"
            )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.std * torch.randn_like(x)

    def adapt(self, game, gap, fake, y) -> None:
        if self.anneal:
            self.std.fill_(self.full * max(0.0, 1 - game.step / self.anneal))
