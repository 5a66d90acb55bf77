"""A trained model: samples, scores, saves."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from otgan import build
from otgan import metrics as scores
from otgan.config import Config, InputError, RunError, suggest
from otgan.data import Samples, floats
from otgan.domain import Domain, check_source, find, load, restore, takes_state
from otgan.metrics.features import Features, described
from otgan.networks import heads
from otgan.networks.controls import set_truncation
from otgan.networks.lipschitz import shown
from otgan.randomness import seeded
from otgan.runs import Run

RARE = 1000
"""What fewer samples than one in so many are, nobody waits for."""


class Model:
    """A generator (the moving average) and a critic, with the domain that gives them meaning."""

    def __init__(
        self, domain: Domain, spec: Mapping[str, Any], generator: nn.Module, critic: nn.Module
    ):
        self.domain, self.spec = domain, spec
        self.generator, self.critic = generator, critic
        self.condition = build.condition(domain, Config.model_validate(spec["config"]))

    @torch.no_grad()
    def sample(
        self,
        n: int,
        seed: int | None = None,
        condition: str | Mapping[str, Any] | Sequence[str] | None = None,
        truncation: float | None = None,
        keep: str | None = None,
    ) -> Tensor:
        """New samples in data units, (n, *E); the same ones for the same seed.

        Args:
            condition: what to ask for, "3", "label=3,angle=20" or a mapping; several: n of each,
                one after another. If not given, conditions are drawn from the training data.
            truncation: positive; the smaller, the more typical and the less varied. A style-based
                generator draws styles to their mean by this factor (Karras et al. 2019, appendix
                B), for others no noise is beyond it (Brock et al. 2019, section 3.1).
            keep: what samples must be, in words of the domain; others are drawn again.

        Raises:
            InputError: a condition that was not in training, or of a run that has none; a
                truncation that is not positive; something to keep that the domain does not know,
                or that hardly any sample is.
        """
        if truncation is not None and not truncation > 0:
            raise InputError(f"--truncation is a positive number, got {truncation}")
        several = [condition] if isinstance(condition, str | Mapping) else condition
        asked = None if several is None else [self._asked(one) for one in several]
        if keep is not None:
            every: Sequence[Tensor | None] = asked or [None]
            device = next(self.generator.parameters()).device
            with nullcontext() if seed is None else seeded(seed, device):
                return torch.cat([self._kept(n, y, truncation, keep) for y in every])
        y = None if asked is None else torch.stack(asked).repeat_interleave(n, 0)
        points = self._generate(n if y is None else len(y), seed, y, truncation)
        return self.domain.chart.decode(points).cpu()

    @torch.no_grad()
    def map(self, x: Tensor) -> Tensor:
        """Where points in data units go, (n, *E) -> (n, *E), one by one and in this order.

        Raises:
            InputError: a run that maps nothing, points that do not have the run's shape.
        """
        self._refuse_noise()
        device = next(self.generator.parameters()).device
        parts = self._encoded(x).to(device).split(1000)
        return self.domain.chart.decode(torch.cat([self.generator(p) for p in parts])).cpu()

    def sourced(self, data: Any = None) -> Model:
        """The same model, with points to map of which `sample` draws.

        Args:
            data: read by the run's domain, all of it; if not given, held-out points of the data
                that the run was trained to map.

        Raises:
            InputError: a run that maps nothing, data that cannot be read or are of another kind.
        """
        self._refuse_noise()
        options = {k: v for k, v in self.spec["options"].items() if k != "source"}
        given = self.spec["options"].get("source") if data is None else data
        if not self.spec["domain"] or given is None:
            raise InputError("the run's data were handed over in Python: map points by Model.map")
        source = load(self.spec["domain"], {**options, "data": given})
        check_source(source, tuple(self.spec["shape"]), self.spec["state"])
        assert source.train is not None and source.held_out is not None
        if data is not None:
            every = Samples(torch.cat([source.train.x, source.held_out.x]))
            source = replace(source, held_out=every)
        domain = replace(self.domain, source=source)
        return Model(domain, self.spec, self.generator, self.critic)

    def _refuse_noise(self) -> None:
        if self.domain.source is None:
            raise InputError("the run makes samples of noise: train one with --source DATA")

    def _encoded(self, x: Tensor) -> Tensor:
        """Points in data units, in chart coordinates.

        Raises:
            InputError: they do not have the run's shape.
        """
        x, shape = torch.as_tensor(x), tuple(self.spec["shape"])
        if tuple(x.shape[1:]) not in (shape, shape[1:] if shape[:1] == (1,) else shape):
            raise InputError(f"points of shape {tuple(x.shape[1:])} are not of shape {shape}")
        return self.domain.chart.encode(floats(x).reshape(-1, *shape))

    def _kept(self, n: int, y: Tensor | None, truncation: float | None, keep: str) -> Tensor:
        """n samples at a condition (k,) that are what they must be, by rejection."""
        if self.domain.keep is None:
            raise InputError(f"the samples of this domain cannot be asked to be '{keep}'")
        accepts, found, size = self.domain.keep(keep), [], max(1000, n)
        told = None if y is None else y.expand(size, -1)
        for drawn in itertools.count(size, size):
            x = self.domain.chart.decode(self._generate(size, None, told, truncation)).cpu()
            found.append(x[accepts(x)])
            there = sum(map(len, found))
            if there >= n:
                break
            if drawn >= RARE * 20 and there * RARE < drawn:
                raise InputError(f"of {drawn} samples {there} are '{keep}': ask for less")
        return torch.cat(found)[:n]

    @torch.no_grad()
    def rows(self, n: int) -> tuple[Tensor, int | None]:
        """About n samples for a picture and its columns: a row each for a spread of conditions."""
        if self.condition is None:
            return self.sample(n, seed=0), None
        y = self.condition.spread(torch.tensor(self.spec["conditions"]))
        columns = max(8, -(-n // len(y)))
        y = y.repeat_interleave(columns, 0)
        return self.domain.chart.decode(self._generate(len(y), 0, y)).cpu(), columns

    def corrected(self, x: Tensor, names: Sequence[str]) -> Tensor:
        """Samples in data units after these corrections of the domain, one after another.

        Raises:
            InputError: the domain has no such correction.
        """
        known = self.domain.corrections
        for name in names:
            if name not in known:
                what = suggest(name, known) if known else ": the domain has none"
                raise InputError(f"unknown correction '{name}'{what}")
            x = known[name](x)
        return x

    def _asked(self, condition: str | Mapping[str, Any]) -> Tensor:
        if self.condition is None:
            raise InputError("the run has no condition: train one with --condition ATTRIBUTE")
        return self.condition.parse(condition)

    @torch.no_grad()
    def score(self, x: Tensor, condition: str | Mapping[str, Any] | None = None) -> Tensor:
        """The critic's value of points in data units, (n, *E) -> (n,): larger is more like data.

        As far as the critic is 1-Lipschitz, differences of it are ground cost (in data units if
        the chart is a similarity); see its constraint's claim.

        Args:
            condition: at which to score, of a run that has one.

        Raises:
            InputError: points that do not have the run's shape, a condition that is missing or was
                not in training.
        """
        points = self._encoded(x)
        if isinstance(self.critic, heads.Features | heads.Points):
            raise InputError("the run's objective has no critic of values: nothing scores points")
        if self.condition is not None and condition is None:
            raise InputError("the run is conditional: give the condition to score at")
        y = None if condition is None else self._asked(condition)
        critic = shown(self.critic, self.domain.geometry)
        values = torch.cat(
            [
                critic(part, None if y is None else y.expand(len(part), -1))
                for part in points.split(1000)
            ]
        )
        return values * (self.domain.chart.unit or 1.0)

    def values(self, samples: Tensor, conditions: Sequence[str] = ()) -> Tensor | None:
        """The critic's value of what `sample` gave for these conditions, (n, *E) -> (n,); None of a
        conditional run that was asked for nothing, and without a critic of values."""
        if isinstance(self.critic, heads.Features | heads.Points):
            return None
        if self.condition is None:
            return self.score(samples)
        parts = samples.tensor_split(len(conditions)) if conditions else ()
        found = [self.score(x, one) for x, one in zip(parts, conditions, strict=True)]
        return torch.cat(found) if found else None

    def evaluate(
        self, limit: int = 1000, draws: int = 5, seed: int = 0, features: Features | None = None
    ) -> dict[str, Any]:
        """Scores of the averaged generator against held-out data, each beside its floor.

        Args:
            limit: most samples to compare in one draw.
            draws: independent draws of generated samples and, for the floors, of training points.
            features: maps from samples in data units to vectors, by name, besides the domain's.

        Returns:
            A JSON tree: `metrics` (name -> value, spread, interval, floor, floor_spread,
            floor_interval; what `metrics.evaluate` gives), `left_out` (name -> why), `provenance`,
            `shares` of the domain among generated and held-out samples, `scores` of the domain
            (name -> value, spread, floor, floor_spread, None for NaN), `classes` (share of each
            among samples and in the training data, where there are labels), and what was compared.

        Raises:
            InputError: too few data to compare with.
        """
        training, held_out = self.domain.train, self.domain.held_out
        assert training is not None and held_out is not None
        if min(len(training), len(held_out), limit) < 6:  # precision and recall take 5 neighbours
            raise InputError(
                f"evaluation needs 6 training and 6 held-out samples at least, and there are "
                f"{len(training)} and {len(held_out)}, limited to {limit}: get more data"
            )
        with seeded(seed, torch.device("cpu")):
            report = self._evaluate(limit, draws, {**self.domain.features, **(features or {})})
        report["provenance"]["seed"] = seed
        return report

    def _evaluate(self, limit: int, draws: int, features: Features) -> dict[str, Any]:
        domain, geometry = self.domain, self.domain.geometry
        training, held_out, chart = domain.train, domain.held_out, domain.chart
        assert training is not None and held_out is not None
        found = scores.evaluate(
            self._generate, training, held_out, geometry, chart, features, limit=limit, draws=draws
        )
        report: dict[str, Any] = {
            "ground_cost": repr(geometry),
            "units": "data" if chart.unit is not None else "chart",
            "n": min(limit, len(held_out), len(training)),
            "draws": draws,
            "metrics": {name: vars(score) for name, score in found.items()},
            "left_out": scores.left_out(geometry),
            "provenance": {
                "data": dict(domain.provenance),
                "features": {name: described(f) for name, f in features.items()},
                "held_out": len(held_out),
                "training": len(training),
                "training_searched": min(scores.TRAINING * limit, len(training)),
                "interval": {"level": scores.LEVEL, "resamples": scores.RESAMPLES},
            },
        }
        if domain.shares:
            made, real = chart.decode(self._generate(limit)), held_out.draw(limit, 0)
            both = {"generated": made, "held out": real}
            report["shares"] = {
                name: {who: has(x).double().mean().item() for who, x in both.items()}
                for name, has in domain.shares.items()
            }
        if domain.scores is not None:
            report["scores"] = scores.whole(
                self._generate, training, held_out, chart, domain.scores, limit=limit, draws=draws
            )
        if training.y is not None and domain.classes:
            report["classes"] = self._classes(limit)
        return report

    def _classes(self, limit: int) -> dict[str, dict[str, float]]:
        """Shares of the classes of the first attribute, by the nearest training points; where the
        run can be asked for them alone, also how many of those asked for are right."""
        domain, geometry = self.domain, self.domain.geometry
        training, held_out, chart = domain.train, domain.held_out, domain.chart
        assert training is not None and held_out is not None
        kept, names = torch.randperm(len(training))[:10_000], domain.classes
        every = training.first()
        real, labels = chart.target(training.points(kept)), every[kept]

        def recognised(x: Tensor) -> Tensor:
            return scores.nearest_classes(x, real, labels, geometry)

        shares = recognised(self._generate(limit)).bincount(minlength=len(names)) / limit
        data = every.bincount(minlength=len(names)) / len(training)
        found = {
            name: {"generated": shares[k].item(), "data": data[k].item()}
            for k, name in enumerate(names)
        }
        if self.condition is not None and self.condition.columns == (0,):
            asked = torch.arange(len(names)).repeat_interleave(-(-limit // len(names)))
            hits = recognised(self._generate(len(asked), None, asked.float()[:, None])) == asked
            shown = held_out.draw(limit, 0), held_out.first(limit)
            real_hits = recognised(chart.target(shown[0])) == shown[1]
            for k, name in enumerate(names):
                found[name]["as asked"] = hits[asked == k].float().mean().item()
                found[name]["real recognised"] = real_hits[shown[1] == k].float().mean().item()
        return found

    def save(self, path: str | Path) -> None:
        """Writes a run folder that `load` and `otgan sample` read.

        Raises:
            InputError: the folder holds a run already.
        """
        run = Run.create(path)
        run.write_spec(self.spec)
        self.write(run)

    def write(self, run: Run) -> None:
        """The weights alone, into an existing run."""
        for name, part in self._parts().items():
            run.write_tensors(name, part.state_dict())

    @classmethod
    def load(cls, path: str | Path, data: bool = False, domain: Domain | None = None) -> Model:
        """The model of a run.

        Args:
            data: load the training and held-out data too, as `evaluate` needs.
            domain: the one made by hand that it was trained on, if so.

        Raises:
            InputError: no run, a damaged one, or other data than it was trained on.
        """
        run = Run.open(path)
        spec = run.spec()
        config = Config.model_validate(spec["config"])
        domain = reopen(path, spec, data, domain)
        shape = domain.chart.encoded_shape(tuple(spec["shape"]))
        generator, critic = build.networks(domain, config, shape)
        points = torch.zeros(build.SAMPLE, *shape)  # the weights know the true ones
        critic = build.constraint(config.constraint, points).build(critic, domain.geometry)
        model = cls(domain, spec, generator.eval(), critic.eval())
        for name, part in model._parts().items():
            try:
                part.load_state_dict(run.read_tensors(name))
            except RuntimeError:
                raise InputError(
                    f"'{path}/{name}.safetensors' holds other weights than run.json says: restore "
                    "the one that belongs to it, or train again"
                ) from None
        return model

    def _parts(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "critic": self.critic, "chart": self.domain.chart}

    @torch.no_grad()
    def _generate(
        self,
        n: int,
        seed: int | None = None,
        y: Tensor | None = None,
        truncation: float | None = None,
    ) -> Tensor:
        """n points in chart coordinates, at conditions (n, k) where the run has one."""
        weight = next(self.generator.parameters())
        truncates = set_truncation(self.generator, truncation or 1.0)
        most = None if truncates else truncation
        with nullcontext() if seed is None else seeded(seed, weight.device):
            z = self._inputs(n, most, weight.device)
            if self.condition is not None and y is None:
                known = torch.tensor(self.spec["conditions"])
                y = known[torch.randint(len(known), (n,))]
            parts = z.split(1000)
            told = [None] * len(parts) if y is None else y.to(weight).split(1000)
            samples = torch.cat([self.generator(*pair) for pair in zip(parts, told, strict=True)])
        if not samples.isfinite().all():
            raise RunError("the generator gives NaN: the run diverged; train with a lower rate")
        return samples

    def _inputs(self, n: int, most: float | None, device: torch.device) -> Tensor:
        """Of the generator, (n, ...): points to map, or noise that is not beyond `most`."""
        if self.domain.source is not None:
            if most is not None:
                raise InputError("--truncation is of noise, and this run maps points: drop it")
            points = self.domain.source.held_out
            if points is None:
                raise InputError("say what to map: Model.sourced() or Model.map(x)")
            return self.domain.chart.target(points.drawn(n).to(device))
        z = torch.randn(n, self.spec["config"]["network"]["latent"])
        if most is not None:
            nn.init.trunc_normal_(z, a=-most, b=most)
        return z.to(device)


def reopen(
    path: str | Path, spec: Mapping[str, Any], data: bool, domain: Domain | None = None
) -> Domain:
    """The domain of a run, with the data it was trained on or, if data is False, maybe without.

    Raises:
        InputError: it cannot be made anew, or its data have changed.
    """
    if domain is None and not spec["domain"]:
        raise InputError(f"'{path}' was trained on a Domain made by hand: load it with domain=")
    if domain is None and spec["given"] and (data or not takes_state(find(spec["domain"]))):
        raise InputError(
            f"'{path}' was trained with '{spec['given'][0]}' handed over in Python: load it "
            "with domain=, made with the same"
        )
    if data:
        domain = domain or load(spec["domain"], spec["options"])
        if domain.fingerprint() != spec["data"]:
            raise InputError(
                f"'{path}' was trained on data {spec['data']}, and they are now "
                f"{domain.fingerprint()}: put back what it was trained on"
            )
    elif domain is None:
        domain = restore(find(spec["domain"]), spec["options"], spec["state"])
        if "source" in (*spec["options"], *spec["given"]):
            domain = replace(domain, source=Domain(domain.geometry))
    return domain
