"""Strange nodes and edges: ROC AUC and average precision of the detectors and of simple scores.

    python benchmarks/anomalies.py develop --data DATA [--seeds N] [--json FILE]
    python benchmarks/anomalies.py score --data DATA/pygod/inj_cora.npz [--seeds N] [--json FILE]
    python benchmarks/anomalies.py edges --data DATA [--seeds N] [--json FILE]

develop: the graphs that the method was chosen on, a different injection for each seed. Cora and
Cora-ML from DATA, block models with Gaussian features, a shop with hubs and bags of words, links
between near digits. Injected after BOND (Liu et al. 2022, 'BOND: Benchmarking Unsupervised Outlier
Node Detection on Static Attributed Graphs'): cliques of random nodes, each directed link of which
is left out with a small probability; features copied from the farthest of k random nodes.

score: a labelled graph, .npz with edge_index, x (or x_data, x_indices, x_indptr, x_shape) and y,
0 or bits, 1 contextual and 2 structural. Seeds are of the critic's training.

edges: us-airports and Monaco's roads from DATA, and made graphs; 2 % of edges are added between
random nodes, at least 10, with the length of a random edge.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from otgan_domains.graphs.anomalies import EdgeDetector, NodeDetector
from otgan_domains.graphs.anomaly_tables import accuracy
from otgan_domains.graphs.simple_scores import simple_edge_scores, simple_node_scores
from scipy import sparse

from otgan.geometry import GraphMetric


def features_of(file):
    if "x" in file:
        return file["x"].astype(float)
    parts = file["x_data"].astype(float), file["x_indices"], file["x_indptr"]
    return sparse.csr_array(parts, tuple(file["x_shape"]))


def citations(path):
    file = np.load(path)
    return file["edges"].astype(int), features_of(file)


def links(expected, degree, rng):
    """Edges of independent links with these expectations, scaled to a mean degree."""
    chance = np.triu(expected * degree * len(expected) / expected.sum(), 1)
    return np.argwhere(rng.random(chance.shape) < chance)


def blocks(rng, degree, columns, noise, nodes=1500, number=6, mixed=0.15):
    block = rng.integers(0, number, nodes)
    tail = np.minimum(rng.pareto(2.5, nodes) + 1, 15)
    same = block[:, None] == block
    expected = np.outer(tail, tail) * np.where(same, 1 - mixed, mixed / (number - 1))
    means = rng.normal(size=(number, columns))
    return links(expected, degree, rng), means[block] + noise * rng.normal(size=(nodes, columns))


def shop(rng, nodes=3000, number=10, degree=36, columns=200, mixed=0.25):
    block = rng.integers(0, number, nodes)
    shelf = 12 * block + rng.integers(0, 12, nodes)
    tail = np.minimum(rng.pareto(1.6, nodes) + 0.4, 25)
    same = block[:, None] == block
    near = np.where(same, 1 - mixed, mixed / (number - 1)) + 8 * (shelf[:, None] == shelf)
    words = rng.beta(0.3, 3, (number, columns))[block] * 2 * rng.beta(2, 4, (nodes, 1))
    x = (rng.random(words.shape) < np.minimum(words + 0.03, 1)).astype(float)
    return links(np.outer(tail, tail) * near, degree, rng), x


def digits(rng, neighbours=30):
    from sklearn.datasets import load_digits
    from sklearn.neighbors import NearestNeighbors

    x = load_digits().data
    near = NearestNeighbors(n_neighbors=neighbours + 1).fit(x).kneighbors(x)[1][:, 1:]
    edges = np.stack([np.repeat(np.arange(len(x)), neighbours), near.ravel()], 1)
    anywhere = rng.random(len(edges)) < 0.2
    edges[anywhere, 1] = rng.integers(0, len(x), anywhere.sum())
    return edges[rng.random(len(edges)) < 0.6], x + x.std(0) * rng.normal(size=x.shape)


def inject(edges, x, rng, copies, candidates, size, cliques, left_out):
    """Edges, features and labels after BOND's two injections."""
    nodes = x.shape[0]
    members = rng.choice(nodes, (cliques, size), replace=False)
    pairs = [(u, v) for clique in members for u in clique for v in clique if u != v]
    edges = np.concatenate([edges, np.array(pairs)[rng.random(len(pairs)) >= left_out]])
    changed = rng.choice(nodes, copies, replace=False)
    dense, source = x.toarray() if sparse.issparse(x) else x, np.arange(nodes)
    for node in changed:
        tried = rng.choice(nodes, candidates, replace=False)
        source[node] = tried[np.square(dense[tried] - dense[node]).sum(1).argmax()]
    labels = np.zeros(nodes, int)
    labels[changed] |= 1
    labels[members.ravel()] |= 2
    return edges, x[source], labels


def development(data, seed):
    rng = np.random.default_rng(seed)
    cora = citations(data / "planetoid/cora.npz")
    yield "cora", inject(*cora, rng, 70, 50, 10, 7, 0.2)
    yield "cora, cliques of 15", inject(*cora, rng, 40, 20, 15, 4, 0)
    yield "cora-ml", inject(*citations(data / "cora_ml/cora_ml.npz"), rng, 60, 30, 8, 8, 0.1)
    yield "blocks", inject(*blocks(rng, 12, 40, 1.5), rng, 40, 10, 8, 5, 0.1)
    yield "dense blocks", inject(*blocks(rng, 30, 20, 2), rng, 40, 10, 10, 4, 0.1)
    yield "shop", inject(*shop(rng), rng, 80, 30, 10, 8, 0.1)
    yield "digits", inject(*digits(rng), rng, 40, 10, 10, 4, 0.2)


def nodes_scores(edges, x, labels, seed):
    detector = NodeDetector(seed=seed).fit(edges, x)
    scores = {"otgan": detector.decision_score_, **detector.channels_}
    return accuracy({**scores, **simple_node_scores(edges, x)}, labels)


def develop(data, seeds):
    for seed in range(seeds):
        for name, (edges, x, labels) in development(data, seed):
            yield name, nodes_scores(edges, x, labels, seed)


def score(path, seeds):
    file = np.load(path)
    edges, x, labels = file["edge_index"].T.astype(int), features_of(file), file["y"]
    for seed in range(seeds):
        yield path.stem, nodes_scores(edges, x, labels, seed)


def scattered(rng, nodes=500, neighbours=3):
    """Roads between near places."""
    from scipy.spatial import cKDTree

    place = rng.random((nodes, 2))
    near = cKDTree(place).query(place, neighbours + 1)[1][:, 1:]
    edges = np.stack([np.repeat(np.arange(nodes), neighbours), near.ravel()], 1)
    edges = edges[rng.random(len(edges)) < 0.7]
    straight = np.linalg.norm(place[edges[:, 0]] - place[edges[:, 1]], axis=1)
    return edges, straight * rng.uniform(1, 1.3, len(edges))


def flights(rng, nodes=500, number=2500):
    """Straight links, mostly from hubs."""
    place, tail = rng.random((nodes, 2)), rng.pareto(1.2, nodes) + 0.2
    far = np.linalg.norm(place[:, None] - place, axis=2)
    chance = np.triu(np.outer(tail, tail) * np.exp(-3 * far), 1).ravel()
    drawn = rng.choice(nodes**2, number, replace=False, p=chance / chance.sum())
    edges = np.stack([drawn // nodes, drawn % nodes], 1)
    return edges, far[edges[:, 0], edges[:, 1]]


def table(path, length):
    rows = np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")
    return np.stack([rows["source"], rows["target"]], 1), rows[length].astype(float)


def weighted(data, rng):
    yield "scattered roads", scattered(rng)
    yield "flights", flights(rng)
    yield "us-airports", table(data / "us-airports/edges.csv", "distance_miles")
    yield "monaco", table(data / "osm-roads/monaco_edges.csv", "length_m")


def add_edges(edges, lengths, rng):
    """The metric with edges added between random connected nodes, and which they are."""
    paths = GraphMetric(edges, lengths).paths
    component = np.flatnonzero(paths.components == np.bincount(paths.components).argmax())
    known, new = set(map(tuple, paths.ends.tolist())), set()
    while len(new) < max(10, len(paths.ends) // 50):
        pair = tuple(sorted(rng.choice(component, 2, replace=False).tolist()))
        new |= {pair} - known
    added = np.array(sorted(new))
    drawn = rng.choice(paths.lengths, len(added))
    metric = GraphMetric(
        np.concatenate([paths.ends, added]), np.append(paths.lengths, drawn), paths.nodes
    )
    return metric, np.array([tuple(edge) in new for edge in metric.paths.ends.tolist()])


def edges(data, seeds):
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        for name, graph in weighted(data, rng):
            metric, labels = add_edges(*graph, rng)
            scores = {"otgan": EdgeDetector().fit(metric).decision_score_}
            yield name, accuracy({**scores, **simple_edge_scores(metric)}, labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["develop", "score", "edges"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {}
    for name, rows in globals()[arguments.what](arguments.data, arguments.seeds):
        found.setdefault(name, []).append(rows)
        print(name, *(f"{k} {v:.3f}" for k, v in rows["otgan"].items()), flush=True)
    for name, runs in found.items():
        print(f"\n{name}, mean and deviation over {len(runs)} seeds")
        for kind in runs[0]:
            columns = {c: [run[kind][c] for run in runs] for c in runs[0][kind]}
            shown = (f"{c} {np.mean(v):.3f} ± {np.std(v):.3f}" for c, v in columns.items())
            print(f"  {kind:22}", "   ".join(shown))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
