"""New nodes with realistic links, beside the floor and beside simpler ways to make them.

    python benchmarks/new_nodes.py GRAPH [--nodes FILE] [--classes COLUMN] [--seeds 0 1 2]
        [--steps N] [--json FILE]

GRAPH is anything `otgan train graphs --data` reads, or internet-N for networkx's
random_internet_as_graph of N nodes (classes: its tiers). A tenth of the nodes is hidden, and as
many are made; for each statistic W1 between those and the hidden ones, under l2, over that of as
many training nodes (the floor, mean of 5 draws). Mean and standard deviation over seeds: of the
training and the samples for otgan, of the samples for the others. `repeats` is the share that has
exactly the links of a node of the graph.

Copying a random node whole gives training nodes: the floor itself, all of it repeats. The other
rivals make something new.

- copying model (Kumar et al. 2000, 'Stochastic models for the Web graph'): each link of a random
  node is kept with probability 1/2, else leads to a random node; its features.
- configuration model: the degree of a random node, links in proportion to degree.
- preferential attachment (Barabasi and Albert 1999): the mean degree, links likewise.
- DC-SBM (Karrer and Newman 2011): the degree of a random node, the block of each link by the mean
  number of links between blocks, a node in it by degree. Blocks are classes where there are some,
  else Louvain communities; the features of another node of the same block.

In the middle two, features are those of another random node.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import networkx as nx
import numpy as np
import torch
from otgan_domains.graphs.hiding import points, unpadded

import otgan
from otgan.domain import load
from otgan.geometry import Lp
from otgan.transport import exact

FLOORS = 5


class Rivals:
    """Ways to make nodes, from the training nodes (n, k + most) of a domain.

    Args:
        patterns: of the graph.
    """

    def __init__(self, domain, patterns, seed):
        self.x, self.patterns, self.k = domain.train.points(), patterns, patterns.k
        self.links = [np.array(there) for there in unpadded(self.x[:, self.k :])]
        self.degree = np.array([len(there) for there in self.links])
        self.most = self.x.shape[1] - self.k
        self.random = np.random.default_rng(seed)
        self.block = self._blocks(domain)
        hot = np.eye(self.block.max() + 1)[self.block]
        between = hot.T @ patterns.linked @ hot
        self.between = between / between.sum(1, keepdims=True)

    def _blocks(self, domain):
        if self.patterns.classes:
            return self.x[:, self.k - self.patterns.classes : self.k].argmax(1).numpy()
        graph = nx.from_scipy_sparse_array(self.patterns.linked)
        found = np.empty(len(graph), int)
        for number, nodes in enumerate(nx.community.louvain_communities(graph, seed=0)):
            found[list(nodes)] = number
        return found

    def someone(self, n):
        return self.random.integers(len(self.x), size=n)

    def drawn(self, count, weights):
        """So many different nodes, in proportion to weights."""
        count = min(count, np.count_nonzero(weights))
        return self.random.choice(len(weights), count, replace=False, p=weights / weights.sum())

    def made(self, features_of, links):
        return points(self.x[features_of, : self.k], links, self.most).x

    def copy(self, n):
        return self.x[self.someone(n)]

    def copying_model(self, n):
        which, links = self.someone(n), []
        for v in which:
            keep = self.random.random(self.degree[v]) < 0.5
            links.append(np.unique(np.where(keep, self.links[v], self.someone(self.degree[v]))))
        return self.made(which, links)

    def configuration_model(self, n):
        counts = self.degree[self.someone(n)]
        return self.made(self.someone(n), [self.drawn(k, self.degree) for k in counts])

    def preferential_attachment(self, n):
        k = max(1, round(self.degree.mean()))
        return self.made(self.someone(n), [self.drawn(k, self.degree) for _ in range(n)])

    def dc_sbm(self, n):
        which, others, links = self.someone(n), [], []
        for v in which:
            b = self.block[v]
            weights = self.degree * self.between[b][self.block] / self._mass()[self.block]
            links.append(self.drawn(self.degree[v], weights))
            others.append(self.random.choice(np.flatnonzero(self.block == b)))
        return self.made(np.array(others), links)

    def _mass(self):
        return np.bincount(self.block, self.degree)


def read(arguments):
    """What --data, --nodes and --classes of the domain are."""
    if not arguments.graph.startswith("internet-"):
        return {"data": arguments.graph, "nodes": arguments.nodes, "classes": arguments.classes}
    graph = nx.random_internet_as_graph(int(arguments.graph.removeprefix("internet-")), seed=0)
    table = Path(f"{arguments.graph}-nodes.csv")
    tiers = nx.get_node_attributes(graph, "type")
    table.write_text("node,tier\n" + "".join(f"{v},{t}\n" for v, t in tiers.items()))
    plain = nx.Graph(graph.edges())
    edges = Path(f"{arguments.graph}.csv")
    edges.write_text("source,target\n" + "".join(f"{u},{v}\n" for u, v in plain.edges))
    return {"data": str(edges), "nodes": str(table), "classes": "tier"}


def main(arguments):
    torch.set_num_threads(1)
    domain = load("graphs", {**read(arguments), "learn": "nodes", "largest": True})
    hidden, n = domain.held_out.points(), len(domain.held_out)
    real = {name: f(hidden) for name, f in domain.features.items()}

    def scores(x):
        return {name: exact(f(x), real[name], Lp(2)).item() for name, f in domain.features.items()}

    floors = [scores(domain.train.draw(n, seed)) for seed in range(FLOORS)]
    floor = {name: statistics.mean(f[name] for f in floors) for name in real}
    (repeats,) = domain.shares.values()
    print(f"{len(domain.train)} nodes stay, {n} hidden, {domain.provenance['graph']}")
    print("floor", {name: round(value, 4) for name, value in floor.items()})
    print(f"hidden nodes that repeat: {repeats(hidden).float().mean():.1%}", flush=True)

    makers, seconds = {}, []
    settings = {} if arguments.steps is None else {"steps": arguments.steps}
    for seed in arguments.seeds:
        rivals = Rivals(domain, repeats.__self__, seed)
        start = time.process_time()
        model = otgan.fit(domain=domain, seed=seed, quiet=True, **settings)
        seconds.append(time.process_time() - start)
        makers.setdefault("otgan", []).append(model.sample(n, seed))
        for name in (
            "copy", "copying_model", "configuration_model", "preferential_attachment", "dc_sbm"
        ):  # fmt: skip
            makers.setdefault(name, []).append(getattr(rivals, name)(n))
    report = {"graph": arguments.graph, "floor": floor, "seconds": seconds, "ratios": {}}
    print(f"otgan trains in {statistics.mean(seconds):.0f} s of one core")
    for name, samples in makers.items():
        ratios = [{k: v / floor[k] for k, v in scores(x).items()} for x in samples]
        means = [statistics.mean(r.values()) for r in ratios]
        row = {k: (statistics.mean(r[k] for r in ratios)) for k in floor}
        spread = statistics.stdev(means) if len(means) > 1 else 0.0
        repeated = statistics.mean(repeats(x).float().mean().item() for x in samples)
        report["ratios"][name] = {**row, "mean": means, "repeats": repeated}
        print(
            f"{name:24} {statistics.mean(means):6.2f} ± {spread:.2f}  repeats {repeated:6.1%}  "
            + "  ".join(f"{k} {v:.2f}" for k, v in row.items()),
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("graph")
    parser.add_argument("--nodes")
    parser.add_argument("--classes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int)
    parser.add_argument("--json", type=Path)
    main(parser.parse_args())
