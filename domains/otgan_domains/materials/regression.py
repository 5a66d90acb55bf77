"""An estimate of a property, with its error: a small ensemble of networks that fits into JSON."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from otgan.randomness import seeded

KEPT = 0.1
"""Share of the rows that trains no network and says how far estimates are off."""

LEAST = 50
"""Rows without which there is no estimate worth the name."""


@dataclass(frozen=True)
class Errors:
    """How estimates compare with values that were not trained on.

    Args:
        mae: mean absolute error, in units of the property, and that of its median as a guess.
        r2: share of the variance explained.
        within: share of the values within one and within two standard deviations of the estimate;
            .68 and .95 for normal errors.
    """

    rows: int
    mae: float
    mae_of_median: float
    r2: float
    within: tuple[float, float]


class Ensemble(nn.Module):
    """Networks that each say a mean and a scale, together a mean and a standard deviation.

    Lakshminarayanan, Pritzel, Blundell 2017, 'Simple and Scalable Predictive Uncertainty Estimation
    using Deep Ensembles', with Laplace errors, whose few large outliers are those of computed
    energies. The variance is that of the means plus the mean variance, times one factor that makes
    68 % of the rows kept back lie within a standard deviation.

    Args:
        inputs: columns of the features.
    """

    mean: Tensor
    scale: Tensor
    centre: Tensor
    unit: Tensor
    factor: Tensor

    def __init__(self, inputs: int, members: int = 5, width: int = 128):
        super().__init__()
        self.sizes = {"inputs": inputs, "members": members, "width": width}
        self.layers = nn.ModuleList(
            _Linears(members, *ends) for ends in ((inputs, width), (width, width), (width, 2))
        )
        for name, size in (("mean", inputs), ("scale", inputs)):
            self.register_buffer(name, torch.zeros(size))
        for name in ("centre", "unit", "factor"):
            self.register_buffer(name, torch.ones(()))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log scales of standard features, each member its own (members, n, inputs), in
        standard units of the property, (members, n) both."""
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        out = self.layers[-1](x)
        return out[..., 0], out[..., 1].clamp(-6, 2)

    @torch.no_grad()
    def estimate(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Value and standard deviation, in units of the property, (n, inputs) -> (n,) both."""
        parts = [self._standard(part) for part in features.float().split(4096)]
        means, logs = (
            torch.cat(side, 1) for side in zip(*(self(self._each(p)) for p in parts), strict=True)
        )
        variance = means.var(0) + (2 * (2 * logs).exp()).mean(0)  # a Laplace variance is 2 b^2
        return self.centre + self.unit * means.mean(0), self.factor * self.unit * variance.sqrt()

    def errors(self, features: Tensor, y: Tensor) -> Errors:
        """On rows that it was not trained on, (n, inputs) and (n,)."""
        value, deviation = self.estimate(features)
        off = (value - y).abs()
        near = [(off <= k * deviation).float().mean().item() for k in (1, 2)]
        return Errors(
            len(y),
            off.mean().item(),
            (y - y.median()).abs().mean().item(),
            1 - (off.square().mean() / y.var(correction=0)).item(),
            (near[0], near[1]),
        )

    def _standard(self, features: Tensor) -> Tensor:
        return ((features - self.mean) / self.scale).clamp(-10, 10)

    def _each(self, x: Tensor) -> Tensor:
        return x.expand(self.sizes["members"], *x.shape)

    def to_state(self) -> dict[str, Any]:
        """JSON, with weights in half precision."""
        weights = {name: t.half() if t.dim() > 1 else t for name, t in self.state_dict().items()}
        return {**self.sizes, "weights": base64.b64encode(save(weights)).decode()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Ensemble:
        """The inverse of `to_state`."""
        found = cls(**{name: state[name] for name in ("inputs", "members", "width")})
        found.load_state_dict(load(base64.b64decode(state["weights"])))
        return found


def fit(features: Tensor, y: Tensor, steps: int | None = None, seed: int = 0) -> Ensemble:
    """An ensemble for rows of features (n, inputs) and a property (n,).

    Args:
        steps: of the optimiser; by default 300 and one for every two rows, at most 3,000.

    Raises:
        ValueError: fewer than 50 rows, a constant property.
    """
    if len(y) < LEAST or y.min() == y.max():
        raise ValueError(f"{len(y)} rows with different values are too few: {LEAST} are needed")
    steps = steps or min(3000, 300 + len(y) // 2)
    with seeded(seed, torch.device("cpu")), torch.enable_grad():
        ensemble = Ensemble(features.shape[1])
        order = torch.randperm(len(y))
        kept, rest = order[: round(KEPT * len(y))], order[round(KEPT * len(y)) :]
        ensemble.mean = features[rest].mean(0)
        spread = features[rest].std(0)
        ensemble.scale = torch.where(spread > 1e-6, spread, 1.0)
        ensemble.centre, ensemble.unit = y[rest].median(), (y[rest] - y[rest].median()).abs().mean()
        x, target = ensemble._standard(features[rest]), (y[rest] - ensemble.centre) / ensemble.unit
        _train(ensemble, x, target, steps)
        value, deviation = ensemble.estimate(features[kept])
        ensemble.factor = ((value - y[kept]).abs() / deviation).quantile(0.6827)
    return ensemble.requires_grad_(False)


def _train(ensemble: Ensemble, x: Tensor, y: Tensor, steps: int, batch: int = 256) -> None:
    optimiser = torch.optim.AdamW(ensemble.parameters(), weight_decay=1e-2)
    fall = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for _ in range(steps):
        index = torch.randint(len(y), (ensemble.sizes["members"], batch))
        mean, log = ensemble(x[index])
        loss = (log + (mean - y[index]).abs() * (-log).exp()).mean(1).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        fall.step()


class _Linears(nn.Module):
    """A dense layer for every member, (members, n, inputs) -> (members, n, outputs)."""

    def __init__(self, members: int, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(members, inputs, outputs) * (2 / inputs) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)
