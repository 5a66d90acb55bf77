"""What graphs have beside the commands of `otgan`, by `python -m otgan_domains.graphs`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from otgan.cli import run as command
from otgan.config import InputError

Out = Annotated[Path | None, arg(aliases=["-o"])]


def picture(
    run: Positional[Path],
    /,
    out: Out = None,
    n: Annotated[int | None, arg(aliases=["-n"])] = None,
    strange: int = 5,
    seed: int = 0,
) -> None:
    """Draw a run: critic as colour, flow from generated to held-out on edges, strange nodes.

    Args:
        run: Run folder; its data must be where they were.
        out: PNG to write; RUN/overview.png if not given.
        n: Samples; as many as are held out, and at most 1,000, if not given.
        strange: How many of the strangest nodes to mark.
        seed: The same seed gives the same picture.
    """
    from otgan_domains.graphs.overview import overview

    if (n is not None and n < 1) or strange < 0:
        raise InputError(f"-n is at least 1 and --strange at least 0, got {n} and {strange}")
    path = out or run / "overview.png"
    cost = overview(run, path, n, strange, seed)
    print(f"W1 of the flow: {cost:.6g}")
    print(path)


def generate(
    data: str = "karate",
    out: Annotated[Path, arg(aliases=["-o"])] = Path("generated.graphml"),
    overlap: float = 0.5,
    symmetrise: bool = False,
    largest: bool = False,
    seed: int = 0,
) -> None:
    """Make a whole graph like a given one: a WGAN of its walks, stopped at an overlap of edges.

    Args:
        data: The graph, as in `otgan train graphs --data`; lengths do not count.
        out: File to write, .graphml or .csv.
        overlap: Share of the edges to have in common with the given one, between 0 and 1.
        symmetrise: Let the edges of a directed graph be walked both ways.
        largest: Keep the largest connected component alone.
        seed: The same seed gives the same graph.
    """
    from otgan_domains.graphs.opening import read
    from otgan_domains.graphs.whole import check, show, write
    from otgan_domains.graphs.whole import generate as like

    check(out)
    graph = read(data, None, symmetrise, largest).metric()
    made = like(graph, overlap, seed)
    write(made, out)
    show(graph, made)
    print(out)


def anomalies(
    data: str = "karate",
    out: Out = None,
    edges: bool = False,
    nodes: Path | None = None,
    length: str | None = None,
    symmetrise: bool = False,
    contamination: float = 0.1,
    top: int = 10,
    seed: int = 0,
) -> None:
    """Score strange nodes, or edges, beside the simple scores that a detector has to beat.

    Args:
        data: The graph, as in `otgan train graphs --data`; it may be disconnected.
        out: CSV file to write: a row a node or edge, strangest first.
        edges: Score edges, not nodes.
        nodes: Table of the nodes, as in `otgan train graphs --nodes`: their features.
        length: Column or attribute of the lengths.
        symmetrise: Let the edges of a directed graph be walked both ways.
        contamination: Expected share of strange ones; sets the column `strange` alone.
        top: How many to print.
        seed: Of the critic's training.
    """
    from otgan_domains.graphs.anomalies import EdgeDetector, NodeDetector
    from otgan_domains.graphs.anomaly_tables import show, write
    from otgan_domains.graphs.opening import whole
    from otgan_domains.graphs.tables import joined, node_table

    graph = whole(data, length, symmetrise)
    if nodes:
        graph = joined(graph, node_table(nodes, graph))
    detector = (EdgeDetector if edges else NodeDetector)(contamination, seed=seed)
    metric = graph.metric()
    detector.fit(metric, graph.features)
    show(detector, metric, graph.features, top=top)
    if out:
        write(detector, metric, graph.features, out)
        print(out)


def main(arguments: Sequence[str] | None = None) -> None:
    """Exit codes are those of `otgan`."""
    command(COMMANDS, "python -m otgan_domains.graphs", __doc__, arguments)


COMMANDS: dict[str, Callable[..., None]] = {
    "picture": picture,
    "generate": generate,
    "anomalies": anomalies,
}

if __name__ == "__main__":
    main()
