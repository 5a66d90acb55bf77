"""What an objective is, and how it sees the critic."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from otgan.constraints import has_batch_statistics
from otgan.geometry import Geometry
from otgan.views import View

Head = Literal["value", "features", "autoencoder", "none"]
"""What a critic says of a point: a value, features, minus the error of a reconstruction; "none" is
no critic, the point itself."""


class CriticAt:
    """A critic closed over the condition of its points: (n, *E) -> (n,), or features (n, k).

    Args:
        critic: of points and conditions.
        geometry: joins samples.
        y: conditions (n, k) or None; of several samples in one, each has them in this order.
        view: what the critic sees in place of points.
        weights: parameters and buffers in place of the critic's own.
    """

    def __init__(
        self,
        critic: nn.Module,
        geometry: Geometry,
        y: Tensor | None = None,
        view: View | None = None,
        weights: dict[str, Tensor] | None = None,
    ):
        self.critic, self.geometry, self.y = critic, geometry, y
        self.view, self.weights = view or View(), weights

    def __call__(self, points: Tensor) -> Tensor:
        y = self.y
        if y is not None:
            y = y.repeat(len(points) // len(y), *[1] * (y.dim() - 1))
        seen = self.view(points), y
        if self.weights is None:
            return self.critic(*seen).float()
        return functional_call(self.critic, self.weights, seen).float()

    def both(self, x: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Of two samples, (n, *E) each, in one pass unless their batch statistics would mix."""
        if has_batch_statistics(self.critic):
            return self(x), self(fake)
        real, generated = self(self.geometry.join(x, fake)).split(len(x))
        return real, generated

    def copied(self) -> CriticAt:
        """The same critic with weights of its own, which `stepped` moves."""
        weights = {k: v.detach().clone() for k, v in self.critic.named_parameters()}
        buffers = {k: v.clone() for k, v in self.critic.named_buffers()}
        ruler = {id(p) for p in self.geometry.parameters()}  # a ground cost's own stay
        fixed = {k for k, v in self.critic.named_parameters() if id(v) in ruler}
        own = {k: v.requires_grad_(k not in fixed) for k, v in weights.items()} | buffers
        return CriticAt(self.critic, self.geometry, self.y, self.view, own)

    def stepped(self, loss: Tensor, rate: float) -> CriticAt:
        """After a step of gradient descent, through which gradients flow back."""
        assert self.weights is not None
        moving = {k: v for k, v in self.weights.items() if v.requires_grad}
        slopes = torch.autograd.grad(
            loss, list(moving.values()), create_graph=True, materialize_grads=True
        )
        moved = {k: w - rate * g for (k, w), g in zip(moving.items(), slopes, strict=True)}
        return CriticAt(self.critic, self.geometry, self.y, self.view, {**self.weights, **moved})


class Objective(ABC):
    """What each player minimises, of a critic f, real points x and generated points, (n, *E)."""

    head: Head = "value"
    """What it needs the critic to say."""

    measures_distance: bool = False
    """Whether the mean difference of critic values is a Wasserstein distance at the optimum."""

    def check(self, geometry: Geometry) -> None:
        """That points of this space can be compared so.

        Raises:
            ValueError: they cannot; a distance is measured under a cost that is no metric.
        """
        if self.measures_distance and not geometry.metric:
            raise ValueError(
                f"{geometry!r} is no metric, so transport under it has no one-potential dual: "
                "compare samples with otgan.transport, or take a metric"
            )

    @abstractmethod
    def critic_loss(self, f: CriticAt, x: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """What the critic minimises, and how far apart it holds both (detached), each ()."""

    @abstractmethod
    def generator_loss(self, f: CriticAt, x: Tensor, fake: Tensor) -> Tensor:
        """What the generator minimises, ()."""

    def input_loss(self, geometry: Geometry, z: Tensor, fake: Tensor) -> Tensor:
        """What the generator's points (n, *E) cost beside that for the inputs that they were made
        of, (n, ...): nothing, ()."""
        return fake.new_zeros(())


class OfValues(Objective):
    """Losses of critic values, (n,) and (n,) -> (); larger values are more like data."""

    @abstractmethod
    def critic(self, real: Tensor, fake: Tensor) -> Tensor: ...

    def critic_loss(self, f: CriticAt, x: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        real, generated = f.both(x, fake)
        return self.critic(real, generated), (real.mean() - generated.mean()).detach()


class Pointwise(OfValues):
    """Losses that charge points one by one: the generator's is of generated ones alone."""

    @abstractmethod
    def generator(self, fake: Tensor) -> Tensor: ...

    def generator_loss(self, f: CriticAt, x: Tensor, fake: Tensor) -> Tensor:
        return self.generator(f(fake))
