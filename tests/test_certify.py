"""Brackets around W1: known answers, what each side promises, and what is refused."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from otgan.certify import bracket, brackets, couplings
from otgan.certify.bounds import mean_error, permutation_p_value, plug_in_error
from otgan.certify.couplings import coupled_in_blocks, lowest, transported
from otgan.certify.critics import candidates, certified, in_double, means, split, steepest
from otgan.certify.penalised import penalised
from otgan.geometry import (
    Angles,
    Discrete,
    GraphMetric,
    Lp,
    Mahalanobis,
    MetricSpace,
    Power,
    Product,
)
from otgan.pairs import node_funnels
from otgan.transport import exact, solve
from otgan.transport.measures import masses

INF = float("inf")
STRETCH = Mahalanobis(torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64))
SHIFT = torch.tensor([0.6, -0.3], dtype=torch.float64)
ROADS = GraphMetric(
    [[0, 1], [1, 2], [2, 3], [3, 4], [4, 0], [1, 4]], [2.0, 1.0, 3.0, 1.5, 2.5, 1.0]
)


class Posts(MetricSpace):
    """A user's own metric: every journey goes through the origin, unless it goes nowhere."""

    def distance(self, x, y):
        ways = torch.linalg.vector_norm(x, dim=1) + torch.linalg.vector_norm(y, dim=1)
        return torch.where((x != y).any(1), ways, 0)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(n, d=2, seed=0):
    return torch.randn(n, d, generator=rng(seed), dtype=torch.float64)


def uniform(n, d=2, seed=0):
    return torch.rand(n, d, generator=rng(seed), dtype=torch.float64)


def few(x, geometry):
    """Steps for every training of a bracket, as few as make sense."""
    if not x.is_floating_point():
        return ()
    return (3,) * len(candidates(geometry, x[:4], x[:4])) + (20,)


def quick(x, y, geometry, **options):
    return bracket(x, y, geometry, **{"steps": few(x, geometry), **options})


def drawn(n, law, seed=0):
    return torch.multinomial(torch.tensor(law), n, True, generator=rng(seed))


HERE, THERE = uniform(200) + SHIFT, uniform(150, seed=1)
LAWS = [[0.7, 0.1, 0.2, 0, 0], [0.1, 0.1, 0.5, 0.2, 0.1]]
KNOWN = {
    "l2": (Lp(2), HERE, THERE, 0.45**0.5),
    "l1": (Lp(1), HERE, THERE, 0.9),
    "linf": (Lp(INF), HERE, THERE, 0.6),
    "l3": (Lp(3), HERE, THERE, (0.6**3 + 0.3**3) ** (1 / 3)),
    "line": (Lp(2), 3 * uniform(200, 1), uniform(150, 1, seed=1), 1.0),
    "Mahalanobis": (STRETCH, HERE, THERE, STRETCH.norm(SHIFT[None]).item()),
    "angles": (Angles(4), uniform(200) + 0.4, THERE, 0.8),
    "product": (Product([(Angles(4), (1,)), (Lp(2), (1,))]), HERE, THERE, 0.9),
    "own": (Posts(), 1 + uniform(200, 1), -2 - uniform(150, 1, seed=1), 4.0),
    "discrete": (
        Discrete(3),
        drawn(200, [0.2, 0.8])[:, None],
        drawn(150, [0.7, 0.3])[:, None],
        1.5,
    ),
    "graph": (ROADS, drawn(200, LAWS[0]), drawn(150, LAWS[1]), 1.95),
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_bracket_holds_a_known_w1(name):
    geometry, x, y, w1 = KNOWN[name]
    found = quick(x, y, geometry)
    assert 0.2 * w1 < found.lower <= w1 <= found.upper < 2 * w1
    assert found.lower <= found.estimate <= found.upper
    assert found.sample_lower == found.sample_upper == pytest.approx(exact(x, y, geometry).item())
    assert found.slope <= 1 + 1e-9
    assert found.p_value < 0.01
    assert found.confidence == 0.95


def test_the_known_w1_of_the_graph():
    nodes, laws = torch.arange(5), torch.tensor(LAWS, dtype=torch.float64)
    assert exact(nodes, nodes, ROADS, *laws).item() == pytest.approx(KNOWN["graph"][3])


def test_a_diameter_widens_the_bracket_and_holds_the_w1():
    x, y = uniform(200) + SHIFT, uniform(150, seed=1)
    plain, bounded = quick(x, y, Lp(1)), quick(x, y, Lp(1), diameter=2.9)
    assert bounded.lower < plain.lower <= 0.9 <= plain.upper < bounded.upper
    assert "2.9" in bounded.assumption


def test_normal_limits_are_doubted_where_one_point_makes_the_variance():
    x, y = uniform(100, 1), uniform(100, 1, seed=1)
    assert "doubtful" not in quick(x, y, Lp(2)).assumption
    x[0] = 30
    assert "doubtful: one point" in quick(x, y, Lp(2)).assumption
    assert "doubtful" not in quick(x, y, Lp(2), diameter=40.0).assumption


def test_more_confidence_widens_the_bracket():
    x, y = normal(300) + 2 * SHIFT, normal(300, seed=1)
    narrow, wide = quick(x, y, Lp(2), confidence=0.5), quick(x, y, Lp(2), confidence=0.99)
    assert wide.lower < narrow.lower < narrow.upper < wide.upper


def test_many_dimensions_loosen_the_upper_side_alone():
    x, y = normal(300, 30), normal(300, 30, seed=1)
    y[:, 0] += 1
    found = quick(x, y, Lp(2))
    assert 0.5 < found.lower <= 1 < 4 < found.upper
    assert found.critic == "means"


def test_each_side_is_right_as_often_as_it_says():
    above = below = 0
    for seed in range(20):
        x, y = normal(60, 1, seed) + 0.5, normal(60, 1, seed + 100)
        found = quick(x, y, Lp(2), seed=seed, steps=(1, 1, 1, 1, 1, 2))
        above += found.lower > 0.5
        below += found.upper < 0.5
    assert above <= 2 and below <= 2


def test_equal_distributions_are_not_told_apart():
    found = [
        quick(normal(80, 2, s), normal(60, 2, s + 50), Lp(2), seed=s, steps=(1, 1, 1, 1, 1, 5))
        for s in range(8)
    ]
    assert max(f.lower for f in found) < 0.05
    assert np.median([f.lower for f in found]) == 0
    assert np.median([f.p_value for f in found]) > 0.1
    assert min(f.p_value for f in found) > 0.005


@pytest.mark.parametrize(
    ("geometry", "make"),
    [
        (Lp(2), normal),
        (Lp(1), normal),
        (Angles(4), uniform),
        (Posts(), normal),
    ],
    ids=lambda v: repr(v)[:12],
)
def test_large_samples_lie_between_a_certified_and_a_primal_side(monkeypatch, geometry, make):
    x, y = make(300), make(200, seed=1) + 1
    monkeypatch.setattr(brackets, "_LARGEST", 60)
    monkeypatch.setattr(couplings, "_BLOCK", 60)
    found, truth = quick(x, y, geometry), exact(x, y, geometry).item()
    assert 0.2 * truth < found.sample_lower < truth <= found.sample_upper + 1e-9 < 1.2 * truth
    assert found.upper > found.sample_upper


def test_large_samples_on_a_graph_on_the_line_or_with_few_values_stay_exact(monkeypatch):
    monkeypatch.setattr(brackets, "_LARGEST", 30)
    for name in ("graph", "line", "discrete"):
        geometry, x, y, _ = KNOWN[name]
        found = quick(x, y, geometry)
        assert (
            found.sample_lower == found.sample_upper == pytest.approx(exact(x, y, geometry).item())
        )


@pytest.mark.parametrize(("n", "m"), [(110, 70), (120, 60), (40, 41), (200, 1)])
def test_blocks_hold_all_the_mass(monkeypatch, n, m):
    monkeypatch.setattr(couplings, "_BLOCK", 30)
    x, y = normal(n), normal(m, seed=1) + 2
    i, j, mass = couplings._random_pairs(n, m, rng())
    for side, k in ((i, n), (j, m)):
        torch.testing.assert_close(
            mass.new_zeros(k).index_add(0, side, mass), mass.new_full((k,), 1 / k)
        )
    cost = coupled_in_blocks(x, y, Lp(1), rng())
    assert exact(x, y, Lp(1)).item() * (1 - 1e-9) <= cost < 1.1 * exact(x, y, Lp(1)).item()
    assert coupled_in_blocks(x, y, Discrete(), rng()) == pytest.approx(1)


def test_sweeps_bring_the_coupling_near_the_optimum(monkeypatch):
    monkeypatch.setattr(couplings, "_BLOCK", 50)
    x, y = normal(300), normal(300, seed=1)
    costs = []
    for sweeps in (0, 8):
        monkeypatch.setattr(couplings, "_SWEEPS", sweeps)
        costs.append(coupled_in_blocks(x, y, Lp(2), rng()))
    truth = exact(x, y, Lp(2)).item()
    assert truth <= costs[1] < 1.1 * truth < 1.5 * truth < costs[0]


WEIGHTS = (
    (Lp(2), normal(7), normal(5, seed=1), torch.rand(7, generator=rng()), None),
    (Lp(2), normal(7, 1), normal(5, 1, seed=1), torch.rand(7, generator=rng()), None),
    (Angles(3), normal(7), normal(5, seed=1), None, torch.rand(5, generator=rng())),
    (ROADS, torch.arange(5), torch.tensor([2, 3]), None, torch.tensor([0.25, 0.75])),
    (Discrete(), torch.tensor([[1], [2]]), torch.tensor([[2], [3]]), torch.tensor([1.0, 3]), None),
)


@pytest.mark.parametrize(("geometry", "x", "y", "a", "b"), WEIGHTS, ids=lambda v: repr(v)[:20])
def test_both_sides_meet_when_weights_are_known(geometry, x, y, a, b):
    found = bracket(x, y, geometry, a=a, b=b)
    expected = pytest.approx(exact(x, y, geometry, a, b).item())
    assert found.lower == found.estimate == found.upper == expected
    assert found.sample_lower == found.sample_upper == found.lower
    assert (found.confidence, found.p_value) == (1.0, None)
    assert found.slope <= 1 + 1e-9
    mass_a, mass_b = masses(a, b, len(x), len(y), torch.empty(0, dtype=torch.float64))
    f = found.potential
    gap = mass_a @ f(_double(x)).double() - mass_b @ f(_double(y)).double()
    assert gap.item() == expected


def _double(x):
    return x.double() if x.is_floating_point() else x


def test_a_repeat_by_steps_is_exact_and_touches_no_generator():
    x, y = normal(60) + SHIFT, normal(50, seed=1)
    state = torch.get_rng_state()
    first = bracket(x, y, Lp(2), seconds=0.2)
    torch.rand(3)
    assert bracket(x, y, Lp(2), steps=first.steps) == first
    assert bracket(x, y, Lp(2), steps=first.steps, seed=1) != first
    torch.set_rng_state(state)
    assert len(first.steps) == 6 and min(first.steps) >= 15


def test_a_bracket_leaves_the_global_generator_and_its_arguments_alone():
    x, y, ruler = normal(60).float(), normal(50, seed=1).float(), Mahalanobis(torch.eye(2))
    state, kept = torch.get_rng_state(), (x.clone(), y.clone())
    quick(x, y, ruler)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(x, kept[0]) and torch.equal(y, kept[1])
    assert ruler.factor.dtype == torch.float32


def test_the_critic_is_scored_on_points_it_has_not_seen(monkeypatch):
    """A function that knows the points it was made from is 0 on all others."""

    def cheat(train, judge, *_):
        seen = torch.cat([*train, *judge])
        return "cheat", lambda z: (z[:, None] == seen).all(2).any(1) + 0 * z.sum(1), ()

    monkeypatch.setattr(brackets, "certified", cheat)
    x, y = normal(60), normal(50, seed=1)
    found = bracket(x, y, Lp(2))
    assert found.estimate == 0 and found.p_value == 1


def test_the_split_uses_every_point_once():
    parts = split(torch.arange(101), rng())
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(101))
    assert [len(part) for part in parts] == [45, 15, 41]


@pytest.mark.parametrize("name", [k for k, v in KNOWN.items() if v[1].is_floating_point()])
def test_every_candidate_is_certified_in_double_precision(name):
    geometry, x, y, _ = KNOWN[name]
    single = (
        geometry.__class__(STRETCH.factor @ STRETCH.factor.T) if name == "Mahalanobis" else geometry
    )
    for make in candidates(single, x.float(), y.float()).values():
        f = in_double(make(), geometry)
        assert steepest(f, x, y, geometry) <= 1 + 1e-12


def test_a_critic_that_is_too_steep_is_not_chosen(monkeypatch):
    from otgan.certify import critics

    monkeypatch.setattr(critics, "means", lambda x, y, g: lambda z: 5 * means(x, y, g)(z))
    x, y = normal(60) + SHIFT, normal(60, seed=1)
    name, f, _ = certified((x, y), (x, y), Lp(2), 1, (1,) * 6, rng())
    assert name != "means"
    assert steepest(f, x, y, Lp(2)) <= 1 + 1e-9


@pytest.mark.parametrize("p", [1, 2, 3, INF])
def test_means_make_the_norm_of_their_difference(p):
    x, y = normal(50) + SHIFT, normal(40, seed=1)
    f, way = means(x, y, Lp(p)), x.mean(0) - y.mean(0)
    assert (f(x).mean() - f(y).mean()).item() == pytest.approx(Lp(p).norm(way[None]).item())
    assert steepest(f, x, y, Lp(p)) <= 1 + 1e-12


@pytest.mark.parametrize("weighted", [False, True])
def test_the_line_in_closed_form_agrees_with_the_solver(weighted):
    ruler = Mahalanobis(torch.tensor([[4.0]], dtype=torch.float64))
    x, y = normal(60, 1), 1.5 * normal(40, 1, seed=1).round(decimals=1)
    a = torch.rand(60, generator=rng(), dtype=torch.float64) if weighted else None
    cost, f = transported(x, y, ruler, a)
    assert cost == pytest.approx(solve(x, y, ruler, a).cost.item())
    mass_x, mass_y = masses(a, None, 60, 40, x)
    assert (mass_x @ f(x) - mass_y @ f(y)).item() == pytest.approx(cost)
    assert steepest(f, x, y, ruler) <= 1 + 1e-12
    same, _ = transported(x, x, ruler)
    assert same == 0


@pytest.mark.parametrize("name", ["l2", "angles", "graph", "discrete"])
def test_the_lowest_extension_keeps_values_and_slopes(name):
    geometry, x, y, _ = KNOWN[name]
    x, y, geometry = x[:30], y[:30], geometry.double()
    f = transported(x, y, geometry)[1]
    g, z = lowest(f, x, geometry), y
    torch.testing.assert_close(g(x), f(x))
    assert (g(z) <= f(z) + 1e-9).all()
    assert steepest(g, x, y, geometry) <= 1 + 1e-9


def test_bernsteins_and_hoeffdings_bounds_by_hand():
    x, y = torch.tensor([0.0, 1, 1, 0, 1] * 8).double(), torch.tensor([0.0, 2, 0, 0] * 5).double()
    log = math.log(4 / 0.05)
    expected = sum(
        math.sqrt(2 * v.var().item() * log / len(v)) + 7 * 2 * log / (3 * (len(v) - 1))
        for v in (x, y)
    )
    assert mean_error(x, y, 0.05, 2.0) == pytest.approx(expected)
    hoeffding = 2 * math.sqrt(math.log(20) / 2 * (1 / 40 + 1 / 20))
    assert plug_in_error(x, y, 0.05, 2.0) == pytest.approx(hoeffding)
    assert hoeffding < expected
    assert mean_error(x, y, 0.05, 2.0, (x, y)) == hoeffding
    many = torch.zeros(1000).double()
    assert mean_error(many, many, 0.05, 2.0, (many, many)) < plug_in_error(many, many, 0.05, 2.0)


def test_errors_for_large_samples_by_hand():
    x, y = normal(40, 1)[:, 0], normal(30, 1, seed=1)[:, 0]
    spread = math.sqrt(x.var() / 40 + y.var() / 30)
    q = stats.t.ppf(0.975, 29)
    assert mean_error(x, y, 0.025) == pytest.approx(q * spread)
    assert q * spread < plug_in_error(x, y, 0.025) < 1.01 * q * spread
    half = plug_in_error(x, y, 0.025, sizes=(160, 120))
    assert half == pytest.approx(plug_in_error(x, y, 0.025) / 2)


def test_the_mean_error_holds_as_often_as_it_says():
    """Of rare events, where it is hardest: normal limits fail, the bounded error does not."""
    draws = np.random.default_rng(0).random((2, 1000, 50)) < 0.02
    x, y = torch.from_numpy(draws).double()
    wrong = [
        (a.mean() - b.mean()).item() > mean_error(a, b, 0.05, 1.0)
        for a, b in zip(x, y, strict=True)
    ]
    assert np.mean(wrong) <= 0.05


def test_permutation_p_values_are_uniform_where_nothing_differs():
    p = [
        permutation_p_value(normal(30, 1, s), normal(20, 1, s + 1000), seed=s, draws=199)
        for s in range(200)
    ]
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.005 <= np.mean(np.array(p) <= 0.05) <= 0.1
    assert min(p) >= 1 / 200


def test_permutation_p_values_count_ties_and_see_differences():
    ones = torch.full((30,), 0.1)
    assert permutation_p_value(ones, ones[:20], draws=99) == 1
    assert permutation_p_value(normal(30, 1) + 2, normal(20, 1, seed=1), draws=999) == 0.001
    assert permutation_p_value(normal(30, 1) - 2, normal(20, 1, seed=1), draws=999) == 1
    far = 1e8 + torch.tensor([0.0, 1] * 10).double()
    assert permutation_p_value(far, far, draws=199) > 0.05


def test_a_graph_with_more_nodes_than_points():
    grid = torch.arange(100).view(10, 10)
    edges = torch.cat([
        torch.stack([grid[1:].flatten(), grid[:-1].flatten()], 1),
        torch.stack([grid[:, 1:].flatten(), grid[:, :-1].flatten()], 1),
    ])  # fmt: skip
    pair = node_funnels(GraphMetric(edges), number=3)
    x, y = (torch.multinomial(mass, 300, True, generator=rng(3)) for mass in pair.masses)
    found = bracket(x, y, pair.geometry)
    assert 0 < found.lower <= pair.cost <= found.upper
    assert found.steps == () and found.slope <= 1 + 1e-9


def test_a_penalised_critic_says_a_value_and_its_slope():
    x, y = normal(100) + 2 * SHIFT, normal(100, seed=1)
    for geometry in (Lp(2), Angles(20)):
        found = penalised(x, y, geometry, steps=60)
        again = penalised(x, y, geometry, steps=60)
        assert found == again and found.steps == 60
        assert found.value > 0 and found.slope > 0
        assert found.value / found.slope < 3


ARGUMENTS = {
    "no metric": ({"geometry": Power(Lp(2), 2)}, "is no metric"),
    "few points": ({"x": normal(19)}, "needs 20 points a side, got 19 and 50"),
    "no seconds": ({"seconds": 0}, "the critics need some seconds, and an end, got 0"),
    "endless": ({"seconds": INF}, "and an end, got inf"),
    "certainty": ({"confidence": 1.0}, "a confidence is between 0 and 1, got 1"),
    "percent": ({"confidence": 95}, "a confidence is between 0 and 1, got 95"),
    "no diameter": ({"diameter": 0.0}, "a diameter is a positive number, got 0"),
    "small diameter": ({"diameter": 0.5}, "farther than a diameter of 0.5"),
    "shapes": ({"x": normal(50, 3)}, "cannot move"),
    "nan": ({"x": normal(50) * math.nan}, "NaN or infinity"),
    "other steps": ({"steps": (1, 2)}, "steps are 6 positive numbers here"),
    "weights": ({"a": -torch.ones(60)}, "negative weight"),
    "infinite cost": ({"geometry": Power(Discrete(), 1e-3), "x": normal(60) * INF}, "infinity"),
}


@pytest.mark.parametrize(("changed", "says"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_bad_arguments_are_refused(changed, says):
    arguments = {"x": normal(60), "y": normal(50, seed=1), "geometry": Lp(2), **changed}
    with pytest.raises(ValueError, match=says):
        bracket(**arguments)


def test_nodes_that_no_path_connects_are_refused_by_name():
    parts = GraphMetric([[0, 1], [2, 3]], names=["a", "b", "c", "d"])
    x, y = torch.tensor([0, 1] * 20), torch.tensor([0, 1, 1, 2] * 10)
    with pytest.raises(ValueError, match=r"2 parts .* 40 and 30 around 'a', 0 and 10 around 'c'"):
        bracket(x, y, parts)
    assert bracket(x, x, parts).sample_upper == 0


@pytest.mark.slow
def test_whole_brackets_hold_as_often_as_they_say():
    held = 0
    for seed in range(100):
        x, y = normal(100, 1, seed) + 1, 1.5 * normal(80, 1, seed + 500)
        found = quick(x, y, Lp(2), seed=seed, steps=(1, 1, 1, 1, 1, 3))
        held += found.lower <= _between_normals(1, 0.5) <= found.upper
    assert held >= 90


def _between_normals(shift, spread):
    """E |shift + spread Z|."""
    ratio = shift / spread
    return spread * math.sqrt(2 / math.pi) * math.exp(-(ratio**2) / 2) + shift * (
        1 - 2 * stats.norm.cdf(-ratio)
    )
