"""A run's folder: JSON and safetensors only, so that opening one never runs code from it."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from otgan import __version__, build
from otgan.conditions import Condition
from otgan.config import Config, InputError
from otgan.domain import Domain
from otgan.report.files import replacing

FORMAT = 6
KEYS = {"domain", "options", "given", "config", "state", "shape", "data", "conditions"}
CONDITIONS = 1000


def free(name: str) -> Path:
    """The next runs/NAME-K that does not exist."""
    number = 1
    while (Path("runs") / f"{name}-{number}").exists():
        number += 1
    return Path("runs") / f"{name}-{number}"


class Run:
    """Reads and writes the files of one run.

    run.json          settings, domain and its state, data fingerprint, versions
    metrics.csv       a row every log_every steps, held-out figures every monitor_every
    alarms.csv        a row (step, text) for each alarm, if there was one
    generator.safetensors, critic.safetensors, chart.safetensors
                      weights to sample and score with (the generator's moving average)
    checkpoint.safetensors
                      all that resuming needs
    samples/, curves.png, events.out.tfevents.*
    what else the domain tells of its data, such as dropped.csv
    """

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """An existing run.

        Raises:
            InputError: no folder, or not a run's.
        """
        run = cls(Path(path))
        if not run.path.is_dir():
            raise InputError(f"no run folder '{path}': `otgan train` writes one and names it")
        if not (run.path / "run.json").is_file():
            raise InputError(f"'{path}' is not a run folder: it holds no run.json")
        try:
            spec = run.spec()
            if spec["format"] != FORMAT:
                raise InputError(
                    f"'{path}' has format {spec['format']} and this otgan reads {FORMAT}: use the "
                    "otgan that wrote it"
                )
            Config.model_validate(spec["config"])
            damaged = not spec.keys() >= KEYS
        except InputError:
            raise
        except (ValueError, KeyError, TypeError):
            damaged = True
        if damaged:
            raise InputError(f"'{path}/run.json' is damaged: restore it, or train again")
        return run

    @classmethod
    def create(cls, path: str | Path) -> Run:
        """A new folder; what `check` raises."""
        cls.check(path)
        run = cls(Path(path))
        (run.path / "samples").mkdir(parents=True, exist_ok=True)
        return run

    @staticmethod
    def check(path: str | Path) -> None:
        """That a run can be written there.

        Raises:
            InputError: it already holds a run, or is a file.
        """
        if (Path(path) / "run.json").exists():
            raise InputError(
                f"'{path}' already holds a run: go on with --resume {path}, or choose another --out"
            )
        if Path(path).exists() and not Path(path).is_dir():
            raise InputError(f"--out '{path}' is a file: name a folder")

    def spec(self) -> dict[str, Any]:
        return json.loads((self.path / "run.json").read_text())

    def write_spec(self, spec: Mapping[str, Any]) -> None:
        with replacing(self.path / "run.json") as part:
            part.write_text(json.dumps({"format": FORMAT, **spec}, indent=2) + "\n")

    def write_texts(self, texts: Mapping[str, str]) -> None:
        """What the domain tells of its data, by name of the file."""
        for name, text in texts.items():
            with replacing(self.path / name) as part:
                part.write_text(text)

    def write_tensors(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        with replacing(self.path / f"{name}.safetensors") as part:
            _save(tensors, part)

    def read_tensors(self, name: str) -> dict[str, Tensor]:
        path = self.path / f"{name}.safetensors"
        try:
            return load_file(path)
        except (FileNotFoundError, SafetensorError) as error:
            raise InputError(
                f"cannot read '{path}' ({error}): restore it, or train again"
            ) from None

    def write_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Any nesting of dicts and lists of tensors and JSON values, in one file."""
        tensors: dict[str, Tensor] = {}
        tree = _pack(state, "", tensors)
        with replacing(self.path / "checkpoint.safetensors") as part:
            _save(tensors, part, {"tree": json.dumps(tree)})

    def read_checkpoint(self) -> dict[str, Any]:
        path = self.path / "checkpoint.safetensors"
        tensors = self.read_tensors("checkpoint")
        try:
            with safe_open(path, "pt") as file:
                return _unpack(json.loads(file.metadata()["tree"]), tensors)
        except (ValueError, KeyError, TypeError):
            raise InputError(f"'{path}' is damaged: restore it, or train again") from None

    def metrics(self) -> list[dict[str, str]]:
        path = self.path / "metrics.csv"
        if not path.exists():
            return []
        with path.open() as file:
            return list(csv.DictReader(file))


def _save(
    tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None
) -> None:
    packed = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
    try:
        save_file(packed, path, metadata)
    except SafetensorError as error:
        raise OSError(f"cannot write '{path}': {error}") from None


def _pack(value: Any, key: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[key] = value
        return {"tensor": key}
    if isinstance(value, Mapping):
        items = [[k, _pack(v, f"{key}/{k}", tensors)] for k, v in value.items()]
        return {"dict": items}  # a list of pairs keeps integer keys
    if isinstance(value, list | tuple):
        return {"list": [_pack(v, f"{key}/{i}", tensors) for i, v in enumerate(value)]}
    return {"json": value}


def _unpack(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    ((kind, value),) = tree.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "dict":
        return {k: _unpack(v, tensors) for k, v in value}
    if kind == "list":
        return [_unpack(v, tensors) for v in value]
    return value


def describe(
    domain: Domain, config: Config, name: str, options: Mapping[str, Any], preset: str
) -> dict[str, Any]:
    """What run.json holds: all that `sample` needs, and what tells whether data have changed."""
    assert domain.train is not None
    options = {k: str(v) if isinstance(v, Path) else v for k, v in options.items()}
    settings = config.model_dump()
    settings["network"]["phases"] = build.phases(domain, config)
    return {
        "otgan": __version__,
        "domain": name,
        "options": {k: v for k, v in options.items() if _is_json(v)},
        "given": [k for k, v in options.items() if not _is_json(v)],
        "preset": preset,
        "config": settings,
        "state": dict(domain.state),
        "shape": list(domain.train.shape),
        "data": domain.fingerprint(),
        "conditions": _conditions(domain, config),
    }


def _conditions(domain: Domain, config: Config) -> list[list[float]]:
    """Some that occur in training, for samples that nobody asks anything of."""
    assert domain.train is not None
    condition = Condition.of(domain.attributes, config.condition)
    rows = domain.train.told(condition).known(CONDITIONS, config.seed)
    return [] if rows is None else rows.tolist()


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True
