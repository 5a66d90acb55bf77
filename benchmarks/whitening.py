"""What whitening does to a critic's gradients and to the time to a given W1.

    python benchmarks/whitening.py [--forms pca zca cholesky] [--seeds N] [--steps N] [--json FILE]

Data: x = A u in 8 dimensions, where u is a mixture of four Gaussians with mean 0 and covariance 1.
Anisotropic: A is random with singular values spaced evenly in log, so that the covariance A A^T has
condition number 1e4 and trace 8, as the isotropic data has, where A is a rotation. Settings and
networks are the defaults (preset wgan-gp), the chart is the identity or whitening.

Rulers, the same for every chart: exact W1 of the averaged generator's samples to held-out data,
under the population's Mahalanobis distance (l2 between u) and under l2 in data units, each over
that of as many training points. Spread of directions: 1 / mean squared cosine between the critic's
gradients at two held-out points, in its own coordinates, averaged over the run: 1 if all are
parallel, 8 if they look everywhere alike. Seconds are of one core, without the measuring.

Before that, how white NEW data are in a chart fitted to n samples in 16 dimensions: the condition
number of the population's covariance there, median of 20 draws, with the shrinkage of otgan, with
none, and with OAS of scikit-learn (Chen et al. 2010).
"""

import argparse
import copy
import json
import math
import statistics
import time
from pathlib import Path

import torch
from sklearn.covariance import OAS

from otgan import build
from otgan.config import resolve
from otgan.data import Batches, Samples
from otgan.domain import Domain
from otgan.engine import train
from otgan.geometry import Lp, Mahalanobis
from otgan.preprocess import Identity, Whitening
from otgan.transport import exact

DIM, TRAIN, POINTS, EVERY, GOAL = 8, 5000, 400, 25, 1.1


def mixture(n, random):
    """Of four Gaussians at the corners of a square, of mean 0 and covariance 1, (n, DIM)."""
    u = torch.randn(n, DIM, generator=random)
    corner = 2.0 * torch.randint(2, (n, 2), generator=random) - 1
    u[:, :2] = 0.95 * corner + (1 - 0.95**2) ** 0.5 * u[:, :2]
    return u


def linear(condition, random, d=DIM):
    """A matrix A for which A A^T has this condition number and trace d."""
    left, right = (torch.linalg.qr(torch.randn(d, d, generator=random)).Q for _ in range(2))
    variance = condition ** -torch.linspace(0, 1, d)
    return left * (d * variance / variance.sum()).sqrt() @ right


def unevenness(condition, n, seed):
    """Condition number of new data's covariance after whitening by n Gaussian samples, by name."""
    random = torch.Generator().manual_seed(seed)
    a = linear(condition, random, 16).double()
    x = torch.randn(n, 16, generator=random).double() @ a.T
    used = {
        "otgan": Whitening((16,)).double().fit(x).covariance,
        "none": x.T.cov(),
        "OAS": torch.from_numpy(OAS().fit(x.numpy()).covariance_),
    }
    found = {}
    for name, covariance in used.items():
        values = torch.linalg.eigvals(torch.linalg.solve(covariance, a @ a.T)).real
        found[name] = (values.max() / values.min()).item() if n > 16 or name != "none" else math.inf
    return found


def directions(critic, x):
    """Participation ratio of the second moment of unit gradients at x, (n, DIM) -> 1 .. DIM."""
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(x, None).sum(), x)
    unit = torch.nn.functional.normalize(gradient, dim=1)
    return 1 / (unit.T @ unit / len(x)).square().sum().item()


def play(condition, form, seed, steps):
    """One run: rows of step, seconds, directions, and W1 over its floor in either ruler."""
    random = torch.Generator().manual_seed(seed)
    a = linear(condition, random)
    x, real, other = (mixture(n, random) @ a.T for n in (TRAIN, POINTS, POINTS))
    chart = Whitening((DIM,), form).fit(x) if form else Identity()
    domain = Domain(Lp(2), Samples(x), Samples(real), chart)
    config = resolve("wgan-gp", {}, {"steps": steps, "seed": seed})
    fabric = build.fabric(config)
    torch.manual_seed(seed)
    game = build.game(domain, config, fabric)
    batches = Batches(domain.train, chart, config.batch_size, fabric, seed)
    rulers = (Mahalanobis(a @ a.T), Lp(2))
    floors = [exact(other, real, ruler).item() for ruler in rulers]
    z = torch.randn(POINTS, config.network.latent, generator=random)
    rows, seconds, start = [], 0.0, time.process_time()
    for record in train(game, batches, build.noise(config.network.latent, fabric)):
        if record.step % EVERY:
            continue
        seconds += time.process_time() - start
        with torch.no_grad():
            fake = chart.decode(copy.deepcopy(game.average)(z, None))
        spread = directions(game.critic, chart.encode(real))
        ratios = [exact(fake, real, r).item() / f for r, f in zip(rulers, floors, strict=True)]
        rows.append((record.step, seconds, spread, *ratios))
        start = time.process_time()
    return rows


def summary(rows):
    """Mean spread of directions; steps and seconds to the goal in either ruler, None if not met."""
    _, _, spread, *ratios = zip(*rows, strict=True)
    first = [next((k for k, w in enumerate(ratio) if w <= GOAL), None) for ratio in ratios]
    reached = [None if k is None else rows[k][:2] for k in first]
    return {"spread": statistics.mean(spread), "reached": reached, "last": rows[-1][3:]}


def cells(runs, steps):
    """A row of the table: every figure the median of the seeds, a run that never came as last."""
    yield f"{statistics.median(run['spread'] for run in runs):10.2f}"
    for ruler in range(2):
        median = sorted(run["reached"][ruler] or (steps + 1, 0.0) for run in runs)[len(runs) // 2]
        late = median[0] > steps
        yield f"{f'> {steps}' if late else f'{median[0]} / {median[1]:.1f} s':>16}"
        yield f"{statistics.median(run['last'][ruler] for run in runs):8.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--forms", nargs="+", default=["pca"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)

    print("condition number of new data in the chart, by shrinkage")
    print(f"{'condition':>9} {'n':>5} {'otgan':>8} {'none':>8} {'OAS':>8}")
    for condition in (1e4, 1.0):
        for n in (8, 32, 160, 1600):
            draws = [unevenness(condition, n, seed) for seed in range(20)]
            medians = (statistics.median(d[name] for d in draws) for name in draws[0])
            print(f"{condition:9g} {n:5}", *(f"{m:8.3g}" for m in medians))

    print(f"\nto W1 = {GOAL} x floor: steps / seconds, and W1 / floor after {chosen.steps} steps")
    print(f"{'condition':>9} {'chart':>9} {'directions':>10} {'Mahalanobis':>25} {'l2':>25}")
    found = {}
    for condition in (1e4, 1.0):
        for form in (None, *chosen.forms):
            runs = [
                summary(play(condition, form, seed, chosen.steps)) for seed in range(chosen.seeds)
            ]
            found[f"{condition:g} {form or 'identity'}"] = runs
            row = " ".join(cells(runs, chosen.steps))
            print(f"{condition:9g} {form or 'identity':>9} {row}", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
