"""How a critic is kept 1-Lipschitz: the geometry measures slopes, a constraint charges them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from otgan.geometry import Geometry, Lp, Potential
from otgan.networks.conditional import Projection
from otgan.networks.equalised import EqualConv, EqualLinear, MinibatchDeviation
from otgan.networks.heads import Autoencoder, Features, Points
from otgan.networks.layers import BATCH_NORMS, NORMS
from otgan.networks.lipschitz import lipschitz


def has_batch_norm(network: nn.Module) -> bool:
    """Whether samples are normalised by their batch."""
    return any(isinstance(m, BATCH_NORMS) for m in network.modules())


def has_batch_statistics(network: nn.Module) -> bool:
    """Whether the value at one sample depends on the rest of its batch."""
    return has_batch_norm(network) or any(
        isinstance(m, MinibatchDeviation) for m in network.modules()
    )


def _refuse(network: nn.Module, kinds: tuple[type[nn.Module], ...], what: str) -> None:
    if isinstance(network, kinds):
        raise ValueError(
            f"{what}, and this objective has {_HEADS[type(network)]}: use --constraint none"
        )


_HEADS = {
    Points: "no critic",
    Features: "a critic of features",
    Autoencoder: "an autoencoder for a critic",
}


def _refuse_equalised(network: nn.Module, what: str) -> None:
    if any(isinstance(m, EqualConv | EqualLinear) for m in network.modules()):
        raise ValueError(
            f"{what} acts on weights, and this critic's layers scale theirs again (equalised "
            "rates), so its values would vanish: use a slope penalty, or the network 'resnet'"
        )


class Constraint:
    """No constraint; the base of the others."""

    claim: ClassVar[str] = "unconstrained, no distance"
    """What the critic's value may be taken for, printed beside it."""

    def build(self, network: nn.Module, geometry: Geometry) -> nn.Module:
        """The critic to train: checks, wraps or replaces layers of the network.

        Raises:
            ValueError: the network or the geometry does not allow this constraint.
        """
        return network

    def penalty(self, geometry: Geometry, f: Potential, x: Tensor, y: Tensor, step: int) -> Tensor:
        """What is added to the critic's loss, () in ground-cost units.

        Args:
            geometry: what measures slopes.
            f: the critic, closed over the condition that x and y share.
            x: real points, (n, *E).
            y: generated points, (n, *E).
            step: critic steps done so far.
        """
        return x.new_zeros(())

    def project(self, critic: nn.Module) -> None:
        """Brings the critic back into the allowed set after an optimiser step."""


@dataclass(frozen=True)
class WeightClipping(Constraint):
    """Every weight within [-bound, bound] (Arjovsky, Chintala, Bottou 2017, algorithm 1).

    Keeps the critic K-Lipschitz for an unknown K that differs from geometry to geometry: allowed
    anywhere, certifies nothing, and the critic's value is no distance. Scales and shifts of
    normalisation layers are left alone: clipped at .01, they would silence the layer.
    """

    claim = "clipped, scale unknown"

    bound: float = 0.01

    def build(self, network: nn.Module, geometry: Geometry) -> nn.Module:
        _refuse(network, (Points,), "clipping needs weights")
        _refuse_equalised(network, "clipping")
        return network

    @torch.no_grad()
    def project(self, critic: nn.Module) -> None:
        for module in critic.modules():
            if not isinstance(module, NORMS):
                for weight in module.parameters(recurse=False):
                    weight.clamp_(-self.bound, self.bound)


@dataclass(frozen=True)
class SlopePenalty(Constraint):
    """Charges slopes of the critic, weight * mean(excess(slope) ** 2), on sampled pairs.

    For two point masses at distance theta the optimum is not theta but theta * (1 + theta / (2 *
    weight)), for either side: the weight has the unit of the ground cost. "auto" charges every
    pair 10 times the distance of its real to its generated point, so the overstatement at that
    distance is 5 % whatever the unit.

    Args:
        sided: "two" charges (slope - 1)^2 (WGAN-GP, Gulrajani et al. 2017), "one" charges
            max(slope - 1, 0)^2 (WGAN-LP, Petzka et al. 2018), "zero" charges slope^2 (R1 and R2,
            Mescheder et al. 2018). Secants can be charged one-sidedly only: most pairs of an
            optimal critic have slope below 1.
        weight: in ground-cost units, or "auto".
        pairs: "real-fake"; "real" for slopes at real points (R1), "fake" at generated ones (R2),
            "both" for the sum of these charges (R3GAN, Huang et al. 2024), where slopes are
            gradients; "noised" from a real point to a noised one (DRAGAN, Kodali et al. 2017: each
            coordinate grows by up to half the deviation of the batch), where points can be noised.
        every: charge every k-th critic step, k times as much (lazy regularisation, Karras et al.
            2020).
    """

    claim = "penalised, not certified"

    sided: Literal["one", "two", "zero"] = "two"
    weight: float | Literal["auto"] = 10.0
    pairs: Literal["real-fake", "real", "fake", "both", "noised"] = "real-fake"
    every: int = 1

    def build(self, network: nn.Module, geometry: Geometry) -> nn.Module:
        _refuse(network, (Points, Features), "slopes are those of values")
        if has_batch_norm(network):
            raise ValueError(
                "a slope penalty needs a critic whose value at a sample does not depend on the "
                "rest of the batch, and this one has batch normalisation: use 'layer' or "
                "'instance' normalisation in the critic, or none (of an autoencoder, in the "
                "generator too: its decoder is one)"
            )
        if geometry.slopes != "gradient":
            if self.sided != "one":
                raise ValueError(
                    f"{geometry!r} measures slopes as {geometry.slopes}s, of which most are below "
                    f"1 for an optimal critic: sided={self.sided!r} would bias it, use sided='one'"
                )
            if self.pairs in ("real", "fake", "both"):
                raise ValueError(
                    f"pairs={self.pairs!r} charges slopes at single points, and {geometry!r} "
                    f"measures {geometry.slopes}s, which need two: use pairs='real-fake'"
                )
        if self.pairs == "noised" and not geometry.translation_invariant:
            raise ValueError(
                f"points of {geometry!r} cannot be noised: it is not known that d(x + v, y + v) = "
                "d(x, y). Use pairs='real-fake'"
            )
        return network

    def penalty(self, geometry: Geometry, f: Potential, x: Tensor, y: Tensor, step: int) -> Tensor:
        if step % self.every:
            return x.new_zeros(())
        weight = 10 * geometry.distance(x, y).detach() if self.weight == "auto" else self.weight
        charges = []
        for start, end in self._pairs(x, y):
            slope = geometry.slope(f, start, end)
            excess = {"two": slope - 1, "one": (slope - 1).relu(), "zero": slope}[self.sided]
            charges.append((weight * excess.square()).mean())
        return self.every * torch.stack(charges).sum()

    def _pairs(self, x: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Where slopes are charged, from and to, (n, *E) each."""
        if self.pairs == "noised":
            return [(x, x + 0.5 * x.std() * torch.rand_like(x))]
        at = {"real-fake": [(x, y)], "real": [(x, x)], "fake": [(y, y)]}
        return at["real"] + at["fake"] if self.pairs == "both" else at[self.pairs]


@dataclass(frozen=True)
class SpectralNorm(Constraint):
    """Every weight divided by its largest singular value (Miyato et al. 2018).

    Made for l2 and refused elsewhere. It steers rather than certifies: the power iteration is
    truncated, and the matrix of a convolution's weights is not the operator of the convolution.
    """

    claim = "normalised, not certified"

    def build(self, network: nn.Module, geometry: Geometry) -> nn.Module:
        _refuse(network, (Points,), "spectral normalisation needs weights")
        _refuse_equalised(network, "spectral normalisation")
        if not (isinstance(geometry, Lp) and geometry.p == 2):
            raise ValueError(
                f"spectral normalisation bounds slopes in l2 and cannot bound them in "
                f"{geometry!r}: use a slope penalty, or l2 as the ground cost"
            )
        for module in network.modules():
            if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
                if not module.weight.any():  # zero has no direction to normalise
                    nn.init.xavier_uniform_(module.weight)
                spectral_norm(module)
            if isinstance(module, Projection):
                nn.init.xavier_uniform_(module.embedding)
                spectral_norm(module, "embedding")
        return network


@dataclass(frozen=True)
class Certified(Constraint):
    """A critic that is 1-Lipschitz whatever its weights; `networks.lipschitz` says how.

    Nothing is charged and nothing projected, so no gradient is differentiated twice. The critic's
    mean difference on data it was not trained on is a lower bound of W1, but for sampling error and
    rounding.

    Args:
        points: a sample of the data in chart coordinates, (k, *E): the size of images, and where
            landmarks start if only a metric is known.
    """

    claim = "certified 1-Lipschitz"

    points: Tensor | None = field(default=None, repr=False, compare=False)

    def build(self, network: nn.Module, geometry: Geometry) -> nn.Module:
        _refuse(network, (Points, Features, Autoencoder), "a certificate is for a critic of values")
        return lipschitz(network, geometry, self.points)
