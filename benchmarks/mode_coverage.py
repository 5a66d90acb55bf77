"""Does a preset find every mode? Points on the plane and digits in three channels.

    python benchmarks/mode_coverage.py [--presets NAME ...] [--data NAME ...] [--seeds N]
        [--scale S] [--json FILE]

25 Gaussians, 8 Gaussians, Swiss roll, parallel lines
          `otgan.pairs.modes`: 10,000 training points; modes that have one of 2,500 samples within 3
          deviations, the share of samples that are so near to one, KL of the shares of modes from
          equal ones; W1 over its real-to-real floor, 1,000 points each.
stacked digits
          three of scikit-learn's digits as the channels of a colour image, 1,000 modes (Metz et al.
          2017, section 3.3.1). A classifier of single digits (benchmarks/conditional.py) judges
          26,000 samples; a sample has quality if it is sure of all three by .9. `data` is what the
          same judge says of held-out digits, stacked. W1 over its floor, 500 images each.

Presets are as they are but for SETTINGS, the same for all (dense networks have no normalisation);
VARIANTS are presets with another setting.
One seed for all, --seeds for those in OFTEN; --scale is a factor on the steps. Seconds are
of one core. Rows of the file are not measured again.
"""

import argparse
import statistics
import time
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch
from conditional import trained
from torch.nn.functional import softmax

import otgan
from otgan.config import PRESETS
from otgan.data import Samples
from otgan.domain import Domain
from otgan.geometry import Lp
from otgan.networks import dcgan, mlp
from otgan.pairs.modes import PLANE, balance
from otgan.preprocess import Scaling
from otgan.report.rows import measured
from otgan.transport import exact

STACKED = "stacked digits"
DATA = (*PLANE, STACKED)
GENTLE = "wgan-gp, weight .1"
OFTEN = ("gan", "wgan-gp", GENTLE, "certified", "sinkhorn")
SETTINGS = {
    "points": {
        "steps": 1000,
        "batch_size": 128,
        "optimiser": {"rate": 1e-3},
        "network": {
            "latent": 2,
            "width": 128,
            "depth": 3,
            "generator_norm": "none",
            "critic_norm": "none",
        },
    },
    STACKED: {
        "steps": 1000,
        "batch_size": 64,
        "optimiser": {"rate": 1e-3},
        "network": {"name": "dcgan", "latent": 32, "width": 32, "depth": 1},
    },
}
VARIANTS = {
    GENTLE: ("wgan-gp", {"constraint": {"weight": 0.1}}),  # their code's for points on the plane
    "dragan, weight 1": ("dragan", {"constraint": {"weight": 1.0}}),
    "dragan, one-sided": ("dragan", {"constraint": {"sided": "one"}}),
    "dragan, five critic steps": ("dragan", {"critic_steps": 5}),
}
PATCHES = {"ot-gan": {"optimiser": {"critic_rate": 1e-3 / 3}}}
"""A third of the rate, as in the preset."""


@dataclass(frozen=True)
class Task:
    data: str
    preset: str
    seed: int
    steps: int


def tasks(presets, data, seeds, scale):
    return [
        Task(name, preset, seed, max(1, round(scale * SETTINGS[_kind(name)]["steps"])))
        for seed in range(seeds)
        for name in data
        for preset in presets
        if seed == 0 or preset in OFTEN
    ]


def _kind(name):
    return name if name == STACKED else "points"


def fitted(task, domain):
    """(n -> samples, seconds of one core)."""
    chosen = dict(SETTINGS[_kind(task.data)]) | {"steps": task.steps}
    preset, more = VARIANTS.get(task.preset, (task.preset, {}))
    chosen |= {"monitor_every": task.steps} | more
    start = time.process_time()
    model = otgan.fit(domain=domain, preset=preset, seed=task.seed, quiet=True, **chosen)
    return partial(model.sample, seed=task.seed), time.process_time() - start


def points(task):
    modes, random = PLANE[task.data], torch.Generator().manual_seed(task.seed)
    train, other, real = (modes.sample(n, random) for n in (10_000, 1000, 1000))
    if task.preset == "data":
        return modes.counts(train[:2500]) | distances(train[-1000:], other, real) | {"seconds": 0}
    domain = Domain(Lp(2), Samples(train), Samples(other), networks={"mlp": mlp}, presets=PATCHES)
    sample, seconds = fitted(task, domain)
    x = sample(2500)
    return modes.counts(x) | distances(x[:1000], other, real) | {"seconds": seconds}


def distances(x, other, real):
    found, floor = (exact(a, real, Lp(2)).item() for a in (x, other))
    return {"W1 / floor": found / floor}


@cache
def digits():
    """Training and held-out images (n, 1, 8, 8), uint8, and a classifier of the former."""
    domain = otgan.domain.load("images", {})
    return domain.train, domain.held_out, trained(domain.train, 10, epochs=20)


def stacked(part, n, random):
    """(n, 3, 8, 8), uint8."""
    return part.x[torch.randint(len(part), (n, 3), generator=random)][:, :, 0]


def judged(x):
    """Which of the 1,000 modes images (n, 3, 8, 8) in [0, 1] are, and whether all three digits are
    sure."""
    network = digits()[2]
    with torch.no_grad():
        parts = [softmax(network(p.reshape(-1, 1, 8, 8)), 1).max(1) for p in x.split(1000)]
    sure, digit = (torch.cat([part[i] for part in parts]).view(-1, 3) for i in (0, 1))
    return digit @ torch.tensor([100, 10, 1]), (sure > 0.9).all(1)


def images(task):
    training, held_out, _ = digits()
    random = torch.Generator().manual_seed(task.seed)
    train = stacked(training, 20_000, random)
    perfect, other, real = (stacked(held_out, n, random) for n in (26_000, 500, 500))
    if task.preset == "data":
        x, seconds = perfect / 255, 0.0
    else:
        networks = {"dcgan": dcgan}
        chart = Scaling(0.0, 1.0)
        domain = Domain(Lp(2), Samples(train), Samples(other), chart, networks, PATCHES)
        sample, seconds = fitted(task, domain)
        x = sample(26_000)
    mode, good = judged(x)
    found = {
        "modes": int(mode.unique().numel()),
        "quality": good.double().mean().item(),
        "kl": balance(mode, 1000),
    }
    return found | distances(x[:500], other / 255, real / 255) | {"seconds": seconds}


def measure(task):
    return images(task) if task.data == STACKED else points(task)


def show(rows):
    """A line for each data set and preset: means over seeds, and their range."""
    groups = {}
    for row in rows:
        groups.setdefault((row["data"], row["preset"]), []).append(row)
    data = None
    for (name, preset), group in groups.items():
        names = [n for n in group[0] if n not in Task.__dataclass_fields__]
        if name != data:
            data = name
            print(f"\n{name}\n{'':26}", *(f"{n:>20}" for n in names))
        columns = [[row[n] for row in group] for n in names]
        cells = (
            f"{statistics.mean(c):.4g}" + (f" ({min(c):.4g}-{max(c):.4g})" if len(c) > 1 else "")
            for c in columns
        )
        print(f"{preset:26}", *(f"{cell:>20}" for cell in cells))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--presets", nargs="+", default=["data", *PRESETS, *VARIANTS])
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    every = tasks(chosen.presets, chosen.data, chosen.seeds, chosen.scale)
    show(sorted(measured(every, measure, chosen.json), key=lambda row: DATA.index(row["data"])))


if __name__ == "__main__":
    main()
