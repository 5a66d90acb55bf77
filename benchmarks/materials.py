"""Generated formulas beside real ones and beside simpler ways to propose them.

    python benchmarks/materials.py DATA [--seeds 0 1 2] [--minutes M | --steps N --chart-steps N]
        [--run RUN ...] [--n N] [--rivals] [--skip] [--json FILE]
    python benchmarks/materials.py DATA --condition COLUMN ...

DATA is what `otgan train materials --data` reads. Without --run a model is trained for every seed;
--run takes finished ones instead. Rows of FILE that are there already are not measured again.

Shares and distances (`otgan_domains.materials.evaluation`) are of n samples, repeats and all, the
distances against all held-out formulas. `real` is what n training formulas score in their
place, and held-out ones for what smact lets pass. `found` is the share of the held-out formulas
among n that are neither repeated nor in training, `hits` the share of those n that are held out.
`time` is that of making n such formulas. Rivals:

- substitution: an element of a training formula replaced by a near one along the modified Pettifor
  scale; the same, screened by smact; any element in place of a near one.
- independent: elements one by one by their frequency, screened by smact.

With --condition, COLUMN is what the models are asked for, and an ensemble fitted to the training
rows says what they gave: for a column whose values have both signs, the share of estimates at most
0 of formulas asked to be at most 0, and of those asked for any value; for all, the correlation
between asked and estimated.
"""

import argparse
import math
import statistics
import time
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from otgan_domains.materials.estimates import Estimator
from otgan_domains.materials.evaluation import distances, originality, rediscovered, verdicts
from otgan_domains.materials.rivals import fresh, independent, screened, substitution
from otgan_domains.materials.scoring import counted

import otgan
from otgan.domain import load
from otgan.model import Model
from otgan.report.rows import measured

RIVALS = {
    "substitution": substitution,
    "substitution, screened": lambda train, seed: screened(substitution(train, seed)),
    "any substitution": lambda train, seed: substitution(train, seed, reach=math.inf),
    "independent, screened": lambda train, seed: screened(independent(train, seed)),
}


@dataclass(frozen=True)
class Task:
    maker: str
    seed: int
    n: int


class Bench:
    """What all rows are measured against."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.domain = load("materials", {"data": arguments.data, "skip": arguments.skip})
        self.elements = self.domain.state["elements"]
        train, held_out = (
            list(dict.fromkeys(counted(part.points(), self.elements)))
            for part in (self.domain.train, self.domain.held_out)
        )
        order = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(0))
        self.train, self.held_out = train, [held_out[k] for k in order]
        self.known = set(train)

    @cache  # noqa: B019, one bench a process
    def model(self, seed):
        settings = {"seed": seed, "quiet": True, "skip": self.arguments.skip}
        for name in ("minutes", "steps", "chart_steps", "condition"):
            if (value := getattr(self.arguments, name)) is not None:
                settings[name] = [value] if name == "condition" else value
        return otgan.fit(self.arguments.data, "materials", **settings)

    def samples(self, maker, seed):
        """Formulas without end."""
        if maker == "real":
            order = np.random.default_rng(seed).permutation(len(self.train))
            yield from (self.train[k] for k in order)
        elif maker in RIVALS:
            yield from RIVALS[maker](self.train, seed)
        else:
            model = self.model(seed) if maker == "otgan" else Model.load(maker)
            for part in range(1000):
                x = model.sample(2000, seed=1000 * seed + part)
                yield from counted(x, self.elements)

    def measure(self, task):
        n, row = task.n, {}
        made = list(islice(self.samples(task.maker, task.seed), n))
        formulas = [one for one in made if one]
        row["some element"] = len(formulas) / len(made)
        row |= originality(formulas, self.known) | verdicts(formulas)
        if task.maker == "real":
            row |= verdicts(self.held_out[:n]) | {"novel": 1.0}
        row |= distances(formulas, self.held_out)
        start = time.perf_counter()
        new = fresh((one for one in self.samples(task.maker, task.seed) if one), self.known, n)
        row["time"] = time.perf_counter() - start
        row["found"] = rediscovered(new, self.held_out, self.known)
        row["hits"] = len(set(new).intersection(self.held_out)) / max(len(new), 1)
        return row

    @cache  # noqa: B019
    def estimator(self):
        names = [attribute.name for attribute in self.domain.attributes]
        k = names.index(self.arguments.condition)
        both = [(part.points(), part.y[:, k]) for part in (self.domain.train, self.domain.held_out)]
        unit = self.domain.state["units"].get(names[k], "")
        found = Estimator.learn(names[k], unit, self.elements, *both)
        print(found.said(), flush=True)
        return found, both[0][1]

    def asked(self, task):
        """What a conditional model gives beside what it is asked for."""
        estimator, values = self.estimator()
        model = self.model(task.seed) if task.maker == "otgan" else Model.load(task.maker)
        (low, high), *_ = (
            (a.low, a.high) for a in self.domain.attributes if a.name == estimator.name
        )
        draw = torch.Generator().manual_seed(task.seed)
        values = values[torch.randint(len(values), (task.n,), generator=draw)]

        def estimated(wanted):
            exact = wanted.double().clamp(low, high).tolist()  # the range is that of doubles
            conditions = [f"{estimator.name}={value!r}" for value in exact]
            x = model.sample(1, task.seed, conditions)
            some = (x.round() > 0).any(1)
            return estimator(x[some])[0], wanted[some]

        given, wanted = estimated(values)
        row = {"correlation": torch.corrcoef(torch.stack([wanted, given]))[0, 1].item()}
        if (values <= 0).any() and (values > 0).any():
            row["at most 0"] = (given <= 0).float().mean().item()
            given, _ = estimated(values[values <= 0])
            row["at most 0, asked"] = (given <= 0).float().mean().item()
            real, _ = estimator(self.domain.held_out.points())
            row["at most 0, real"] = (real <= 0).float().mean().item()
        return row


def main(arguments):
    torch.set_num_threads(1)
    bench, makers = Bench(arguments), [*map(str, arguments.run)] or ["otgan"]
    print(f"{len(bench.train)} formulas to learn from, {len(bench.held_out)} held out", flush=True)
    measure = bench.measure if arguments.condition is None else bench.asked
    if arguments.condition is None:
        makers = ["real", *RIVALS, *([] if arguments.rivals else makers)]
    tasks = (Task(maker, seed, arguments.n) for maker in makers for seed in arguments.seeds)
    rows = {}
    for row in measured(tasks, measure, arguments.json):
        several = rows.setdefault(row["maker"], [])
        several.append({k: v for k, v in row.items() if k not in ("maker", "seed", "n")})
        if len(several) == len(arguments.seeds):
            print(row["maker"])
            for name in several[0]:
                values = [one[name] for one in several]
                spread = statistics.stdev(values) if len(values) > 1 else 0.0
                print(f"  {name:26} {statistics.mean(values):8.4f} ± {spread:.4f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--chart-steps", type=int)
    parser.add_argument("--run", type=Path, nargs="+", default=[])
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--rivals", action="store_true")
    parser.add_argument("--condition")
    parser.add_argument("--skip", action="store_true")
    parser.add_argument("--json", type=Path)
    main(parser.parse_args())
