"""Presets at equal seconds on labelled images, beside another project's WGAN-GP.

    python benchmarks/equal_seconds.py fashion-mnist/ [--systems NAME ...] [--minutes M] [--seeds N]
        [--reference CHECKOUT] [--judge FILE] [--json FILE]

Every system gets the same processor time on one thread: its pace over a few steps says how many
steps that is. Samples are judged by the features of a classifier of the training images
(benchmarks/conditional.py, before its last layer): Frechet distance of 10,000 samples to as many
test images, precision and recall of 2,000; `data` are training images in place of samples.
`images/s` are real images that the critic saw.

NETWORK is the same for all, other settings are those of presets for images. `reference` is the loop
of github.com/w86763777/pytorch-gan-collections, `wgangp.py` with its own settings, run from a
checkout of it with our network, noise as long as ours and no flips; its logs and scores are left
out. It has no moving average.

--judge keeps the classifier. Rows of the JSON file are not measured again.
"""

import argparse
import importlib
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import MagicMock, patch

import torch
from conditional import trained
from safetensors.torch import load_model, save_model
from torch.utils.data import DataLoader, TensorDataset

import otgan
from otgan.config import resolve
from otgan.domain import load
from otgan.geometry import Lp
from otgan.metrics import frechet, neighbours
from otgan.metrics.features import vectors
from otgan.networks import dcgan
from otgan.report.rows import measured

PRESETS = ("wgan", "wgan-gp", "sngan", "certified", "r3gan")
LATENT, WIDTH = 64, 32
NETWORK = {"name": "dcgan", "latent": LATENT, "width": WIDTH}
FEW, MORE = 10, 60
"""Steps of the runs whose difference is the pace."""
SAMPLES, NEIGHBOURS, EPOCHS = 10_000, 2000, 2


@dataclass(frozen=True)
class Task:
    system: str
    minutes: float
    seed: int


def by_preset(domain, preset, seed, steps):
    """(n -> samples, real images that the critic saw)."""
    chosen = {"steps": steps, "monitor_every": steps, "network": NETWORK}
    model = otgan.fit(domain=domain, preset=preset, seed=seed, quiet=True, **chosen)
    config = resolve(preset, domain.presets, chosen)
    return partial(model.sample, seed=seed), steps * config.critic_steps * config.batch_size


class Reference:
    """The loop of a checkout, with our network and data.

    What it imports for its own data, logs and scores stays out.
    """

    def __init__(self, checkout, domain):
        self.x = domain.chart.encode(domain.train.points())
        self.shape, self.chart = domain.train.shape, domain.chart
        sys.path.insert(0, str(checkout))
        others = "torchvision", "torchvision.utils", "tensorboardX", "pytorch_gan_metrics"
        with patch.dict(sys.modules, {name: MagicMock() for name in others}):
            self.loop = importlib.import_module("wgangp")

    def __call__(self, seed, steps):
        """(n -> samples, real images that the critic saw)."""
        loop = self.loop
        loop.FLAGS(["wgangp", f"--total_steps={steps}", f"--z_dim={LATENT}", "--norecord"])
        torch.manual_seed(seed)
        generator, critic = dcgan(self.shape, self.chart.bounds, latent=LATENT, width=WIDTH)
        loop.net_G_models = {loop.FLAGS.arch: lambda latent: generator}
        loop.net_D_models = {loop.FLAGS.arch: lambda: critic}
        loop.device = torch.device("cpu")
        data = TensorDataset(self.x, torch.zeros(len(self.x)))
        loop.datasets.CIFAR10 = lambda *_, **__: data

        def loader(*arguments, num_workers, **options):
            return DataLoader(*arguments, **options)  # images are in memory

        with TemporaryDirectory() as logs, patch("torch.utils.data.DataLoader", loader):
            loop.FLAGS.logdir = logs
            loop.train()
        seen = steps * loop.FLAGS.n_dis * loop.FLAGS.batch_size
        return partial(self.sample, generator.eval(), seed), seen

    @torch.no_grad()
    def sample(self, generator, seed, n):
        torch.manual_seed(seed)
        return torch.cat(
            [self.chart.decode(generator(z)) for z in torch.randn(n, LATENT).split(500)]
        )


def timed(play, steps):
    start = time.process_time()
    found = play(steps)
    return found, time.process_time() - start


class Judge:
    """Scores in the features of a classifier, (n, c, h, w) -> (n, 512)."""

    def __init__(self, domain, file):
        network = trained(domain.train, len(domain.classes), 0)
        if file and file.exists():
            load_model(network, file)
        else:
            network = trained(domain.train, len(domain.classes), EPOCHS)
            if file:
                save_model(network, file)
        self.features = network.eval()[:-1]
        self.real = self.vectors(domain.held_out.draw(SAMPLES, 0))

    def vectors(self, x):
        return vectors("classifier", self.features, x)

    def __call__(self, x):
        x, n = self.vectors(x), NEIGHBOURS
        near = neighbours(x[:n], self.real[:n], Lp(2))
        found = {"Frechet": frechet(x, self.real)} | {k: near[k] for k in ("precision", "recall")}
        return {name: score.value for name, score in found.items()}


def measure(task, domain, judge, reference):
    if task.system == "data":
        return judge(domain.train.draw(SAMPLES, task.seed))
    if task.system == "reference":
        play = partial(reference, task.seed)
    else:
        play = partial(by_preset, domain, task.system, task.seed)
    play(1)  # what is loaded and built at the first call is nobody's pace
    (_, few), (_, more) = (timed(play, steps) for steps in (FEW, MORE))
    steps = max(1, round(60 * task.minutes / (more - few) * (MORE - FEW)))
    (sample, images), seconds = timed(play, steps)
    used = {"steps": steps, "images/s": images / seconds, "seconds": seconds}
    return judge(sample(SAMPLES)) | used


def show(rows):
    names = ["Frechet", "precision", "recall", "steps", "images/s", "seconds"]
    print(f"{'':10} {'minutes':>8} {'seed':>5}", *(f"{name:>10}" for name in names))
    for row in rows:
        cells = (f"{row[name]:10.4g}" if name in row else " " * 10 for name in names)
        print(f"{row['system']:10} {row['minutes']:>8g} {row['seed']:>5}", *cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--systems", nargs="+", choices=["data", *PRESETS, "reference"])
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--reference", type=Path, help="checkout of the other project")
    parser.add_argument("--judge", type=Path)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    systems = chosen.systems or ["data", *PRESETS, *(["reference"] if chosen.reference else [])]
    if "reference" in systems and not chosen.reference:
        parser.error("the system 'reference' needs --reference, a checkout of the other project")
    torch.set_num_threads(1)
    domain = load("images", {"data": chosen.data})
    reference = chosen.reference and Reference(chosen.reference, domain)
    every = [Task(name, chosen.minutes, seed) for seed in range(chosen.seeds) for name in systems]
    judge = Judge(domain, chosen.judge)
    how = partial(measure, domain=domain, judge=judge, reference=reference)
    show(measured(every, how, chosen.json))


if __name__ == "__main__":
    main()
