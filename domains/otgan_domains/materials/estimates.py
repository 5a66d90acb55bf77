"""Estimates of a property of formulas, such as how stable they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from otgan.config import InputError, suggest
from otgan.data import Samples
from otgan_domains.materials.fractions import fractions
from otgan_domains.materials.magpie import Magpie
from otgan_domains.materials.regression import Ensemble, Errors, fit

_ROWS = 2048


@dataclass(frozen=True)
class Estimator:
    """A property by formula, learned from a table; it needs no data to go on.

    Args:
        name, unit: of the property.
        elements: columns of the amounts it takes.
        errors: on held-out rows, if there were any.
    """

    name: str
    unit: str
    elements: tuple[str, ...]
    ensemble: Ensemble
    errors: Errors | None = None

    @classmethod
    def learn(
        cls,
        name: str,
        unit: str,
        elements: Sequence[str],
        train: tuple[Tensor, Tensor],
        held_out: tuple[Tensor, Tensor] | None = None,
        steps: int | None = None,
        seed: int = 0,
    ) -> Estimator:
        """From amounts (n, elements) and values (n,).

        Raises:
            ValueError: too few rows, a constant property.
        """
        values = train[1].float()
        ensemble = fit(features(train[0], elements), values, steps, seed)
        errors = None
        if held_out is not None:
            errors = ensemble.errors(features(held_out[0], elements), held_out[1].float())
        return cls(name, unit, tuple(elements), ensemble, errors)

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Amounts (n, elements) -> value and standard deviation, (n,) both, in `unit`."""
        return self.ensemble.estimate(features(x, self.elements))

    def at_most(self, x: Tensor, threshold: float = 0.0) -> Tensor:
        """Probability that the property does not exceed a threshold, for normal errors, (n,).

        Of a decomposition energy and 0 that is the probability of being stable.
        """
        value, deviation = self(x)
        return torch.special.ndtr((threshold - value) / deviation)

    def to_state(self) -> dict[str, Any]:
        """JSON, about half a megabyte."""
        return {
            "name": self.name,
            "unit": self.unit,
            "elements": list(self.elements),
            "ensemble": self.ensemble.to_state(),
            "errors": None if self.errors is None else asdict(self.errors),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Estimator:
        """The inverse of `to_state`."""
        return cls(
            state["name"],
            state["unit"],
            tuple(state["elements"]),
            Ensemble.from_state(state["ensemble"]),
            None if state["errors"] is None else Errors(**state["errors"]),
        )

    def said(self) -> str:
        """How far off it is, on one line."""
        if self.errors is None:
            return f"{self.name}: no held-out rows to say how far estimates are off"
        e, unit = self.errors, f" {self.unit}" if self.unit else ""
        return (
            f"{self.name}: off by {e.mae:.3g}{unit} on average over {e.rows} held-out rows, the "
            f"median as a guess by {e.mae_of_median:.3g}; {e.within[0]:.0%} within one and "
            f"{e.within[1]:.0%} within two standard deviations"
        )


def learned(name: str, state: Mapping[str, Any], train: Samples, held_out: Samples) -> Estimator:
    """An estimator of a column of the data.

    Args:
        state: of the domain, with its attributes, units and elements.

    Raises:
        InputError: no such column of numbers, or too few rows.
    """
    columns = [attribute["name"] for attribute in state["attributes"]]
    numbers = [attribute["name"] for attribute in state["attributes"] if not attribute["values"]]
    if name not in numbers:
        raise InputError(f"--estimate {name}: no column of numbers{suggest(name, numbers)}")
    assert train.y is not None and held_out.y is not None
    k = columns.index(name)
    rows, aside = (
        (part.points(), y[:, k]) for part, y in ((train, train.y), (held_out, held_out.y))
    )
    try:
        return Estimator.learn(name, state["units"].get(name, ""), state["elements"], rows, aside)
    except ValueError as error:
        raise InputError(f"--estimate {name}: {error}") from None


def features(x: Tensor, elements: Sequence[str]) -> Tensor:
    """Amounts (n, elements) to what estimates are made from, (n, elements + statistics).

    Roots of the fractions, which tell traces from nothing, and Magpie's statistics.
    """
    magpie = Magpie(elements)
    parts = [torch.cat([fractions(p).sqrt(), magpie(p).float()], 1) for p in x.split(_ROWS)]
    return torch.cat(parts)
