"""What outliers in the training data do to a generator, under W1 and under other objectives.

    python benchmarks/robustness.py [--parts location full affine] [--seeds N] [--scale S]
        [--json FILE]

Every training point is an outlier with a given probability: one of a tight cluster (deviation 0.1)
at a given distance from the centre of the clean data, in a fixed direction. A cluster pulls every
mean the same way, so it is the worst that so many points at such a distance can do to one; and what
lands on it can be counted. Scores are against clean data.

location  single points for eight Gaussians (deviation 0.1) on a ring of radius 2: how far from its
          centre the mean is (least squares) and the geometric median (the best point under W1).
full      dense generators for the same data, outliers at 10. `data` is a perfect generator: other
          training points in its place. Exact W1 to clean data in data units; its floor; shares of
          samples within 1 of the outliers, within 0.5 of one of the eight, and elsewhere; how many
          of the eight have a hundredth of the samples at least.
affine    x = A z + b with Gaussian z, for a standard normal in 2 or 8 dimensions. It starts at
          the mean and covariance of the training data (`moments`: maximum likelihood), so that
          what differs from them is the objective's doing. |b|, the deviation in the direction of
          the outliers (1 is right), and exact W1 to clean data beside its floor.

Settings are the presets' but for those in SETTINGS. --scale is a factor on the steps. Seconds are
of one core. Rows of the file are not measured again.
"""

import argparse
import math
import statistics
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

import otgan
from otgan.data import Samples
from otgan.domain import Domain
from otgan.geometry import Lp
from otgan.networks import mlp
from otgan.preprocess import Scaling
from otgan.report.rows import measured
from otgan.transport import exact

TRAIN, POINTS, RADIUS, NARROW = 5000, 1000, 2.0, 0.1
SETTINGS = {
    "full": {
        "steps": 1000,
        "batch_size": 128,
        "optimiser": {"rate": 1e-3},
        "network": {"latent": 8, "width": 128},
    },
    "affine": {
        "steps": 1000,
        "batch_size": 128,
        "optimiser": {"rate": 1e-3, "critic_rate": 5e-3},
        "network": {"name": "affine", "width": 64, "depth": 2},
    },
}
FAST = {"critic_steps": 2}
PRESETS = ("wgan-lp", "certified", "gan")


@dataclass(frozen=True)
class Task:
    part: str
    dim: int
    share: float
    distance: float
    method: str
    seed: int
    steps: int


def tasks(parts, seeds, scale):
    grid = {
        "full": ("data", [(2, share, 10.0) for share in (0.0, 0.05, 0.1, 0.2)]),
        "affine": (
            "moments",
            [
                (dim, *case)
                for dim in (2, 8)
                for case in ((0.0, 10.0), (0.1, 10.0), (0.1, 30.0), (0.2, 30.0))
            ],
        ),
    }
    return [
        Task(part, *case, method, seed, max(1, round(scale * SETTINGS[part]["steps"])))
        for seed in range(seeds)
        for part in parts
        for case in grid[part][1]
        for method in (grid[part][0], *PRESETS)
    ]


def ring(n, dim, random):
    angle = 2 * torch.pi * torch.randint(8, (n,), generator=random) / 8
    modes = RADIUS * torch.stack([angle.cos(), angle.sin()], 1)
    return modes + NARROW * torch.randn(n, dim, generator=random)


def normal(n, dim, random):
    return torch.randn(n, dim, generator=random)


CLEAN = {"full": ring, "affine": normal}


def direction(dim):
    """From the centre to the outliers: on the ring between two modes."""
    if dim == 2:
        return torch.tensor([math.cos(torch.pi / 8), math.sin(torch.pi / 8)])
    return torch.full((dim,), dim**-0.5)


def contaminated(clean, share, distance, random):
    n, dim = clean.shape
    far = distance * direction(dim) + NARROW * torch.randn(n, dim, generator=random)
    return torch.where(torch.rand(n, 1, generator=random) < share, far, clean)


def affine(mean, covariance, shape, bounds, *, latent, width, depth, critic_norm, **_):
    """A z + b that starts at these moments, against a dense critic."""
    _, critic = mlp(shape, latent=latent, width=width, depth=depth, critic_norm=critic_norm)
    layer = nn.Linear(latent, latent)
    layer.weight.data, layer.bias.data = torch.linalg.cholesky(covariance), mean.clone()
    return Affine(layer), critic


class Affine(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, z, y=None):
        return self.layer(z)


def fitted(task, train, held_out):
    """n -> samples of a model that was trained on `train`."""
    largest = train.abs().max().item()
    chart, x = Scaling(-largest, largest), train / largest
    domain = Domain(
        Lp(2),
        Samples(train),
        Samples(held_out),
        chart,
        {"mlp": mlp, "affine": partial(affine, x.mean(0), x.T.cov())},
        {"wgan-lp": FAST, "certified": FAST},
    )
    chosen = SETTINGS[task.part] | {"steps": task.steps, "monitor_every": task.steps}
    if task.part == "affine":
        chosen["network"] = chosen["network"] | {"latent": task.dim}
    model = otgan.fit(domain=domain, preset=task.method, seed=task.seed, quiet=True, **chosen)
    return partial(model.sample, seed=task.seed)


def measure(task):
    random = torch.Generator().manual_seed(task.seed)
    clean = partial(CLEAN[task.part], dim=task.dim, random=random)
    train, perfect = (
        contaminated(clean(n), task.share, task.distance, random) for n in (TRAIN, POINTS)
    )
    real, other = clean(POINTS), clean(POINTS)
    start = time.process_time()
    if task.method == "data":
        x = perfect
    elif task.method == "moments":
        root = torch.linalg.cholesky(train.T.cov())
        x = train.mean(0) + normal(20 * POINTS, task.dim, random) @ root.T
    else:
        x = fitted(task, train, other)(20 * POINTS)
    seconds = time.process_time() - start
    found = {
        "W1": exact(x[:POINTS], real, Lp(2)).item(),
        "floor": exact(other, real, Lp(2)).item(),
        "seconds": seconds,
    }
    return found | SCORES[task.part](x, task)


def places(x, task):
    """Where samples of the ring land."""
    at = RADIUS * torch.stack([direction_of(k) for k in range(8)])
    near, mode = torch.cdist(x, at).min(1)
    far = (x - task.distance * direction(2)).norm(dim=1) < 1
    held = mode[near < 0.5].bincount(minlength=8) / len(x)
    return {
        "outliers": far.float().mean().item(),
        "modes": (near < 0.5).float().mean().item(),
        "elsewhere": ((near >= 0.5) & ~far).float().mean().item(),
        "found": int((held >= 0.01).sum()),
    }


def direction_of(k):
    angle = 2 * math.pi * k / 8
    return torch.tensor([math.cos(angle), math.sin(angle)])


def moments(x, task):
    along = x @ direction(task.dim)
    return {"|b|": x.mean(0).norm().item(), "deviation": along.std().item()}


SCORES = {"full": places, "affine": moments}


def geometric_median(x, steps=500):
    """By the iteration of Weiszfeld 1937, from the mean, (n, d) -> (d,)."""
    a = x.mean(0)
    for _ in range(steps):
        weight = 1 / (x - a).norm(dim=1, keepdim=True).clamp_min(1e-12)
        a = (weight * x).sum(0) / weight.sum()
    return a


def locations(seeds):
    print("one point: distance from the centre of the ring")
    print(f"{'share':>6} {'at':>5} {'mean':>8} {'median':>8}")
    for share in (0.05, 0.1, 0.2):
        for distance in (10.0, 100.0, 1000.0):
            found = []
            for seed in range(seeds):
                random = torch.Generator().manual_seed(seed)
                x = contaminated(ring(TRAIN, 2, random), share, distance, random).double()
                found.append((x.mean(0).norm().item(), geometric_median(x).norm().item()))
            mean, median = (statistics.mean(column) for column in zip(*found, strict=True))
            print(f"{share:6.0%} {distance:5g} {mean:8.2f} {median:8.3f}")


def show(rows):
    """A line for each case and method: means over seeds, and their range."""
    groups = {}
    for row in rows:
        key = row["part"], row["dim"], row["share"], row["distance"], row["method"]
        groups.setdefault(key, []).append(row)
    part = None
    for key, group in groups.items():
        names = [n for n in group[0] if n not in Task.__dataclass_fields__]
        if key[0] != part:
            part = key[0]
            print(f"\n{part}\n{'d':>2} {'share':>5} {'at':>3} {'method':10}", end="")
            print(*(f"{name:>21}" for name in names))
        values = [[row[name] for row in group] for name in names]
        cells = (f"{statistics.mean(v):.3f} ({min(v):.3f}-{max(v):.3f})" for v in values)
        print(f"{key[1]:2} {key[2]:5.0%} {key[3]:3g} {key[4]:10}", *(f"{c:>21}" for c in cells))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", nargs="+", default=["location", "full", "affine"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if "location" in chosen.parts:
        locations(chosen.seeds)
    parts = [part for part in chosen.parts if part != "location"]
    for part in parts:
        show(list(measured(tasks([part], chosen.seeds, chosen.scale), measure, chosen.json)))


if __name__ == "__main__":
    main()
