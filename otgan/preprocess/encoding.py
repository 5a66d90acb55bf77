"""A learned chart: latent vectors for points that are spelt, such as molecules or formulas.

The players then meet in a vector space, whatever the points are, and a decoder that has learned to
spell turns the generator's vectors into points. The ground cost is a norm of the difference of
latent vectors: a pullback pseudo-metric of the data, which the encoder has chosen.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn

from otgan.preprocess.charts import Chart
from otgan.preprocess.language import Language, Reader, Speller
from otgan.randomness import seeded

_ROWS = 1000
"""Points encoded or decoded at once."""

_GUESS = 0.05
"""Share of a time budget after which it becomes a number of steps."""


class Encoding(Chart):
    """An autoencoder as a chart: `encode` to latent vectors, `decode` by spelling what they say.

    The encoder gives vectors that are normalised to mean 0 and variance 1 in each coordinate. In
    training Gaussian noise is added to them, so that points near each other decode alike and a
    generator's small errors do not matter; the decoder, a GRU that sees the latent vector at every
    token, must spell the point from it, some of the tokens before being hidden (word dropout,
    Bowman et al. 2016, 'Generating Sentences from a Continuous Space'). A WGAN in such coordinates:
    Prykhodko et al. 2019, 'A de novo molecular generation method using latent vector based GAN'.

    Decoding takes the likeliest token each time, so it is a function. It inverts `encode` as far
    as the fit is good: a share of points, not all, come back.

    Args:
        language: how points are spelt.
        encoder: latent -> network (n, *E) -> (n, latent); by default a bidirectional GRU that
            reads the spelling.
        latent: coordinates.
        width: units of the decoder.
        noise: standard deviation of the noise in training.
        blur: as of every chart; the decoder has learned to read vectors with up to `noise`.
        dropout: share of the previous tokens hidden from the decoder in training.
        steps: of a fit that is given neither steps nor seconds.
        batch_size, rate: of the fit, by Adam, whose rate falls to 0 over the second half.

    Example:
        >>> from otgan.preprocess import Sequences
        >>> x = torch.randint(1, 4, (200, 3)).float()
        >>> chart = Encoding(Sequences(3, 3), latent=4, width=16).fit(x, steps=5, quiet=True)
        >>> chart.encode(x).shape, chart.decode(torch.zeros(2, 4)).shape
        (torch.Size([200, 4]), torch.Size([2, 3]))
    """

    unit = None
    taken: Tensor

    def __init__(
        self,
        language: Language,
        encoder: Callable[[int], nn.Module] | None = None,
        *,
        latent: int = 64,
        width: int = 256,
        noise: float = 0.6,
        blur: float = 0.0,
        dropout: float = 0.1,
        steps: int = 3000,
        batch_size: int = 256,
        rate: float = 2e-3,
    ):
        super().__init__()
        if not 0 <= blur < math.inf:
            raise ValueError(f"blur is a standard deviation, 0 or more, got {blur}")
        self.language, self.latent, self.noise, self.dropout = language, latent, noise, dropout
        self.steps, self.batch_size, self.rate = steps, batch_size, rate
        self.blur = blur
        with seeded(0, torch.device("cpu")):
            self.encoder = encoder(latent) if encoder else Reader(language, latent, width)
            self.decoder = Speller(language.symbols, latent, width)
        self.scale = nn.BatchNorm1d(latent, affine=False)
        self.register_buffer("taken", torch.zeros((), dtype=torch.long))
        self.eval()

    @property
    def fitted(self) -> bool:
        """Whether it has been, or its weights are those of one that has."""
        return self.taken.item() > 0

    def encoded_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.latent,)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        return torch.cat([self.scale(self.encoder(part)) for part in x.split(_ROWS)])

    @torch.no_grad()
    def decode(self, x: Tensor) -> Tensor:
        spelt = [self.decoder.spell(part, self.language.length) for part in x.split(_ROWS)]
        return self.language.read(torch.cat(spelt)).to(x.device)

    def fit(
        self,
        x: Tensor,
        steps: int | None = None,
        *,
        about: Tensor | None = None,
        seconds: float | None = None,
        seed: int = 0,
        quiet: bool = False,
    ) -> Encoding:
        """Fits to points, (n, *E); leaves the random generators as they were.

        Args:
            steps: optimiser steps.
            about: properties of the points as networks see them, (n, k), that a linear map of a
                latent vector, noise and all, shall tell: the chart then has directions for them
                (Gomez-Bombarelli et al. 2018, 'Automatic chemical design', on joint training).
            seconds: a budget instead, which becomes a number of steps early on.
            quiet: no progress on stderr.

        Raises:
            ValueError: fewer than 2 points, properties that are not finite or not of each of them,
                or what the language raises.
        """
        if len(x) < 2:
            raise ValueError(f"an encoding needs 2 points at least to be fitted to, got {len(x)}")
        if about is not None and (about.dim() != 2 or len(about) != len(x)):
            raise ValueError(f"properties of {len(x)} points are (n, k), got {tuple(about.shape)}")
        if about is not None and not about.isfinite().all():
            raise ValueError("properties that are NaN or infinite: leave their points out")
        pace = _Pace(steps or (None if seconds else self.steps), seconds)
        tokens, device = self.language.write(x), self.taken.device
        order = torch.empty(0, dtype=torch.long)
        with seeded(seed, device), _bar(quiet) as bar:
            teller = None if about is None else nn.Linear(self.latent, about.shape[1]).to(device)
            both = [*self.parameters(), *(teller.parameters() if teller else ())]
            optimiser = torch.optim.Adam(both, self.rate)
            task = bar.add_task("", total=pace.steps, loss="")
            self.train()
            while pace.goes_on():
                if len(order) < min(self.batch_size, len(x)):
                    order = torch.randperm(len(x))
                chosen, order = order[: self.batch_size], order[self.batch_size :]
                z = self._noised(x[chosen].to(device))
                loss = self._loss(z, tokens[chosen].to(device))
                if teller is not None and about is not None:
                    error = teller(z) - about[chosen].to(device)
                    loss = loss + error.square().mean(0).sum()
                for group in optimiser.param_groups:
                    group["lr"] = self.rate * pace.factor()
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.parameters(), 1.0)
                optimiser.step()
                pace.step += 1
                if pace.step % 20 == 0:
                    text = f"{loss.item():.3f} nats a token"
                    bar.update(task, completed=pace.step, total=pace.steps, loss=text)
            self.eval()
        self._normalise(x)
        self.taken.fill_(pace.step)
        return self

    def _noised(self, x: Tensor) -> Tensor:
        z = self.scale(self.encoder(x))
        return z + self.noise * torch.randn_like(z)

    def _loss(self, z: Tensor, tokens: Tensor) -> Tensor:
        """Mean negative log likelihood of a token given the noised latent, ()."""
        ended = (tokens == 0).cumsum(1)
        counts = ended <= 1  # the first 0 is the end, and is learned
        longest = int(counts.sum(1).max())
        tokens, counts = tokens[:, :longest], counts[:, :longest]
        before = nn.functional.pad(tokens, (1, -1))
        shown = torch.rand(before.shape, device=z.device) >= self.dropout
        logits = self.decoder(z, before, shown)
        return nn.functional.cross_entropy(logits[counts], tokens[counts])

    @torch.no_grad()
    def _normalise(self, x: Tensor) -> None:
        """Takes mean and variance from all points, in place of those of the last batches."""
        z = torch.cat([self.encoder(part.to(self.taken.device)) for part in x.split(_ROWS)])
        variance, mean = torch.var_mean(z.double(), 0)
        assert self.scale.running_mean is not None and self.scale.running_var is not None
        self.scale.running_mean.copy_(mean), self.scale.running_var.copy_(variance)


class _Pace:
    """How many steps, and how fast to learn at each: a time budget becomes steps early on."""

    def __init__(self, steps: int | None, seconds: float | None):
        self.steps, self.seconds = steps, seconds
        self.start, self.step = time.monotonic(), 0

    def goes_on(self) -> bool:
        if self.steps is None and self.seconds is not None:
            share = (time.monotonic() - self.start) / self.seconds
            if share > _GUESS and self.step:
                self.steps = max(self.step + 1, math.ceil(self.step / share))
        return self.steps is None or self.step < self.steps

    def factor(self) -> float:
        return min(1.0, 2 * (1 - self.step / self.steps)) if self.steps else 1.0


def _bar(quiet: bool) -> Progress:
    return Progress(
        TextColumn("chart, step {task.completed}"),
        BarColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=quiet,
    )
