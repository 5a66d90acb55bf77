"""A run: the game with everything that surrounds it, from data to model."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from otgan import build
from otgan.conditions import Condition
from otgan.config import Config, InputError, RunError, checked, resolve
from otgan.data import Batches, encoded
from otgan.domain import Domain, check, find, load
from otgan.engine import Game, Record, train
from otgan.model import Model, reopen
from otgan.monitors import Collapse, Given, HeldOut, Monitor, Plateau, Slope, broken, memory
from otgan.preprocess import Encoding, Identity
from otgan.randomness import random_state, set_random_state
from otgan.report.log import Log
from otgan.runs import Run, describe

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
    spent = _learn(domain, config, fabric, quiet)
    if isinstance(domain.chart, Encoding):
        spec["config"]["chart_steps"] = domain.chart.taken.item()
    torch.manual_seed(config.seed)
    game = build.game(domain, config, fabric)
    torch.manual_seed(config.seed + 1 + fabric.global_rank)
    condition = build.condition(domain, config)
    data = build.seen(domain, config)[0].told(condition)
    chart = domain.chart
    if isinstance(chart, Encoding):
        data, chart = encoded(data, chart, fabric), Identity()
    try:
        batches = Batches(data, chart, config.batch_size, fabric, config.seed)
    except ValueError as error:
        raise InputError(str(error)) from None

    seconds = 0.0
    if resuming and out is not None:
        seconds = _restore(Run.open(out).read_checkpoint(), game, batches, fabric)
        if config.steps and game.step >= config.steps:
            raise InputError(f"the run is done: {game.step} steps; give a larger --steps to go on")

    source = build.source(domain, config, fabric)
    real, training, given = _monitored(domain, condition, fabric)
    unseen = source if domain.source is None else _unseen(domain, fabric)
    monitor = HeldOut(real, training, unseen, domain.chart.unit or 1.0, given)
    run = None
    if out is not None and fabric.is_global_zero:
        run = Run(Path(out)) if resuming else Run.create(out)
        run.write_spec(spec)
        run.write_texts(domain.files)

    alarms: list[Monitor] = [Collapse(), Slope(game.constraint)]
    plateau = Plateau(config.patience) if config.patience else None
    if resuming and run:
        for seen in _seen(run, game.step):
            for alarm in alarms:
                alarm(seen)
            if plateau:
                plateau(seen)
    kept = f"'{out}' has the last good checkpoint, step {game.step}" if resuming else ""

    budget = _Budget(config, game, seconds, spent)
    pending: list[Record] = []
    with Log(run, domain, game, quiet=quiet or not fabric.is_global_zero) as log:
        for record in train(game, batches, source):
            pending.append(record)
            log.advance()
            if budget.settle(game):
                spec["config"]["steps"] = game.schedule.steps
                if run:
                    run.write_spec(spec)
            last = game.step == game.schedule.steps
            watched = last or game.step % config.monitor_every == 0
            if watched or game.step % config.log_every == 0:
                means = _means(pending, kept)
                pending.clear()
                figures = {}
                if watched:
                    state = _state(game, batches, budget.elapsed(), fabric)
                    _refuse(broken(state), game.step, kept)
                    figures = monitor(game) if fabric.is_global_zero else {}
                used = {"step_seconds": budget.pace(game.step), **memory(fabric.device)}
                used |= game.view.figures()
                log.row(game.step, budget.elapsed(), means, figures, used)
            if watched:
                for told in (text for alarm in alarms if figures and (text := alarm(figures))):
                    log.alarm(game.step, told)
                flat = plateau(figures) if plateau and figures else None
                if fabric.broadcast(flat) and budget.end(game):
                    spec["config"]["steps"] = game.schedule.steps
                    log.alarm(game.step, f"{flat}: the run ends at step {game.schedule.steps}")
                    if run:
                        run.write_spec(spec)
                if run:
                    model = Model(domain, spec, game.average, game.critic)
                    log.picture(model)  # refuses NaN before good files are replaced
                    model.write(run)
                    run.write_checkpoint(state)
                    kept = f"'{out}' has the last good checkpoint, step {game.step}"
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
    if fabric.is_global_zero:
        seconds = None if config.steps else 60 * CHART_SHARE * (config.minutes or 0)
        steps, seed = config.chart_steps, config.seed
        try:
            chart.fit(domain.train.points(), steps, seconds=seconds, seed=seed, quiet=quiet)
        except ValueError as error:
            raise InputError(str(error)) from None
    chart.load_state_dict(fabric.broadcast(chart.state_dict()))
    return time.monotonic() - start


def _seen(run: Run, step: int) -> list[dict[str, float]]:
    """The held-out figures of metrics.csv up to a step, which monitors get again on resuming."""
    rows = [r for r in run.metrics() if int(r["step"]) <= step and r.get("exact_error")]
    return [{k: float(v) for k, v in row.items() if v} for row in rows]


def _refuse(name: str | None, step: int, kept: str) -> None:
    """Stops before anything that is not finite replaces a good file.

    Raises:
        RunError: `name` is not finite.
    """
    if name:
        raise RunError(
            f"diverged before step {step} ({name} is not finite): train again with a lower "
            f"--optimiser.rate or a larger --constraint.weight; {kept or 'no checkpoint is kept'}"
        )


class _Budget:
    """Turns a time budget, counted from here, into a step count once a tenth of it has passed.

    Args:
        seconds: what the run had taken before it was resumed.
        spent: of this time, before the game.
    """

    def __init__(self, config: Config, game: Game, seconds: float, spent: float = 0.0):
        self.seconds = None if config.steps else max(60 * (config.minutes or 0) - spent, 1e-3)
        self.fabric, self.first = game.fabric, game.step
        seconds += spent
        self.before, self.start = seconds, time.monotonic()
        self.row = self.first, self.start

    def elapsed(self) -> float:
        return self.before + time.monotonic() - self.start

    def pace(self, step: int) -> float:
        """Seconds per step since the last call."""
        (before, start), self.row = self.row, (step, time.monotonic())
        return (self.row[1] - start) / max(1, step - before)

    def end(self, game: Game) -> bool:
        """Lets rates fall from here, where they are constant yet: a repeat has the same steps."""
        steps = math.ceil((game.step + 1) / (1 - game.schedule.decay))
        if game.schedule.rate(game.step) < 1 or steps >= game.schedule.steps:
            return False
        game.schedule.steps, self.seconds = steps, None
        return True

    def settle(self, game: Game) -> bool:
        """Sets the schedule's steps if it is time to; all processes settle at the same step."""
        if self.seconds is None:
            return False
        share = (time.monotonic() - self.start) / self.seconds
        more = math.ceil((game.step - self.first) / share) if share > 0.1 else 0
        more = self.fabric.broadcast(more)
        if more:
            # Never so few steps that rates should have fallen already.
            flat = 0 if self.first else math.ceil((game.step + 1) / (1 - game.schedule.decay))
            game.schedule.steps = max(self.first + more, game.step + 1, flat)
            self.seconds = None
        return bool(more)


def _monitored(
    domain: Domain, condition: Condition | None, fabric: Fabric
) -> tuple[Tensor, Tensor, Given | None]:
    """Held-out and as many training points, in chart coordinates, and their conditions."""
    assert domain.train is not None and domain.held_out is not None
    n = min(MONITOR_POINTS, len(domain.held_out), len(domain.train))
    parts = [part.told(condition) for part in (domain.held_out, domain.train)]
    held_out, training = (
        domain.chart.encode(fabric.to_device(part.draw(n, seed=0))) for part in parts
    )
    y, z = (part.known(n, seed=0) for part in parts)
    if condition is None or y is None or z is None:
        return held_out, training, None
    return held_out, training, Given(condition, fabric.to_device(y), fabric.to_device(z))


def _unseen(domain: Domain, fabric: Fabric) -> Callable[[int], Tensor]:
    """n -> held-out points of the data set that is mapped, in chart coordinates."""
    assert domain.source is not None and domain.source.held_out is not None
    data = domain.source.held_out
    return lambda n: domain.chart.encode(fabric.to_device(data.drawn(n)))


def _means(records: list[Record], kept: str) -> dict[str, float]:
    """Means over the steps since the last row, with one wait for the device.

    Raises:
        RunError: one is not finite.
    """
    names = ("gap", "penalty", "critic_loss", "generator_loss")
    table = torch.stack([torch.stack([getattr(r, n) for n in names]) for r in records])
    means = dict(zip(names, table.cpu().double().mean(0).tolist(), strict=True))
    bad = next((name for name, value in means.items() if not math.isfinite(value)), None)
    _refuse(bad, records[-1].step, kept)
    return means


def _state(game: Game, batches: Batches, seconds: float, fabric: Fabric) -> dict[str, Any]:
    random = cast(Tensor, fabric.all_gather(random_state(fabric.device)))
    return {
        "game": game.state_dict(),
        "drawn": batches.drawn,
        "seconds": seconds,
        "random": random.view(fabric.world_size, -1).cpu(),
    }


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
