"""Where traffic goes on a map of the internet, from a few thousand packets.

    python examples/04_visits_on_an_internet.py [nodes]

Makes a map (networkx's random_internet_as_graph, 1,000 nodes if not said otherwise) and 2,000
visits from a distribution that is known here: walks from three routers. Learns it, prints exact W1
under shortest paths from the truth to the visits' own histogram and to what was learnt, and writes
internet.csv, visits.csv, a run and its picture, overview.png.
"""

import csv
import sys
from pathlib import Path

import networkx as nx
import numpy as np
import torch
from otgan_domains.graphs.overview import overview

import otgan
from otgan.geometry import GraphMetric
from otgan.transport.flow import flow, histogram


def walks(metric: GraphMetric, seed: int = 0, starts: int = 3, steps: int = 6) -> torch.Tensor:
    """Where lazy random walks from a few nodes are, (nodes,)."""
    links = metric.paths.adjacency
    degree = links.sum(1)
    p = np.zeros(metric.nodes)
    p[np.random.default_rng(seed).choice(metric.nodes, starts, replace=False)] = 1 / starts
    for _ in range(steps):
        p = 0.5 * p + 0.5 * (links.T @ (p / degree))
    return torch.from_numpy(p / p.sum())


def write(path: Path, header: tuple[str, ...], rows: list) -> str:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def main(
    nodes: int = 1000, visits: int = 2000, steps: int = 150, out: Path = Path(".")
) -> tuple[float, float]:
    """Returns W1 to the truth: of the histogram, of the generator's samples."""
    internet = nx.random_internet_as_graph(nodes, seed=0)
    edges = write(out / "internet.csv", ("source", "target"), list(nx.Graph(internet).edges()))
    metric = GraphMetric.read(edges)
    truth = walks(metric)
    torch.manual_seed(0)
    seen = truth.multinomial(visits, replacement=True)
    there = write(out / "visits.csv", ("node",), [(metric.names[v],) for v in seen.tolist()])

    model = otgan.fit(
        edges, "graphs", visits=there, preset="certified", steps=steps, monitor_every=steps,
        out=out / "internet-run",
    )  # fmt: skip
    learnt = histogram(model.sample(20_000, seed=0), metric)
    errors = [flow(p, truth, metric).lower for p in (histogram(seen, metric), learnt)]
    print(f"W1 to the truth, in hops: {visits} visits {errors[0]:.3f}, learnt {errors[1]:.3f}")
    overview(out / "internet-run", out / "overview.png")
    return errors[0], errors[1]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
