"""From n visits to the distribution they come from: how far off under shortest paths?

    python benchmarks/node_distributions.py [--graphs internet roads.csv ...] [--visits 50 500 5000]
        [--conditions K] [--seeds N] [--steps N] [--preset P]

The truth is a mixture of three lazy random walks that start at nodes drawn at random and have made
10 steps each; with `--conditions`, another one at each, such as an hour of the day, and as many
visits of each: one generator is told which, histogram and kernel have the visits of one at a time,
and figures are means over conditions. Scored is exact W1 to the truth, in units of the mean
distance to landmarks, of

- the histogram of the n visits;
- a kernel smoother on the graph, exp(-t L) of the histogram with the random walk's Laplacian; t of
  twelve, from 0 on, by W1 of the smoothed first four fifths of the visits to the last one;
- the generator's mean distribution, trained by `otgan` at its defaults on the same visits.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

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
def learnt(model: otgan.model.Model, condition: int) -> np.ndarray:
    """The generator's mean distribution at one condition, (nodes,)."""
    model.generator[-1].train()  # soft points
    z = torch.randn(2000, model.spec["config"]["network"]["latent"])
    told = model.condition and model.condition.parse(f"hour={condition}").expand(500, -1)
    p: Tensor = sum(model.generator(part, told).double().mean(0) for part in z.split(500))
    return (p / p.sum()).numpy()


def errors(
    data: str, n: int, conditions: int, seed: int, steps: int, preset: str
) -> tuple[float, ...]:
    """Of histogram, kernel and generator, means over the conditions."""
    random = np.random.default_rng(seed)
    metric = graphs(data, largest=True).geometry
    truths = [truth(metric, random) for _ in range(conditions)]
    drawn = [random.choice(metric.nodes, n, p=p) for p in truths]
    with tempfile.TemporaryDirectory() as folder:
        visits = Path(folder) / "visits.csv"
        rows = [(metric.names[v], hour) for hour, those in enumerate(drawn) for v in those]
        visits.write_text("node,hour\n" + "".join(f"{v},{hour}\n" for v, hour in rows))
        model = otgan.fit(
            data, "graphs", visits=str(visits), largest=True, steps=steps, seed=seed, quiet=True,
            preset=preset, batch_size=min(64, n // 2), monitor_every=steps,
            condition=("hour",) if conditions > 1 else (),
        )  # fmt: skip
    found = []
    for hour, (p, those) in enumerate(zip(truths, drawn, strict=True)):
        rivals = hist(metric, those), smoothed(metric, those), learnt(model, hour)
        found.append([w1(metric, q, p) for q in rivals])
    return tuple(np.mean(found, 0))


def main(
    graph: tuple[str, ...] = ("internet",),
    visits: tuple[int, ...] = (50, 500, 5000),
    conditions: int = 1,
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
            started = time.process_time()
            rows = [errors(data, n, conditions, seed, steps, preset) for seed in range(seeds)]
            cells = " ".join(
                f"{statistics.median(v):6.4f} ({min(v):.3f} to {max(v):.3f})"
                for v in zip(*rows, strict=True)
            )
            seconds = (time.process_time() - started) / seeds
            print(f"{data[-12:]:>12} {n:6} {cells}  {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
