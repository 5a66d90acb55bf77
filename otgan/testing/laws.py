"""What a law is, and the few words that laws are written in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from otgan.geometry import Geometry, Potential
from otgan.geometry.base import flat

_POINTS = 24  # triples of them for the triangle inequality

Check = Callable[[Any, Tensor], None]


@dataclass(frozen=True)
class Law:
    """Something that is true of every geometry with certain traits. Call it to check it."""

    check: Check
    needs: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.check.__name__

    def __str__(self) -> str:
        return self.name

    def __call__(self, geometry: Geometry, points: Tensor, seed: int = 0) -> None:
        """Leaves the points and the state of random numbers as they were.

        Raises:
            AssertionError: the law is broken, or the geometry failed before it could be checked.
        """
        x = points[:_POINTS].detach().clone()
        with torch.random.fork_rng([points.device] if points.is_cuda else []):
            torch.manual_seed(seed)
            try:
                self.check(geometry, x)
            except Exception as error:
                kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
                raise AssertionError(f"{geometry!r} breaks {self}: {kind}{error}") from error


def law(laws: list[Law], *needs: str) -> Callable[[Check], Check]:
    """Adds a check to laws, for geometries with the traits it needs."""

    def add(check: Check) -> Check:
        laws.append(Law(check, needs))
        return check

    return add


def require(truth: bool | Tensor, otherwise: str) -> None:
    if not truth:
        raise AssertionError(otherwise)


def at_most(values: Tensor, bound: float, what: str) -> None:
    worst = values.max().item()
    require(worst <= bound, f"{what} is {worst:.3g}, at most {bound:.1g} is allowed")


def equal(found: Tensor, expected: Tensor, what: str) -> None:
    shapes = [tuple(t.shape) for t in (found, expected)]
    require(shapes[0] == shapes[1], f"{what}: shape {shapes[0]}, not {shapes[1]}")
    off = (found - expected).detach().abs()
    at_most(off, slack(expected), f"{what}: the difference")


def tolerance(d: Tensor) -> float:
    """Half the digits: all that arccos(1 - eps) and its like leave."""
    return torch.finfo(d.dtype).eps ** 0.5


def slack(d: Tensor) -> float:
    return tolerance(d) * d.detach().abs().max().item()


def linear(x: Tensor, scale: float = 1.0) -> tuple[Potential, Tensor]:
    """A random linear function of points like x, and its weights, (size of E,)."""
    dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
    w = scale * torch.randn(x[0].numel(), dtype=dtype, device=x.device)
    w.requires_grad_()
    return lambda z: flat(z).to(dtype) @ w, w


def slope(geometry: Geometry, f: Potential, x: Tensor, y: Tensor) -> Tensor:
    """Slopes of f, measured at the same random points every time."""
    torch.manual_seed(torch.initial_seed())
    return geometry.slope(f, x, y)
