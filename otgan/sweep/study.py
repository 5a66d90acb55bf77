"""The folder of a sweep: what is finished in it, in the journal of a study of Optuna's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otgan.config import InputError
from otgan.runs import Run
from otgan.sweep.grid import Value

if TYPE_CHECKING:
    from optuna import Study

JOURNAL = "trials.log"


@dataclass(frozen=True)
class Trial:
    """A run of a sweep.

    Args:
        name: of its folder.
        swept: the settings in which trials differ, by name.
        spec: what `runs.describe` gives, all settings included.
    """

    name: str
    swept: Mapping[str, Value]
    spec: dict[str, Any]


def open_study(out: Path, seconds: float) -> Study:
    """The study of a folder, a new one if there is none.

    Raises:
        InputError: its certificates had other seconds; no Optuna.
    """
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend, JournalStorage
    except ImportError:
        raise InputError("a sweep needs Optuna: pip install 'otgan[sweep]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    out.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(out / JOURNAL)))
    study = optuna.create_study(study_name="sweep", storage=storage, load_if_exists=True)
    before = study.user_attrs.get("seconds", seconds)
    if before != seconds:
        raise InputError(
            f"'{out}' has certificates of {before:g} seconds, to be compared with their like: give "
            f"--seconds {before:g}, or another --out"
        )
    study.set_user_attr("seconds", seconds)
    return study


def finished(study: Study, out: Path) -> dict[str, dict[str, Any]]:
    """Figures of the trials that are done, failed ones too, by name; not of deleted runs."""
    figures = {trial.user_attrs["name"]: trial.user_attrs for trial in study.trials}
    return {name: found for name, found in figures.items() if (out / name / "run.json").exists()}


def record(study: Study, trials: Sequence[Trial], trial: Trial, figures: dict[str, Any]) -> None:
    """Adds a finished trial, whole and at once, so that one interrupted leaves no trace."""
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import TrialState, create_trial

    choices = {name: list({t.swept[name]: None for t in trials}) for name in trial.swept}
    study.add_trial(
        create_trial(
            state=TrialState.FAIL if "failed" in figures else TrialState.COMPLETE,
            value=figures.get("estimate"),
            params=dict(trial.swept),
            distributions={name: CategoricalDistribution(v) for name, v in choices.items()},
            user_attrs={"name": trial.name, **figures},
        )
    )


def check_folder(path: Path, spec: Mapping[str, Any]) -> None:
    """That a run which is there already is of the same data and settings.

    Raises:
        InputError: it is not.
    """
    if not (path / "run.json").exists():
        return
    there, mine = (_flat(one) for one in (Run.open(path).spec(), json.loads(json.dumps(spec))))
    for name, value in mine.items():
        if there.get(name) != value:
            raise InputError(
                f"'{path}' has {name} {there.get(name)}, and now it is {value}: give another --out"
            )


def _flat(spec: Mapping[str, Any]) -> dict[str, Any]:
    config = dict(spec["config"])
    if config["minutes"] is not None:
        del config["steps"]  # found while it ran
    return {name: spec[name] for name in ("domain", "options", "data", "preset")} | config
