"""Ground costs by name, as the command line has them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from otgan.config import InputError, suggest
from otgan.domain import named_function
from otgan.geometry import (
    Angles,
    Discrete,
    Geometry,
    GraphMetric,
    GreatCircle,
    Lp,
    Mahalanobis,
    Sobolev,
    edge_lists,
)
from otgan.geometry.base import flat
from otgan.readers import read

_PLAIN: dict[str, Callable[[], Geometry]] = {
    "l1": lambda: Lp(1),
    "l2": lambda: Lp(2),
    "linf": lambda: Lp(math.inf),
    "angles": Angles,
    "great-circle": GreatCircle,
    "discrete": Discrete,
}
_OF_A_NUMBER: dict[str, Callable[[float], Geometry]] = {
    "lp": Lp,
    "sobolev": Sobolev,
    "angles": Angles,
    "great-circle": GreatCircle,
    "discrete": Discrete,
}
FORMS = (
    *("l1", "l2", "linf", "lp:P", "mahalanobis", "mahalanobis:COVARIANCE", "sobolev:S", "angles"),
    *("angles:PERIOD", "great-circle", "great-circle:RADIUS", "discrete", "discrete:LENGTH"),
    *("graph:EDGES.csv", "module:function"),
)


def named(spec: str, points: Tensor | None = None, symmetrise: bool = False) -> Geometry:
    """The ground cost of a name such as l2, lp:3 or graph:EDGES.csv, in double precision.

    Args:
        spec: one of FORMS.
        points: for plain "mahalanobis", whose ruler is the covariance of these, (n, *E).
        symmetrise: lets edges be walked both ways that have two lengths.

    Raises:
        InputError: an unknown name, a number or file that does not fit.

    Example:
        >>> named("lp:3"), named("angles:360")
        (l3, Angles(period=360, p=1))
    """
    name, colon, argument = spec.partition(":")
    if symmetrise and name != "graph":
        raise InputError(f"--symmetrise is for graphs, and the ground cost is {spec}")
    try:
        if not colon and name in _PLAIN:
            return _PLAIN[name]().double()
        if colon and name in _OF_A_NUMBER:
            return _OF_A_NUMBER[name](_number(spec, argument)).double()
        if name == "mahalanobis":
            return Mahalanobis(_covariance(argument, points)).double()
        if colon and name == "graph":
            return _graph(Path(argument), symmetrise).double()
        if colon and argument.isidentifier():
            return _own(spec).double()
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"--cost {spec}: {error}") from None
    raise InputError(f"unknown cost '{spec}'{suggest(spec, FORMS)}")


def _number(spec: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--cost {spec}: '{text}' is no number") from None


def _covariance(file: str, points: Tensor | None) -> Tensor:
    if file:
        return read(Path(file)).points
    if points is None:
        raise InputError("--cost mahalanobis: name a file, mahalanobis:COVARIANCE.npy")
    return torch.cov(flat(points).T).reshape(points[0].numel(), -1)


def _graph(path: Path, symmetrise: bool) -> GraphMetric:
    if not path.is_file():
        raise InputError(f"no such file of edges: '{path}'")
    edges, lengths, names = edge_lists.read(path, None)
    if lengths is not None and not symmetrise:
        known: dict[tuple[int, int], float] = {}
        for (u, v), length in zip(edges.tolist(), lengths.tolist(), strict=True):
            back = known.get((v, u), length)
            if back != length:
                raise InputError(
                    f"'{path}' is a directed graph, {names[u]} to {names[v]} is {length:g} and "
                    f"back {back:g}, and its shortest paths are no metric: --symmetrise takes the "
                    "shorter of the two"
                )
            known[u, v] = length
    return GraphMetric(edges, lengths, names=names)


def _own(spec: str) -> Geometry:
    make: Callable[..., Any] = named_function(spec, "ground cost")
    try:
        made = make()
    except TypeError as error:
        raise InputError(f"--cost {spec}: {error}") from None
    if not isinstance(made, Geometry):
        raise InputError(
            f"--cost {spec} gives a {type(made).__name__}, no otgan.geometry.Geometry: return one"
        )
    return made
