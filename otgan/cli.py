"""otgan train | sample | evaluate | sweep | distance | benchmark | domains. Torch comes late."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ValidationError
from tyro.conf import Positional, UseAppendAction, arg

from otgan.config import PRESETS, Config, InputError, RunError, resolve

NOTE = (
    "\n\nThe defaults below are the preset's; the domain may change some of them once it has seen "
    "the data. run.json records what a run used."
)
USAGE = "otgan train DOMAIN --help lists every setting of a domain."


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


def train(domain: Positional[str], /) -> None:
    """Train a generator on a domain: a name from `otgan domains`, or module:function.

    Args:
        domain: What to train on; `otgan train DOMAIN --help` lists its settings.
    """
    raise InputError("name the domain right after the command: otgan train DOMAIN [options]")


def sweep(domain: Positional[str], /) -> None:
    """Train with every combination of some settings, ranked by the held-out W of the generators.

    Args:
        domain: What to train on; `otgan sweep DOMAIN --help` lists its settings.
    """
    raise InputError(
        "name the domain right after the command: otgan sweep DOMAIN --over SETTING=VALUE,VALUE"
    )


def sample(
    run: Positional[Path],
    /,
    n: Annotated[int, arg(aliases=["-n"])] = 64,
    out: Annotated[Path | None, arg(aliases=["-o"])] = None,
    condition: tuple[str, ...] = (),
    truncation: float | None = None,
    keep: str | None = None,
    correct: tuple[str, ...] = (),
    source: str | None = None,
    seed: int = 0,
) -> None:
    """Draw samples from a trained run.

    Args:
        run: Run folder.
        n: How many; of each condition, if several are given.
        out: File or folder to write, in the formats of the domain; RUN/samples.* if not given.
        condition: What to ask for: 3, or label=3,angle=20; from the training data if not given.
        truncation: The smaller, the more typical and the less varied (docs/networks.md).
        keep: What samples must be, in words of the domain; others are drawn again.
        correct: Steps of the domain that mend samples, such as valence; shares are said before.
        source: Of a run with one: data to map, held-out points of the run's own if not given.
        seed: The same seed gives the same samples.
    """
    from otgan.model import Model

    if n < 1:
        raise InputError(f"-n is how many samples to draw, at least 1, got {n}")
    model = Model.load(run)
    if source is not None or model.domain.source is not None:
        model = model.sourced(source)
    out = out or run / f"samples{model.domain.extension}"
    samples = model.sample(n, seed, condition or None, truncation, keep)
    if shares := model.domain.shares:
        said = ", ".join(f"{name} {f(samples).double().mean():.1%}" for name, f in shares.items())
        print(f"otgan: as {'kept' if keep else 'generated'}: {said}", file=sys.stderr)
    samples = model.corrected(samples, correct)
    columns = n if len(condition) > 1 else None
    values = model.values(samples, condition) if model.domain.save_rated else None
    if model.domain.save_rated and values is not None:
        model.domain.save_rated(samples, out, columns, values)
    else:
        model.domain.save(samples, out, columns)
    print(out)


def evaluate(
    run: Positional[Path],
    /,
    json: Path | None = None,
    limit: int = 1000,
    draws: int = 5,
    seed: int = 0,
    features: tuple[str, ...] = (),
) -> None:
    """Score a run's samples against held-out data, each figure beside its real-to-real floor.

    Args:
        run: Run folder; its data must be where they were.
        json: File to write the same figures to.
        limit: Most samples to compare in one draw.
        draws: Independent draws, for the spread.
        seed: Seed of the draws.
        features: Maps from samples in data units to vectors, each module:function, on which to
            compare as well.
    """
    from otgan.domain import named_function
    from otgan.model import Model
    from otgan.report.tables import show, write_json

    if limit < 10 or draws < 1:
        raise InputError(
            f"evaluation needs --limit 10 and --draws 1 at least, got {limit}, {draws}"
        )
    maps = {name: named_function(name, "feature map") for name in features}
    report = Model.load(run, data=True).evaluate(limit, draws, seed, maps)
    show(report)
    if json:
        write_json(report, json)


def distance(
    a: Positional[Path],
    b: Positional[Path],
    /,
    cost: str = "l2",
    seconds: float = 30,
    confidence: float = 0.95,
    diameter: float | None = None,
    leave_out: float | None = None,
    weights: str | None = None,
    symmetrise: bool = False,
    penalised: bool = False,
    steps: tuple[int, ...] = (),
    seed: int = 0,
    threads: int = 1,
    json: Path | None = None,
) -> None:
    """Bracket the Wasserstein distance between two samples, and between their populations.

    Args:
        a: A sample: .npy, .npz (array x, or the only one), .csv (a row a point, header or not).
        b: The other one.
        cost: Ground cost: l1, l2, linf, lp:P, mahalanobis (by the covariance of both files
            together), mahalanobis:COVARIANCE.npy, sobolev:S (images), angles[:PERIOD],
            great-circle[:RADIUS] (columns lat and lon, or vectors), discrete[:LENGTH],
            graph:EDGES.csv (lines source,target[,length]; samples name nodes), module:function.
        seconds: Training time of the critics.
        confidence: Of the statement about the populations.
        diameter: Upper bound of all distances in the populations; then the statement holds at
            every sample size, not only as samples grow.
        leave_out: Share of the mass that may stay, for the partial transport cost of the samples.
        weights: Column of a .csv or array of an .npz that holds the weight of each point. The two
            weighted sets are then all there is, and the distance is exact.
        symmetrise: Take edges both ways at the shorter of their two lengths.
        penalised: Also train the usual critic under a gradient penalty, which certifies nothing.
        steps: Instead of --seconds, the steps that --json names: the same figures again.
        seed: Of split, critics and permutations.
        threads: Cores for training; with more, sums of small networks cost more than they gain.
        json: File to write the same figures to.
    """
    from otgan.comparison import compare
    from otgan.report.distances import show
    from otgan.report.tables import write_json

    report = compare(
        a,
        b,
        cost,
        seconds,
        confidence,
        diameter,
        leave_out,
        weights,
        symmetrise,
        penalised,
        steps,
        seed,
        threads,
    )
    show(report)
    if json:
        write_json(report, json)


def benchmark(
    suite: Positional[Literal["w1"]],
    /,
    dims: tuple[int, ...] = (2, 8, 32, 128),
    sets: tuple[str, ...] = ("points", "lines", "flats"),
    numbers: tuple[int, ...] = (4, 64),
    keep: tuple[str, ...] = ("ray",),
    cost: str = "l2",
    methods: tuple[str, ...] = (),
    seconds: float = 120,
    seeds: tuple[int, ...] = (0,),
    threads: int = 2,
    json: Path | None = None,
) -> None:
    """Train every kind of critic on pairs whose W1 and optimal critic are known exactly.

    Args:
        suite: Which benchmark; there is w1.
        dims: Dimensions.
        sets: What points move towards: points lines flats spheres segments boxes curves.
        numbers: Of sets.
        keep: Share of the way that is left after moving, or ray for the small displacements of
            Korotin et al. 2022.
        cost: A norm, as in `otgan distance`.
        methods: Kinds of critic; all if not given.
        seconds: Training time of one critic.
        seeds: Of pair and training; the table has medians.
        threads: Cores for one training.
        json: File of all rows; those that are in it are not run again.
    """
    from otgan import benchmark

    benchmark.command(dims, sets, numbers, keep, cost, methods, seconds, seeds, threads, json)


def domains() -> None:
    """List the installed domains."""
    from otgan.domain import installed

    for name, point in sorted(installed().items()):
        print(f"{name:12} {(inspect.getdoc(point.load()) or '').partition(chr(10))[0]}")


COMMANDS: dict[str, Callable[..., None]] = {
    "train": train, "sample": sample, "evaluate": evaluate, "sweep": sweep, "distance": distance,
    "benchmark": benchmark, "domains": domains
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `otgan`: exit code 0 done, 1 failed, 2 the user's input is wrong."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    with exit_codes():
        if argv[:1] in (["train"], ["sweep"]) and len(argv) > 1 and not argv[1].startswith("-"):
            (_train if argv[0] == "train" else _sweep)(argv[1], argv[2:])
        else:
            from tyro.extras import subcommand_cli_from_dict

            subcommand_cli_from_dict(
                COMMANDS,
                prog="otgan",
                description=__doc__.partition("\n")[0] + "\n\n" + USAGE,
                args=argv or ["--help"],
            )


def beside(
    commands: Mapping[str, Callable[..., None]],
    prog: str,
    description: str | None,
    arguments: Sequence[str] | None = None,
) -> None:
    """Runs one of the commands that a domain has beside those of `otgan`, with the same exit codes.

    Args:
        prog: `python -m PACKAGE`.
        arguments: in place of the command line's.
    """
    from tyro.extras import subcommand_cli_from_dict

    argv = list(sys.argv[1:] if arguments is None else arguments)
    with exit_codes():
        subcommand_cli_from_dict(
            dict(commands), prog=prog, description=description, args=argv or ["--help"]
        )


@contextlib.contextmanager
def exit_codes() -> Iterator[None]:
    """Turns errors that users can mend into a line on stderr and the exit code of `main`."""
    try:
        yield
    except InputError as error:
        _fail(error, 2)
    except (RunError, OSError, MemoryError) as error:
        _fail(error, 1)
    except RuntimeError as error:
        if "memory" not in str(error):
            raise
        _fail(f"out of memory: try a smaller --batch-size or --network.width ({error})", 1)
    except KeyboardInterrupt:
        _fail("stopped", 130)


def _train(name: str, argv: list[str]) -> None:
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


def _sweep(name: str, argv: list[str]) -> None:
    """`otgan sweep NAME ...`: trains as `_train` does, with the swept settings in their places."""
    from otgan.domain import find, load

    factory, flags = find(name), {a.partition("=")[0].replace("_", "-") for a in argv}
    chosen, _, options = _parse(name, factory, argv, Config(), Sweep)

    from otgan.report.ranking import show
    from otgan.report.tables import write_json
    from otgan.runs import describe, free
    from otgan.sweep import Trial, lists, points, sweep

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
    report = sweep(domain, trials, out, chosen.seconds)
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


def _fail(message: object, code: int) -> None:
    print(f"otgan: {' '.join(str(message).split())}", file=sys.stderr)
    raise SystemExit(code)
