"""Every law of `otgan.testing` catches geometries made to break it, and says its name."""

import functools
import importlib
import sys

import pytest
import torch
from torch import nn

from otgan.geometry import Discrete, Lp, MetricSpace, NormedSpace, Power, Pullback, base
from otgan.testing import check_geometry, geometry_laws

X = torch.randn(12, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def metric(distance, **methods):
    """A metric space of one function, and other methods by name."""
    return type("Broken", (MetricSpace,), {"distance": lambda _, x, y: distance(x, y), **methods})()


def normed(norm, dual_norm, **methods):
    two = {"norm": lambda _, v: norm(v), "dual_norm": lambda _, g: dual_norm(g)}
    return type("Broken", (NormedSpace,), {**two, **methods})()


def sloped(slope):
    """Euclidean distance, and slopes from f(x) - f(y) and d(x, y)."""
    return metric(
        lambda x, y: l2(x - y),
        slope=lambda self, f, x, y: slope(f(x) - f(y), self.distance(x, y).clamp(min=1e-9)),
    )


def holding(value):
    """A sound metric space with an attribute."""
    space = metric(lambda x, y: l1(x - y))
    space.attribute = value
    return space


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.ones(4))

    def forward(self, z):
        return z * self.scale


def l1(v):
    return v.abs().sum(1)


def l2(v):
    return torch.linalg.vector_norm(v, dim=1)


def largest(v):
    return v.abs().amax(1)


def root(v):
    return v.square().sum(1).sqrt()


def euclidean_slope(_, f, x, y):
    return Lp(2).slope(f, x, y)


def slope_with_graph(self, f, x, y):
    with torch.enable_grad():
        return MetricSpace.slope(self, f, x, y)


def first_block(_, x, y):
    return torch.cdist(x[: base._CHUNK // max(1, y.numel())], y)


def by_closure():
    scale = torch.ones(4)
    return Pullback(Lp(2), lambda z: z * scale)


BROKEN = {
    "shapes_and_dtypes": {
        "one distance a batch": metric(lambda x, y: (x - y).abs().sum()),
        "one distance a coordinate": metric(lambda x, y: (x - y).abs()),
        "upcast": metric(lambda x, y: l1(x - y).double()),
        "downcast": metric(lambda x, y: l1(x - y).float()),
        "not a number": metric(lambda x, y: l1(x - y) * torch.nan),
        "one dual norm a batch": normed(l1, lambda g: g.abs().amax()),
        "fails": metric(lambda x, y: x @ y),
    },
    "points_are_read_only": {
        "x in place": metric(lambda x, y: l1(x.sub_(y))),
        "y in place": metric(lambda x, y: l1(y.sub_(x))),
        "contiguous only": metric(lambda x, y: l1(x.view(-1).view(x.shape) - y)),
    },
    "pairs_are_independent": {
        "relative to the batch": metric(lambda x, y: l1(x - y) / x.abs().amax()),
    },
    "zero_to_itself": {"offset": metric(lambda x, y: 1 + l1(x - y))},
    "non_negative": {"negative": metric(lambda x, y: -l1(x - y))},
    "symmetric": {"uphill only": metric(lambda x, y: (x - y).relu().sum(1))},
    "triangle_inequality": {
        "squared": metric(lambda x, y: (x - y).square().sum(1)),
        "exponent 1/2": metric(lambda x, y: (x - y).abs().sqrt().sum(1).square()),
    },
    "pairwise_is_distance_of_all_pairs": {
        "squared": metric(lambda x, y: l2(x - y), pairwise=lambda _, x, y: torch.cdist(x, y) ** 2),
        "transposed": metric(lambda x, y: l2(x - y), pairwise=lambda _, x, y: torch.cdist(y, x)),
        "not of nothing": metric(
            lambda x, y: l2(x - y), pairwise=lambda _, x, y: torch.stack([l2(a - y) for a in x])
        ),
        "last blocks lost": metric(lambda x, y: l2(x - y), pairwise=first_block),
    },
    "tensors_are_registered": {
        "attribute": holding(torch.ones(4)),
        "list of dictionaries": holding([{"scale": torch.ones(4)}]),
        "module in a tuple": holding((Scale(),)),
        "closure": by_closure(),
        "bound method": Pullback(Lp(2), Scale().forward),
        "partial": Pullback(Lp(2), functools.partial(torch.mul, torch.ones(4))),
    },
    "gradients_are_finite": {
        "naive root": metric(lambda x, y: root(x - y)),
        "naive norm": normed(root, l2),
    },
    "translations_change_no_distance": {
        "through a curve": metric(lambda x, y: l1(x.atan() - y.atan()), translation_invariant=True),
    },
    "slopes_are_one_a_pair": {
        "negative": sloped(lambda climb, d: climb / d),
        "one a batch": sloped(lambda climb, d: (climb / d).abs().mean()),
        "graph without gradients": metric(lambda x, y: l2(x - y), slope=slope_with_graph),
    },
    "slopes_of_distance_are_at_most_1": {
        "twice": sloped(lambda climb, d: 2 * climb.abs() / d),
        "dual of l1 left out": normed(l1, l1),
    },
    "slopes_of_distance_reach_1": {
        "half": sloped(lambda climb, d: climb.abs() / (2 * d)),
        "dual of l-infinity for l2": normed(l2, largest),
    },
    "slopes_scale": {"squared": sloped(lambda climb, d: (climb / d).square())},
    "slopes_train_the_critic": {
        "detached": sloped(lambda climb, d: climb.detach().abs() / d),
        "wrong gradient": sloped(lambda climb, d: (2 * climb.abs() - climb.abs().detach()) / d),
        "naive root where flat": sloped(lambda climb, d: climb.square().sqrt() / d),
        "naive dual norm": normed(l2, root),
    },
    "distance_is_norm_of_difference": {
        "half": normed(lambda v: l1(v) / 2, largest, distance=lambda _, x, y: l1(x - y)),
    },
    "norms_scale": {"fixed cost": normed(lambda v: l1(v) + v.any(1), largest)},
    "only_0_has_norm_0": {
        "blind to a coordinate": normed(lambda v: l2(v[:, 1:]), lambda g: l2(g[:, 1:])),
        "blind to the mean": normed(*2 * [lambda v: l2(v - v.mean(1, keepdim=True))]),
    },
    "hoelder_holds": {"dual of l-infinity left out": normed(largest, l2)},
    "hoelder_is_attained": {"dual too large": normed(largest, lambda g: 2 * l1(g) - largest(g))},
    "gradients_of_norms_at_0_are_finite": {
        "naive dual norm, slopes by hand": normed(l2, root, slope=euclidean_slope),
    },
    "secants_are_at_most_slopes": {
        "slopes without the dual": normed(largest, l1, slope=euclidean_slope),
    },
}
CASES = [
    pytest.param(law, geometry, id=f"{law}-{what}")
    for law, geometries in BROKEN.items()
    for what, geometry in geometries.items()
]


@pytest.mark.parametrize(("law", "geometry"), CASES)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_broken_geometry_is_caught_by_the_law_it_breaks(law, geometry, seed):
    with pytest.raises(AssertionError, match=rf"^(Broken|Pullback).* breaks {law}: "):
        check_geometry(geometry, X, seed)


def test_every_law_has_a_geometry_that_breaks_it():
    assert list(BROKEN) == check_geometry(Lp(2), X)


def test_laws_are_those_that_apply():
    nodes = check_geometry(Discrete(), torch.arange(5))
    assert "triangle_inequality" in nodes and "gradients_are_finite" not in nodes
    cost = {law.name for law in geometry_laws(Power(Lp(2), 2), X)}
    assert "zero_to_itself" in cost and not cost & {"symmetric", "triangle_inequality"}
    with pytest.raises(ValueError, match="3 points"):
        check_geometry(Lp(2), X[:2])


def test_a_cost_that_says_it_is_no_metric_is_held_to_the_other_laws():
    with pytest.raises(ValueError, match=r"Power\(l2, 2\) is no metric .* otgan.transport"):
        check_geometry(Power(Lp(2), 2), X)
    with pytest.raises(AssertionError, match="breaks zero_to_itself"):
        check_geometry(metric(lambda x, y: 1 + l1(x - y), metric=False), X)


def test_a_check_leaves_points_and_random_numbers_alone():
    kept, state = X.clone(), torch.get_rng_state()
    check_geometry(Lp(2), X)
    geometry_laws(Lp(2), X)[1](metric(lambda x, y: l1(x - y)), X)
    with pytest.raises(AssertionError):
        check_geometry(metric(lambda x, y: l1(y.sub_(x))), X)
    assert torch.equal(X, kept) and torch.equal(torch.get_rng_state(), state)


def test_a_module_follows_where_its_method_does_not():
    assert "tensors_are_registered" in check_geometry(Pullback(Lp(2), Scale()), X)


def test_pytest_is_not_needed(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("otgan.testing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pytest", None)
    assert importlib.import_module("otgan.testing").check_geometry is not check_geometry
