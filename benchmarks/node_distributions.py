"""From n visits to the distribution they come from: how far off under shortest paths?

    python benchmarks/node_distributions.py [--graphs internet roads.csv ...] [--visits 50 500 5000]
        [--seeds N] [--steps N] [--preset P]

The truth is a mixture of three lazy random walks that start at nodes drawn at random and have made
10 steps each. Scored is exact W1 to the truth, in units of the mean distance to landmarks, of

- the histogram of the n visits;
- a kernel smoother on the graph, exp(-t L) of the histogram with the random walk's Laplacian; t of
  twelve, from 0 on, by W1 of the smoothed first four fifths of the visits to the last one;
- the generator's mean distribution, trained by `otgan` at its defaults on the same visits.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch
import tyro
from otgan_domains.graphs import graphs
from scipy.sparse import diags
from scipy.sparse.linalg import expm_multiply
from torch import Tensor

import otgan
from otgan.geometry import GraphMetric
from otgan.transport.flow import flow

TIMES = (0, *np.geomspace(0.05, 50, 11))


def truth(metric: GraphMetric, random: np.random.Generator) -> np.ndarray:
    """(nodes,)."""
    links = metric.paths.adjacency
    walk = diags(1 / links.sum(1)) @ links
    p = np.zeros(metric.nodes)
    p[random.choice(metric.nodes, 3, replace=False)] = 1 / 3
    for _ in range(10):
        p = 0.5 * p + 0.5 * (walk.T @ p)
    return p


def smoothed(metric: GraphMetric, visits: np.ndarray) -> np.ndarray:
    """The kernel smoother's distribution, (nodes,)."""
    links = metric.paths.adjacency
    generator = links.T @ diags(1 / links.sum(1)) - diags(np.ones(metric.nodes))
    first, last = np.split(visits, [4 * len(visits) // 5])
    errors = [w1(metric, diffused(generator, metric, first, t), hist(metric, last)) for t in TIMES]
    return diffused(generator, metric, visits, TIMES[int(np.argmin(errors))])


def diffused(generator, metric: GraphMetric, visits: np.ndarray, t: float) -> np.ndarray:
    p = hist(metric, visits)
    p = expm_multiply(t * generator, p).clip(0) if t else p
    return p / p.sum()


def hist(metric: GraphMetric, visits: np.ndarray) -> np.ndarray:
    return np.bincount(visits, minlength=metric.nodes) / len(visits)


def w1(metric: GraphMetric, p: np.ndarray, q: np.ndarray) -> float:
    return flow(torch.from_numpy(p), torch.from_numpy(q), metric).value.item()


@torch.no_grad()
def learnt(model: otgan.model.Model) -> np.ndarray:
    """The generator's mean distribution, (nodes,)."""
    model.generator[-1].train()  # soft points
    latent = model.spec["config"]["network"]["latent"]
    p: Tensor = sum(model.generator(torch.randn(500, latent)).double().mean(0) for _ in range(4))
    return (p / p.sum()).numpy()


def main(
    graph: tuple[str, ...] = ("internet",),
    visits: tuple[int, ...] = (50, 500, 5000),
    seeds: int = 3,
    steps: int = 1000,
    preset: str = "wgan-gp",
) -> None:
    """Prints a row for each graph and number of visits: medians over seeds, and their range."""
    torch.set_num_threads(1)
    names = ("histogram", "kernel", "otgan")
    print(f"{'graph':>12} {'visits':>6} " + " ".join(f"{name:>23}" for name in names))
    for data in graph:
        for n in visits:
            found: dict[str, list[float]] = {name: [] for name in names}
            started = time.process_time()
            for seed in range(seeds):
                random = np.random.default_rng(seed)
                metric = graphs(data, largest=True).geometry
                p = truth(metric, random)
                drawn = random.choice(metric.nodes, n, p=p)
                model = otgan.fit(
                    data, "graphs", visits=[metric.names[v] for v in drawn], largest=True,
                    steps=steps, seed=seed, quiet=True, preset=preset, batch_size=min(64, n // 2),
                    monitor_every=steps,
                )  # fmt: skip
                for name, q in zip(
                    names,
                    (hist(metric, drawn), smoothed(metric, drawn), learnt(model)),
                    strict=True,
                ):
                    found[name].append(w1(metric, q, p))
            cells = " ".join(
                f"{statistics.median(v):6.4f} ({min(v):.3f} to {max(v):.3f})"
                for v in found.values()
            )
            seconds = (time.process_time() - started) / seeds
            print(f"{data[-12:]:>12} {n:6} {cells}  {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
