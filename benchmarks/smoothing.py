"""Few training images, without smoothing and with every kind of it.

    python benchmarks/smoothing.py DATA [--n N] [--steps N] [--width N] [--seeds N ...]
                                        [--arms ARM ...] [--out FOLDER] [--json FILE]

The image domain's defaults (preset wgan-gp) but for the width, on N training images, the others are
put aside; scores of `Model.evaluate` against 1,000 held-out images. W1 is over its floor,
memorisation is 1/2 for new data and 1 for copies. Seconds are of one core (processor time),
monitors included. With --out, the run folder of every arm and a grid of its samples.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import torch

import otgan
from otgan.domain import load

ARMS = {
    "none": {},
    "noise": {"kind": "noise", "std": 0.1},
    "diffusion": {"kind": "diffusion"},
    "augment": {"kind": "augment"},
    "translation": {"kind": "augment", "policy": ("translation",)},
}
SCORES = ("precision", "recall", "density", "coverage", "memorisation")


def run(domain, smoothing, **settings):
    """The model of one arm, and its scores."""
    start = time.process_time()
    model = otgan.fit(domain=domain, smoothing=smoothing, quiet=True, **settings)
    seconds = time.process_time() - start
    metrics = model.evaluate(limit=1000, draws=2)["metrics"]
    scores = {name: metrics[name]["value"] for name in SCORES}
    w1 = metrics["W1"]["value"] / metrics["W1"]["floor"]
    return model, {"W1 / floor": w1, **scores, "seconds": seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", help="what `otgan train images --data` reads")
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    domain, found = load("images", {"data": chosen.data}), {}
    for seed in chosen.seeds:
        few, _ = domain.train.split(chosen.n, seed)
        for arm in chosen.arms:
            settings = {"steps": chosen.steps, "seed": seed, "network": {"width": chosen.width}}
            if chosen.out:
                settings["out"] = chosen.out / f"{arm}-{seed}"
            model, row = run(replace(domain, train=few), ARMS[arm], **settings)
            if not found:
                print(f"{'arm':14}", *(f"{name:>12}" for name in row))
            found[f"{arm} {seed}"] = row
            figures = (f"{value:12.3f}" for value in row.values())
            print(f"{f'{arm} {seed}':14}", *figures, flush=True)
            if chosen.out:
                domain.show(model.sample(64, seed=0), chosen.out / f"{arm}-{seed}.png", None)
            if chosen.json:
                chosen.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
