"""Exact transport against brute force, and the laws of plans and potentials."""

import itertools

import pytest
import torch
from scipy.stats import wasserstein_distance

from otgan.geometry import (
    Angles,
    Discrete,
    GraphMetric,
    GreatCircle,
    Lp,
    Mahalanobis,
    MetricSpace,
    Power,
    Product,
)
from otgan.transport import exact, measures, solve

INF = float("inf")


class Posts(MetricSpace):
    """A user's own metric: every journey goes through the origin, unless it goes nowhere."""

    def distance(self, x, y):
        ways = torch.linalg.vector_norm(x, dim=1) + torch.linalg.vector_norm(y, dim=1)
        return torch.where((x != y).any(1), ways, 0)


STRETCH = Mahalanobis(torch.diag(torch.tensor([1.0, 4.0, 9.0], dtype=torch.float64)))
METRICS = [
    *(Lp(p) for p in (1, 2, 3.5, INF)),
    STRETCH,
    Angles(3),
    GreatCircle(),
    Discrete(),
    Power(Lp(1), 0.5),
    Product([(Angles(2), (1,)), (Lp(2), (2,))], combine="max"),
    Posts(),
]
COSTS = [*METRICS, Power(Lp(2), 2)]


def points(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def weights(n, seed=0):
    return points(n, seed=seed).softmax(0)


@pytest.mark.parametrize("geometry", COSTS, ids=repr)
def test_small_samples_by_trying_every_matching(geometry):
    x, y = points(2, 6, 3)
    cost = geometry.pairwise(x, y)
    best = min(cost[range(6), list(order)].mean() for order in itertools.permutations(range(6)))
    torch.testing.assert_close(exact(x, y, geometry), best)


@pytest.mark.parametrize("given", [(False, False), (True, False), (False, True), (True, True)])
def test_one_dimension_with_counts_and_weights(given):
    x, y = points(40, 1), 2 * points(57, 1, seed=1)
    a = weights(40) if given[0] else None
    b = weights(57, seed=1) if given[1] else None
    expected = wasserstein_distance(x[:, 0].numpy(), y[:, 0].numpy(), a, b)
    assert exact(x, y, Lp(2), a, b).item() == pytest.approx(expected)


def test_a_translation_costs_its_length_and_pulls_back_along_itself():
    x = points(30, 2, 4)
    y = (x + 3).requires_grad_()
    distance = exact(x, y, Lp(2))
    assert distance.item() == pytest.approx(3 * 8**0.5)
    distance.backward()
    torch.testing.assert_close(y.grad, torch.full_like(y, 1 / (30 * 8**0.5)))


@pytest.mark.parametrize("geometry", METRICS, ids=repr)
def test_it_is_a_metric_between_samples(geometry):
    x, y, z = points(12, 3), points(15, 3, seed=1), points(9, 3, seed=2)
    xy, yz, xz = exact(x, y, geometry), exact(y, z, geometry), exact(x, z, geometry)
    torch.testing.assert_close(exact(y, x, geometry), xy)
    assert xz <= xy + yz + 1e-12
    assert exact(x, x[torch.randperm(12)], geometry) < 1e-7  # arcs at 0 are rounded to 1e-8


def test_weights_are_repeated_points():
    x, y = points(5, 3), points(8, 3, seed=1)
    counts = torch.tensor([1, 4, 2, 1, 2])
    repeated = exact(x.repeat_interleave(counts, 0), y, Lp(1))
    torch.testing.assert_close(exact(x, y, Lp(1), counts / 10), repeated, rtol=1e-6, atol=0)
    torch.testing.assert_close(exact(x, y, Lp(1), a=counts), 10 * repeated)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12])
def test_no_scale_of_costs_or_weights_is_too_small(scale):
    x, y = points(50, 3), points(50, 3, seed=1)
    value, a = exact(x, y, Lp(2)), torch.full((50,), scale, dtype=torch.float64)
    torch.testing.assert_close(exact(scale * x, scale * y, Lp(2)) / scale, value)
    torch.testing.assert_close(exact(x, y, Lp(2), a, a) / (50 * scale), value)


@pytest.mark.parametrize("leave_out", [0.0, 0.3])
@pytest.mark.parametrize("geometry", COSTS, ids=repr)
def test_plan_and_potentials_prove_each_other_optimal(geometry, leave_out):
    x, y = points(20, 3), points(25, 3, seed=1) + 0.5
    a, b = 2 * weights(20), 2 * weights(25, seed=1)
    a[3], b[7] = 0, 0
    a, b = a / a.sum(), b / b.sum()
    s = solve(x, y, geometry, a, b, leave_out=leave_out)
    cost, f, g = geometry.pairwise(x, y), s.potential_x, s.potential_y
    assert (f[:, None] - g - cost).max() < 1e-7
    assert (s.plan >= 0).all() and (s.plan.sum(1) <= a + 1e-12).all()
    assert (s.plan.sum(0) <= b + 1e-12).all()
    assert s.plan.sum().item() == pytest.approx(1 - leave_out)
    torch.testing.assert_close((s.plan * cost).sum(), s.cost)
    torch.testing.assert_close(s.dual, s.cost)
    if leave_out:
        span = torch.cat([f, g]).max() - torch.cat([f, g]).min()
        torch.testing.assert_close((a * f).sum() - (b * g).sum() - leave_out * span, s.cost)
    if geometry.metric:
        torch.testing.assert_close(torch.cat([s.potential(x), s.potential(y)]), torch.cat([f, g]))


@pytest.mark.parametrize("leave_out", [0.0, 0.3])
@pytest.mark.parametrize("geometry", METRICS, ids=repr)
def test_the_potential_of_a_metric_is_1_lipschitz_everywhere(geometry, leave_out):
    x, y, z = points(20, 3), points(25, 3, seed=1), 3 * points(60, 3, seed=2)
    f = solve(x, y, geometry, leave_out=leave_out).potential
    z = torch.cat([x, y, z])
    slopes = (f(z)[:, None] - f(z)) - geometry.pairwise(z, z)
    assert slopes.max() < 1e-7


def test_a_potential_is_evaluated_in_chunks_alike(monkeypatch):
    x, y, z = points(20, 3), points(25, 3, seed=1), points(60, 3, seed=2)
    f = solve(x, y, Lp(2)).potential
    whole = f(z)
    monkeypatch.setattr("otgan.transport.solution._CHUNK", 50)
    torch.testing.assert_close(f(z), whole, rtol=0, atol=0)


@pytest.mark.parametrize("geometry", [Lp(1), Lp(2), Lp(INF), Power(Lp(2), 2)], ids=repr)
@pytest.mark.parametrize("leave_out", [0.0, 0.2])
def test_gradients_are_finite_differences(geometry, leave_out):
    x, y = points(7, 2).requires_grad_(), points(9, 2, seed=1).requires_grad_()
    p, q = points(7, seed=2).requires_grad_(), points(9, seed=3).requires_grad_()

    def value(x, y, p, q):
        return exact(x, y, geometry, p.softmax(0), q.softmax(0), leave_out=leave_out)

    assert torch.autograd.gradcheck(value, (x, y, p, q))


@pytest.mark.parametrize("leave_out", [0.0, 0.2])
@pytest.mark.parametrize("empty", ["a", "b", "both"])
def test_the_gradient_in_weights_is_a_subgradient_where_they_are_0(empty, leave_out):
    x, y, step = points(9, 2), points(11, 2, seed=1), 1e-6
    a, b = weights(9), weights(11, seed=1)
    a[: 5 if empty != "b" else 0] = 0
    b[: 6 if empty != "a" else 0] = 0
    a, b = (a / a.sum()).requires_grad_(), (b / b.sum()).requires_grad_()
    value = exact(x, y, Lp(2), a, b, leave_out=leave_out)
    value.backward()
    torch.testing.assert_close((a * a.grad).sum() + (b * b.grad).sum(), value)
    for i, j in itertools.product(range(0, 9, 2), range(0, 11, 2)):
        up, down = torch.zeros_like(a), torch.zeros_like(b)
        up[i] = down[j] = step
        more = exact(x, y, Lp(2), a + up, b + down, leave_out=leave_out)
        rate, slope = ((more - value) / step).item(), (a.grad[i] + b.grad[j]).item()
        assert rate >= slope - 1e-6
        if empty != "both":  # there it is the derivative itself
            assert rate == pytest.approx(slope, abs=1e-6)


def test_coincident_points_pull_nothing():
    class Root(MetricSpace):  # its own gradient at 0 is NaN
        def distance(self, x, y):
            return ((x - y) ** 2).sum(1).sqrt()

    x = points(6, 2).requires_grad_()
    exact(x, torch.cat([x[:3], x[3:] + 1]).detach(), Root()).backward()
    assert (x.grad[:3] == 0).all() and (x.grad[3:].norm(dim=1) > 0).all()


def test_leaving_out_removes_outliers_and_never_costs():
    x = points(20, 2)
    y = torch.cat([x[:19] + 0.1, torch.full((1, 2), 1e3, dtype=torch.float64)])
    moved = 19 / 20 * 0.1 * 2**0.5
    assert exact(x, y, Lp(2), leave_out=1 / 20).item() == pytest.approx(moved)
    values = [exact(x, y, Lp(2), leave_out=s).item() for s in (0, 1e-9, 0.05, 0.2, 0.5, 0.9)]
    assert values == sorted(values, reverse=True)
    assert values[1] == pytest.approx(values[0], rel=1e-6) and values[-1] > 0
    assert solve(x, x, Lp(2), leave_out=0.3).plan.sum().item() == pytest.approx(0.7)


def test_integer_points_keep_their_own_metric():
    x, y = torch.tensor([0, 0, 1, 2]), torch.tensor([0, 1, 1, 3])
    assert exact(x, y, Discrete()).item() == 0.5


RING = GraphMetric([[i, (i + 1) % 30] for i in range(30)] + [[0, 11], [4, 20]]).double()


@pytest.mark.parametrize("weighted", [False, True])
def test_on_a_graph_the_flow_agrees_with_the_matrix(weighted):
    x, y = torch.randint(30, (40,)), torch.randint(15, (25,))
    a, b = (3 * weights(40), 3 * weights(25, seed=1)) if weighted else (None, None)
    value, s = exact(x, y, RING, a, b), solve(x, y, RING, a, b)
    torch.testing.assert_close(value, s.cost)
    torch.testing.assert_close(s.dual, value)
    nodes = torch.arange(30)
    f = s.potential(nodes)
    assert (f[RING.edges[:, 0]] - f[RING.edges[:, 1]]).abs().max() <= 1 + 1e-12
    assert exact(x, y, RING, a, b, leave_out=0.2) < value


def test_on_a_graph_the_gradient_in_weights_is_the_potential():
    p, q = points(6, seed=2).requires_grad_(), points(8, seed=3).requires_grad_()
    x, y = torch.arange(6), torch.arange(10, 26, 2)
    assert torch.autograd.gradcheck(
        lambda p, q: exact(x, y, RING, p.softmax(0), q.softmax(0)), (p, q)
    )


NAN = torch.tensor([[0.0, 0], [torch.nan, 0]])
THREE = torch.zeros(3, 2)


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (torch.zeros(0, 2), THREE, {}, "0 and 3"),
        (THREE, torch.zeros(3, 4), {}, "cannot move"),
        (NAN, THREE, {}, "x holds NaN or infinity in 1 of its 2 points, first in point 1"),
        (THREE, NAN / 0, {}, "y holds NaN or infinity in 2 of"),
        (THREE + 1e30, -THREE - 1e38 * 3, {}, r"ground cost from .* is inf, .* use float64"),
        (THREE, THREE, {"leave_out": 1.0}, "below 1, got 1.0"),
        (THREE, THREE, {"leave_out": -0.1}, "got -0.1"),
        (THREE, THREE, {"a": torch.ones(2)}, r"a has shape \(2,\), but x has 3"),
        (THREE, THREE, {"b": torch.ones(3, 1)}, r"b has shape \(3, 1\)"),
        (THREE, THREE, {"b": torch.tensor([1, 1, -0.5])}, "b holds a negative weight, -0.5"),
        (THREE, THREE, {"a": torch.full((3,), torch.nan)}, "a holds NaN"),
        (THREE, THREE, {"a": torch.zeros(3)}, "a sums to 0"),
        (THREE, THREE, {"a": torch.ones(3), "b": torch.ones(3) / 3}, "a sums to 3 and b to 1"),
    ],
)
def test_bad_input_is_refused(x, y, options, message):
    with pytest.raises(ValueError, match=message):
        exact(x, y, Lp(1), **options)


def test_what_memory_cannot_hold_is_refused_before_it_is_tried(monkeypatch):
    monkeypatch.setattr(measures, "memory", lambda: 8e9)
    x = torch.zeros(1, 2).expand(20_000, 2)
    with pytest.raises(ValueError, match=r"20000 x 20000 ground costs need 19.2 GB.*`sliced`"):
        exact(x, x, Lp(2))


@pytest.mark.filterwarnings("ignore:numItermax reached")
def test_a_solver_that_stops_early_is_an_error(monkeypatch):
    import ot

    emd = ot.emd
    monkeypatch.setattr(ot, "emd", lambda *a, numItermax, log: emd(*a, numItermax=1, log=log))
    with pytest.raises(RuntimeError, match="did not finish"):
        exact(points(30, 2), points(30, 2, seed=1), Lp(2))
