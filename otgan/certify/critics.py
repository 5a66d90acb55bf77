"""The critic behind a lower side: several certified kinds compete on data kept for that."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from otgan.certify.couplings import affordable, lowest, transported
from otgan.certify.fitting import contest
from otgan.geometry import Geometry, GraphMetric, Lp, NormedSpace, Potential
from otgan.geometry.base import flat
from otgan.networks import mlp
from otgan.networks.lipschitz import Measured, lipschitz
from otgan.networks.potentials import Cones, Landmarks

Sides = tuple[Tensor, Tensor]

FEW = 1500
"""Points a side whose optimal potentials compete, where there are more than can be had exactly."""
_ROWS = 2000
_SLACK = 1e-6


def split(v: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """In random order 45 % to train on, 15 % to choose by, and 40 % that the bounds are for."""
    v = v[torch.randperm(len(v), generator=generator)]
    first, second = len(v) * 9 // 20, len(v) * 3 // 5
    return v[:first], v[first:second], v[second:]


def certified(
    train: Sides,
    judge: Sides,
    geometry: Geometry,
    seconds: float,
    steps: Sequence[int],
    generator: torch.Generator,
) -> tuple[str, Potential, tuple[int, ...]]:
    """The 1-Lipschitz function that separates the judge's data best.

    Args:
        train, judge: in double precision, as the geometry, or integers; integers are no
            coordinates, so for them there are optimal potentials alone.
        seconds, steps: of training, as in `contest`.

    Returns:
        What it is called, the function in double precision, and the steps done.
    """

    def score(f: Potential) -> float:
        gap = values(f, judge[0]).mean() - values(f, judge[1]).mean()
        # landmarks that move may leave the set on which a metric of the user's is one
        sound = gap.isfinite() and steepest(f, *judge, geometry) <= 1 + _SLACK
        return gap.item() if sound else -math.inf

    enough = affordable(*train, geometry, FEW)
    x, y = train if enough else (v[:FEW] for v in train)
    potential = transported(x, y, geometry)[1]
    tried: dict[str, Potential] = {
        "transport, valleys": potential,
        "transport, peaks": lowest(potential, x, geometry),
    }
    if isinstance(geometry, NormedSpace):
        tried["means"] = means(*train, geometry)
    done: tuple[int, ...] = ()
    if x.is_floating_point():
        best, critic, done = _trained(train, score, geometry, seconds, steps, generator)
        tried[best] = critic
    name = max(tried, key=lambda name: score(tried[name]))
    return name, tried[name], done


def means(x: Tensor, y: Tensor, geometry: NormedSpace) -> Potential:
    """The linear function that makes most of the difference of means: W1 >= ||E x - E y||."""
    way = (x.mean(0) - y.mean(0))[None].requires_grad_()
    with torch.enable_grad():
        (w,) = torch.autograd.grad(geometry.norm(way).sum(), way)
    w = flat(w / geometry.dual_norm(w))[0]
    return lambda z: flat(z) @ w


def _trained(
    train: Sides,
    score: Callable[[Potential], float],
    geometry: Geometry,
    seconds: float,
    steps: Sequence[int],
    generator: torch.Generator,
) -> tuple[str, nn.Module, tuple[int, ...]]:
    """Trained in single precision, judged and returned in double."""
    x, y = (v.float() for v in train)
    plain = copy.deepcopy(geometry).float()

    def draw(n: int) -> Sides:
        return (
            x[torch.randint(len(x), (n,), generator=generator)],
            y[torch.randint(len(y), (n,), generator=generator)],
        )

    def judge(critic: nn.Module) -> float:
        return score(in_double(critic, geometry))

    tried, rates = candidates(plain, x, y), {"layers": 5e-3}
    name, critic, done = contest(tried, draw, judge, plain, seconds, rates, steps=steps)
    return name, in_double(critic, geometry), done


def candidates(geometry: Geometry, x: Tensor, y: Tensor) -> dict[str, Callable[[], nn.Module]]:
    """Certified critics for a ground cost, by name, each from a sample of either side."""

    def envelope(kind: Callable[..., nn.Module], number: int, side: str) -> Callable:
        points = x if side == "peaks" else y
        return lambda: kind(geometry, points[:number], side)

    kinds: dict[str, tuple[Callable[..., nn.Module], int]] = {"landmarks": (Landmarks, 256)}
    if isinstance(geometry, NormedSpace) and (
        isinstance(geometry, Lp) or geometry.whiten(x[:1]) is not None
    ):
        kinds["cones"] = Cones, 64
    found = {
        f"{name}, {side}": envelope(*kind, side)
        for name, kind in kinds.items()
        for side in ("peaks", "valleys")
    }
    if isinstance(geometry, NormedSpace):
        found["layers"] = lambda: layers(geometry, torch.cat([x, y]))
    return found


def layers(geometry: NormedSpace, points: Tensor) -> nn.Module:
    """A dense critic that is 1-Lipschitz in a norm, for data like a sample of it, (n, *E)."""
    network = mlp(tuple(points.shape[1:]), latent=1, width=max(128, 2 * points[0].numel()))[1]
    return Scaled(lipschitz(network, geometry, points), points)


class Scaled(nn.Module):
    """A network that sees points in units of their own spread.

    Args:
        unit: of its answers; by default the same spread, which leaves every slope as it is.
    """

    centre: Tensor
    spread: Tensor
    unit: Tensor

    def __init__(self, network: nn.Module, points: Tensor, unit: float | None = None):
        super().__init__()
        spread = (points - points.mean(0)).square().mean().sqrt()
        spread = torch.where(spread > 0, spread, 1)
        self.network = network
        self.register_buffer("centre", points.mean(0))
        self.register_buffer("spread", spread)
        self.register_buffer("unit", spread if unit is None else torch.tensor(unit))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(n, *E) -> (n,)."""
        return self.unit * self.network((x - self.centre) / self.spread)


def in_double(critic: nn.Module, geometry: Geometry) -> nn.Module:
    """A copy in double precision under the geometry itself, not its copy in single precision:
    a ruler rounded to 7 digits would certify slopes up to 1.0000001."""
    critic = copy.deepcopy(critic).double()
    for module in critic.modules():
        if isinstance(module, Landmarks | Cones):
            module.geometry = geometry
        if isinstance(module, Measured) and isinstance(geometry, NormedSpace):
            module.ruler = (geometry,)
    return critic.eval()


@torch.no_grad()
def values(f: Potential, x: Tensor) -> Tensor:
    """f(x), (n, *E) -> (n,), a few rows at a time."""
    return torch.cat([f(part) for part in x.split(_ROWS)])


def steepest(f: Potential, x: Tensor, y: Tensor, geometry: Geometry) -> float:
    """The largest slope found of a critic: of a graph's edges all, elsewhere on random pairs."""
    from otgan.monitors import largest_slope

    if isinstance(geometry, GraphMetric):
        u, v = geometry.edges.T
        lengths = torch.from_numpy(geometry.paths.lengths)
        return ((values(f, u) - values(f, v)).abs() / lengths).max().item()
    n = min(len(x), len(y), _ROWS)
    return largest_slope(f, x[:n], y[:n], geometry)
