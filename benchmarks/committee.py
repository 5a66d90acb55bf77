"""One corrupted feature: who still listens to the others, a single critic or a committee?

    python benchmarks/committee.py

Sixteen coordinates of four clusters; in the training data one coordinate is broken, uniform noise
of fifty times the spread. Both critics are certified 1-Lipschitz in l2 and play the same game. Printed are the
share of the critic's squared gradient on the broken coordinate, and exact W1 of the fifteen others
between samples and clean held-out data over its floor; medians over seeds, with their range.
"""

import argparse
from statistics import median

import torch

import otgan
from otgan.data import Samples
from otgan.domain import Domain
from otgan.geometry import Lp
from otgan.transport import exact

DIM, BROKEN = 16, 0


def clusters(n, generator):
    """n points around four centres."""
    centres = 3 * torch.randn(4, DIM, generator=torch.Generator().manual_seed(7))
    which = torch.randint(4, (n,), generator=generator)
    return centres[which] + 0.5 * torch.randn(n, DIM, generator=generator)


def domain(corrupt, seed):
    """The clusters, the broken coordinate and the chart's unit left as they are."""
    generator = torch.Generator().manual_seed(seed)
    x, held_out = clusters(4000, generator), clusters(1000, generator)
    if corrupt:
        noise = 150 * (torch.rand(len(x), generator=generator) - 0.5)
        x[:, BROKEN] = noise
    return Domain(Lp(2), Samples(x), Samples(held_out))


def measure(committee, corrupt, steps, seed):
    """Gradient share of the broken coordinate, and W1 of the others over its floor."""
    data = domain(corrupt, seed)
    model = otgan.fit(
        domain=data,
        preset="certified",
        steps=steps,
        seed=seed,
        quiet=True,
        monitor_every=steps,
        optimiser={"rate": 1e-3},
        network={"committee": committee, "width": 128},
    )
    n = len(data.held_out)
    real = data.held_out.x
    samples, others = model.sample(n, seed=0), data.train.draw(n, 0)
    points = torch.cat([others, samples]).requires_grad_()
    (gradient,) = torch.autograd.grad(model.critic(points, None).sum(), points)
    share = gradient.square().sum(0)[BROKEN] / gradient.square().sum()
    clean = torch.arange(DIM) != BROKEN
    w1, floor = (exact(v[:, clean], real[:, clean], Lp(2)).item() for v in (samples, others))
    return share.item(), w1 / floor


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print(
        f"{'data':10} {'critic':16} {'gradient on feature 0':>24} {'W1 of the others / floor':>28}"
    )
    for corrupt in (True, False):
        for committee in (1, 4, DIM):
            found = [measure(committee, corrupt, options.steps, s) for s in range(options.seeds)]
            name = f"committee of {committee}" if committee > 1 else "single"
            cells = [
                f"{median(v):.3f} ({min(v):.3f} to {max(v):.3f})" for v in zip(*found, strict=True)
            ]
            state = "corrupted" if corrupt else "clean"
            print(f"{state:10} {name:16} {cells[0]:>24} {cells[1]:>28}", flush=True)


if __name__ == "__main__":
    main()
