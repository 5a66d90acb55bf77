"""Transport by formulas: on the line, over projections of norms, between Gaussians."""

import math

import pytest
import torch
from scipy.stats import norm, wasserstein_distance

from otgan.geometry import Angles, Lp, Mahalanobis, Product, Sobolev
from otgan.transport import exact, gaussian, one_dimensional, projections, sliced

SPREAD = torch.tensor([[2.0, 0.5, 0], [0.5, 1, 0], [0, 0, 3]], dtype=torch.float64)
NORMS = [
    *(Lp(p) for p in (1, 1.5, 2, float("inf"))),
    Mahalanobis(SPREAD),
    Product([(Lp(1), (1,)), (Lp(2), (2,))], weights=[2, 0.5], combine="sum"),
]


def points(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("n", "m"), [(40, 40), (40, 57), (1, 5)])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_line_agrees_with_scipy(n, m, weighted):
    x, y = points(n), 2 * points(m, seed=1)
    x[0] = y[0]  # a tie
    a, b = (points(n).softmax(0), points(m).softmax(0)) if weighted else (None, None)
    expected = wasserstein_distance(x.numpy(), y.numpy(), a, b)
    assert one_dimensional(x, y, a, b).item() == pytest.approx(expected)


def test_equal_samples_on_the_line_are_at_distance_exactly_0():
    x = torch.randn(1001)
    assert one_dimensional(x, x[torch.randperm(1001)]) == 0
    assert one_dimensional(x, x.repeat(3)) == 0


@pytest.mark.parametrize("of", ["line", "mean", "max"])
def test_gradients_are_finite_differences(of):
    x, y = points(7, 2).requires_grad_(), points(9, 2, seed=1).requires_grad_()
    p, q = points(7, seed=2).requires_grad_(), points(9, seed=3).requires_grad_()

    def value(x, y, p, q):
        a, b = p.softmax(0), q.softmax(0)
        if of == "line":
            return one_dimensional(x[:, 0], y[:, 0], a, b)
        return sliced(x, y, Lp(1), 20, a=a, b=b, reduce=of)

    assert torch.autograd.gradcheck(value, (x, y, p, q))


@pytest.mark.parametrize("geometry", NORMS, ids=repr)
def test_slices_never_exceed_exact_transport(geometry):
    for shift in (0.0, 5.0):
        x, y, a = points(30, 3), points(25, 3, seed=1) + shift, points(30).softmax(0)
        mean, largest = (sliced(x, y, geometry, a=a, reduce=r) for r in ("mean", "max"))
        assert 0 < mean <= largest <= exact(x, y, geometry, a) + 1e-12
    assert largest > 0.8 * exact(x, y, geometry, a)  # a translation, nearly, has a best direction


def test_in_one_dimension_every_slice_is_exact():
    x, y = points(30, 1), 2 * points(25, 1, seed=1)
    for geometry in (Lp(1), Lp(2), Mahalanobis(torch.tensor([[4.0]], dtype=torch.float64))):
        for reduce in ("mean", "max"):
            value = sliced(x, y, geometry, 7, reduce=reduce)
            torch.testing.assert_close(value, exact(x, y, geometry))


def test_the_mean_slice_of_a_translation_is_known():
    x = points(20, 2)
    y = x + torch.tensor([3.0, 4.0])
    assert sliced(x, y, Lp(2), 20_000).item() == pytest.approx(5 * 2 / math.pi, rel=0.02)


def test_points_of_any_shape_and_seeds():
    x, y, fields = points(10, 4, 4), points(12, 4, 4, seed=1), Sobolev(1)
    assert sliced(x, y, fields, 50) <= exact(x, y, fields)
    assert sliced(x, y, fields, 50) == sliced(x, y, fields, 50)
    assert sliced(x, y, fields, 50) != sliced(x, y, fields, 50, seed=1)


def test_chunks_change_nothing_but_memory(monkeypatch):
    x, y = points(30, 3).requires_grad_(), points(25, 3, seed=1)
    value = sliced(x, y, Lp(2), 40)
    (gradient,) = torch.autograd.grad(value, x)
    monkeypatch.setattr(projections, "_CHUNK", 300)
    again = sliced(x, y, Lp(2), 40)
    torch.testing.assert_close(again, value)
    torch.testing.assert_close(torch.autograd.grad(again, x)[0], gradient)


def test_large_samples_are_projected_on_a_few_lines_at_a_time(monkeypatch):
    sizes = []

    def measured(x, y, step, scale):
        sizes.append(x.numel() + y.numel())
        return x.sum(-1)

    monkeypatch.setattr(projections, "area", measured)
    x = torch.zeros(100_000, 2, requires_grad=True)
    sliced(x, x.detach(), Lp(2)).backward()
    assert sum(sizes) == 500 * 200_000 and max(sizes) <= 1 << 20


def test_bad_slices_are_refused():
    x = points(5, 2)
    with pytest.raises(TypeError, match=r"no norm.*`exact` or `sinkhorn`"):
        sliced(x, x, Angles())
    with pytest.raises(ValueError, match="got 0"):
        sliced(x, x, Lp(2), 0)
    with pytest.raises(ValueError, match="'median'"):
        sliced(x, x, Lp(2), reduce="median")
    with pytest.raises(ValueError, match="NaN"):
        sliced(x / 0 * 0, x, Lp(2))
    with pytest.raises(ValueError, match="on a line"):
        one_dimensional(x, x)


def quantile_distance(m_x, s_x, m_y, s_y):
    """W1 on the line by 20,000 quantiles; the tails cost a relative 1e-4."""
    u = (torch.arange(20_000) + 0.5) / 20_000
    return abs((m_x - m_y) + (s_x - s_y) * norm.ppf(u)).mean()


@pytest.mark.parametrize(("m", "s"), [(0.0, 2.0), (1.5, 0.5), (3.0, 1.0), (1.0, 0.0)])
def test_gaussians_on_the_line(m, s):
    x, y = (torch.zeros(1), torch.ones(1, 1)), (torch.tensor([m]), torch.tensor([[s**2]]))
    value = gaussian(*x, *y).item()
    assert value == pytest.approx(quantile_distance(0, 1, m, s), rel=1e-3)
    assert gaussian(*x, *y, Mahalanobis(torch.tensor([[4.0]]))).item() == pytest.approx(value / 2)


def test_gaussians_of_equal_covariance_are_translations():
    m = torch.tensor([3.0, 4.0, 0.0], dtype=torch.float64)
    for geometry in NORMS:
        expected = geometry.norm(m[None])[0]
        torch.testing.assert_close(gaussian(0 * m, SPREAD, m, SPREAD, geometry), expected)


def test_gaussians_of_equal_correlation_under_l1_are_a_sum_of_lines():
    sd = torch.tensor([2.0, 0.5, 1.0], dtype=torch.float64)
    m = torch.tensor([1.0, 0.0, -2.0], dtype=torch.float64)
    old = SPREAD.diagonal().sqrt()
    value = gaussian(0 * m, SPREAD, m, SPREAD * torch.outer(sd, sd), Lp(1))
    lines = [quantile_distance(0, s, t, s * r) for s, t, r in zip(old, m, sd, strict=True)]
    assert value.item() == pytest.approx(sum(lines).item(), rel=1e-3)
    x = points(400, 3) @ torch.linalg.cholesky(SPREAD).T
    assert value.item() == pytest.approx(exact(x, m + x * sd, Lp(1)).item(), rel=0.1)


def test_concentric_round_gaussians_move_along_rays():
    m, eye = torch.ones(5), torch.eye(5)
    value = gaussian(m, eye, m, 9 * eye)
    length = points(200_000, 5).norm(dim=1).mean().item()  # standard error .05 %
    assert value.item() == pytest.approx(2 * length, rel=3e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(2), torch.eye(2), torch.ones(2), 2 * torch.eye(2)), "no closed form .* W2"),
        ((torch.zeros(2), torch.eye(2), torch.ones(3), torch.eye(3)), "means have shape"),
        ((torch.zeros(2), -torch.eye(2), torch.ones(2), torch.eye(2)), "negative eigenvalue -1"),
        ((torch.zeros(2), torch.ones(2, 2).tril(), torch.ones(2), torch.eye(2)), "not symmetric"),
        ((torch.zeros(2) / 0, torch.eye(2), torch.ones(2), torch.eye(2)), "NaN"),
    ],
)
def test_bad_gaussians_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        gaussian(*arguments)
