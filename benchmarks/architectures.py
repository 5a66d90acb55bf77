"""Which losses train whatever the networks? The table of the Wasserstein GAN paper, as a check.

    python benchmarks/architectures.py [--data FOLDER] [--architectures NAME ...]
        [--losses NAME ...] [--seeds N] [--steps N] [--json FILE]

Arjovsky, Chintala, Bottou 2017, section 4.3, trained a DCGAN, one without normalisation, and one
whose generator is dense; Gulrajani et al. 2017, section 5.1, deeper networks too. Every loss is the
preset of its name, with the same settings for all architectures and the same steps for all.

A run has failed if its recall on held-out images is below RECALL, if their exact W1 is more than
W1_OVER_FLOOR times that of training images in place of samples, or if it diverged. The command
ends with 1 if a loss in MUST has failed anywhere.

Scikit-learn's digits unless --data names a folder or file of images. Seconds are of one core. Rows
of the file are not measured again.
"""

import argparse
import statistics
import sys
import time
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import torch

import otgan
from otgan.config import RunError
from otgan.domain import load
from otgan.networks import dcgan, mlp
from otgan.report.rows import measured

RECALL, W1_OVER_FLOOR = 0.5, 1.25
LOSSES = ("dcgan", "wgan", "wgan-gp", "certified")
MUST = ("wgan-gp", "certified")
WIDTH, LATENT = 32, 64
POINTS, DRAWS = 1000, 3


def dense_generator(shape, bounds, **settings):
    """Four hidden layers without normalisation, against the critic of the DCGAN."""
    chosen = settings | {"generator_norm": "none"}
    generator, _ = mlp(shape, bounds, width=8 * WIDTH, depth=4, **chosen)
    return generator, standard(shape, bounds, **settings)[1]


def unnormalised(shape, bounds, **settings):
    chosen = settings | {"generator_norm": "none", "critic_norm": "none"}
    return standard(shape, bounds, **chosen)


standard = partial(dcgan, width=WIDTH, depth=1)
ARCHITECTURES = {
    "standard": standard,
    "dense generator": dense_generator,
    "no normalisation": unnormalised,
    "deeper": partial(dcgan, width=WIDTH, depth=6),
}


@dataclass(frozen=True)
class Task:
    data: str
    architecture: str
    loss: str
    seed: int
    steps: int


@cache
def domain(data):
    return replace(load("images", {"data": data}), networks=ARCHITECTURES)


def measure(task):
    """Recall, and W1 over its floor; None for both of a run that diverged."""
    start = time.process_time()
    try:
        model = otgan.fit(
            domain=domain(task.data),
            preset=task.loss,
            seed=task.seed,
            steps=task.steps,
            monitor_every=task.steps,
            network={"name": task.architecture, "latent": LATENT},
            quiet=True,
        )
    except RunError:
        return {"recall": None, "W1 / floor": None, "seconds": time.process_time() - start}
    seconds = time.process_time() - start
    found = model.evaluate(POINTS, DRAWS, task.seed)["metrics"]
    w1 = found["W1"]
    return {
        "recall": found["recall"]["value"],
        "W1 / floor": w1["value"] / w1["floor"],
        "seconds": seconds,
    }


def failed(row):
    diverged = row["recall"] is None
    return diverged or not (row["recall"] >= RECALL and row["W1 / floor"] <= W1_OVER_FLOOR)


def show(rows):
    """For each architecture and loss recall, W1 over its floor and seconds, means over seeds that
    did not diverge, and how many failed."""
    groups = {}
    for row in rows:
        groups.setdefault((row["architecture"], row["loss"]), []).append(row)
    print(f"{'':18}{'':10} {'recall':>8} {'W1/floor':>9} {'seconds':>8} {'failed':>7}")
    for (architecture, loss), group in groups.items():
        cells = [
            statistics.mean([row[name] for row in group if row[name] is not None] or [float("nan")])
            for name in ("recall", "W1 / floor", "seconds")
        ]
        told = f"{sum(map(failed, group))}/{len(group)}"
        numbers = f"{cells[0]:8.3f} {cells[1]:9.3f} {cells[2]:8.0f}"
        print(f"{architecture:18}{loss:10} {numbers} {told:>7}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--architectures", nargs="+", choices=ARCHITECTURES, default=ARCHITECTURES)
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=LOSSES)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    every = [
        Task(chosen.data, architecture, loss, seed, chosen.steps)
        for seed in range(chosen.seeds)
        for architecture in chosen.architectures
        for loss in chosen.losses
    ]
    rows = list(measured(every, measure, chosen.json))
    show(rows)
    broken = [row for row in rows if row["loss"] in MUST and failed(row)]
    for row in broken:
        print(f"{row['loss']} failed: {row['architecture']}, seed {row['seed']}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
