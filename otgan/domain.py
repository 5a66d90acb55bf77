"""What a field brings to the engine: data, ground cost, chart and networks, found by name."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from otgan.conditions import Attribute, check_known
from otgan.config import InputError, suggest
from otgan.data import Samples
from otgan.geometry import Geometry
from otgan.metrics.whole import Scores
from otgan.networks import mlp
from otgan.preprocess import Chart, Identity
from otgan.report.files import save_array
from otgan.report.pictures import scatter

Builder = Callable[..., tuple[nn.Module, nn.Module]]
"""(shape, bounds, *, latent, ...) -> generator, critic; of the settings of `config.Network` it gets
those that it names, such as width, depth, generator_norm, critic_norm. One that can be conditional
takes condition too."""


@dataclass(frozen=True)
class Domain:
    """Everything the engine does not know about a field; only data and a geometry are required.

    Args:
        geometry: the ground cost, in chart coordinates.
        train, held_out: samples in data units; None in a domain rebuilt for sampling alone.
        chart: between data units and the networks' coordinates, fitted on the training data.
        networks: builders by name, the default first.
        presets: patches of the settings by preset name, "*" for every preset.
        save: samples in data units -> a file or folder of the user's choice; columns as in `show`.
        save_rated: as `save`, with the critic's value of each sample, (n,), where it is known.
        show: samples in data units -> a picture, of as many columns as one says if it has some.
        extension: of the file that `sample` writes when none is named.
        state: JSON, passed back as `state=` to a factory that takes it, in place of data.
        attributes: of the columns of `Samples.y`.
        features: maps from samples in data units to vectors, (n, *E) -> (n, d), by name, on which
            `evaluate` compares samples as well; of an nn.Module, Frechet and KID are torchmetrics'.
        shares: maps from samples in data units to yes or no, (n, *E) -> (n,) bool, by name, of
            which `evaluate` gives the share of yes.
        scores: what a field measures on whole samples, generated (n, *E) and held-out (m, *E) in
            data units -> numbers by name, NaN where one is not defined; `evaluate` gives each
            beside its floor.
        keep: what a user asks samples to be, in words of the field -> map from samples in data
            units to yes or no, (n, *E) -> (n,) bool; `sample` draws others again.
        corrections: steps from samples in data units to samples in data units, by name, that a
            user may ask for; shares are given before them.
        provenance: what was done to the data before they came here, for reports.
        files: texts for the run's folder, by name of the file.
        source: another data set under the same geometry and chart, whose points the generator maps
            to these in place of noise.
    """

    geometry: Geometry
    train: Samples | None = None
    held_out: Samples | None = None
    chart: Chart = field(default_factory=Identity)
    networks: Mapping[str, Builder] = field(default_factory=lambda: {"mlp": mlp})
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    save: Callable[[Tensor, Path, int | None], None] = save_array
    save_rated: Callable[[Tensor, Path, int | None, Tensor], None] | None = None
    show: Callable[[Tensor, Path, int | None], None] = scatter
    extension: str = ".npy"
    state: Mapping[str, Any] = field(default_factory=dict)
    attributes: tuple[Attribute, ...] = ()
    features: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    shares: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    scores: Scores | None = None
    keep: Callable[[str], Callable[[Tensor], Tensor]] | None = None
    corrections: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    source: Domain | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes of the first attribute, if it has classes."""
        return self.attributes[0].values if self.attributes else ()

    def fingerprint(self) -> str:
        """Of training and held-out data, and of those that are mapped to them."""
        parts = [part.fingerprint() for part in (self.train, self.held_out) if part]
        return " ".join(parts + ([] if self.source is None else [self.source.fingerprint()]))


Factory = Callable[..., Domain]


def installed() -> dict[str, EntryPoint]:
    """The domains that packages of this environment offer, by name."""
    return {point.name: point for point in entry_points(group="otgan.domains")}


def find(name: str) -> Factory:
    """The factory of an installed domain, or of `module:function` in the working folder or path.

    Raises:
        InputError: nothing of that name.
    """
    if ":" not in name:
        points = installed()
        if name not in points:
            raise InputError(
                f"unknown domain '{name}'{suggest(name, points)}; your own is module:function"
            )
        try:
            return points[name].load()
        except ModuleNotFoundError as error:
            raise InputError(
                f"the domain '{name}' needs '{error.name}', which is not installed: pip install "
                f"'otgan[{name}]', or what its own documentation says"
            ) from None
    return named_function(name, "domain")


def named_function(name: str, what: str) -> Callable[..., Any]:
    """module:function of the working folder or path; `what` it is for is said in errors.

    Raises:
        InputError: nothing of that name.
    """
    module_name, _, function = name.partition(":")
    if not module_name.replace(".", "_").isidentifier() or module_name.startswith("."):
        raise InputError(f"'{name}' names no {what}: give module:function")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise InputError(
            f"no module '{module_name}' for the {what} '{name}': run from the folder that holds it"
        ) from None
    factory = getattr(module, function, None)
    if not callable(factory):
        there = [
            n
            for n, v in vars(module).items()
            if inspect.isfunction(v) and v.__module__ == module.__name__ and n[0] != "_"
        ]
        hint = suggest(function, there) if there else ": define it there"
        raise InputError(f"module '{module_name}' has no function '{function}'{hint}")
    return factory


def load(name: str, options: Mapping[str, Any]) -> Domain:
    """A domain with its data, from its name and the options of its factory.

    Args:
        options: of the factory, and `source`, data that it reads as it reads `data`.

    Raises:
        InputError: an unknown name, data that cannot be used.
    """
    own = {key: value for key, value in options.items() if key != "source"}
    domain = _made(name, own)
    if "source" in options:
        domain = replace(domain, source=_made(name, {**own, "data": options["source"]}))
    check(domain, f"the domain '{name}'")
    return domain


def _made(name: str, options: Mapping[str, Any]) -> Domain:
    factory = find(name)
    try:
        inspect.signature(factory).bind(**options)
    except TypeError as error:
        raise InputError(f"the domain '{name}': {error}") from None
    try:
        return factory(**options)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"the domain '{name}': {error}") from None


def check(domain: Domain, name: str) -> None:
    """That a domain has what training needs, and that its ground cost may be a metric.

    Raises:
        InputError: no data, values that are not finite, a distance of the wrong shape, or one that
            breaks an axiom on some training points.
    """
    if not isinstance(domain, Domain):
        raise InputError(f"{name} is no otgan.domain.Domain but a {type(domain).__name__}")
    for part, samples in (("training", domain.train), ("held-out", domain.held_out)):
        if samples is None or not len(samples):
            raise InputError(f"{name} has no {part} data")
        if samples.x.is_floating_point() and not samples.x.isfinite().all():
            bad = int((~samples.x.isfinite()).sum())
            raise InputError(
                f"{bad} of {samples.x.numel()} {part} values are NaN or infinite: clean the data"
            )
        check_known(samples.y, domain.attributes, part)
    assert domain.train is not None
    if domain.source is not None:
        check(domain.source, f"the source of {name}")
        check_source(domain.source, domain.train.shape, domain.state)
    cost = domain.geometry
    if not cost.metric:
        raise InputError(
            f"{cost!r} is no metric and says so, so W1 under it has no critic: take a metric, or "
            "compare samples with otgan.transport alone"
        )
    try:
        x = domain.chart.encode(domain.train.draw(16, seed=0))
    except ValueError as error:
        raise InputError(f"{name}: {error}") from None
    n = len(x)
    if (shape := tuple(cost.distance(x, x).shape)) != (n,):
        raise InputError(f"{cost!r}.distance of {n} pairs gives shape {shape}: it must be ({n},)")
    d = cost.pairwise(x, x)
    slack = 1e-3 * d.abs().max()  # arccos(1 - eps) is no smaller in single precision
    detour = (d[:, :, None] + d[None, :, :]).amin(1)
    for wrong, why in (
        (~d.isfinite(), "is not finite"),
        (d < -slack, "is negative"),
        (d.diagonal().abs() > slack, "from a point to itself is not 0"),
        ((d - d.T).abs() > slack, "is not the same both ways"),
        (d > detour + slack, "is more than by way of a third point, as for squared distances"),
    ):
        if wrong.any():
            raise InputError(
                f"{cost!r} is no metric: a distance {why}, so W1 has no critic; mend it, or "
                "compare samples with otgan.transport alone"
            )


def check_source(source: Domain, shape: tuple[int, ...], state: Mapping[str, Any]) -> None:
    """That points of a source are like those of a domain with this shape and state.

    Raises:
        InputError: another shape, or coordinates that mean something else.
    """
    assert source.train is not None
    if source.train.shape != shape:
        raise InputError(
            f"points of the source have shape {source.train.shape} and those of the data {shape}: "
            "bring both to one, images by --size HEIGHT WIDTH and --channels"
        )
    read = json.loads(json.dumps(dict(source.state)))
    for key, ours in json.loads(json.dumps(dict(state))).items():
        if key != "attributes" and read.get(key) != ours:
            raise InputError(f"'{key}' of the source differ from those of the data: mend either")


def takes_state(factory: Factory) -> bool:
    """Whether a factory can rebuild its domain without data."""
    return "state" in inspect.signature(factory).parameters


def restore(factory: Factory, options: Mapping[str, Any], state: Mapping[str, Any]) -> Domain:
    """The domain of a finished run: from its state where the factory takes it, else made anew."""
    own = {key: value for key, value in options.items() if key != "source"}
    if takes_state(factory):
        return factory(**own, state=dict(state))
    return factory(**own)
