"""Lists of values for settings, and their combinations; imports no torch."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from pydantic import BaseModel

from otgan.config import Config, InputError, checked, suggest

Value = str | float | int | None


@dataclass(frozen=True)
class Point:
    """One combination: the swept settings by name, the preset, and all settings."""

    swept: Mapping[str, Value]
    preset: str
    config: Config

    @property
    def name(self) -> str:
        """Such as "optimiser.rate=0.001,seed=1"."""
        return ",".join(f"{name}={shown(value)}" for name, value in self.swept.items())


def shown(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def lists(over: Sequence[str], fixed: Collection[str]) -> dict[str, list[str]]:
    """Names of settings and their values, from texts like "optimiser.rate=1e-4,1e-3".

    Args:
        fixed: options that have one value, such as "--steps".

    Raises:
        InputError: nothing to sweep, an unknown setting, one given twice or fixed, no values.
    """
    known = ["preset", *_names(Config)]
    found: dict[str, list[str]] = {}
    for text in over:
        name, _, values = text.partition("=")
        name = name.strip().replace("-", "_")
        flag = f"--{name.replace('_', '-')}"
        flags = {flag, flag.removesuffix(".kind")}  # --constraint is --constraint.kind
        if name not in known:
            raise InputError(f"--over {text}: no setting '{name}'{suggest(name, known)}")
        if name in found:
            raise InputError(f"--over {name} is given twice: give it one list of values")
        if taken := flags & set(fixed):
            raise InputError(f"{name} is swept and fixed: drop {min(taken)}, or --over {text}")
        found[name] = [value.strip() for value in values.split(",")]
        if not all(found[name]):
            raise InputError(f"--over {text}: a value is missing, as in {name}=VALUE,VALUE")
    if not found:
        raise InputError("nothing to sweep: give --over SETTING=VALUE,VALUE")
    return found


def points(
    over: Mapping[str, Sequence[str]], bases: Mapping[str, Config], limit: int | None = None
) -> list[Point]:
    """Every combination once, or `limit` random ones of them, the same for the same lists.

    Args:
        bases: by preset, all that is not swept; one, or those that are swept over.

    Raises:
        InputError: a value that its setting refuses.
    """
    found: dict[str, Point] = {}
    for values in itertools.product(*over.values()):
        point = _point(dict(zip(over, values, strict=True)), bases)
        found[point.name] = point
    order = list(range(len(found)))
    if limit:
        random.Random(0).shuffle(order)  # a larger limit adds to a smaller one
    kept = {*order[:limit]}
    return [point for k, point in enumerate(found.values()) if k in kept]


def _point(texts: Mapping[str, str], bases: Mapping[str, Config]) -> Point:
    preset = texts.get("preset", next(iter(bases)))
    settings = bases[preset].model_dump()
    names = [name for name in texts if name != "preset"]
    for name in names:
        *groups, key = name.split(".")
        part = reduce(dict.__getitem__, groups, settings)
        part[key] = None if texts[name] == "None" else texts[name]
    config = checked(settings)
    values: dict[str, Any] = {name: reduce(getattr, name.split("."), config) for name in names}
    return Point({name: values.get(name, preset) for name in texts}, preset, config)


def _names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _names(kind, f"{prefix}{name}.")
        else:
            yield prefix + name
