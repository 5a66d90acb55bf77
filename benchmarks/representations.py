"""Ways to represent a formula, by what the same game gives in each.

    python benchmarks/representations.py DATA [--steps N] [--chart-steps N] [--n N] [--json FILE]

DATA is what `otgan train materials --data` reads. The players are the same dense networks, under
the same penalty, for as many steps; `encoding` has fitted its chart before, in CPU time that `fit`
states. `back` is the share of held-out formulas that come back exactly from encode and decode.
Shares and distances are those of `otgan_domains.materials.evaluation`; `hits` is the share of the
new formulas that are held out.

- counts matrix: an element's amount, 1 to 8, as ones in a matrix elements x 8, which is MatGAN's
  (Dan et al. 2020, 'Generative adversarial networks (GAN) based efficient sampling of chemical
  composition space for inverse design of inorganic materials', npj Computational Materials 6, 84)
- categories: the same with a ninth column for none, of which the largest is taken
- elmd, l2, encoding: the ground costs of the domain
"""

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from otgan_domains.materials import materials
from otgan_domains.materials.evaluation import distances, originality, verdicts
from otgan_domains.materials.scoring import counted
from torch.nn.functional import one_hot

import otgan
from otgan.geometry import Lp
from otgan.preprocess import Chart, Encoding
from otgan.report.rows import measured

MOST = 8


class Matrix(Chart):
    """Amounts (n, elements) to ones at amounts up to 8, (n, elements, 8), as -1 and 1."""

    unit = None
    bounds = (-1.0, 1.0)

    def encoded_shape(self, shape):
        return (*shape, MOST)

    def encode(self, x):
        there = one_hot(x.long().clamp_max(MOST), MOST + 1)[..., 1:]
        return 2 * there.to(x) - 1

    def decode(self, x):
        largest, amount = x.max(2)
        return torch.where(largest > 0, amount + 1.0, 0.0)


class Categories(Chart):
    """Amounts (n, elements) to one of nine, (n, elements, 9), none first."""

    unit = None
    bounds = (0.0, 1.0)

    def encoded_shape(self, shape):
        return (*shape, MOST + 1)

    def encode(self, x):
        return one_hot(x.long().clamp_max(MOST), MOST + 1).to(x)

    def decode(self, x):
        return x.argmax(2).float()


@dataclass(frozen=True)
class Task:
    representation: str
    steps: int
    chart_steps: int


def domain_of(name, data):
    if name not in ("counts matrix", "categories"):
        return materials(data, cost=name)
    chart = Matrix() if name == "counts matrix" else Categories()
    return replace(materials(data, cost="elmd"), chart=chart, geometry=Lp(2))


def measure(task, arguments):
    domain = domain_of(task.representation, arguments.data)
    start = time.process_time()
    if isinstance(domain.chart, Encoding):
        domain.chart.fit(domain.train.points(), task.chart_steps, quiet=True)
    row = {"fit": time.process_time() - start}
    start = time.process_time()
    model = otgan.fit(
        domain=domain, steps=task.steps, monitor_every=10**6, average=0.99, quiet=True
    )
    row["game"] = time.process_time() - start
    elements = domain.state["elements"]
    x = domain.held_out.draw(2000, 0)
    back = domain.chart.decode(domain.chart.encode(x))
    row["back"] = (back == x).all(1).float().mean().item()
    known = set(counted(domain.train.points(), elements))
    real = set(counted(domain.held_out.points(), elements))
    made = counted(model.sample(arguments.n, seed=1), elements)
    formulas = [one for one in made if one]
    row["some element"] = len(formulas) / len(made)
    row |= originality(formulas, known) | verdicts(formulas)
    if len(formulas) > 5:
        row |= distances(formulas, counted(domain.held_out.draw(len(formulas), 1), elements))
    new = set(formulas) - known
    return row | {"hits": len(new & real) / max(1, len(new))}


def main(arguments):
    torch.set_num_threads(1)
    names = arguments.only or ["counts matrix", "categories", "elmd", "l2", "encoding"]
    tasks = [Task(name, arguments.steps, arguments.chart_steps) for name in names]
    for row in measured(tasks, lambda task: measure(task, arguments), arguments.json):
        cells = [f"{key} {value:.3g}" for key, value in row.items() if isinstance(value, float)]
        print(f"{row['representation']:14}", "  ".join(cells), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--chart-steps", type=int, default=4000)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    main(parser.parse_args())
