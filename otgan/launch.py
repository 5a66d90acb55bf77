"""`otgan train` and `otgan sweep`, whose options depend on the domain. Torch comes late."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import ValidationError
from tyro.conf import UseAppendAction, arg

from otgan.config import PRESETS, Config, InputError, RunError, resolve

NOTE = (
    "\n\nThe defaults below are the preset's; the domain may change some of them once it has seen "
    "the data. run.json records what a run used."
)


@dataclass(frozen=True)
class Launch:
    """Where a run starts and goes."""

    command: ClassVar[str] = "train"
    preset: str = field(default="wgan-gp")
    """Settings to start from: wgan-gp, certified, gan, ... (docs/lineage.md), or the domain's."""
    out: Path | None = field(default=None)
    """Run folder to write; the next free runs/DOMAIN-K if not given."""
    source: str | None = field(default=None)
    """Another data set, read as --data is, whose points are mapped to these in place of noise."""
    resume: Path | None = field(default=None)
    """Run folder to go on with, for as long as --steps or --minutes say, or to its own end."""


@dataclass(frozen=True)
class Sweep:
    """What is swept, and where it goes."""

    command: ClassVar[str] = "sweep"
    over: UseAppendAction[tuple[str, ...]] = field(default=())
    """A setting and its values, as in optimiser.rate=1e-4,1e-3; once for each setting."""
    preset: str = field(default="wgan-gp")
    """Settings to start from, as in `otgan train`; --over preset=wgan-gp,wgan-lp sweeps them."""
    trials: int | None = field(default=None)
    """So many random combinations, instead of all."""
    seconds: float = field(default=30.0)
    """Training time of the critics of one certificate."""
    out: Path | None = field(default=None)
    """Folder to write or go on with; the next free runs/DOMAIN-sweep-K if not given."""
    json: Path | None = field(default=None)
    """File to write the same figures to."""


def train(name: str, argv: list[str]) -> None:
    """`otgan train NAME ...`, where the domain's factory has options of its own."""
    from otgan.domain import find

    factory = find(name)
    flags = {a.partition("=")[0] for a in argv}
    if {"--steps", "--minutes"} <= flags:
        raise InputError("--steps and --minutes are two ways to say how long: give one of them")
    preset = _value(argv, "--preset")
    launch, config, options = _parse(
        name, factory, argv, resolve(preset, {}) if preset in PRESETS else Config()
    )
    if launch.resume:
        _resume(name, launch.resume, config, flags)
        return

    from otgan.domain import load
    from otgan.runs import describe, free
    from otgan.training import play

    if launch.source is not None:
        options["source"] = launch.source
    domain = load(name, options)
    _, config, _ = _parse(name, factory, argv, resolve(launch.preset, domain.presets))
    if "--minutes" in flags:
        config = config.model_copy(update={"steps": None})
    out = launch.out or free(name.rpartition(":")[2])
    play(domain, describe(domain, config, name, options, launch.preset), out)
    _say(out)


def sweep(name: str, argv: list[str]) -> None:
    """`otgan sweep NAME ...`: trains as `train` does, with the swept settings in their places."""
    from otgan.domain import find, load

    factory, flags = find(name), {a.partition("=")[0].replace("_", "-") for a in argv}
    chosen, _, options = _parse(name, factory, argv, Config(), Sweep)

    from otgan.report.ranking import show
    from otgan.report.tables import write_json
    from otgan.runs import describe, free
    from otgan.sweep import Trial, lists, points
    from otgan.sweep import sweep as run

    over = lists(chosen.over, flags)
    lengths = {"--steps", "--minutes"} & {*flags, *(f"--{setting}" for setting in over)}
    if len(lengths) > 1:
        raise InputError("--steps and --minutes are two ways to say how long: give one of them")
    if chosen.trials is not None and chosen.trials < 1:
        raise InputError(f"--trials is a number of combinations, at least 1, got {chosen.trials}")
    domain = load(name, options)
    bases = {}
    for preset in over.get("preset", [chosen.preset]):
        defaults = resolve(preset, domain.presets)
        _, bases[preset], _ = _parse(name, factory, argv, defaults, Sweep)
        if "--minutes" in lengths:
            bases[preset] = bases[preset].model_copy(update={"steps": None})
    trials = [
        Trial(p.name, p.swept, describe(domain, p.config, name, options, p.preset))
        for p in points(over, bases, chosen.trials)
    ]
    out = chosen.out or free(f"{name.rpartition(':')[2]}-sweep")
    report = run(domain, trials, out, chosen.seconds)
    show(report)
    if chosen.json:
        write_json(report, chosen.json)
    if not report["trials"]:
        raise RunError("every trial failed")


def _resume(name: str, run: Path, config: Config, flags: set[str]) -> None:
    from otgan.runs import Run
    from otgan.training import resume

    of = Run.open(run).spec()["domain"]
    if of != name:
        raise InputError(f"'{run}' is a run of '{of}', not of '{name}'")
    if others := sorted(
        flags - {"--resume", "--steps", "--minutes"} - {f for f in flags if f[:2] != "--"}
    ):
        raise InputError(f"a resumed run keeps its settings: drop {', '.join(others)}")
    resume(run, **{k: getattr(config, k) for k in ("steps", "minutes") if f"--{k}" in flags})
    _say(run)


def _say(result: object) -> None:
    """Prints a result, from the first process only."""
    from lightning_fabric.utilities.rank_zero import rank_zero_only

    rank_zero_only(print)(result)


def _parse(
    name: str,
    factory: Callable[..., Any],
    argv: list[str],
    default: Config,
    launch: type[Launch] | type[Sweep] = Launch,
) -> tuple[Any, Config, dict[str, Any]]:
    """Launch settings, run settings over a default, and the options of the domain's factory."""
    import tyro

    @functools.wraps(factory)
    def options(**chosen: Any) -> dict[str, Any]:
        return chosen

    signature, resuming = inspect.signature(factory), _value(argv, "--resume") is not None
    taken = {*Config.model_fields, *(f.name for f in fields(launch))}
    if clash := taken & set(signature.parameters):
        raise InputError(f"option '{min(clash)}' of '{name}' is a setting's name: rename it")
    kept = [p for n, p in signature.parameters.items() if n != "state"]
    if resuming:  # the run knows its options, required ones too
        kept = [p for p in kept if p.default is not p.empty]
    options.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    flat = functools.partial(arg, name="")
    parts = make_dataclass(
        "parts",
        [
            ("launch", Annotated[launch, flat()], field(default_factory=launch)),
            ("settings", Annotated[Config, flat()], field(default=default)),
            ("options", Annotated[dict, flat(constructor=options)]),
        ],
        kw_only=True,
    )
    about = (inspect.getdoc(factory) or "").partition("\n")[0] + NOTE
    prog = f"otgan {launch.command} {name}"
    try:
        found: Any = tyro.cli(parts, prog=prog, description=about, args=argv)
    except ValidationError as error:
        first = error.errors()[0]
        flag = ".".join(map(str, first["loc"])).replace("_", "-")
        raise InputError(f"--{flag} {first['input']}: {first['msg'].lower()}") from None
    return found.launch, found.settings, found.options


def _value(argv: list[str], flag: str) -> str | None:
    """The word after a flag, or after its equals sign."""
    words = [w for a in argv for w in (a.split("=", 1) if a.startswith(f"{flag}=") else [a])]
    return words[words.index(flag) + 1] if flag in words[:-1] else None
