"""Whether samples are what was asked for, when the training labels are partly wrong.

    python benchmarks/label_noise.py [--presets wgan-gp certified gan] [--noise 0 0.2 0.4]
        [--seeds N] [--scale S] [--json FILE]

Scikit-learn's digits under `--condition label`. A training label is wrong with the given
probability, and then any of the nine others; held-out labels are right. As asked: share of the
averaged generator's samples, 100 of each digit, that a support vector machine trained on the clean
training data calls by the digit asked for. A generator that reproduces what it was told has the
share of right labels times the share without noise. W1 / floor: exact W1 of as many samples to the
held-out images, whatever their labels, over that of training images. Each preset has about the
time of the others; settings and networks are the image domain's. Seconds are of one core. Rows of
the file are not measured again.
"""

import argparse
import statistics
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from sklearn.svm import SVC

import otgan
from otgan.data import Samples
from otgan.domain import load
from otgan.report.rows import measured
from otgan.transport import exact

EACH = 100
SETTINGS = {
    "wgan-gp": {"steps": 500},
    "certified": {"steps": 500},
    "gan": {"steps": 1500},
}


@dataclass(frozen=True)
class Task:
    preset: str
    noise: float
    seed: int
    steps: int


@cache
def digits():
    """The images and a classifier of pixels trained on those with their right labels."""
    domain = load("images", {})
    train = domain.train
    return domain, SVC(C=10).fit(train.points().flatten(1), train.first())


def flipped(labels, noise, seed):
    """Each label, with the given probability, replaced by any of the nine others, (n,)."""
    random = torch.Generator().manual_seed(seed)
    wrong = torch.rand(len(labels), generator=random) < noise
    shift = torch.randint(1, 10, (len(labels),), generator=random)
    return torch.where(wrong, (labels + shift) % 10, labels)


def recognised(x, asked):
    """Share of images (n, *E) that the classifier gives the labels asked for, (n,)."""
    return digits()[1].score(x.flatten(1), asked)


def measure(task):
    clean, _ = digits()
    train, held_out = clean.train, clean.held_out
    labels = flipped(train.first(), task.noise, task.seed)
    domain = replace(clean, train=Samples(train.x, labels.to(train.y).view_as(train.y)))
    start = time.process_time()
    model = otgan.fit(
        domain=domain,
        preset=task.preset,
        condition=("label",),
        seed=task.seed,
        quiet=True,
        **SETTINGS[task.preset] | {"steps": task.steps, "monitor_every": task.steps},
    )
    seconds = time.process_time() - start
    asked = torch.arange(10).repeat_interleave(EACH)
    samples = model.sample(EACH, seed=task.seed, condition=clean.classes)
    real, n = held_out.points(), len(held_out)
    w1, floor = (
        exact(x, real, clean.geometry).item()
        for x in (model.sample(n, seed=task.seed), train.draw(n, task.seed))
    )
    return {
        "as asked": recognised(samples, asked),
        "least": min(
            recognised(x, y) for x, y in zip(samples.split(EACH), asked.split(EACH), strict=True)
        ),
        "right labels": (labels == train.first()).float().mean().item(),
        "W1 / floor": w1 / floor,
        "seconds": seconds,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--presets", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--noise", nargs="+", type=float, default=[0.0, 0.2, 0.4])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the steps")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    held_out = digits()[0].held_out
    real = recognised(held_out.points(), held_out.first())
    print(f"held-out digits recognised: {real:.1%}")
    tasks = [
        Task(preset, noise, seed, max(1, round(chosen.scale * SETTINGS[preset]["steps"])))
        for seed in range(chosen.seeds)
        for noise in chosen.noise
        for preset in chosen.presets
    ]
    groups = {}
    for row in measured(tasks, measure, chosen.json):
        groups.setdefault((row["preset"], row["noise"]), []).append(row)
    names = ("right labels", "as asked", "least", "W1 / floor", "seconds")
    print(f"{'preset':10} {'noise':>5}", *(f"{name:>20}" for name in names))
    for (preset, noise), rows in groups.items():
        values = [[row[name] for row in rows] for name in names]
        cells = (f"{statistics.mean(v):.3f} ({min(v):.3f}-{max(v):.3f})" for v in values)
        print(f"{preset:10} {noise:5.0%}", *(f"{cell:>20}" for cell in cells))


if __name__ == "__main__":
    main()
