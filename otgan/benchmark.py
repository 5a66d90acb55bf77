"""How near every constraint comes to a W1 that is known exactly."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, Literal, get_args

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from otgan.certify.fitting import contest, fit
from otgan.config import InputError, suggest
from otgan.constraints import Certified, Constraint, SlopePenalty, SpectralNorm, WeightClipping
from otgan.costs import named
from otgan.geometry import Mahalanobis, NormedSpace
from otgan.networks import mlp
from otgan.networks.potentials import Cones, Landmarks
from otgan.pairs import Pair, Sets, funnels
from otgan.report.rows import measured


@dataclass(frozen=True)
class Task:
    """A pair, a method and a budget; what a row of the table is about."""

    method: str
    sets: Sets
    dim: int
    number: int
    keep: float | Literal["ray"]
    cost: str
    seconds: float
    threads: int
    seed: int


@dataclass(frozen=True)
class Method:
    """How a critic is made and trained.

    Args:
        train: (pair, draw, seconds) -> critic.
        certified: whether its value is a bound.
    """

    train: Callable[[Pair, Callable[[int], tuple[Tensor, Tensor]], float], nn.Module]
    certified: bool


def ruler(cost: str, dim: int) -> NormedSpace:
    """The ground cost of a name; plain "mahalanobis" is of a random covariance with condition
    number 1e4.

    Raises:
        InputError: it is no norm.
    """
    axes = torch.linalg.qr(torch.randn(dim, dim, generator=torch.Generator().manual_seed(0)))[0]
    covariance = axes * torch.logspace(-2, 2, dim) @ axes.mT
    geometry = Mahalanobis(covariance) if cost == "mahalanobis" else named(cost).float()
    if not isinstance(geometry, NormedSpace):
        raise InputError(f"--cost {cost} is no norm, and these pairs are made for norms")
    return geometry


def _measure(task: Task) -> dict[str, Any]:
    torch.set_num_threads(task.threads)
    torch.manual_seed(task.seed)
    geometry = ruler(task.cost, task.dim)
    pair = funnels(geometry, task.dim, task.sets, task.number, task.keep, task.seed)
    generator = torch.Generator().manual_seed(task.seed + 1)
    method, start = METHODS[task.method], time.perf_counter()
    critic = method.train(pair, lambda n: pair.sample(n, generator), task.seconds)
    seconds = time.perf_counter() - start
    score = pair.score(copy.deepcopy(critic).double(), seed=task.seed + 2)
    return {**score, "certified": method.certified, "took": seconds, "W1": pair.cost(50_000)}


def _network(make: Callable[[], Constraint], rate: float, certified: bool = False) -> Method:
    def train(pair: Pair, draw: Callable, seconds: float) -> nn.Module:
        shape = draw(1)[0].shape[1:]
        constraint = make()
        network = mlp(shape, latent=1, width=max(128, 2 * shape[0]), depth=3)[1]
        critic = constraint.build(network, pair.geometry)
        fit(critic, draw, pair.geometry, seconds, constraint=constraint, rate=rate, batch=512)
        return critic

    return Method(train, certified)


def _envelope(kind: Callable[..., nn.Module], number: Callable[[int], int]) -> Method:
    """The side that the critic's envelope has is found by a trial."""

    def train(pair: Pair, draw: Callable, seconds: float) -> nn.Module:
        x, y = draw(number(draw(1)[0].shape[1]))
        fresh = draw(5000)

        def judge(f: nn.Module) -> float:
            with torch.no_grad():
                return (f(fresh[0]).mean() - f(fresh[1]).mean()).item()

        makers = {
            "peaks": lambda: kind(pair.geometry, x, "peaks"),
            "valleys": lambda: kind(pair.geometry, y, "valleys"),
        }
        return contest(makers, draw, judge, pair.geometry, seconds)[1]

    return Method(train, True)


METHODS: dict[str, Method] = {
    "clipping": _network(WeightClipping, 5e-4),
    "spectral-norm": _network(SpectralNorm, 1e-3),
    "gp": _network(lambda: SlopePenalty("two"), 1e-3),
    "lp": _network(lambda: SlopePenalty("one"), 1e-3),
    "lp-auto": _network(lambda: SlopePenalty("one", "auto"), 1e-3),
    "layers": _network(Certified, 5e-3, certified=True),
    "landmarks": _envelope(Landmarks, lambda dim: 256),
    "cones": _envelope(Cones, lambda dim: max(16, min(128, 4096 // dim))),
}


def command(
    dims: Sequence[int],
    sets: Sequence[str],
    numbers: Sequence[int],
    keep: Sequence[str],
    cost: str,
    methods: Sequence[str],
    seconds: float,
    seeds: Sequence[int],
    threads: int,
    file: Path | None,
) -> None:
    """`otgan benchmark w1`: trains, with a line a row on stderr, and prints the table.

    Raises:
        InputError: unknown sets, methods or costs, numbers that make no sense, or a norm whose
            nearest points are not known.
    """
    for name in sets:
        _among(name, get_args(Sets), "--sets")
    for name in methods:
        _among(name, METHODS, "--methods")
    ruler(cost, 1)
    for what, values in (("--dims", dims), ("--numbers", numbers), ("--threads", [threads])):
        if not values or min(values) < 1:
            raise InputError(f"{what} are whole numbers from 1, got {values}")
    if not seconds > 0:
        raise InputError(f"--seconds is the time of a training, more than 0, got {seconds}")
    shares = [share if share == "ray" else _share(share) for share in keep]
    tasks = [
        Task(method, kind, dim, number, share, cost, seconds, threads, seed)  # type: ignore[arg-type]
        for seed, dim, kind, number, share, method in product(
            seeds, dims, sets, numbers, shares, methods or METHODS
        )
    ]
    rows = []
    try:
        for row in measured(tasks, _measure, file):
            rows.append(row)
            print(
                f"{len(rows)}/{len(tasks)} {_label(row)} {row['method']}: {_figures([row])}",
                file=sys.stderr,
            )
    except ValueError as error:
        raise InputError(str(error)) from None
    show(rows)


def show(rows: Sequence[dict[str, Any]]) -> None:
    """The table: medians over seeds."""
    table = Table("pair", "method", "cosine", "l2 error", "value / W1", "slope", "certified")
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((_label(row), row["method"]), []).append(row)
    for (label, method), group in groups.items():
        certified = "yes" if group[0]["certified"] else "no"
        table.add_row(label, method, *_figures(group).split(), certified)
    Console(width=None if sys.stdout.isatty() else 110).print(table)


def _label(row: dict[str, Any]) -> str:
    return f"{row['number']} {row['sets']}, d = {row['dim']}, {row['keep']}, {row['cost']}"


def _figures(group: Sequence[dict[str, Any]]) -> str:
    keys = ("cosine", "l2", "ratio", "slope")
    return "  ".join(f"{median(row[key] for row in group):.3f}" for key in keys)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise InputError(f"--keep is 'ray' or a share from 0 to 1, got {text}")
    return share


def _among(name: str, known: Iterable[str], flag: str) -> None:
    if name not in known:
        raise InputError(f"{flag}: no '{name}'{suggest(name, known)}")
