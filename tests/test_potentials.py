"""Cones and landmarks stay 1-Lipschitz, by a search for a slope above 1, and find known answers."""

import math

import networkx as nx
import pytest
import torch

from otgan.certify import contest, fit
from otgan.geometry import (
    Angles,
    Discrete,
    GraphMetric,
    GreatCircle,
    Lp,
    Mahalanobis,
    Product,
    Pullback,
    Sobolev,
)
from otgan.networks.potentials import Cones, Landmarks, cayley
from otgan.pairs import funnels

WIDE = Mahalanobis(torch.diag(torch.tensor([1e-4, 1.0, 1.0, 9.0])))
NORMS = [Lp(1), Lp(1.5), Lp(2), Lp(7), Lp(math.inf), WIDE]
SPACES = [
    *((g, (4,)) for g in NORMS),
    (Sobolev(1), (1, 4, 3)),
    (Sobolev(-1), (1, 3, 4)),
    (Product([(Lp(2), (2,)), (Lp(1), (2,))], [1, 3]), (4,)),
    (Product([(Lp(2), (2,)), (Angles(), (2,))], combine="max"), (4,)),
    (Angles(), (3,)),
    (GreatCircle(), (3,)),
    (Pullback(Lp(2), lambda x: x.tanh()), (3,)),
]


def points(n, shape, seed=0, dtype=torch.float64):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def critics():
    for geometry, shape in SPACES:
        for side in ("peaks", "valleys"):
            yield pytest.param(geometry, shape, Landmarks, {"side": side}, id=f"{geometry} {side}")
    for geometry, shape in SPACES[:8]:
        for options in ({}, {"blocks": 1, "side": "valleys"}, {"rank": 1}, {"rank": 0}):
            yield pytest.param(geometry, shape, Cones, options, id=f"{geometry} {options}")


def make(geometry, shape, kind, options, wild):
    torch.manual_seed(0)
    f = kind(geometry.double(), points(12, shape), **options).double()
    with torch.no_grad():
        for weight in f.parameters():
            weight.mul_(wild).add_((wild - 1) * torch.randn_like(weight))
    return f


def steepest(f, geometry, x, y, steps=25):
    """The largest secant found by gradient ascent on both ends."""
    x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
    optimiser = torch.optim.Adam([x, y], lr=0.05)
    best = 0.0
    for _ in range(steps):
        d = geometry.distance(x, y)
        far = d > 1e-3
        slope = ((f(x) - f(y)).abs() / torch.where(far, d, 1))[far]
        best = max(best, slope.max().item())
        optimiser.zero_grad()
        (-slope.sum()).backward()
        for v in (x, y):
            v.grad.nan_to_num_()
        optimiser.step()
    return best


@pytest.mark.parametrize(("geometry", "shape", "kind", "options"), critics())
@pytest.mark.parametrize(
    ("wild", "done"),
    [(4, 0.7), *(pytest.param(*v, marks=pytest.mark.slow) for v in ((1, 0), (4, 1)))],
)
def test_no_search_finds_a_slope_above_1(geometry, shape, kind, options, wild, done):
    f = make(geometry, shape, kind, options, wild)
    f.anneal(done)
    x, y = points(40, shape, 1), points(40, shape, 2)
    assert 1e-3 < steepest(f, geometry, x, y) <= 1 + 1e-7


def test_the_search_finds_what_is_steeper():
    f = make(Lp(2), (4,), Cones, {"blocks": 1}, 1)
    with torch.no_grad():
        f.fading.zero_()
    x, y = points(60, (4,), 1), points(60, (4,), 2)
    assert steepest(f, Lp(2), x, y) > 0.999
    assert steepest(lambda v: 1.01 * f(v), Lp(2), x, y) > 1.001
    g = make(Lp(2), (4,), Landmarks, {}, 1)
    assert steepest(g, Lp(math.inf), x, y) > 1.2  # 1-Lipschitz in l2 is not so in l-infinity
    assert steepest(g, Lp(1), x, y) <= 1 + 1e-9  # but in l1, which is larger


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("side", ["peaks", "valleys"])
def test_a_landmark_is_a_distance(side, sign):
    a = points(1, (3,))
    f = Landmarks(Lp(1), a, side).double()
    x = points(5, (3,), 1)
    expected = Lp(1).distance(x, a.expand(5, 3))
    torch.testing.assert_close(f(x), -expected if side == "peaks" else expected)


def test_nodes_of_a_graph_are_landmarks_that_stay():
    geometry = GraphMetric.from_networkx(nx.karate_club_graph(), weight=None)
    nodes = torch.arange(34)
    f = Landmarks(geometry, nodes[::5])
    assert [name for name, _ in f.named_parameters()] == ["bias", "radii"]
    with torch.no_grad():
        f.bias.normal_(generator=torch.Generator().manual_seed(0))
    values = f(nodes).detach()
    u, v = geometry.edges.T
    assert ((values[u] - values[v]).abs() <= geometry.lengths * (1 + 1e-6)).all()


def test_points_without_coordinates():
    f = Landmarks(Discrete(), torch.tensor([[0, 1], [1, 1]]))
    assert f(torch.tensor([[0, 1], [1, 1], [5, 5]])).tolist() == [0, 0, -1]


def test_cones_need_a_norm_they_know():
    with pytest.raises(ValueError, match="use Landmarks with max"):
        Cones(Product([(Lp(2), (2,)), (Lp(1), (2,))], combine="max"), points(5, (4,)))


@pytest.mark.parametrize(("n", "m"), [(5, 5), (7, 3), (4, 0)])
def test_cayley_gives_orthonormal_columns(n, m):
    q = cayley(10 * points(6, (n, m)))
    assert q.shape == (6, n, m)
    torch.testing.assert_close(q.mT @ q, torch.eye(m, dtype=q.dtype).expand(6, m, m))


def test_the_soft_envelope_goes_over_into_the_hard_one():
    f = make(Lp(2), (4,), Cones, {}, 1)
    x = points(50, (4,), 1)
    hard = f(x)
    gaps = []
    for done in (0.0, 0.9, 0.999):
        f.anneal(done)
        gaps.append((f(x) - hard).abs().max().item())
    assert gaps[0] > gaps[1] > gaps[2] and gaps[2] < 1e-5
    f.anneal(1)
    assert torch.equal(f(x), hard)


@pytest.mark.slow
@pytest.mark.parametrize("sets", ["points", "flats", "spheres"])
def test_cones_find_sets_of_every_kind(sets):
    pair = funnels(Lp(2), 4, sets, 3)
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    x, y = pair.sample(32, generator)
    makers = {
        "peaks": lambda: Cones(Lp(2), x),
        "valleys": lambda: Cones(Lp(2), y, "valleys"),
    }

    def judge(f):
        score = pair.score(f.double(), 2000)
        f.float()
        return score["ratio"]

    steps = (250, 250, 1500)  # not seconds: the same on every machine
    best, f, _ = contest(makers, lambda n: pair.sample(n, generator), judge, Lp(2), 1, steps=steps)
    score = pair.score(f.double(), 5000)
    assert best == "peaks"
    assert 0.9 < score["ratio"] <= 1 + 1e-9
    assert score["slope"] <= 1 + 1e-9


def test_fit_uses_its_budget():
    import time

    pair = funnels(Lp(2), 2)
    generator = torch.Generator().manual_seed(0)
    f = Landmarks(Lp(2), pair.sample(8, generator)[0])
    start = time.perf_counter()
    steps = fit(f, lambda n: pair.sample(n, generator), Lp(2), 1.0)
    assert steps > 20 and time.perf_counter() - start < 10
    assert pair.score(f.double(), 2000)["ratio"] > 0.8
