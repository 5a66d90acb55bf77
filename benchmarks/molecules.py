"""Molecules from a WGAN in learned coordinates: valid, unique, novel, FCD, and logP as asked.

    python benchmarks/molecules.py nci|FILE [--seeds 0 1 2] [--charts FOLDER] [--rows FILE] ...

Fits the chart once (`--chart-steps`, kept in `--charts`), plays one game in it for every seed and
number of steps, and compares `--n` samples with held-out molecules, 10,000 at most. With
`--chart-steps 0` it is the one-shot generator on one-hot codes. 'Novel to all' is against training
and held-out molecules together; 'corrected' is after the correction `valence`; 'FCD, floor' has
training molecules in the place of samples. With `--logp` chart and games are told the logP: how far
samples follow that of held-out molecules, when asked for it. Rows that are in `--rows` are not
measured again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from otgan_domains.molecules.collection import Molecules
from otgan_domains.molecules.packing import spell, unpack
from otgan_domains.molecules.parsing import PROPERTIES
from otgan_domains.molecules.scoring import counted
from otgan_domains.molecules.similarity import chemnet_distance, diversity, nearest_similarity
from otgan_domains.molecules.vocabulary import Vocabulary
from safetensors.torch import load_file, save_file
from torch import Tensor
from tyro.conf import Positional

import otgan
from otgan.conditions import Condition
from otgan.domain import Domain, load
from otgan.preprocess import Encoding
from otgan.report.rows import measured

DOMAIN = "otgan_domains.molecules:molecules"


@dataclass(frozen=True)
class Game:
    """One row, played in the chart that took `chart_steps`, or without one for 0."""

    data: str
    chart_steps: int
    preset: str
    steps: int
    seed: int
    condition: str
    n: int


@dataclass(frozen=True)
class Setting:
    """What rows have in common and a chart is fitted to.

    Args:
        held_out: share kept from training, 10,000 at most.
        charts: folder of fitted charts.
        condition: what a conditional game is told, and its chart has directions for.
    """

    data: str
    chart_steps: int
    held_out: float
    charts: Path | None
    condition: tuple[str, ...] = ()


@cache
def domain(setting: Setting) -> tuple[Domain, float]:
    """With its chart fitted, and the seconds that took."""
    chart = "learned" if setting.chart_steps else "one-hot"
    found = load(DOMAIN, {"data": setting.data, "held_out": setting.held_out, "chart": chart})
    if not isinstance(found.chart, Encoding):
        return found, 0.0
    assert found.train is not None
    of = [Path(setting.data).name.partition(".")[0], str(setting.chart_steps), *setting.condition]
    path = setting.charts / ("-".join(of) + ".safetensors") if setting.charts else None
    if path and path.exists():
        found.chart.load_state_dict(load_file(path))
        return found, math.nan
    start = time.monotonic()
    condition = Condition.of(found.attributes, setting.condition)
    told = found.train.told(condition)
    features = condition.features(told.y) if condition else None
    found.chart.fit(told.points(), setting.chart_steps, about=features)
    taken = time.monotonic() - start
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(found.chart.state_dict(), path)
    return found, taken


@cache
def real(setting: Setting) -> tuple[Molecules, set[str], set[str]]:
    """Held-out molecules, names of the training ones, names of all."""
    found, _ = domain(setting)
    assert found.train is not None and found.held_out is not None
    vocabulary = Vocabulary.restore(found.state["vocabulary"])
    training = {name for name in spell(found.train.x, vocabulary) if name}
    held_out = read(found.held_out.x, vocabulary)
    return held_out, training, training | set(held_out.names)


@cache
def floor(setting: Setting, n: int) -> float:
    """FCD of n training molecules, or as many as there are."""
    found, _ = domain(setting)
    assert found.train is not None
    some = np.random.default_rng(0).permutation(len(found.train.x))[:n]
    vocabulary = Vocabulary.restore(found.state["vocabulary"])
    return chemnet_distance(read(found.train.x[some], vocabulary), real(setting)[0])


def read(x: Tensor, vocabulary: Vocabulary) -> Molecules:
    return Molecules.read(unpack(one, vocabulary) for one in x)


def figures(setting: Setting, game: Game) -> dict[str, Any]:
    """Of one game."""
    told = (game.condition,) if game.condition else ()
    setting = replace(setting, condition=told)
    played, charted = domain(setting)
    vocabulary = Vocabulary.restore(played.state["vocabulary"])
    start = time.monotonic()
    model = otgan.fit(
        domain=played, preset=game.preset, steps=game.steps, seed=game.seed, condition=told
    )
    seconds = time.monotonic() - start
    x = model.sample(game.n, seed=game.seed)
    held_out, training, everything = real(setting)
    made, sets = read(x, vocabulary), {"training": training, "all": everything}
    found = counted(made, sets)
    mended = counted(read(played.corrections["valence"](x), vocabulary), sets)
    found |= {f"{name}, corrected": mended[name] for name in ("valid", "valid and unique")}
    found |= {
        "FCD": chemnet_distance(made, held_out),
        "FCD, floor": floor(setting, game.n),
        "SNN": nearest_similarity(made, held_out),
        "IntDiv": diversity(made),
        "chart seconds": charted,
        "seconds": seconds,
    }
    return found | (asked(model, played, vocabulary, game) if game.condition else {})


def asked(model: otgan.Model, played: Domain, vocabulary: Vocabulary, game: Game) -> dict[str, Any]:
    """How far a property follows what is asked of held-out molecules: correlation, mean absolute
    error, and the standard deviation of the data."""
    assert played.held_out is not None and played.held_out.y is not None
    column = [attribute.name for attribute in played.attributes].index(game.condition)
    wanted = played.held_out.y[:2000, column].tolist()
    x = model.sample(1, game.seed, [f"{game.condition}={value}" for value in wanted])
    mols = [unpack(one, vocabulary) for one in x]
    pairs = [
        (w, PROPERTIES[game.condition](mol))
        for w, mol in zip(wanted, mols, strict=True)
        if mol is not None
    ]
    if len(pairs) < 2:
        return {"correlation": math.nan}
    want, got = np.array(pairs).T
    return {
        "correlation": np.corrcoef(want, got)[0, 1].item(),
        "error": np.abs(want - got).mean().item(),
        "of the data": np.std(wanted).item(),
    }


def games(
    each: Callable[[int, int], Game], steps: tuple[int, ...], seeds: tuple[int, ...]
) -> Iterator[Game]:
    """The first number of steps for every seed, the others for the first."""
    for k, seed in [*((steps[0], seed) for seed in seeds), *((k, seeds[0]) for k in steps[1:])]:
        yield each(k, seed)


def main(
    data: Positional[str] = "nci",
    chart_steps: int = 3000,
    preset: str = "wgan-gp",
    steps: tuple[int, ...] = (3000,),
    seeds: tuple[int, ...] = (0, 1, 2),
    logp: bool = False,
    n: int = 10_000,
    held_out: float = 0.075,
    charts: Path | None = None,
    rows: Path | None = None,
) -> None:
    """Prints a row for each game."""
    setting = Setting(data, chart_steps, held_out, charts)
    shown = (
        *("valid", "valid and unique", "valid, unique, novel to training"),
        *("valid, unique, novel to all", "valid, corrected", "valid and unique, corrected"),
        *("FCD", "FCD, floor", "SNN", "IntDiv", "correlation", "error", "of the data", "seconds"),
    )

    def each(k: int, seed: int) -> Game:
        return Game(data, chart_steps, preset, k, seed, "logp" if logp else "", n)

    tasks = games(each, steps, seeds)
    for row in measured(tasks, lambda game: figures(setting, game), rows):
        about = (f"{name} {row[name]}" for name in ("preset", "steps", "seed", "condition"))
        print(f"{row['data']} {', '.join(about)}")
        print("  " + ", ".join(f"{k} {row[k]:.3f}" for k in shown if k in row), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    tyro.cli(main)
