"""Flows on graphs against the linear program on all distances, and what proves them optimal."""

import math

import numpy as np
import ot
import pytest
import torch

from otgan.geometry import GraphMetric
from otgan.transport import integer_flow
from otgan.transport.beckmann import beckmann
from otgan.transport.flow import by_distances, few_with_mass, flow, histogram

LENGTHS = {
    "unit": lambda rng, m: np.ones(m),
    "whole": lambda rng, m: rng.integers(1, 5, m).astype(float),
    "irrational": lambda rng, m: rng.uniform(0.1, 2, m),
    "tiny": lambda rng, m: 1e-9 * rng.uniform(0.1, 2, m),
    "eight decades": lambda rng, m: 10 ** rng.uniform(-4, 4, m),
}
MASSES = {
    "all nodes": lambda rng, n: rng.random(n),
    "7 points": lambda rng, n: np.bincount(rng.integers(0, n, 7), minlength=n) / 7,
    "9 points": lambda rng, n: np.bincount(rng.integers(0, n, 9), minlength=n) / 9,
    "one point": lambda rng, n: np.eye(n)[rng.integers(n)],
}


def graph(rng, kind, n=None):
    n = n or int(rng.integers(2, 30))
    path = np.stack([np.arange(n - 1), np.arange(1, n)], 1)
    pairs = np.concatenate([path, rng.integers(0, n, (int(rng.integers(0, 50)), 2))])
    return GraphMetric(rng.permutation(n)[pairs], LENGTHS[kind](rng, len(pairs)), n)


def pair(rng, n, kinds):
    weights = [MASSES[kind](rng, n) for kind in kinds]
    return [torch.tensor(w / w.sum()) for w in weights]


def all_pairs(a, b, geometry):
    everywhere = np.arange(geometry.nodes)
    return ot.emd2(a.numpy(), b.numpy(), geometry.paths.table(everywhere, everywhere))


def steepest(potential, geometry):
    u, v = geometry.paths.ends.T
    return ((potential[u] - potential[v]).abs() / torch.tensor(geometry.paths.lengths)).max()


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize(
    "kinds", [("all nodes",) * 2, ("7 points", "9 points"), ("one point",) * 2]
)
def test_the_value_is_that_of_the_program_on_all_pairs(lengths, kinds):
    for seed in range(15):
        rng = np.random.default_rng(seed)
        geometry = graph(rng, lengths)
        a, b = pair(rng, geometry.nodes, kinds)
        found = flow(a, b, geometry)
        close = {"rel": 1e-9, "abs": 1e-9 * geometry.paths.lengths.mean()}
        assert found.lower == pytest.approx(all_pairs(a, b, geometry), **close)
        assert found.upper == pytest.approx(found.lower, **close)
        assert steepest(found.potential, geometry) <= 1 + 1e-6
        assert (found.potential @ (a - b)).item() == pytest.approx(found.lower, **close)


def moved(edges, geometry):
    """What leaves each node along the edges less what arrives."""
    out = torch.zeros(geometry.nodes, dtype=torch.float64)
    out.index_add_(0, geometry.edges[:, 0], edges)
    return out.index_add_(0, geometry.edges[:, 1], -edges)


@pytest.mark.parametrize("lengths", ["unit", "irrational"])
@pytest.mark.parametrize("few", [True, False])
def test_the_flow_on_edges_moves_one_measure_to_the_other_at_w1(few, lengths, monkeypatch):
    monkeypatch.setattr("otgan.transport.flow.few_with_mass", lambda *_: few)
    for seed in range(15):
        rng = np.random.default_rng(seed)
        geometry = graph(rng, lengths)
        a, b = pair(rng, geometry.nodes, ("7 points", "all nodes"))
        edges = flow(a, b, geometry).edges
        torch.testing.assert_close(moved(edges, geometry), a - b, rtol=0, atol=1e-14)
        cost = (edges.abs() @ torch.tensor(geometry.paths.lengths)).item()
        assert cost == pytest.approx(all_pairs(a, b, geometry), rel=1e-9)
        torch.testing.assert_close(flow(b, a, geometry).edges.abs().sum(), edges.abs().sum())


def test_trees_need_no_solver(monkeypatch):
    monkeypatch.setattr(integer_flow, "_solve", None)
    rng = np.random.default_rng(0)
    n = 2000
    below = np.stack([np.arange(1, n), (np.arange(1, n) * rng.random(n - 1)).astype(int)], 1)
    tree = GraphMetric(rng.permutation(n)[below], rng.uniform(0.1, 2, n - 1))
    a, b = pair(rng, n, ("all nodes",) * 2)
    found = flow(a, b, tree)
    assert found.upper == pytest.approx(found.lower, rel=1e-12)
    assert steepest(found.potential, tree) <= 1 + 1e-12


def test_what_hangs_on_a_cycle_is_sent_first():
    """A cycle of 40 with a path at each node, mass on the paths' ends only."""
    ring = [[i, (i + 1) % 40] for i in range(40)]
    hanging = [[i + 40 * k, i + 40 * (k + 1)] for i in range(40) for k in range(3)]
    rng = np.random.default_rng(0)
    geometry = GraphMetric(ring + hanging, rng.uniform(0.1, 2, 160))
    a, b = torch.zeros(2, 160, dtype=torch.float64)
    ends = torch.arange(120, 160)
    a[ends[rng.permutation(40)[:9]]], b[ends[rng.permutation(40)[:9]]] = 1 / 9, 1 / 9
    found = flow(a, b, geometry)
    assert found.lower == pytest.approx(all_pairs(a, b, geometry), rel=1e-12)
    assert found.upper == pytest.approx(found.lower, rel=1e-12)


@pytest.mark.parametrize("kinds", [("all nodes",) * 2, ("7 points", "9 points")])
def test_both_solvers_agree_and_both_prove_it(kinds):
    rng = np.random.default_rng(0)
    geometry = graph(rng, "irrational", 300)
    a, b = pair(rng, 300, kinds)
    excess = (a - b).numpy()
    found = {solver: solver(geometry.paths, excess) for solver in (beckmann, by_distances)}
    for potential, upper, route in found.values():
        potential, _ = geometry.paths.envelope(potential)
        assert potential @ excess == pytest.approx(upper, rel=1e-12)
        assert upper == pytest.approx(found[beckmann][1], rel=1e-12)
        assert np.abs(route()) @ geometry.paths.lengths == pytest.approx(upper, rel=1e-12)
        np.testing.assert_allclose(route(), found[beckmann][2](), atol=1e-12)


@pytest.mark.parametrize("solver", [beckmann, by_distances])
def test_the_chosen_solver_is_the_one_that_answers(solver, monkeypatch):
    monkeypatch.setattr("otgan.transport.flow.few_with_mass", lambda *_: solver is by_distances)
    other = beckmann if solver is by_distances else by_distances
    monkeypatch.setattr(f"otgan.transport.flow.{other.__name__}", None)
    line = GraphMetric([[0, 1], [1, 2]], [2.0, 3.0])
    found = flow(torch.tensor([1.0, 0, 0]), torch.tensor([0, 0.5, 0.5]), line)
    assert (found.lower, found.upper) == pytest.approx((3.5, 3.5))


def test_distances_are_taken_where_paths_are_long_and_little_has_mass():
    length = 3000
    long = GraphMetric([[i, i + 1] for i in range(length - 1)]).paths
    short = GraphMetric([[0, i] for i in range(1, length)]).paths
    few, many = np.zeros(length), np.ones(length)
    few[:2], many[::2] = (1, -1), -1
    assert few_with_mass(long, few)
    assert not few_with_mass(short, few)
    assert not few_with_mass(long, many)


def test_mass_in_common_stays():
    rng = np.random.default_rng(1)
    geometry = graph(rng, "irrational", 40)
    a, b = pair(rng, 40, ("7 points", "9 points"))
    common = torch.tensor(rng.random(40))
    assert flow(a + common, b + common, geometry).lower == pytest.approx(flow(a, b, geometry).lower)
    same = flow(a, a, geometry)
    assert (same.lower, same.upper, same.gap) == (0, 0, 0)
    assert not same.potential.any() and not same.edges.any()


def test_mass_and_length_have_units():
    rng = np.random.default_rng(2)
    geometry = graph(rng, "irrational", 25)
    a, b = pair(rng, 25, ("all nodes",) * 2)
    scaled = GraphMetric(geometry.edges, 1e-7 * geometry.paths.lengths)
    once, twice = flow(a, b, geometry), flow(1e8 * a, 1e8 * b, scaled)
    assert twice.lower == pytest.approx(10 * once.lower)
    assert flow(b, a, geometry).lower == pytest.approx(once.lower)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gradient_in_masses_is_the_potential(dtype):
    rng = np.random.default_rng(3)
    geometry = graph(rng, "irrational", 20)
    a, b = (m.to(dtype).requires_grad_() for m in pair(rng, 20, ("all nodes",) * 2))
    found = flow(a, b, geometry)
    found.value.backward()
    assert a.grad.dtype == dtype
    torch.testing.assert_close(a.grad, found.potential.to(dtype))
    torch.testing.assert_close(b.grad, -found.potential.to(dtype))
    with torch.no_grad():
        move = torch.randn(20, dtype=torch.float64)
        move = 1e-6 * (move - move.mean())
        plus, minus = (flow(a.double() + s * move, b.double(), geometry) for s in (1, -1))
    slope = (plus.lower - minus.lower) / 2
    assert slope == pytest.approx((found.potential @ move).item(), rel=1e-4)


def test_components_are_solved_together():
    """Two triangles and a lonely node, each with its own mass."""
    geometry = GraphMetric([[0, 1], [1, 2], [0, 2], [3, 4], [4, 5], [3, 5]], None, 7)
    a = torch.tensor([0.2, 0, 0, 0.5, 0, 0, 0.3])
    b = torch.tensor([0, 0.1, 0.1, 0, 0.5, 0, 0.3])
    found = flow(a, b, geometry)
    assert (found.lower, found.upper) == pytest.approx((0.7, 0.7))
    assert found.potential.isfinite().all()


def test_sums_that_agree_to_rounding_leave_no_gap():
    path = GraphMetric([[i, i + 1] for i in range(99)])
    a, b = torch.zeros(2, 100, dtype=torch.float64)
    a[90], b[95] = 1, 1 + 5e-6
    for found in (flow(a, b, path), flow(b, a, path)):
        assert found.lower == pytest.approx(5, rel=1e-5)
        assert found.upper == pytest.approx(found.lower, rel=1e-12)


def test_short_edges_that_carry_the_flow_are_resolved():
    """Lengths over twelve decades: paths avoid all but the shortest."""
    rng = np.random.default_rng(6)
    geometry = GraphMetric(rng.integers(0, 300, (1500, 2)), 10 ** rng.uniform(-6, 6, 1500), 300)
    a, b = pair(rng, 300, ("all nodes",) * 2)
    found = flow(a, b, geometry)
    assert found.upper == pytest.approx(found.lower, rel=1e-10)


def test_a_hub_does_not_overflow():
    """Every node's arcs together must fit the solver's integers."""
    geometry = GraphMetric([[0, i] for i in range(1, 3000)], torch.rand(2999) + 0.5)
    a, b = torch.rand(2, 3000, dtype=torch.float64)
    found = flow(a / a.sum(), b / b.sum(), geometry)
    expected = ((a / a.sum() - b / b.sum()).abs()[1:] * torch.tensor(geometry.paths.lengths)).sum()
    assert found.lower == pytest.approx(expected.item(), rel=1e-12)
    assert found.upper == pytest.approx(expected.item(), rel=1e-12)


def test_lengths_too_fine_for_integers_are_coarsened(monkeypatch):
    monkeypatch.setattr(integer_flow, "_RESOLUTION", 1 << 60)
    statuses, solve = [], integer_flow._solve

    def spy(*arguments):
        statuses.append(solve(*arguments))
        return statuses[-1]

    monkeypatch.setattr(integer_flow, "_solve", spy)
    rng = np.random.default_rng(4)
    geometry = graph(rng, "irrational", 300)
    a, b = pair(rng, 300, ("all nodes",) * 2)
    found = flow(a, b, geometry)
    assert statuses[0][0] == "BAD_COST_RANGE"
    assert found.gap <= 1e-9 * found.lower


def test_lengths_that_stand_for_infinity_cost_no_precision():
    rng = np.random.default_rng(5)
    geometry = graph(rng, "irrational", 300)
    a, b = pair(rng, 300, ("all nodes",) * 2)
    chords = rng.integers(0, 300, (300, 2))
    longer = GraphMetric(
        np.concatenate([geometry.paths.ends, chords]),
        np.concatenate([geometry.paths.lengths, np.full(300, 1e18)]),
    )
    found = flow(a, b, longer)
    assert found.lower == pytest.approx(flow(a, b, geometry).lower, rel=1e-12)
    assert found.upper == pytest.approx(found.lower, rel=1e-12)


def test_a_solver_that_stops_is_an_error(monkeypatch):
    monkeypatch.setattr(integer_flow, "_solve", lambda *_: ("INFEASIBLE", None))
    triangle = GraphMetric([[0, 1], [1, 2], [2, 0]])
    with pytest.raises(RuntimeError, match="did not finish: INFEASIBLE"):
        flow(torch.tensor([1.0, 0, 0]), torch.tensor([0, 1.0, 0]), triangle)


def test_samples_become_masses():
    geometry = GraphMetric([[0, 1], [1, 2]])
    x = torch.tensor([2, 0, 2, 2])
    assert histogram(x, geometry).tolist() == [0.25, 0, 0.75]
    weights = torch.tensor([1.0, 2, 3, 4], requires_grad=True)
    mass = histogram(x, geometry, weights)
    assert mass.tolist() == [2, 0, 8]
    mass[2].backward()
    assert weights.grad.tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize(
    ("x", "weights", "message"),
    [
        (torch.tensor([], dtype=torch.long), None, "needs points"),
        (torch.tensor([0, 1]), torch.ones(3), "weight for each: 2 points"),
        (torch.tensor([0, 3]), None, "no node 3"),
        (torch.tensor([0.5]), None, "integers"),
    ],
)
def test_broken_samples_are_refused(x, weights, message):
    with pytest.raises(ValueError, match=message):
        histogram(x, GraphMetric([[0, 1], [1, 2]]), weights)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1, 0], [0, 0, 0, 0, 1], r"a has shape \(2,\), and the graph has 5 nodes"),
        ([1, 0, 0, 0, 0], [1], r"b has shape \(1,\)"),
        ([1, 0, -1, 0, 1], [1, 0, 0, 0, 0], "negative"),
        ([math.nan, 0, 0, 0, 1], [1, 0, 0, 0, 0], "NaN"),
        ([1, 0, 0, 0, 0], [0, 2, 0, 0, 0], "a sums to 1 and b to 2"),
        ([0, 0, 0, 0, 0], [0, 0, 0, 0, 0], "sums to 0"),
        (
            [1, 0, 0.5, 0, 0],
            [0.5, 0, 0, 0.5, 0.5],
            "part of 2 nodes around 'u' has 0.5 more in a; "
            "the part of 3 nodes around 'w' has 0.5 more in b; 2 of 2",
        ),
    ],
)
def test_broken_masses_are_refused_in_a_line(a, b, message):
    geometry = GraphMetric([[0, 1], [2, 3], [3, 4]], names=list("uvwxy"))
    a, b = (torch.tensor(m, dtype=torch.float64) for m in (a, b))
    with pytest.raises(ValueError, match=message) as caught:
        flow(a, b, geometry)
    assert "\n" not in str(caught.value)


def test_masses_that_balance_but_for_rounding():
    rng = np.random.default_rng(0)
    at = np.arange(64).reshape(8, 8)
    down = np.stack([at[1:].ravel(), at[:-1].ravel()], 1)
    right = np.stack([at[:, 1:].ravel(), at[:, :-1].ravel()], 1)
    edges = np.concatenate([down, right])
    geometry = GraphMetric(edges, rng.uniform(0.5, 1.5, len(edges)))
    for _ in range(200):  # of which 5 failed when units were finer than rounding
        x = rng.multinomial(200, rng.dirichlet(np.full(64, 0.3))) / 200
        y = rng.multinomial(150, np.full(64, 1 / 64)) / 150
        found = flow(torch.from_numpy(x), torch.from_numpy(y), geometry)
        assert found.gap <= 1e-9 * found.upper
