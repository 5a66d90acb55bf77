"""Seconds of one core a generator step, and peak memory, on a large random graph.

    python benchmarks/graph_scale.py [--nodes 100000] [--edges 500000] [--steps 3] [--preset P]
        [--network sage|gcn|gat|gin] [--width 64] [--batch-size 64] [--full]

The graph is a ring with random chords, lengths uniform in [.5, 1.5]; 20,000 uniformly random
visits. The first step is not counted. A step has the preset's critic steps in it; `--full` lets
every neighbour speak, where training on so large a graph hears ten.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import tyro
from otgan_domains import graphs as domain

from otgan import build
from otgan.config import resolve
from otgan.data import Batches
from otgan.engine import train


def chords(nodes: int, edges: int, path: Path) -> None:
    """Writes the graph."""
    random = np.random.default_rng(0)
    ring = np.stack([np.arange(nodes), np.roll(np.arange(nodes), -1)], 1)
    ends = np.concatenate([ring, random.integers(nodes, size=(edges - nodes, 2))])
    np.savez(path, edges=ends, lengths=random.uniform(0.5, 1.5, edges))


def peak() -> float:
    """Gigabytes, so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def main(
    nodes: int = 100_000,
    edges: int = 500_000,
    steps: int = 3,
    preset: str = "certified",
    network: str = "sage",
    width: int = 64,
    batch_size: int = 64,
    full: bool = False,
) -> None:
    """Prints seconds of processor time and memory as they are reached."""
    torch.set_num_threads(1)
    start = time.process_time()
    if full:
        domain.LARGE = nodes
    visits = np.random.default_rng(1).integers(nodes, size=20_000).tolist()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chords.npz"
        chords(nodes, edges, path)
        made = domain.graphs(str(path), visits=visits)
    opened = time.process_time() - start
    chosen = {
        "steps": steps + 1,
        "batch_size": batch_size,
        "network": {"name": network, "width": width},
        "accelerator": "cpu",
        "devices": 1,
    }
    config = resolve(preset, made.presets, chosen)
    fabric = build.fabric(config)
    game = build.game(made, config, fabric)
    batches = Batches(made.train, made.chart, batch_size, fabric, 0)
    print(f"{made.geometry!r}; opened in {opened:.0f} s, {peak():.2f} GB", flush=True)
    seconds = []
    start = time.process_time()
    for record in train(game, batches, build.noise(config.network.latent, fabric)):
        seconds.append(time.process_time() - start)
        print(f"step {record.step}: {seconds[-1]:.1f} s, peak {peak():.2f} GB", flush=True)
        start = time.process_time()
    print(f"{np.mean(seconds[1:]):.2f} s a step, peak {peak():.2f} GB")


if __name__ == "__main__":
    tyro.cli(main)
