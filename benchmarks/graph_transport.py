"""Exact W1 between random masses on a large graph: seconds, memory, and what proves the value.

    python benchmarks/graph_transport.py [--nodes 100000] [--edges 500000] [--samples K]
        [--graphs small-world spatial] [--solver auto|edges|distances] [--json FILE]

small-world: a ring with chords, a tenth of which lead anywhere. spatial: a jittered grid, its nodes
shuffled. Lengths are irrational. Mass is random on all nodes, or that of two samples of K nodes.
Memory is the peak of a process of its own above what it held with the graph in place; with
distances, the import of POT counts too.
"""

import argparse
import gc
import json
import resource
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from otgan.geometry import GraphMetric
from otgan.transport import flow as flows


def small_world(nodes, edges, rng):
    reach = edges // nodes
    u = np.tile(np.arange(nodes), reach)
    v = (u + np.repeat(np.arange(1, reach + 1), nodes)) % nodes
    rewired = (rng.random(len(u)) < 0.1) & (np.arange(len(u)) >= nodes)  # never the ring itself
    v[rewired] = rng.integers(0, nodes, rewired.sum())
    return np.stack([u, v], 1), rng.uniform(0.5, 1.5, len(u))


def spatial(nodes, edges, rng):
    width = int(np.ceil(nodes**0.5))
    row, column = np.divmod(np.arange(nodes), width)
    place = np.stack([row, column], 1) + rng.uniform(-0.4, 0.4, (nodes, 2))
    steps = [(0, 1), (1, 0), (1, 1), (1, -1), (2, 1), (1, 2), (2, -1), (1, -2), (0, 2), (2, 0)]
    pairs = []
    for down, right in steps:
        beside, to = column + right, (row + down) * width + column + right
        inside = (beside >= 0) & (beside < width) & (to < nodes)
        pairs.append(np.stack([np.arange(nodes), to], 1)[inside])
    pairs = np.concatenate(pairs)[:edges]
    lengths = np.linalg.norm(place[pairs[:, 0]] - place[pairs[:, 1]], axis=1)
    return rng.permutation(nodes)[pairs], lengths * rng.uniform(1, 1.5, len(pairs))


GRAPHS = {"small-world": small_world, "spatial": spatial}


def masses(nodes, samples, rng):
    if samples:
        drawn = rng.integers(0, nodes, (2, samples))
        return [torch.tensor(np.bincount(x, minlength=nodes) / samples) for x in drawn]
    weights = rng.random((2, nodes))
    return list(torch.tensor(weights / weights.sum(1, keepdims=True)))


def resident():
    """Megabytes now; where /proc is missing, the peak so far."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return peak()
    return pages * resource.getpagesize() / 1e6


def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def measure(arguments):
    import ortools.graph.python.min_cost_flow  # noqa: F401  counts as in place

    rng = np.random.default_rng(arguments.seed)
    edges, lengths = GRAPHS[arguments.graph](arguments.nodes, arguments.edges, rng)
    geometry = GraphMetric(edges, lengths, arguments.nodes)
    del edges, lengths
    a, b = masses(arguments.nodes, arguments.samples, rng)
    if arguments.solver != "auto":
        flows.few_with_mass = lambda *_: arguments.solver == "distances"
    gc.collect()
    before, start = resident(), time.perf_counter()
    found = flows.flow(a, b, geometry)
    seconds = time.perf_counter() - start
    u, v = geometry.edges.T
    slopes = (found.potential[u] - found.potential[v]).abs() / torch.tensor(geometry.paths.lengths)
    return {
        "graph": arguments.graph,
        "nodes": geometry.nodes,
        "edges": len(geometry.edges),
        "seconds": seconds,
        "megabytes": peak() - before,
        "w1": found.lower,
        "relative_gap": found.gap / found.lower,
        "largest_slope": slopes.max().item(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--edges", type=int, default=500_000)
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--graphs", nargs="+", choices=GRAPHS, default=list(GRAPHS))
    parser.add_argument("--solver", choices=["auto", "edges", "distances"], default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    tasks = [argparse.Namespace(**vars(arguments), graph=name) for name in arguments.graphs]
    with get_context("spawn").Pool(1, maxtasksperchild=1) as alone:
        rows = alone.map(measure, tasks, chunksize=1)
    for row in rows:
        print(
            f"{row['graph']:12}{row['nodes']:9,} nodes {row['edges']:9,} edges"
            f"{row['seconds']:8.2f} s {row['megabytes']:6.0f} MB   W1 {row['w1']:.9g}"
            f"   gap / W1 {row['relative_gap']:.0e}"
            f"   largest slope 1 {row['largest_slope'] - 1:+.0e}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
