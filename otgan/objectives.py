"""What critic and generator minimise, given the critic's values on real and generated data."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor
from torch.nn.functional import softplus


class Objective(ABC):
    """Two losses of critic values, (n,) and (n,) -> (), each player minimises its own."""

    measures_distance: bool = False
    """Whether the mean difference of critic values is a Wasserstein distance at the optimum."""

    @abstractmethod
    def critic(self, real: Tensor, fake: Tensor) -> Tensor: ...

    @abstractmethod
    def generator(self, fake: Tensor) -> Tensor: ...


class Kantorovich(Objective):
    """The dual of the Wasserstein distance, max_f E f(real) - E f(fake).

    Arjovsky, Chintala, Bottou 2017, 'Wasserstein GAN', equation 2.
    """

    measures_distance = True

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake.mean() - real.mean()

    def generator(self, fake: Tensor) -> Tensor:
        return -fake.mean()


class Minimax(Objective):
    """The zero-sum game of Goodfellow et al. 2014, 'Generative Adversarial Nets', equation 1.

    The critic's values are logits: D = sigmoid(f).
    """

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-real).mean() + softplus(fake).mean()

    def generator(self, fake: Tensor) -> Tensor:
        return -softplus(fake).mean()


class NonSaturating(Minimax):
    """The same critic; the generator maximises log D(fake) (Goodfellow et al. 2014, section 3)."""

    def generator(self, fake: Tensor) -> Tensor:
        return softplus(-fake).mean()


OBJECTIVES: dict[str, type[Objective]] = {
    "kantorovich": Kantorovich,
    "minimax": Minimax,
    "non-saturating": NonSaturating,
}
