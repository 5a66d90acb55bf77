"""otgan train | sample | evaluate | sweep | distance | benchmark | domains. Torch comes late."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from otgan import launch
from otgan.config import InputError, RunError

USAGE = "otgan train DOMAIN --help lists every setting of a domain."


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
    if argv[:1] in (["train"], ["sweep"]) and len(argv) > 1 and not argv[1].startswith("-"):
        with exit_codes():
            (launch.train if argv[0] == "train" else launch.sweep)(argv[1], argv[2:])
    else:
        run(COMMANDS, "otgan", __doc__.partition("\n")[0] + "\n\n" + USAGE, argv)


def run(
    commands: Mapping[str, Callable[..., None]],
    prog: str,
    description: str | None,
    arguments: Sequence[str] | None = None,
) -> None:
    """Runs one of some commands, of `otgan` or of a domain, with the exit codes of `main`.

    Args:
        prog: how they are called: `python -m PACKAGE`.
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


def _fail(message: object, code: int) -> None:
    print(f"otgan: {' '.join(str(message).split())}", file=sys.stderr)
    raise SystemExit(code)
