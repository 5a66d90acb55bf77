"""Every law of `otgan.testing` over every geometry, and answers known without it."""

import copy
import math

import pytest
import torch
from torch import nn

from otgan.geometry import (
    Angles,
    Discrete,
    GreatCircle,
    Leading,
    Lp,
    Mahalanobis,
    NormedSpace,
    Power,
    Product,
    Pullback,
    Sobolev,
)
from otgan.testing import check_geometry, geometry_laws

EXPONENTS = [1, 1.3, 2, 3, 7.5, 60, math.inf]
COMBINATIONS = ["sum", "max", "l2"]


def points(n, shape, seed=0, dtype=torch.float64):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def covariance(d, condition):
    turn = torch.linalg.qr(points(d, (d,), 7)).Q
    return turn @ torch.diag(torch.logspace(0, math.log10(condition), d, dtype=turn.dtype)) @ turn.T


def embedding():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.BatchNorm1d(8), nn.Linear(8, 3)).double()


def label(geometry, x):
    return f"{geometry!r}-{tuple(x.shape[1:])}"


NORMS = [(Mahalanobis(covariance(3, 5)), (3,)), (Lp(1), (2, 2)), (Lp(3), (2,))]
MIXED = [(Angles(), (2,)), (Lp(2), (3,)), (GreatCircle(2), (3,)), (Discrete(), ())]
GEOMETRIES = [
    *((Lp(p), (5,)) for p in EXPONENTS),
    *((Lp(p), shape) for p in [1, 1.3, 2, math.inf] for shape in [(1,), (3, 4, 2)]),
    (Lp(2), ()),
    (Mahalanobis(covariance(4, 3)), (4,)),
    (Mahalanobis(covariance(6, 1e4)), (2, 3)),
    *((Sobolev(s), (2, 5, 6)) for s in [-1, 0.5, 1, 2]),
    (Sobolev(1, length=3), (7, 1)),
    (Pullback(Lp(2), embedding()), (4,)),
    (Pullback(Lp(1), embedding()), (4,)),
    (Pullback(Angles(), torch.atan), (2, 2)),
    *((Product(NORMS, [2, 0.5, 1], combine), (9,)) for combine in COMBINATIONS),
    *((Product(MIXED, [2, 0.5, 1, 3], combine), (9,)) for combine in COMBINATIONS),
    (Leading(Lp(1), 3), (5,)),
    (Discrete(2), (3,)),
    (Angles(), (3, 2)),
    (Angles(1, p=2), (5,)),
    (GreatCircle(), (2,)),
    (GreatCircle(6371), (5,)),
    (Power(Lp(2), 0.5), (3,)),
    (Power(Angles(), 1), (3,)),
]
CASES = [(geometry, 2 * points(12, shape)) for geometry, shape in GEOMETRIES]
NODES = [(Discrete(), torch.arange(9)), (Power(Discrete(), 0.5), torch.arange(8).view(4, 2))]
LAWS = [
    pytest.param(law, *case, id=f"{law}-{label(*case)}")
    for case in CASES + NODES
    for law in geometry_laws(*case)
]
lp = pytest.mark.parametrize("geometry", [Lp(p) for p in EXPONENTS], ids=repr)


@pytest.mark.parametrize(("law", "geometry", "x"), LAWS)
def test_law(law, geometry, x):
    law(geometry, x)


@pytest.mark.parametrize(("geometry", "x"), CASES, ids=[label(*case) for case in CASES])
def test_laws_hold_in_single_precision_and_survive_a_copy(geometry, x):
    geometry = copy.deepcopy(geometry).train()
    assert "triangle_inequality" in check_geometry(geometry, x.float(), seed=1)
    assert "\n" not in repr(geometry)  # a label in tables


@lp
@pytest.mark.parametrize("shape", [(1,), (5,), (3, 4, 2)], ids=str)
def test_lp_distance_is_its_definition(geometry, shape):
    v, p = points(50, shape), geometry.p
    flat = v.flatten(1).abs()
    definition = flat.amax(1) if math.isinf(p) else flat.pow(p).sum(1).pow(1 / p)
    torch.testing.assert_close(geometry.norm(v), definition)


@pytest.mark.parametrize("geometry", [Lp(2), Mahalanobis(torch.eye(30))], ids=repr)
def test_pairwise_keeps_small_distances_of_far_points(geometry):
    x = 1000 + 1e-2 * points(40, (30,), dtype=torch.float32)
    expected = (x[0].double() - x[1].double()).norm()
    torch.testing.assert_close(geometry.pairwise(x, x)[0, 1].double(), expected, rtol=1e-5, atol=0)


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


@pytest.mark.parametrize("condition", [1, 10, 1e6])
def test_mahalanobis_is_l2_after_whitening(condition):
    x, y, s = points(20, (4,)), points(20, (4,), 1), covariance(4, condition)
    whiten = torch.linalg.inv(torch.linalg.cholesky(s)).T
    torch.testing.assert_close(
        Mahalanobis(s).distance(x, y), Lp(2).distance(x @ whiten, y @ whiten)
    )
    definition = torch.einsum("ni,ij,nj->n", x - y, torch.linalg.inv(s), x - y).sqrt()
    torch.testing.assert_close(Mahalanobis(s.numpy()).distance(x, y), definition)


def test_mahalanobis_keeps_its_precision_under_autocast():
    geometry, g = Mahalanobis(covariance(6, 1e4).float()), points(5, (6,), dtype=torch.float32)
    net = Pullback(Lp(2), nn.Linear(6, 3))
    expected = geometry.norm(g), geometry.dual_norm(g), net.distance(g, -g)
    with torch.autocast("cpu", torch.bfloat16):
        found = geometry.norm(g), geometry.dual_norm(g), net.distance(g, -g)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("matrix", "reason"),
    [
        (torch.ones(2, 3), "square"),
        (torch.ones(3), "square"),
        (torch.tensor([[1.0, 0.5], [0.0, 1.0]]), "symmetric"),
        (torch.tensor([[1.0, math.nan], [math.nan, 1.0]]), "NaN"),
        (torch.diag(torch.tensor([1.0, -1.0])), "shrink"),
        (torch.cov(points(4, (6,), dtype=torch.float32).T), "shrink"),  # rank 3, to rounding
    ],
)
def test_what_is_no_covariance_is_refused(matrix, reason):
    with pytest.raises(ValueError, match=reason):
        Mahalanobis(matrix)


def test_points_that_do_not_fit_are_refused():
    x = points(3, (4,))
    with pytest.raises(ValueError, match=r"4 coordinates .* 2 x 2"):
        Mahalanobis(torch.eye(2)).distance(x, x)
    with pytest.raises(ValueError, match=r"images .* \(3, 4\)"):
        Sobolev(1).distance(x, x)
    with pytest.raises(ValueError, match=r"\(4,\) .* length 5: .* \(2,\), \(3,\)"):
        Product([(Lp(2), (2,)), (Lp(1), (3,))]).distance(x, x)
    with pytest.raises(ValueError, match="2 or more"):
        GreatCircle().distance(x[:, :1], x[:, :1])


@pytest.mark.parametrize("shape", [(8, 8), (3, 5, 7), (1, 9, 4)], ids=str)
def test_sobolev_of_order_0_is_l2(shape):
    v = points(6, shape)
    torch.testing.assert_close(Sobolev(0).norm(v), Lp(2).norm(v))


@pytest.mark.parametrize("s", [-1.5, 1, 2])
@pytest.mark.parametrize("length", [0.5, 3])
def test_sobolev_of_a_wave(s, length):
    """A wave of frequency xi, amplitude 1, on n pixels: sqrt(n / 2 (1 + |2 pi length xi|^2)^s)."""
    row, column = torch.meshgrid(torch.arange(9.0), torch.arange(10.0), indexing="ij")
    wave = torch.cos(2 * math.pi * (2 * row / 9 + 3 * column / 10)).double()
    xi2 = (2 / 9) ** 2 + (3 / 10) ** 2
    weight = (1 + (2 * math.pi * length) ** 2 * xi2) ** s
    expected = torch.tensor([math.sqrt(90 / 2 * weight)]).double()
    geometry = Sobolev(s, length)
    torch.testing.assert_close(geometry.norm(wave[None]), expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(geometry.dual_norm(wave[None]), Sobolev(-s, length).norm(wave[None]))


def test_great_circle_by_hand():
    north, south = torch.tensor([[0.0, 0, 1]]), torch.tensor([[0.0, 0, -5]])
    greenwich = torch.tensor([[2.0, 0, 0]])
    found = [GreatCircle(3).distance(north, v).item() for v in (south, greenwich, 7 * north)]
    assert found == pytest.approx([3 * math.pi, 3 * math.pi / 2, 0])


@pytest.mark.parametrize("angle", [1e-7, 1e-3, math.pi - 1e-3])
def test_great_circle_is_accurate_where_arccos_is_not(angle):
    x = torch.tensor([[1.0, 0.0]])
    y = torch.tensor([[math.cos(angle), math.sin(angle)]])
    assert GreatCircle().distance(x, y).item() == pytest.approx(angle, rel=1e-6)


def test_angles_go_the_short_way_round():
    x, y = torch.tensor([[350.0, 90.0, 5.0]]), torch.tensor([[5.0, 270.0, 729.0]])
    for p, expected in ((1, 15 + 180 + 4), (math.inf, 180), (2, math.hypot(15, 180, 4))):
        assert Angles(360, p).distance(x, y).item() == pytest.approx(expected)
    close = torch.tensor([[1e-8]])
    assert Angles().distance(close, -close).item() == pytest.approx(2e-8)


@pytest.mark.parametrize(("combine", "expected"), [("sum", 16), ("max", 10), ("l2", 136**0.5)])
def test_product_by_hand(combine, expected):
    x, y = torch.zeros(1, 5), torch.tensor([[3.0, 4, 1, -2, 0]])  # l2 5, weight 2; l1 3, weight 2
    for l1_part in (Lp(1), Power(Lp(1), 1)):
        geometry = Product([(Lp(2), (2,)), (l1_part, (3, 1))], [2, 2], combine)
        assert geometry.distance(x, y).item() == pytest.approx(expected)
        assert isinstance(geometry, NormedSpace) == (l1_part.slopes == "gradient")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (([],), "0 parts"),
        ((NORMS, [1, 1]), "3 parts .* 2 weights"),
        ((NORMS, [1, 1, 0]), "positive"),
        ((NORMS, [1, 1, math.nan]), "positive"),
        ((NORMS, None, "mean"), "'mean'"),
    ],
)
def test_products_of_nonsense_are_refused(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        Product(*arguments)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_lengths_and_exponents_are_positive(value):
    for make in (
        Discrete,
        Angles,
        GreatCircle,
        lambda length: Sobolev(1, length),
        lambda exponent: Power(Lp(2), exponent),
    ):
        with pytest.raises(ValueError, match=r"must be a positive number"):
            make(value)
    with pytest.raises(ValueError, match="finite"):
        Sobolev(math.nan)


def test_a_squared_distance_is_a_cost_and_no_metric():
    x, y = torch.zeros(2, 2), torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    squared = Power(Lp(2), 2)
    assert squared.distance(x, y).tolist() == [25, 0]
    assert not squared.metric
    assert not Product([(squared, (2,)), (Lp(1), (1,))]).metric
    assert not Pullback(squared, nn.Tanh()).metric
    with pytest.raises(ValueError, match="no metric"):
        check_geometry(squared, points(9, (2,)))


def test_pullback_is_frozen_and_apart_from_the_network_it_came_from():
    network = embedding()
    geometry = Pullback(Lp(2), network)
    x, y = points(9, (4,)), points(9, (4,), 1)
    before = geometry.distance(x, y)
    with torch.no_grad():
        network[0].weight.zero_()
    nn.ModuleList([geometry]).train()
    assert network.training and network[0].weight.requires_grad
    assert not any(weight.requires_grad for weight in geometry.parameters())
    torch.testing.assert_close(geometry.distance(x, y), before)
    torch.testing.assert_close(geometry.distance(x[:1], y[:1]), before[:1])


def test_pullback_embeds_each_point_once():
    seen = []

    def phi(z):
        seen.append(len(z))
        return z

    assert Pullback(Lp(2), phi).pairwise(points(7, (2,)), points(5, (2,))).shape == (7, 5)
    assert sorted(seen) == [5, 7]


def test_pullback_takes_node_numbers():
    table = nn.Embedding(5, 2)
    node, other = torch.tensor([0, 3]), torch.tensor([1, 3])
    expected = (table.weight[0] - table.weight[1]).norm().item()
    found = Pullback(Lp(2), table).distance(node, other)
    assert found.tolist() == pytest.approx([expected, 0])
