"""Metrics on samples whose answer is known: closed forms, brute force, equal distributions."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch

from otgan.data import Samples
from otgan.geometry import Lp, Mahalanobis, MetricSpace
from otgan.metrics import (
    Estimate,
    evaluate,
    frechet,
    interval,
    kernel,
    left_out,
    memorisation,
    nearest,
    nearest_classes,
    neighbours,
    sliced_w1,
    w1,
)
from otgan.preprocess import Identity, Scaling

L2 = Lp(2)
NAMES = {"W1", "precision", "recall", "density", "coverage", "1-NN accuracy", "memorisation"}
VECTORS = {"sliced W1", "Frechet", "KID"}


def normal(n, seed, d=2):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def values(x, y, k=5, geometry=L2):
    return {name: e.value for name, e in neighbours(x, y, geometry, k).items()}


class Circle(MetricSpace):
    def distance(self, x, y):
        turn = torch.remainder(x - y, 1)
        return torch.minimum(turn, 1 - turn).sum(1)

    def __repr__(self):
        return "circle"


# neighbours


def test_neighbours_agree_with_loops_over_all_points():
    x, y, k = normal(9, 0), normal(12, 1), 2
    gx, gy = x.double().numpy(), y.double().numpy()

    def d(a, b):
        return float(np.linalg.norm(a - b))

    def ball(points, i):
        return sorted(d(points[i], p) for j, p in enumerate(points) if j != i)[k - 1]

    def holds(points, i, p):
        return d(points[i], p) <= ball(points, i)

    own = [[], []]
    for side, points in enumerate((gx, gy)):
        for i, p in enumerate(points):
            mine = min(d(p, q) for j, q in enumerate(points) if j != i)
            own[side].append(mine < min(d(p, q) for q in (gy, gx)[side]))
    assert values(x, y, k) == pytest.approx(
        {
            "precision": np.mean([any(holds(gy, j, p) for j in range(12)) for p in gx]),
            "recall": np.mean([any(holds(gx, i, q) for i in range(9)) for q in gy]),
            "density": np.mean([sum(holds(gy, j, p) for j in range(12)) / k for p in gx]),
            "coverage": np.mean([any(holds(gy, j, p) for p in gx) for j in range(12)]),
            "1-NN accuracy": (np.mean(own[0]) + np.mean(own[1])) / 2,
        }
    )


def test_points_far_away_and_copies():
    real = normal(100, 0)
    far, copies = values(real + 100, real), values(real.clone(), real)
    assert far["precision"] == far["recall"] == far["density"] == far["coverage"] == 0
    assert far["1-NN accuracy"] == 1
    assert copies["precision"] == copies["recall"] == copies["coverage"] == 1
    assert copies["1-NN accuracy"] == 0
    assert values(torch.cat([real, real + 100]), real)["precision"] == 0.5


def test_a_collapsed_generator_has_precision_without_recall_and_coverage():
    found = values(0.01 * normal(300, 1), normal(300, 0))
    assert found["precision"] == 1 and found["recall"] < 0.05 and found["coverage"] < 0.1


def test_equal_distributions_score_one_and_one_half():
    found = [values(normal(400, 2 * s), normal(400, 2 * s + 1)) for s in range(10)]
    mean = {name: np.mean([f[name] for f in found]) for name in found[0]}
    assert mean["density"] == pytest.approx(1, abs=0.05)
    assert mean["1-NN accuracy"] == pytest.approx(0.5, abs=0.02)


def test_the_kth_neighbour_is_counted_without_the_point_itself():
    line = torch.arange(10.0)[:, None]
    query = torch.tensor([[10.9], [-3.1], [4.5]])
    assert values(query, line, k=2)["precision"] == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="3 points have no 3-th neighbour"):
        neighbours(query, line, L2, 3)


def test_a_tie_between_the_samples_counts_half():
    x, y = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0]])
    # 0: 1 is nearer than 2; 2: 1 is nearer; 1: both others, of x; 5: 2 is nearer
    assert neighbours(x, y, L2, 1)["1-NN accuracy"].value == 0
    y = torch.tensor([[-2.0], [50.0]])  # 0 lies between 2 and -2
    assert neighbours(x, y, L2, 1)["1-NN accuracy"].value == (0.5 + 1) / 4


def test_memorisation_tells_copies_from_new_points():
    train, new = normal(500, 0), normal(200, 1)
    to_train = nearest(new, train, L2)
    fresh = memorisation(nearest(normal(200, 2), train, L2), to_train)
    copied = memorisation(nearest(train[:200], train, L2), to_train)
    half = torch.cat([train[:100], normal(100, 3)])
    assert copied.value == 1
    assert fresh.value == pytest.approx(0.5, abs=0.08)
    assert memorisation(nearest(half, train, L2), to_train).value == pytest.approx(0.75, abs=0.06)


@pytest.mark.parametrize("geometry", [L2, Lp(1), Mahalanobis(torch.diag(torch.tensor([4.0, 1.0])))])
@pytest.mark.parametrize("rank", [1, 3])
def test_nearest_agrees_with_all_distances(geometry, rank):
    query, reference = normal(300, 0) + 1000, normal(80, 1) + 1000
    expected = geometry.pairwise(query, reference).sort(1).values[:, rank - 1]
    torch.testing.assert_close(nearest(query, reference, geometry, rank), expected)


# moments


def with_moments(mean, covariance, n=200, seed=0):
    """Points with exactly these moments."""
    x = normal(n, seed, len(mean)).double()
    x = x - x.mean(0)
    x = torch.linalg.solve_triangular(torch.linalg.cholesky(x.T.cov()), x.T, upper=False).T
    return x @ torch.linalg.cholesky(covariance).T + mean


def test_frechet_is_the_closed_form_of_gaussians():
    torch.manual_seed(0)
    a, b = torch.randn(2, 4, 4, dtype=torch.float64)
    s, t = a @ a.T + torch.eye(4), b @ b.T + torch.eye(4)
    m = torch.arange(4.0, dtype=torch.float64)
    root = scipy.linalg.sqrtm((s @ t).numpy()).real
    expected = (m @ m + s.trace() + t.trace()).item() - 2 * np.trace(root)
    found = frechet(with_moments(m, s), with_moments(0 * m, t, n=300, seed=1))
    assert found.value == pytest.approx(expected, rel=1e-9)


def test_frechet_of_a_translation_is_its_square_even_with_fewer_points_than_dimensions():
    x = normal(10, 0, d=40)
    assert frechet(x + 0.5, x).value == pytest.approx(40 * 0.25, rel=1e-5)
    assert frechet(x, x).value == pytest.approx(0, abs=1e-9)


def test_kernel_distance_agrees_with_its_formula():
    x, y = normal(7, 0, 3).double(), normal(9, 1, 3).double()

    def k(a, b):
        return float((a @ b / 3 + 1) ** 3)

    within = [
        np.mean([k(v[i], v[j]) for i in range(len(v)) for j in range(len(v)) if i != j])
        for v in (x, y)
    ]
    expected = sum(within) - 2 * np.mean([k(a, b) for a in x for b in y])
    assert kernel(x, y).value == pytest.approx(expected)


def test_kernel_distance_is_unbiased_and_sees_what_moments_miss():
    null = torch.tensor(
        [kernel(normal(40, 2 * s), normal(40, 2 * s + 1)).value for s in range(300)]
    )
    assert null.mean().abs() < 3 * null.std() / math.sqrt(len(null))
    assert (null < 0).any()
    assert kernel(normal(400, 0) + 1, normal(400, 1)).value > 10 * null.std()


def test_kernel_distance_of_many_points_is_a_mean_over_blocks():
    x, y = normal(40, 0), normal(40, 1)
    parts = [kernel(x[i : i + 10], y[i : i + 10]).value for i in range(0, 40, 10)]
    found = kernel(x, y, block=10)
    assert found.value == pytest.approx(sum(parts) / 4)
    assert found.x.shape == found.y.shape == (40,)
    with pytest.raises(ValueError, match="2 points"):
        kernel(x, y[:5], block=10)


# influence and intervals


@pytest.mark.parametrize(
    "metric", [frechet, kernel, lambda x, y: w1(x, y, L2), lambda x, y: sliced_w1(x, y, L2)]
)
@pytest.mark.parametrize("side", [0, 1])
def test_influence_is_what_leaving_a_point_out_changes(metric, side):
    """The jackknife, to first order: (n - 1) (T - T without i)."""
    pair = [normal(80, 0), 1.5 * normal(90, 1) + 1]
    whole, n = metric(*pair), len(pair[side])
    influence = (whole.x, whole.y)[side].double()
    left = []
    for i in range(n):
        others = [p[torch.arange(n) != i] if s == side else p for s, p in enumerate(pair)]
        left.append((n - 1) * (whole.value - metric(*others).value))
    left = torch.tensor(left, dtype=torch.float64)
    influence = influence - influence.mean()
    assert torch.corrcoef(torch.stack([influence, left]))[0, 1] > 0.98
    assert influence.std() == pytest.approx(left.std().item(), rel=0.1)


@pytest.mark.parametrize("name", ["precision", "recall", "density", "coverage", "1-NN accuracy"])
@pytest.mark.parametrize("side", [0, 1])
def test_influence_on_neighbours_is_the_jackknife(name, side):
    pair = [normal(30, 0), 0.8 * normal(25, 1) + 0.5]
    whole, n = neighbours(*pair, L2, 3)[name], len(pair[side])
    left = []
    for i in range(n):
        others = [p[torch.arange(n) != i] if s == side else p for s, p in enumerate(pair)]
        left.append((n - 1) * (whole.value - neighbours(*others, L2, 3)[name].value))
    left = torch.tensor(left, dtype=torch.float64)
    influence = (whole.x, whole.y)[side]
    torch.testing.assert_close(influence - influence.mean(), left - left.mean())
    assert left.std() > 0


def test_where_all_mass_moves_one_way_the_influence_is_the_position():
    x, y = normal(30, 0, 1) + 20, normal(40, 1, 1)
    found = w1(x, y, L2)
    torch.testing.assert_close(
        found.x - found.x.mean(), (x - x.mean())[:, 0].double(), atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(
        found.y - found.y.mean(), (y.mean() - y)[:, 0].double(), atol=1e-5, rtol=1e-5
    )


def test_an_interval_contains_the_expectation_as_often_as_it_says():
    """A difference of means over two draws that share y; 95 % of 400 is 380 +- 4.4."""
    hits = 0
    for seed in range(400):
        generator = torch.Generator().manual_seed(seed)
        y = torch.rand(60, generator=generator)
        draws = []
        for _ in range(2):
            x = torch.rand(60, generator=generator) ** 2
            draws.append(Estimate((x.mean() - y.mean()).item(), x, -y))
        low, high = interval(draws, resamples=500, seed=seed)
        hits += low <= 1 / 3 - 1 / 2 <= high
    assert 360 <= hits <= 396


def test_shared_points_are_not_averaged_away_by_more_draws():
    x, y = normal(200, 0)[:, 0], normal(200, 1)[:, 0]
    width = {}
    for name, estimate in (("x", Estimate(0.0, x, 0 * y)), ("y", Estimate(0.0, 0 * x, y))):
        for draws in (1, 16):
            low, high = interval([estimate] * draws)
            width[name, draws] = high - low
    assert width["x", 16] == pytest.approx(width["x", 1] / 4, rel=0.15)
    assert width["y", 16] == pytest.approx(width["y", 1])


# evaluate


def test_real_data_score_their_own_floor():
    data = Samples(normal(1000, 0))
    found = evaluate(lambda n: normal(n, 7), data, Samples(normal(200, 1)), L2, Identity())
    assert set(found) == NAMES | VECTORS
    for name in NAMES - {"1-NN accuracy"}:
        assert found[name].value == pytest.approx(found[name].floor, rel=0.1), name
    assert found["memorisation"].floor == pytest.approx(0.5, abs=0.05)
    for score in found.values():
        assert score.interval[0] <= score.value <= score.interval[1]
        assert score.floor_interval[0] <= score.floor <= score.floor_interval[1]


def test_a_generator_that_hands_out_its_training_data_is_caught():
    data = Samples(normal(300, 0, 8))
    copies = evaluate(lambda n: data.x[:n], data, Samples(normal(200, 1, 8)), L2, Identity())
    score = copies["memorisation"]
    assert score.value == 1 and score.floor_interval[1] < 0.65


def test_figures_are_in_data_units():
    data = Samples(normal(50, 0))
    one, ten = (
        evaluate(
            lambda n: normal(n, 7), Samples(u * data.x), Samples(u * data.x), L2, chart, draws=1
        )
        for u, chart in ((1.0, Identity()), (10.0, Scaling(-10.0, 10.0)))
    )
    factors = {"W1": 10, "sliced W1": 10, "Frechet": 100}
    for name in one:
        expected = pytest.approx(factors.get(name, 1) * one[name].value, rel=1e-5)
        assert ten[name].value == expected, name


def test_a_space_that_is_no_vector_space_has_no_moments_and_no_projections():
    data = Samples(torch.rand(100, 2, generator=torch.Generator().manual_seed(0)))
    found = evaluate(lambda n: torch.rand(n, 2), data, data, Circle(), Identity(), draws=1)
    assert set(found) == NAMES
    assert left_out(Circle()).keys() == VECTORS and left_out(L2) == {}
    assert all("circle is no norm" in why for why in left_out(Circle()).values())


def test_classes_are_those_of_the_nearest_training_points():
    train = torch.tensor([0.0, 0.1, 5.0, 5.1, 9.0, 9.1])[:, None]
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    samples = torch.tensor([0.05, 5.0, 5.2, 4.9])[:, None]
    assert nearest_classes(samples, train, labels, L2, k=1).tolist() == [0, 1, 1, 1]
