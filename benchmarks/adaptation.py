"""A classifier of upright digits on rotated ones, before and after adaptation without their labels.

    python benchmarks/adaptation.py [--methods NAME ...] [--seeds N] [--angle 45] [--scale S]
        [--json FILE]

scikit-learn's digits, divided at random: 900 upright with labels (the source), 600 others rotated
without (the target), the last 297 rotated, on which accuracy is measured. One classifier
(benchmarks/conditional.py) for all, trained on

none            the source as it is
emd, sinkhorn   the source moved by POT's EMDTransport, SinkhornTransport (regularisation 1, squared
                l2, costs divided by their largest; their defaults otherwise)
map, map-free   the source moved by `otgan.fit(target, source=source)`, wgan-lp, with a weight of
                0.5 on the ground cost of the way, or none
alignment       the source, with the features before the last layer aligned (`otgan.Alignment`,
                certified, weight 1)
labels          the target with its labels: what adaptation could reach

--scale is a factor on the steps. Seconds are of one core. Rows of the file are not measured again.
"""

import argparse
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from conditional import classifier, recognised, trained
from scipy.ndimage import rotate
from sklearn.datasets import load_digits
from torch import nn

import otgan
from otgan.constraints import Certified
from otgan.data import Samples
from otgan.domain import Domain
from otgan.geometry import Lp
from otgan.networks import dcgan, mlp
from otgan.preprocess import Scaling
from otgan.report.rows import measured

METHODS = ("none", "emd", "sinkhorn", "map-free", "map", "alignment", "labels")
SOURCE, TARGET, EPOCHS, STEPS = 900, 600, 20, 1000


@dataclass(frozen=True)
class Task:
    method: str
    seed: int
    angle: float
    scale: float


def data(task):
    """Source, target and test, images (n, 1, 8, 8) in [0, 1]."""
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8) / 16
    turned = rotate(images, task.angle, axes=(1, 2), reshape=False, order=1).clip(0, 1)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(task.seed))
    x, rotated = (torch.tensor(a, dtype=torch.float32)[:, None] for a in (images, turned))
    y = torch.tensor(labels)
    parts = order.split([SOURCE, TARGET, len(order) - SOURCE - TARGET])
    which = (x, rotated, rotated)
    return [Samples(a[part], y[part]) for a, part in zip(which, parts, strict=True)]


def transported(kind, source, target):
    """By barycentres of POT's plan."""
    import ot

    method = {
        "emd": ot.da.EMDTransport(norm="max"),
        "sinkhorn": ot.da.SinkhornTransport(reg_e=1.0, norm="max"),
    }[kind]
    x, to = (part.x.flatten(1).double().numpy() for part in (source, target))
    moved = method.fit(Xs=x, Xt=to).transform(Xs=x)
    return torch.tensor(moved, dtype=torch.float32).view_as(source.x)


def mapped(source, target, task):
    held = len(target) // 6
    train, held_out = target.split(len(target) - held, 0)
    cost, chart = Lp(2), Scaling(0.0, 1.0)
    start = Domain(cost, Samples(source.x[held:]), Samples(source.x[:held]), chart)
    parts = Samples(train.x), Samples(held_out.x)
    domain = Domain(cost, *parts, chart, {"dcgan": dcgan}, source=start)
    steps = max(1, round(task.scale * STEPS))
    model = otgan.fit(
        domain=domain, preset="wgan-lp", steps=steps, seed=task.seed, quiet=True,
        critic_steps=2, monitor_every=steps, optimiser={"rate": 1e-3}, network={"width": 16},
        objective={"transport": 0.5 if task.method == "map" else 0.0},
    )  # fmt: skip
    return model.map(source.x)


def aligned(source, target, task):
    """A classifier whose features of both domains are drawn together."""
    torch.manual_seed(task.seed)
    network = classifier(1, 10)
    features, head = network[:-1], network[-1]
    align = otgan.Alignment(Lp(2), mlp((512,), width=64, depth=2)[1], Certified())
    steps = max(1, round(task.scale * EPOCHS * SOURCE / 128))
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, steps)
    for _ in range(steps):
        index = torch.randint(SOURCE, (128,))
        here, there = features(source.x[index]), features(target.drawn(128))
        for _ in range(3):
            align.step(there, here)
        loss = nn.functional.cross_entropy(head(here), source.y[index]) + align(there, here)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        falling.step()
    return network.eval()


def measure(task):
    source, target, test = data(task)
    start, epochs = time.process_time(), max(1, round(task.scale * EPOCHS))
    if task.method == "alignment":
        network = aligned(source, target, task)
    else:
        points = source.x
        if task.method in ("emd", "sinkhorn"):
            points = transported(task.method, source, target)
        elif task.method.startswith("map"):
            points = mapped(source, target, task)
        learned = target if task.method == "labels" else Samples(points, source.y)
        network = trained(learned, 10, epochs)
    right = recognised(network, test.x) == test.y
    return {"accuracy": right.double().mean().item(), "seconds": time.process_time() - start}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--angle", type=float, default=45.0)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    tasks = [
        Task(method, seed, chosen.angle, chosen.scale)
        for seed in range(chosen.seeds)
        for method in chosen.methods
    ]
    groups = {}
    for row in measured(tasks, measure, chosen.json):
        groups.setdefault(row["method"], []).append(row)
    print(f"{'method':12} {'accuracy':>20} {'seconds':>8}")
    for method, rows in groups.items():
        found = [row["accuracy"] for row in rows]
        spread = f"{statistics.mean(found):.3f} ({min(found):.3f}-{max(found):.3f})"
        print(f"{method:12} {spread:>20} {statistics.mean(r['seconds'] for r in rows):8.1f}")


if __name__ == "__main__":
    main()
