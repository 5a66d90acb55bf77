"""Every pair against exact transport of its own draws, and its critic against every slope."""

import math

import pytest
import torch

from otgan.geometry import GraphMetric, Lp, Mahalanobis, Sobolev
from otgan.pairs import (
    ConditionalPair,
    dilation,
    funnels,
    node_funnels,
    point_masses,
    product_of_lines,
    translation,
)
from otgan.transport import exact
from otgan.transport.flow import flow

HILBERT = ("points", "lines", "flats", "spheres", "segments", "boxes", "curves")
LATTICE = ("points", "lines", "flats", "boxes", "curves")
RULER = Mahalanobis(torch.tensor([[2.0, 0.9, 0], [0.9, 1, 0.3], [0, 0.3, 0.5]]))
NORMS = [Lp(1), Lp(1.5), Lp(2), Lp(math.inf), RULER]

PAIRS = {
    f"{sets} {geometry!r} {keep}": (geometry, sets, keep)
    for geometry in NORMS
    for sets in (HILBERT if geometry.whiten(torch.eye(3)) is not None else LATTICE)
    for keep in ("ray", 0.3)
    if f"{sets} {geometry!r}" != "curves l1.5"  # slow, and nothing new
}
FUNNELS = {name: funnels(g, 3, sets, 4, keep) for name, (g, sets, keep) in PAIRS.items()}
SHIFT = torch.tensor([1.0, -2.0, 0.5])
KNOWN = {
    **{f"translation {g!r}": (translation(g, SHIFT), g.norm(SHIFT[None]).item()) for g in NORMS},
    **{f"point masses {g!r}": (point_masses(g, SHIFT), g.norm(SHIFT[None]).item()) for g in NORMS},
    "radial Gaussians": (dilation(Lp(2), 3, 2.5), 1.5 * math.sqrt(8 / math.pi)),
    "shrinking, l1": (dilation(Lp(1), 2, 0.25), 0.75 * 2 * math.sqrt(2 / math.pi)),
    "1-D, mean": (product_of_lines([-2.0], [1.0]), 2.0),
    "1-D, deviation": (product_of_lines([0.0], [3.0]), 2 * math.sqrt(2 / math.pi)),
    "product of lines": (
        product_of_lines([0.0, 1.0], [0.5, 1.0]),
        0.5 * math.sqrt(2 / math.pi) + 1,
    ),
}
ALL = {**FUNNELS, **{name: pair for name, (pair, _) in KNOWN.items()}}
every = pytest.mark.parametrize(
    "pair",
    [
        pytest.param(pair, id=name, marks=[pytest.mark.slow] if name.endswith(" 0.3") else [])
        for name, pair in ALL.items()
    ],
)


def draws(pair, n, seed=0):
    return (v.double() for v in pair.coupled(n, torch.Generator().manual_seed(seed)))


@every
def test_the_coupling_is_optimal(pair):
    x, y = draws(pair, 80)
    cost = pair.geometry.distance(x, y).mean()
    torch.testing.assert_close(exact(x, y, pair.geometry), cost, rtol=1e-5, atol=1e-6)
    assert cost > 0.01


@every
def test_the_critic_attains_the_cost_on_every_draw(pair):
    x, y = draws(pair, 500)
    climb = pair.potential(x) - pair.potential(y)
    torch.testing.assert_close(climb, pair.geometry.distance(x, y), rtol=1e-5, atol=2e-5)


@every
def test_the_critic_is_1_lipschitz(pair):
    x, y = draws(pair, 400)
    points = torch.cat([x, y, 5 * torch.randn(400, x.shape[1], dtype=x.dtype)])
    other = points[torch.randperm(len(points))]
    d = pair.geometry.distance(points, other)
    climb = (pair.potential(points) - pair.potential(other)).abs()
    assert (climb - d * (1 + 1e-9)).max() <= 1e-9


def test_the_centre_of_a_sphere_is_as_far_from_it_as_it_is_wide():
    pair = funnels(Lp(2), 3, "spheres", 1)
    centre = 2.5 * (2 * torch.rand(1, 3, generator=torch.Generator().manual_seed(0)) - 1)
    torch.manual_seed(0)
    around = centre + 1e-3 * torch.randn(200, 3)
    f, g = pair.potential(centre), pair.potential(around)
    assert (f - g).abs().max() < 5e-3


@every
def test_its_own_critic_scores_1(pair):
    score = pair.score(pair.potential, 2000)
    assert score["ratio"] == pytest.approx(1, abs=1e-4)
    assert score["cosine"] == pytest.approx(1, abs=1e-6)
    assert score["l2"] == pytest.approx(0, abs=1e-6)
    assert score["slope"] <= 1 + 1e-5


def test_a_wrong_critic_scores_badly():
    pair = funnels(Lp(2), 3)
    assert pair.score(lambda x: -pair.potential(x), 500)["ratio"] == pytest.approx(-1, abs=1e-4)
    half = pair.score(lambda x: 0.5 * pair.potential(x), 500)
    assert (half["ratio"], half["slope"]) == pytest.approx((0.5, 0.5), abs=1e-3)
    assert half["cosine"] == pytest.approx(1, abs=1e-6)
    assert half["l2"] == pytest.approx(0.25, abs=1e-4)
    flat = pair.score(lambda x: 0 * x.sum(1), 500)
    assert (flat["ratio"], flat["cosine"], flat["l2"]) == (0, 0, 1)


@pytest.mark.parametrize(("pair", "cost"), KNOWN.values(), ids=KNOWN.keys())
def test_the_formula(pair, cost):
    assert pair.cost(200_000) == pytest.approx(cost, rel=0.01)


def test_samples_are_independent_of_each_other_and_of_the_coupling():
    pair = point_masses(Lp(2), SHIFT)
    x, y = pair.sample(5, torch.Generator().manual_seed(0))
    assert torch.equal(x, SHIFT.expand(5, 3)) and not y.any()
    pair = translation(Lp(2), SHIFT)
    x, y = pair.sample(2000, torch.Generator().manual_seed(0))
    assert (x - y - SHIFT).norm(dim=1).mean() > 1


def test_sets_without_nearest_points_are_refused():
    with pytest.raises(ValueError, match="spheres under l1 have no closed form"):
        funnels(Lp(1), 3, "spheres")
    with pytest.raises(ValueError, match="factor of at least 0, got -1"):
        dilation(Lp(2), 2, -1)


def test_images_move_under_a_sobolev_norm():
    geometry = Sobolev(1)
    image = torch.randn(1, 4, 4)
    v = geometry.norm(image[None])
    x = torch.randn(30, 1, 4, 4)
    torch.testing.assert_close(exact(x + image, x, geometry), v[0], rtol=1e-4, atol=0)


@pytest.mark.parametrize("seed", range(4))
def test_on_a_graph(seed):
    import networkx as nx

    graph = nx.random_geometric_graph(60, 0.3, seed=seed)
    graph = graph.subgraph(max(nx.connected_components(graph), key=len))
    for u, v in graph.edges:
        graph.edges[u, v]["weight"] = 0.1 + abs(u - v) % 7
    pair = node_funnels(GraphMetric.from_networkx(graph), seed=seed)
    a, b = pair.masses
    assert flow(a, b, pair.geometry).value.item() == pytest.approx(pair.cost, rel=1e-5)
    assert ((a - b) @ pair.potential).item() == pytest.approx(pair.cost, rel=1e-9)
    u, v = pair.geometry.edges.T
    slopes = (pair.potential[u] - pair.potential[v]).abs() / pair.geometry.lengths
    assert slopes.max() <= 1 + 1e-6
    assert pair.cost > 0


def test_per_condition_the_joint_distance_is_the_mean():
    joint = ConditionalPair([funnels(Lp(2), 2, seed=s, keep=k) for s, k in ((0, 0.1), (1, 0.8))])
    x, y, condition = joint.coupled(300, torch.Generator().manual_seed(0))
    means = [
        exact(x[condition == c], y[condition == c], Lp(2)) * (condition == c).double().mean()
        for c in (0, 1)
    ]
    cost = Lp(2).distance(x, y).mean()
    torch.testing.assert_close(sum(means).float(), cost, rtol=1e-5, atol=0)
    climb = joint.potential(x, condition) - joint.potential(y, condition)
    torch.testing.assert_close(climb.mean(), cost, rtol=1e-5, atol=0)
    assert joint.cost(50_000) == pytest.approx(cost.item(), rel=0.1)
