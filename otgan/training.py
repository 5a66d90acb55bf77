"""A run: the game with everything that surrounds it, from data to model."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from otgan import build
from otgan.budget import Budget
from otgan.conditions import Condition
from otgan.config import Config, InputError, checked, resolve
from otgan.data import Batches, encoded
from otgan.domain import Domain, check, find, load
from otgan.engine import Game, train
from otgan.model import Model, reopen
from otgan.monitors import Given, HeldOut
from otgan.preprocess import Encoding, Identity
from otgan.randomness import set_random_state
from otgan.report.log import Log
from otgan.runs import Run, describe
from otgan.watch import Watch

MONITOR_POINTS = 512
CHART_SHARE = 0.5
"""Of a time budget, for a chart that is learned."""


def fit(
    data: Any = None,
    domain: str | Domain = "images",
    *,
    source: Any = None,
    preset: str = "wgan-gp",
    out: str | Path | None = None,
    quiet: bool = False,
    **options: Any,
) -> Model:
    """Trains on data and returns the model; seeds torch's random generators.

    Args:
        data: what the domain reads: an array (n, *E), a path, a name; None for its default.
        domain: an installed name, `module:function`, or a Domain made by hand.
        source: other data, read as `data` are, whose points the model maps to these.
        preset: the settings to start from.
        out: run folder to write; None writes nothing.
        quiet: no progress on stderr.
        **options: settings of `otgan.config.Config` (nested ones as dicts) and options of the
            domain: `steps=2000, constraint={"weight": 5.0}, size=(32, 32)`.

    Returns:
        The model, on the CPU.

    Raises:
        InputError: wrong settings or data; nothing has been written then.

    Example:
        >>> import numpy as np
        >>> pictures = np.random.rand(80, 8, 8).astype("float32")
        >>> model = fit(pictures, steps=2, batch_size=16, quiet=True)
        >>> model.sample(3).shape
        torch.Size([3, 1, 8, 8])
    """
    name, chosen = "", {}
    if isinstance(domain, Domain):
        if data is not None or source is not None:
            raise InputError(
                "a Domain made by hand brings its own data: leave `data` and `source` out"
            )
        check(domain, "the domain")
    else:
        name = domain
        known = inspect.signature(find(name)).parameters
        chosen = {k: options.pop(k) for k in list(options) if k in known}
        if data is not None:
            chosen["data"] = data
        if source is not None:
            chosen["source"] = source
        if clash := set(known) & {*Config.model_fields, "source", "preset", "out", "quiet"}:
            raise InputError(f"option '{min(clash)}' of '{name}' is a setting's name: rename it")
        domain = load(name, chosen)
    config = resolve(preset, domain.presets, options, _length(options))
    return play(domain, describe(domain, config, name, chosen, preset), out, quiet=quiet)


def resume(
    path: str | Path,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    domain: Domain | None = None,
    quiet: bool = False,
) -> Model:
    """Goes on with a run where its last checkpoint left it, bit for bit on a CPU.

    Args:
        steps: steps in all, in place of the run's own; any other setting stays as it was.
        minutes: time from now on, instead of steps.
        domain: as the run was started with, if that cannot be made anew from run.json.
        quiet: no progress on stderr.

    Raises:
        InputError: not a run, other data, or nothing left to do.
    """
    spec = Run.open(path).spec()
    given = {k: v for k, v in {"steps": steps, "minutes": minutes}.items() if v is not None}
    config = checked({**spec["config"], **given, **_length(given)})
    domain = reopen(path, spec, data=True, domain=domain)
    return play(domain, {**spec, "config": config.model_dump()}, path, True, quiet=quiet)


def _length(given: Mapping[str, Any]) -> dict[str, Any]:
    """Minutes take the place of a default number of steps."""
    if given.get("steps") is not None and given.get("minutes") is not None:
        raise InputError("steps and minutes are two ways to say how long: give one of them")
    return {"steps": None} if given.get("minutes") is not None else {}


def play(
    domain: Domain,
    spec: dict[str, Any],
    out: str | Path | None,
    resuming: bool = False,
    *,
    quiet: bool = False,
) -> Model:
    """Trains, watched: held-out figures, files, progress and a time budget.

    Args:
        spec: what `runs.describe` gives, settings included.
    """
    config = checked(spec["config"])
    if config.steps is None and config.minutes is None:
        raise InputError("how long? give --steps or --minutes")
    assert domain.train is not None and domain.held_out is not None
    if out is not None and not resuming:
        Run.check(out)
    fabric = build.fabric(config)
    try:
        for part in (domain.chart, domain.geometry):
            fabric.to_device(part)
        game = _play(domain, config, spec, out, resuming, fabric, quiet)
    finally:
        domain.chart.cpu(), domain.geometry.cpu()
    return Model(domain, spec, *(part.cpu().eval() for part in (game.average, game.critic)))


def _play(
    domain: Domain,
    config: Config,
    spec: dict[str, Any],
    out: str | Path | None,
    resuming: bool,
    fabric: Fabric,
    quiet: bool,
) -> Game:
    assert domain.train is not None and domain.held_out is not None
    if resuming and out is not None:
        domain.chart.load_state_dict(Run.open(out).read_tensors("chart"))
    build.networks(domain, config, domain.chart.encoded_shape(domain.train.shape))  # or say no now
    spent = _learn(domain, config, fabric, quiet)
    if isinstance(domain.chart, Encoding):
        spec["config"]["chart_steps"] = domain.chart.taken.item()
    torch.manual_seed(config.seed)
    game = build.game(domain, config, fabric)
    torch.manual_seed(config.seed + 1 + fabric.global_rank)
    condition = build.condition(domain, config)
    batches = _batches(domain, config, condition, fabric)
    source = build.source(domain, config, fabric)
    monitor = _monitor(domain, condition, source, fabric)
    seconds = 0.0
    if resuming and out is not None:
        seconds = _restore(Run.open(out).read_checkpoint(), game, batches, fabric)
        if config.steps and game.step >= config.steps:
            raise InputError(f"the run is done: {game.step} steps; give a larger --steps to go on")

    run = None
    if out is not None and fabric.is_global_zero:
        run = Run(Path(out)) if resuming else Run.create(out)
        run.write_spec(spec)
        run.write_texts(domain.files)

    budget = Budget(config, game, seconds, spent)
    with Log(run, domain, game, quiet=quiet or not fabric.is_global_zero) as log:
        watch = Watch(domain, spec, game, batches, monitor, budget, log, run, out)
        for record in train(game, batches, source):
            watch(record)
    return game


def _learn(domain: Domain, config: Config, fabric: Fabric, quiet: bool) -> float:
    """Fits the chart where it is learned and has not been yet; the seconds that took.

    Raises:
        InputError: data that it cannot be fitted to.
    """
    chart, start = domain.chart, time.monotonic()
    if not isinstance(chart, Encoding) or chart.fitted:
        return 0.0
    assert domain.train is not None
    condition = build.condition(domain, config)
    told = domain.train.told(condition)
    if fabric.is_global_zero:
        about = condition.features(told.y) if condition else None
        seconds = None if config.steps else 60 * CHART_SHARE * (config.minutes or 0)
        steps, seed = config.chart_steps, config.seed
        try:
            chart.fit(told.points(), steps, about=about, seconds=seconds, seed=seed, quiet=quiet)
        except ValueError as error:
            raise InputError(str(error)) from None
    chart.load_state_dict(fabric.broadcast(chart.state_dict()))
    return time.monotonic() - start


def _batches(
    domain: Domain, config: Config, condition: Condition | None, fabric: Fabric
) -> Batches:
    data, chart = build.seen(domain, config)[0].told(condition), domain.chart
    if isinstance(chart, Encoding):
        data, chart = encoded(data, chart, fabric), Identity(chart.blur)
    try:
        return Batches(data, chart, config.batch_size, fabric, config.seed)
    except ValueError as error:
        raise InputError(str(error)) from None


def _monitor(
    domain: Domain, condition: Condition | None, source: Callable[[int], Tensor], fabric: Fabric
) -> HeldOut:
    """On held-out and as many training points, in chart coordinates, and their conditions."""
    assert domain.train is not None and domain.held_out is not None
    n = min(MONITOR_POINTS, len(domain.held_out), len(domain.train))
    parts = [part.told(condition) for part in (domain.held_out, domain.train)]
    held_out, training = (
        domain.chart.target(fabric.to_device(part.draw(n, seed=0))) for part in parts
    )
    y, z = (part.known(n, seed=0) for part in parts)
    given = None
    if condition is not None and y is not None and z is not None:
        given = Given(condition, fabric.to_device(y), fabric.to_device(z))
    if domain.source is not None:
        source = _unseen(domain, fabric)
    return HeldOut(held_out, training, source, domain.chart.unit or 1.0, given)


def _unseen(domain: Domain, fabric: Fabric) -> Callable[[int], Tensor]:
    """n -> held-out points of the data set that is mapped, in chart coordinates."""
    assert domain.source is not None and domain.source.held_out is not None
    data = domain.source.held_out
    return lambda n: domain.chart.target(fabric.to_device(data.drawn(n)))


def _restore(state: Mapping[str, Any], game: Game, batches: Batches, fabric: Fabric) -> float:
    """Puts a checkpoint back and returns the seconds it had taken."""
    if len(state["random"]) != fabric.world_size:
        raise InputError(
            f"the run was on {len(state['random'])} processes and cannot go on with "
            f"{fabric.world_size}: give --devices {len(state['random'])}"
        )
    game.load_state_dict(state["game"])
    batches.drawn = state["drawn"]
    set_random_state(state["random"][fabric.global_rank], fabric.device)
    return state["seconds"]
