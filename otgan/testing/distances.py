"""Laws of `distance` and `pairwise`: the axioms of a metric, and what code does to them."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Iterable, Iterator, Mapping
from unittest import mock

import torch
from torch import Tensor, nn

from otgan.geometry import Geometry, NormedSpace, base
from otgan.testing.laws import Law, at_most, equal, law, require, slack

LAWS: list[Law] = []


@law(LAWS)
def shapes_and_dtypes(geometry: Geometry, x: Tensor) -> None:
    """(n, *E), (n, *E) -> (n,), finite, in the precision of the points."""
    for dtype in (torch.float32, torch.float64) if x.is_floating_point() else (x.dtype,):
        a = x.to(dtype)
        found = {"distance": geometry.distance(a, a.roll(1, 0))}
        if isinstance(geometry, NormedSpace):
            found |= {"norm": geometry.norm(a), "dual_norm": geometry.dual_norm(a)}
        for name, d in found.items():
            require(d.shape == (len(x),), f"{name} has shape {tuple(d.shape)}, not ({len(x)},)")
            same = d.dtype == dtype if x.is_floating_point() else d.is_floating_point()
            require(same, f"{name} of {dtype} points is {d.dtype}")
            require(d.isfinite().all(), f"{name} of {dtype} points is not finite")


@law(LAWS)
def points_are_read_only(geometry: Geometry, x: Tensor) -> None:
    """Distances of views are those of copies, and leave their arguments alone."""
    kept, view = x.clone(), x[:1].expand_as(x)
    expected = geometry.distance(view.clone(), x.clone())
    equal(geometry.distance(view, x), expected, "distance from one point expanded to all")
    require(torch.equal(x, kept), "distance writes to its arguments")


@law(LAWS)
def pairs_are_independent(geometry: Geometry, x: Tensor) -> None:
    """A pair alone has the distance that it has in a batch."""
    y = x.roll(1, 0)
    pairs = zip(x.split(1), y.split(1), strict=True)
    alone = torch.cat([geometry.distance(*pair) for pair in pairs])
    equal(geometry.distance(x, y), alone, "distance in a batch, against that of the pair alone")


@law(LAWS)
def zero_to_itself(geometry: Geometry, x: Tensor) -> None:
    at_most(geometry.distance(x, x).abs(), slack(_all(geometry, x)), "d(x, x)")


@law(LAWS)
def non_negative(geometry: Geometry, x: Tensor) -> None:
    d = _all(geometry, x)
    at_most(-d, slack(d), "-d(x, y)")


@law(LAWS, "metric")
def symmetric(geometry: Geometry, x: Tensor) -> None:
    d = _all(geometry, x)
    at_most((d - d.T).abs(), slack(d), "|d(x, y) - d(y, x)|")


@law(LAWS, "metric")
def triangle_inequality(geometry: Geometry, x: Tensor) -> None:
    """d(x, z) <= d(x, y) + d(y, z); squared distances fail here."""
    d = _all(geometry, x)
    detour = (d[:, :, None] + d[None]).amin(1)
    at_most(d - detour, slack(d), "d(x, z) - d(x, y) - d(y, z)")


@law(LAWS)
def pairwise_is_distance_of_all_pairs(geometry: Geometry, x: Tensor) -> None:
    """Whatever the size of a block; for sets of different sizes, and for empty ones."""
    expected, y = _all(geometry, x), x[:2]
    equal(geometry.pairwise(x, x), expected, "pairwise, against distance")
    with mock.patch.object(base, "_CHUNK", 4 * y[0].numel()):  # two rows at a time
        equal(geometry.pairwise(x[1:], y), expected[1:, :2], "pairwise in blocks")
        equal(geometry.pairwise(y, x[1:]), expected[:2, 1:], "pairwise in blocks")
    for a, b in ((x[:0], y), (y, x[:0]), (x[:0], x[:0])):
        found = tuple(geometry.pairwise(a, b).shape)
        require(found == (len(a), len(b)), f"pairwise of {len(a)} and {len(b)} points is {found}")


@law(LAWS)
def tensors_are_registered(geometry: Geometry, x: Tensor) -> None:
    """Every tensor follows the run to its device; "meta" is one that every machine has."""
    for path, tensor in _tensors(copy.deepcopy(geometry).to("meta"), "geometry", set()):
        require(tensor.is_meta, f"{path} stays behind: register_buffer it, or hold it in a module")


@law(LAWS, "float")
def gradients_are_finite(geometry: Geometry, x: Tensor) -> None:
    """Also where points coincide, where the root of a sum of squares gives NaN."""
    for where, y in (("x = y", x), ("x, y", x.roll(1, 0))):
        a, b = x.clone().requires_grad_(), y.clone().requires_grad_()
        d = geometry.distance(a, b)
        if d.requires_grad:
            for gradient in torch.autograd.grad(d.sum(), (a, b), materialize_grads=True):
                require(gradient.isfinite().all(), f"a gradient is not finite at {where}")


@law(LAWS, "float", "translation invariant")
def translations_change_no_distance(geometry: Geometry, x: Tensor) -> None:
    v = torch.randn_like(x[:1])
    expected = _all(geometry, x)
    equal(_all(geometry, x + v), expected, "distances of points moved by one vector")


def _all(geometry: Geometry, x: Tensor) -> Tensor:
    """(n, *E) -> (n, n), by `distance` alone."""
    with torch.no_grad():
        return torch.stack([geometry.distance(a.expand_as(x), x) for a in x.split(1)])


def _tensors(value: object, path: str, seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    """Every tensor that an object holds, with the way to it."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Tensor):
        yield path, value
    for name, inner in _contents(value):
        yield from _tensors(inner, f"{path}.{name}", seen)


def _contents(value: object) -> Iterable[tuple[object, object]]:
    if isinstance(value, nn.Module):
        return vars(value).items()
    if isinstance(value, Mapping):
        return value.items()
    if isinstance(value, list | tuple | set):
        return enumerate(value)
    if isinstance(value, functools.partial):
        return [("func", value.func), *enumerate(value.args), *value.keywords.items()]
    if inspect.ismethod(value):
        return [("__self__", value.__self__)]
    if inspect.isfunction(value):
        return inspect.getclosurevars(value).nonlocals.items()
    return []
