"""Laws of every geometry: metric axioms, Hoelder, slopes of d(., a), pairwise against distance."""

import math

import pytest
import torch

from otgan.geometry import Lp, MetricSpace

EXPONENTS = [1, 1.3, 2, 3, 7.5, 60, math.inf]


class Angles(MetricSpace):
    """Points of a torus, the sum of the angles' differences."""

    def distance(self, x, y):
        turn = torch.remainder(x - y, 2 * math.pi).flatten(1)
        return torch.minimum(turn, 2 * math.pi - turn).sum(1)


GEOMETRIES = [*map(Lp, EXPONENTS), Angles()]
lp = pytest.mark.parametrize("geometry", [Lp(p) for p in EXPONENTS], ids=repr)
every = pytest.mark.parametrize(
    "geometry", GEOMETRIES, ids=lambda g: type(g).__name__ + repr(g)[:5]
)
shaped = pytest.mark.parametrize("shape", [(1,), (5,), (3, 4, 2)], ids=str)


def points(n, shape, seed=0, dtype=torch.float64):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@every
@shaped
def test_metric_axioms(geometry, shape):
    x, y, z = (points(50, shape, seed) for seed in range(3))
    d = geometry.distance
    assert d(x, y).shape == (50,)
    assert (d(x, y) > 0).all()
    assert torch.equal(d(x, x), torch.zeros(50, dtype=x.dtype))
    torch.testing.assert_close(d(x, y), d(y, x))
    assert (d(x, z) <= d(x, y) + d(y, z) + 1e-12).all()


@every
@shaped
def test_pairwise_is_distance_of_all_pairs(geometry, shape, monkeypatch):
    x, y = points(7, shape), points(5, shape, 1)
    expected = torch.stack([geometry.distance(x, b.expand_as(x)) for b in y], 1)
    torch.testing.assert_close(geometry.pairwise(x, y), expected)
    monkeypatch.setattr("otgan.geometry.base._CHUNK", 1)  # one row at a time
    torch.testing.assert_close(geometry.pairwise(x, y), expected)


def test_pairwise_keeps_small_distances_of_far_points():
    x = 1000 + 1e-2 * points(40, (30,), dtype=torch.float32)
    expected = (x[0].double() - x[1].double()).norm()
    torch.testing.assert_close(Lp(2).pairwise(x, x)[0, 1].double(), expected, rtol=1e-5, atol=0)


@lp
@shaped
def test_lp_distance_is_its_definition(geometry, shape):
    v = points(50, shape)
    p = geometry.p
    flat = v.flatten(1).abs()
    definition = flat.amax(1) if math.isinf(p) else flat.pow(p).sum(1).pow(1 / p)
    torch.testing.assert_close(geometry.norm(v), definition)


@lp
def test_hoelder_holds_and_is_attained(geometry):
    g, v = points(200, (6,)), points(200, (6,), 1)
    assert ((g * v).sum(1) <= geometry.dual_norm(g) * geometry.norm(v) * (1 + 1e-12)).all()
    if math.isinf(geometry.p):
        best = g.sign()
    elif geometry.p == 1:
        best = g.sign() * (g.abs() == g.abs().amax(1, keepdim=True))
    else:
        best = g.sign() * g.abs().pow(geometry.q - 1)
    torch.testing.assert_close((g * best).sum(1), geometry.dual_norm(g) * geometry.norm(best))


@every
@shaped
def test_slopes_of_the_distance_to_a_point_never_exceed_1(geometry, shape):
    x, y, a = (points(300, shape, seed) for seed in range(3))

    def f(z):
        return geometry.distance(z, a[:1].expand_as(z))

    assert geometry.slope(f, x, y).max() <= 1 + 1e-9


@every
@shaped
def test_slopes_of_the_distance_to_a_point_reach_1(geometry, shape):
    x = 0.1 * points(20, shape)
    a = 0.1 * points(1, shape, 1).expand_as(x)
    slope = geometry.slope(lambda z: geometry.distance(z, a[:1].expand_as(z)), x, a)
    torch.testing.assert_close(slope, torch.ones(20, dtype=x.dtype))


@every
def test_a_steeper_function_has_a_steeper_slope(geometry):
    x, y = 0.1 * points(20, (3,)), 0.1 * points(1, (3,), 1).expand(20, 3)
    slope = geometry.slope(lambda z: 3 * geometry.distance(z, y[:1].expand_as(z)), x, y)
    torch.testing.assert_close(slope, torch.full((20,), 3.0, dtype=x.dtype))


@every
def test_everything_is_finite_where_points_coincide_and_the_critic_is_flat(geometry):
    x = points(4, (3,)).requires_grad_()
    geometry.distance(x, x.detach()).sum().backward()
    assert x.grad.isfinite().all()
    weight = torch.zeros(3, dtype=x.dtype, requires_grad=True)
    for y in (x.detach(), points(4, (3,), 1)):
        slope = geometry.slope(lambda z: (z @ weight).tanh(), x.detach(), y)
        assert torch.equal(slope, torch.zeros_like(slope))
        (gradient,) = torch.autograd.grad((slope - 1).square().sum(), weight)
        assert gradient.isfinite().all()


@pytest.mark.parametrize("p", [0.5, 0, -1, math.nan])
def test_exponents_below_1_are_refused(p):
    with pytest.raises(ValueError, match="triangle"):
        Lp(p)


@lp
def test_the_gradient_is_taken_on_the_segment(geometry):
    x, y = points(500, (2,)), points(500, (2,), 1)
    point = geometry.between(x, y)
    t = ((point - x) / (y - x)).mean(1)
    torch.testing.assert_close(x + t[:, None] * (y - x), point)
    assert 0 <= t.min() < 0.05
    assert 0.95 < t.max() <= 1  # U(0, 1), not N(0, 1)
    assert abs(t.mean() - 0.5) < 0.05
    assert len(t.unique()) == 500  # each pair its own
