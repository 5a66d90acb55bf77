"""What is known of each sample, and what of it a generator can be asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from otgan.config import InputError, suggest
from otgan.geometry import Geometry, Lp, Product


@dataclass(frozen=True)
class Attribute:
    """A column of `Samples.y`: a class of several, or a number.

    Args:
        name: as the user types it.
        values: names of the classes, which the column numbers from 0; none for a number.
        low, high: of a number, in the training data.
        mean, deviation: of a number, in the training data; networks see it standardised.
    """

    name: str
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def number(cls, name: str, column: Tensor) -> Attribute:
        """A number with the range and moments of a training column (n,).

        Raises:
            InputError: it is not finite everywhere, or constant.
        """
        column = column.double()
        if not column.isfinite().all():
            bad = int((~column.isfinite()).sum())
            raise InputError(f"{bad} values of '{name}' are NaN or infinite: drop these samples")
        low, high = column.min().item(), column.max().item()
        if low == high:
            raise InputError(f"'{name}' is {low:g} everywhere: there is nothing to ask for")
        return cls(name, (), low, high, column.mean().item(), column.std().item())

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Attribute:
        """From `asdict`, by way of JSON."""
        return cls(**{**state, "values": tuple(state["values"])})

    @property
    def width(self) -> int:
        """Features of one value."""
        return len(self.values) or 1

    def features(self, column: Tensor) -> Tensor:
        """What networks see, (n,) -> (n, width): one-hot classes, a standardised number.

        Raises:
            ValueError: a class that does not exist.
        """
        if not self.values:
            return ((column - self.mean) / self.deviation).float()[:, None]
        return one_hot(column.long(), len(self.values)).float()

    def parse(self, text: str) -> float:
        """The value in the column for what a user typed.

        Raises:
            InputError: a class or number that was not in training.
        """
        if self.values:
            if text not in self.values:
                raise InputError(
                    f"{self.name} '{text}' was not in training{suggest(text, self.values)}"
                )
            return float(self.values.index(text))
        try:
            number = float(text)
        except ValueError:
            raise InputError(f"{self.name} '{text}' is no number") from None
        if not self.low <= number <= self.high:
            raise InputError(
                f"{self.name} {number:g} was not in training, which has {self.low:g} to "
                f"{self.high:g}"
            )
        return number


@dataclass(frozen=True)
class Condition:
    """The attributes that critic and generator are told, in this order.

    Args:
        columns: where each stands in `Samples.y`.
    """

    attributes: tuple[Attribute, ...]
    columns: tuple[int, ...]

    @classmethod
    def of(cls, known: Sequence[Attribute], names: Sequence[str]) -> Condition | None:
        """The condition on attributes of these names; None for no names.

        Raises:
            InputError: the data have no such attribute.
        """
        order = [attribute.name for attribute in known]
        for name in names:
            if name not in order:
                have = suggest(name, order) if order else ": they have no labels at all"
                raise InputError(f"the data have no '{name}' to condition on{have}")
        if len(set(names)) < len(names):
            raise InputError(f"--condition names one attribute twice: {' '.join(names)}")
        columns = tuple(order.index(name) for name in names)
        return cls(tuple(known[c] for c in columns), columns) if names else None

    @property
    def width(self) -> int:
        """Features of a condition."""
        return sum(attribute.width for attribute in self.attributes)

    def select(self, y: Tensor) -> Tensor:
        """All that is known, (n,) or (n, columns), to these attributes, (n, k)."""
        return y.reshape(len(y), -1)[:, list(self.columns)].float()

    def features(self, y: Tensor | None) -> Tensor:
        """What networks see, (n, k) -> (n, width).

        Raises:
            ValueError: no conditions, or of another size.
        """
        if y is None:
            names = ", ".join(attribute.name for attribute in self.attributes)
            raise ValueError(f"this network is conditional: give {names} of every point")
        if y.dim() != 2 or y.shape[1] != len(self.attributes):
            raise ValueError(
                f"conditions of shape {tuple(y.shape)} are not (n, {len(self.attributes)}): one "
                f"column each for {', '.join(a.name for a in self.attributes)}"
            )
        pairs = zip(self.attributes, y.unbind(1), strict=True)
        return torch.cat([attribute.features(column) for attribute, column in pairs], 1)

    def parse(self, given: str | Mapping[str, Any]) -> Tensor:
        """One condition (k,) from "3", "label=3,angle=20" or a mapping.

        Raises:
            InputError: attributes that are missing or unknown, values that were not in training.
        """
        names = [attribute.name for attribute in self.attributes]
        if isinstance(given, str):
            parts = [part.partition("=") for part in given.split(",")]
            if len(names) == 1 and (len(parts) > 1 or not parts[0][1]):
                parts = [(names[0], "=", given)]
            given = {name.strip(): value.strip() for name, _, value in parts}
        if sorted(given) != sorted(names):
            form = ",".join(f"{name}=..." for name in names)
            raise InputError(
                f"a condition is {form} here, and {', '.join(given) or 'nothing'} is given"
            )
        return torch.tensor([a.parse(str(given[a.name])) for a in self.attributes])

    def spread(self, y: Tensor, most: int = 16) -> Tensor:
        """Conditions for the rows of a picture, (rows, k): every class of a single attribute, a
        single number's range, else some of those given, (n, k)."""
        if len(self.attributes) > 1:
            return y[:8]
        (attribute,) = self.attributes
        if attribute.values:
            return torch.arange(min(most, len(attribute.values))).float()[:, None]
        return y[:, 0].quantile(torch.linspace(0.05, 0.95, 8))[:, None]


class Joint:
    """Points with their conditions under one ground cost: d(x, x') + length * d(y, y').

    d(y, y') counts the classes that differ and adds up the differences of numbers in standard
    deviations: finite, so that samples whose conditions differ can be compared. As the length grows
    W1 tends to the mean of the conditional ones where all conditions occur equally often in both.

    Args:
        geometry, shape: of the points alone.
        length: in ground-cost units.
    """

    def __init__(
        self, geometry: Geometry, shape: Sequence[int], condition: Condition, length: float
    ):
        parts: list[tuple[Geometry, Sequence[int]]] = [(geometry, shape)]
        self.condition = condition
        self.geometry = Product([*parts, (Lp(1), (condition.width,))], [1, length])
        halves = [0.5 if a.values else 1.0 for a in condition.attributes for _ in range(a.width)]
        self.scale = torch.tensor(halves)  # one-hot vectors of two classes differ twice

    def points(self, x: Tensor, y: Tensor) -> Tensor:
        """(n, *E), (n, k) -> (n, size of E + width)."""
        features = self.condition.features(y) * self.scale.to(x.device)
        points = x.reshape(len(x), -1)
        points = points if points.is_floating_point() else points.double()  # nodes, by number
        return torch.cat([points, features.to(points.dtype)], 1)


def described(y: Tensor | None, names: Mapping[str, tuple[str, ...]]) -> tuple[Attribute, ...]:
    """Attributes of the columns of y, (n,) or (n, k); numbers where no classes are named."""
    if y is None:
        return ()
    columns = zip(names.items(), y.reshape(len(y), -1).unbind(1), strict=True)
    return tuple(
        Attribute(name, values) if values else Attribute.number(name, column)
        for (name, values), column in columns
    )


def check_known(y: Tensor | None, attributes: Sequence[Attribute], part: str) -> None:
    """That what is known of some samples is what the attributes say.

    Raises:
        InputError: another number of columns, missing values, classes that do not exist.
    """
    if not attributes or y is None:
        return
    columns = math.prod(y.shape[1:])
    if columns != len(attributes):
        raise InputError(
            f"{len(attributes)} attributes are named and the {part} data know {columns} of each "
            "sample: give Samples a y with one column each"
        )
    for attribute, column in zip(attributes, y.reshape(len(y), -1).unbind(1), strict=True):
        wrong = ~column.double().isfinite()
        if attribute.values:
            wrong |= (column != column.round()) | (column < 0) | (column >= len(attribute.values))
        if wrong.any():
            raise InputError(
                f"{int(wrong.sum())} of {len(column)} {part} samples have no valid "
                f"{attribute.name}, such as {column[wrong][0].item():g}: drop them"
            )


def to_json(attributes: Sequence[Attribute]) -> list[dict[str, Any]]:
    """For a domain's state; `Attribute.restore` reads it."""
    return [{**asdict(a), "values": list(a.values)} for a in attributes]
