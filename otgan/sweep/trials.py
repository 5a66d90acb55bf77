"""Trials: a run for each combination of settings, and a certificate of what it gives."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import Tensor

from otgan import build
from otgan.certify import bracket
from otgan.certify.checks import check_bracket
from otgan.config import Config, InputError, RunError, checked
from otgan.data import Batches
from otgan.domain import Domain
from otgan.geometry import GraphMetric
from otgan.model import Model
from otgan.runs import Run
from otgan.sweep.ranking import LEVEL, ranking
from otgan.sweep.study import Trial, check_folder, finished, open_study, record
from otgan.training import play, resume

POINTS = 2000
"""Held-out points, at most, and generated ones that a certificate is from."""


def sweep(
    domain: Domain,
    trials: Sequence[Trial],
    out: Path,
    seconds: float = 30,
    *,
    quiet: bool = False,
) -> dict[str, Any]:
    """Trains and scores every trial that is not finished, and ranks them all.

    A trial's figure is `certify.bracket` of held-out data and samples of the finished generator: a
    critic that is 1-Lipschitz by construction, trained afresh, on points it has not seen, with one
    split, seed and number of steps for all. So no run's own critic or penalty can flatter it.

    Args:
        trials: with settings that are resolved.
        out: folder with a run folder for each trial and the journal of Optuna's study. What is
            finished there is not run again, what was interrupted goes on from its checkpoint.
        seconds: for the critics of the first certificate; the others take as many steps.
        quiet: nothing on stderr.

    Returns:
        A JSON tree, what `ranking` gives.

    Raises:
        InputError: before any work: settings that do not go together, other settings or seconds in
            the folder than now, too few held-out data.
    """
    _check(domain, trials, out, seconds)
    study = open_study(out, seconds)
    done = finished(study, out)
    for k, trial in enumerate(trials, 1):
        if trial.name in done:
            continue
        if not quiet:
            print(f"trial {k} of {len(trials)}: {trial.name}", file=sys.stderr)
        steps = next((figures["steps"] for figures in done.values() if "steps" in figures), ())
        record(study, trials, trial, _figures(domain, trial, out, seconds, steps, quiet))
        done = finished(study, out)
    return ranking(domain, trials, done, out)


def _figures(
    domain: Domain, trial: Trial, out: Path, seconds: float, steps: Sequence[int], quiet: bool
) -> dict[str, Any]:
    """All that is measured of a trial, as JSON; `failed` and why if the run diverged."""
    path = out / trial.name
    try:
        model = _trained(domain, trial.spec, path, quiet)
        figures = certificate(model, seconds, steps) | {"metrics": model.evaluate()["metrics"]}
        return {**figures, "training_seconds": float(Run(path).metrics()[-1]["seconds"])}
    except RunError as error:
        return {"failed": str(error)}


def _trained(domain: Domain, spec: dict[str, Any], path: Path, quiet: bool) -> Model:
    """The model of a run, from its start or from where it was interrupted."""
    if not (path / "checkpoint.safetensors").exists():
        (path / "run.json").unlink(missing_ok=True)  # interrupted with nothing to go on from
        return play(domain, spec, path, quiet=quiet)
    run = Run.open(path)
    if run.read_checkpoint()["game"]["step"] == run.spec()["config"]["steps"]:
        return Model.load(path, data=True, domain=domain)
    return resume(path, domain=domain, quiet=quiet)


def certificate(model: Model, seconds: float, steps: Sequence[int] = ()) -> dict[str, Any]:
    """What `certify.bracket` says of W1 between held-out data and samples, as JSON.

    In data units if the chart is a similarity, else in chart units.

    Returns:
        `lower`, `estimate`, `upper`, `confidence`, `critic`, `slope`, `steps`; `on_held_out`, the
        critic's values on the held-out points that the estimate is from; `generated_error`, the
        standard error of its mean over the generated ones.

    Raises:
        RunError: samples that no certificate can be had of, such as nodes that no path leads to.
    """
    domain = model.domain
    x, y = _real(domain), _points(domain, model.sample(POINTS, seed=0))
    try:
        found = bracket(x, y, domain.geometry, seconds, LEVEL, steps=steps)
    except ValueError as error:  # the data were checked, so it is the samples
        raise RunError(f"no certificate of its samples: {error}") from None
    unit = domain.chart.unit or 1.0
    on_x, on_y = (unit * v for v in found.scored)
    return {
        "lower": unit * found.lower,
        "estimate": unit * found.estimate,
        "upper": unit * found.upper,
        "confidence": found.confidence,
        "critic": found.critic,
        "slope": found.slope,
        "steps": list(found.steps),
        "on_held_out": on_x.tolist(),
        "generated_error": (on_y.var() / len(on_y)).sqrt().item(),
    }


def _real(domain: Domain) -> Tensor:
    assert domain.held_out is not None
    return _points(domain, domain.held_out.draw(POINTS, seed=0))


def _points(domain: Domain, x: Tensor) -> Tensor:
    """Points in data units as `bracket` takes them."""
    x = domain.chart.encode(x)
    return x.long() if isinstance(domain.geometry, GraphMetric) else x


def _check(domain: Domain, trials: Sequence[Trial], out: Path, seconds: float) -> None:
    """Raise InputError for what `sweep` says."""
    Run.check(out)
    try:
        check_bracket(_real(domain), _real(domain), domain.geometry, seconds, LEVEL, None, False)
    except ValueError as error:
        raise InputError(f"the held-out data: {error}") from None
    for trial in trials:
        check_folder(out / trial.name, trial.spec)
        try:
            _check_settings(domain, checked(trial.spec["config"]))
        except ValueError as error:
            raise InputError(f"{trial.name}: {error}") from None


def _check_settings(domain: Domain, config: Config) -> None:
    """Raise ValueError for settings that do not go together, or not with this domain."""
    assert domain.train is not None
    if config.steps is None and config.minutes is None:
        raise ValueError("how long? give --steps or --minutes")
    if config.devices != 1:
        raise ValueError(f"a sweep is on one device, got --devices {config.devices}")
    fabric = Fabric(accelerator="cpu", devices=1)
    build.game(domain, config, fabric)
    Batches(build.seen(domain, config)[0], domain.chart, config.batch_size, fabric, config.seed)
