"""Whole graphs and hidden links: the walk WGAN beside what it has to beat, on one split.

    python benchmarks/walks.py SPLIT.npz [--seeds 3] [--json FILE]

SPLIT.npz holds pairs of nodes, (k, 2) each: train_edges, val_ones, val_zeros, test_ones and
test_zeros. Everything is trained on train_edges. Whole graphs: the first scores whose graph shares
half of them. Links: the scores that are best on the validation pairs (AUC + AP), or for a method
without training the only ones; the test pairs are scored once, at the end. Mean and standard
deviation over seeds.
"""

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from otgan_domains.graphs.assembly import cover_then_fill, with_degrees
from otgan_domains.graphs.rivals import adamic_adar, low_rank, stochastic_blocks
from otgan_domains.graphs.statistics import (
    degrees,
    edge_overlap,
    link_prediction,
    statistics,
)
from otgan_domains.graphs.walks import walk_gan, walk_rows
from otgan_domains.graphs.whole import assemble

from otgan.geometry import GraphMetric

OVERLAP = 0.5
NETGANS, OURS = "NetGAN's assembly", "degrees and triangles kept"
RESOLUTIONS = (1.0, 4.0, 16.0, 64.0)


class Search:
    """Looks at scores as they come: the best on validation pairs, and graphs of half overlap."""

    def __init__(self, graph, split, seed):
        self.graph, self.split, self.seed = graph, split, seed
        self.value, self.best, self.whole = -1.0, None, {}

    def __call__(self, scores):
        value = sum(
            link_prediction(scores, self.split["val_ones"], self.split["val_zeros"]).values()
        )
        if value > self.value:
            self.value, self.best = value, scores
        return self

    def graphs(self, scores):
        u, v = self.graph.edges.T.numpy()
        m = len(u)
        if np.minimum(1, 2 * m * scores[u, v] / scores.sum()).mean() < 0.8 * OVERLAP:
            return
        if NETGANS not in self.whole:
            drawn = cover_then_fill(scores, m, np.random.default_rng(self.seed))
            drawn = GraphMetric(drawn, nodes=self.graph.nodes)
            if edge_overlap(drawn, self.graph) >= OVERLAP:
                self.whole[NETGANS] = drawn
        if OURS not in self.whole:
            q = with_degrees(scores, degrees(self.graph), tolerance=1e-4)
            if q[u, v].mean() >= OVERLAP:
                self.whole[OURS] = assemble(q, self.graph, self.seed)

    def tested(self):
        return link_prediction(self.best, self.split["test_ones"], self.split["test_zeros"])


def walks_themselves(graph, length=8):
    flow = degrees(graph)[:, None] * walk_rows(graph, length).double().numpy()
    return flow + flow.T


def trained(graph, split, seed):
    """Name, search and seconds of every method that learns."""
    methods = {
        "walk WGAN, 8 steps": (walk_gan(graph, 8, seed=seed), False),
        "walk WGAN": (walk_gan(graph, seed=seed), True),
        "CELL": (low_rank(graph, seed=seed), True),
        "CELL's likelihood, 8 steps": (low_rank(graph, 8, rank=32, steps=60, seed=seed), False),
    }
    for name, (learning, whole) in methods.items():
        search, began = Search(graph, split, seed), time.process_time()
        for scores in learning:
            search(scores)
            if whole:
                search.graphs(scores)
        yield name, search, time.process_time() - began


def fixed(graph, split, seed):
    """Methods without training; blocks choose their resolution on the validation pairs."""
    yield "Adamic-Adar", Search(graph, split, seed)(adamic_adar(graph))
    yield "walks of 8 steps themselves", Search(graph, split, seed)(walks_themselves(graph))
    search = Search(graph, split, seed)
    for resolution in RESOLUTIONS:
        search(stochastic_blocks(graph, resolution, seed))
    q = with_degrees(search.best, degrees(graph), tolerance=1e-4)
    search.whole[OURS] = assemble(q, graph, seed)
    yield "DC-SBM", search


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("split", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    split = {name: array.astype(np.int64) for name, array in np.load(arguments.split).items()}
    graph = GraphMetric(split["train_edges"])
    rows = defaultdict(list)
    rows["the graph itself"].append(statistics(graph))
    for seed in range(arguments.seeds):
        for name, search, seconds in trained(graph, split, seed):
            add(rows, name, search, {"seconds": seconds})
        for name, search in fixed(graph, split, seed):
            add(rows, name, search, {})
    report(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def add(rows, name, search, more):
    rows[name].append({**search.tested(), **more})
    for how, drawn in search.whole.items():
        found = {"overlap": edge_overlap(drawn, search.graph), **statistics(drawn)}
        rows[f"{name}, {how}"].append(found)
    print(name, rows[name][-1], flush=True)


def report(rows):
    for name, found in rows.items():
        print(name)
        for key in found[0]:
            values = np.array([row[key] for row in found])
            print(f"    {key:20}{values.mean():14.4f}  +- {values.std():.4f}")


if __name__ == "__main__":
    main()
