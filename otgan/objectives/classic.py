"""Losses of critic values, one paper each."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import softplus

from otgan.objectives.base import CriticAt, OfValues, Pointwise


class Kantorovich(Pointwise):
    """The dual of the Wasserstein distance, max_f E f(real) - E f(fake).

    Arjovsky, Chintala, Bottou 2017, 'Wasserstein GAN', equation 2.
    """

    measures_distance = True

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake.mean() - real.mean()

    def generator(self, fake: Tensor) -> Tensor:
        return -fake.mean()


class Minimax(Pointwise):
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


@dataclass(frozen=True)
class LeastSquares(Pointwise):
    """Squared distances of values to labels (Mao et al. 2017, 'Least Squares Generative Adversarial
    Networks', equation 2).

    Args:
        a, b: labels of generated and of real points, for the critic.
        c: what the generator wants its points to be taken for; b - c = 1 and b - a = 2 makes the
            game that of a Pearson divergence (their equation 5).
    """

    a: float = 0.0
    b: float = 1.0
    c: float = 1.0

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return ((real - self.b).square().mean() + (fake - self.a).square().mean()) / 2

    def generator(self, fake: Tensor) -> Tensor:
        return (fake - self.c).square().mean() / 2


class Hinge(Pointwise):
    """Values beyond a margin of 1 count no further (Lim and Ye 2017, 'Geometric GAN'; Miyato et al.
    2018, equations 16 and 17)."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return (1 - real).relu().mean() + (1 + fake).relu().mean()

    def generator(self, fake: Tensor) -> Tensor:
        return -fake.mean()


@dataclass(frozen=True)
class Margin(Pointwise):
    """The critic lowers the energy of real points and raises that of generated ones up to a margin;
    an energy is the error of a reconstruction (Zhao, Mathieu, LeCun 2017, 'Energy-based Generative
    Adversarial Network', equations 1 and 2).

    Args:
        margin: in units of the ground cost, in which errors are.
    """

    head = "autoencoder"

    margin: float = 1.0

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return (self.margin + fake).relu().mean() - real.mean()

    def generator(self, fake: Tensor) -> Tensor:
        return -fake.mean()


class Relativistic(OfValues):
    """Every real point is to have a larger value than the generated one it is paired with, and for
    the generator the other way round (Jolicoeur-Martineau 2018, 'The relativistic discriminator',
    section 4.1, with the logistic loss)."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(fake - real).mean()

    def generator_loss(self, f: CriticAt, x: Tensor, fake: Tensor) -> Tensor:
        real, generated = f.both(x, fake)
        return self.critic(generated, real)


class RelativisticAverage(Relativistic):
    """Each point against the mean value of the other kind (the same paper, section 4.2)."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean()
