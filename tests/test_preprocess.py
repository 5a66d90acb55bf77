"""Charts: inverses, similarities, and whitening as the Mahalanobis distance."""

from itertools import pairwise

import pytest
import torch
from scipy.spatial.distance import mahalanobis

from otgan.geometry import Lp, Mahalanobis
from otgan.preprocess import Identity, Scaling, Whitening
from otgan.preprocess.moments import Moments, shrink

METHODS = ["pca", "zca", "cholesky"]


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def correlated(n=400, d=5):
    return normal(n, d, seed=1) @ normal(d, d) + 3


def anisotropic(n, d=8, condition=1e4, seed=0):
    """Points and the covariance of their population, which has this condition number."""
    axes = torch.linalg.qr(normal(d, d, seed=seed)).Q
    variance = condition ** -torch.linspace(0, 1, d, dtype=torch.float64)
    return normal(n, d, seed=seed + 1) * variance.sqrt() @ axes.T, axes * variance @ axes.T


DATA = {
    "plenty": correlated(),
    "anisotropic": anisotropic(200)[0],
    "units apart": correlated() * torch.tensor([0.01, 1, 100, 1, 1]),
    "duplicate columns": correlated()[:, [0, 1, 2, 0, 1]],
    "few": correlated(3),
    "two": correlated(2),
    "one column": correlated(50, 1),
    "far from 0": correlated() + 1e3,
}


def charts(x):
    whitened = [Whitening(x.shape[1:], method).double().fit(x) for method in METHODS]
    return [Identity(), Scaling(-2, 6), *whitened]


@pytest.mark.parametrize("k", range(5))
def test_decode_inverts_encode(k):
    x = correlated()
    chart = charts(x)[k]
    torch.testing.assert_close(chart.decode(chart.encode(x)), x)


@pytest.mark.parametrize("k", range(5))
@pytest.mark.parametrize("p", [1, 2, 3, float("inf")])
def test_unit_turns_chart_distances_into_data_distances(k, p):
    x, chart = correlated(), charts(correlated())[k]
    y = x.flip(0)
    if chart.unit is not None:
        inside = Lp(p).distance(chart.encode(x), chart.encode(y))
        torch.testing.assert_close(chart.unit * inside, Lp(p).distance(x, y))
    else:
        ratio = Lp(p).distance(chart.encode(x), chart.encode(y)) / Lp(p).distance(x, y)
        ratio = ratio[ratio.isfinite()]
        assert ratio.max() > 1.5 * ratio.min()  # no factor would be right


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("x", DATA.values(), ids=DATA)
def test_single_precision_is_lost_nowhere_on_the_way_there_and_back(method, x):
    """Per column, as if each had been written down in single precision a few times."""
    x = x.float()
    chart = Whitening(x.shape[1:], method).fit(x)
    rounding = torch.finfo(torch.float32).eps * (x.abs().amax(0) + 0)
    worst = rounding.max() if method == "zca" else rounding
    assert ((chart.decode(chart.encode(x)) - x).abs() <= 32 * worst).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("x", DATA.values(), ids=DATA)
def test_l2_after_whitening_is_mahalanobis_before_it(method, x):
    """Under the covariance used, whatever was shrunk."""
    chart = Whitening(x.shape[1:], method).double().fit(x)
    y = x + x.std(0) * normal(*x.shape, seed=5)  # off any plane the data lie in
    found = Lp(2).distance(chart.encode(x), chart.encode(y))
    torch.testing.assert_close(
        found, Mahalanobis(chart.covariance).distance(x, y), rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("method", METHODS)
def test_without_shrinkage_it_is_the_mahalanobis_distance_of_the_sample(method):
    x = correlated()
    chart = Whitening(x.shape[1:], method, shrinkage=False).double().fit(x)
    found = Lp(2).distance(chart.encode(x[:20]), chart.encode(x[20:40]))
    inverse = torch.linalg.inv(x.T.cov()).numpy()
    expected = [
        mahalanobis(a, b, inverse) for a, b in zip(x[:20].numpy(), x[20:40].numpy(), strict=True)
    ]
    torch.testing.assert_close(found, torch.tensor(expected))


@pytest.mark.parametrize("method", METHODS)
def test_slopes_in_the_chart_are_slopes_in_the_mahalanobis_metric(method):
    x = correlated()
    chart = Whitening(x.shape[1:], method).double().fit(x)
    z, a = chart.encode(x[:50]), chart.encode(x[60:61])
    slope = Lp(2).slope(lambda v: Lp(2).distance(v, a.expand_as(v)), z, z.roll(1, 0))
    torch.testing.assert_close(slope, torch.ones(50, dtype=slope.dtype))


@pytest.mark.parametrize("method", METHODS)
def test_whitened_data_have_unit_covariance_whatever_the_shape(method):
    x = correlated(d=6).view(-1, 2, 3)
    z = Whitening((2, 3), method, shrinkage=False).double().fit(x).encode(x)
    assert z.shape == x.shape
    torch.testing.assert_close(z.flatten(1).T.cov(), torch.eye(6, dtype=z.dtype))


def test_pca_has_the_principal_axes_zca_stays_closest_and_cholesky_is_triangular():
    x = correlated()
    pca, zca, cholesky = (
        Whitening(x.shape[1:], method, shrinkage=False).double().fit(x) for method in METHODS
    )
    values, axes = torch.linalg.eigh(x.T.cov())
    torch.testing.assert_close(pca.scale.square(), values.flip(0))
    torch.testing.assert_close((pca.basis.T @ axes.fliplr()).abs(), torch.eye(5).to(x))
    forward = zca.encode(zca.mean + torch.eye(5).to(x))
    torch.testing.assert_close(forward, forward.T)
    assert torch.linalg.eigvalsh(forward).min() > 0
    forward = cholesky.encode(cholesky.mean + torch.eye(5).to(x)).T
    assert torch.equal(forward.triu(1), torch.zeros(5, 5).to(x))
    assert forward.diagonal().min() > 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("x", DATA.values(), ids=DATA)
def test_units_of_the_columns_do_not_matter(method, x):
    """The ruler is the same whether a column is in metres or in millimetres."""
    units = 10.0 ** torch.arange(x.shape[1], dtype=x.dtype)
    a, b = (Whitening(x.shape[1:], method).double().fit(v) for v in (x, x * units))
    y = x + x.std(0) * normal(*x.shape, seed=5)
    torch.testing.assert_close(
        Lp(2).distance(a.encode(x), a.encode(y)),
        Lp(2).distance(b.encode(x * units), b.encode(y * units)),
        rtol=1e-6,
        atol=0,
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sizes", [[400], [1, 399], [7] * 57 + [1], [1] * 400])
def test_batches_give_what_the_data_at_once_give(method, sizes):
    x = correlated()
    whole = Whitening(x.shape[1:], method).double().fit(x)
    parts = Whitening(x.shape[1:], method).double().fit(part for part in x.split(sizes))
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], value, rtol=1e-10, atol=1e-10)


def test_moments_far_from_0_keep_their_digits():
    """A sum of squares less a square of the sum would give noise, or less than nothing."""
    x = correlated(1000, 3)
    moments = Moments.none(3)
    for part in (x + 1e8).split(10):
        moments.add(part)
    torch.testing.assert_close(moments.covariance(), x.T.cov(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(moments.mean, x.mean(0) + 1e8, rtol=1e-14, atol=0)


@pytest.mark.parametrize("n", [8, 20, 80])
@pytest.mark.parametrize("condition", [1.0, 1e4])
def test_shrinkage_brings_the_population_nearer_to_unit_covariance(n, condition):
    """New data are what a chart is for: their covariance in it, by Stein's loss."""

    def loss(seed, shrinkage):
        x, population = anisotropic(n, 16, condition, 2 * seed)
        sample = x.T.cov() + 1e-6 * x.T.cov().diagonal().diag()
        used = Whitening((16,)).double().fit(x).covariance if shrinkage else sample
        values = torch.linalg.eigvals(torch.linalg.solve(used, population)).real
        return (values - values.log() - 1).sum()

    for seed in range(3):
        assert loss(seed, True) < loss(seed, False)


def test_shrunk_eigenvalues_keep_their_sum_and_move_less_with_more_samples():
    values = torch.linspace(0.5, 2, 20, dtype=torch.float64)
    moved = [(shrink(values, n) / values - 1).abs().max() for n in (100, 1000, 10_000, 100_000)]
    assert all(b < a / 5 for a, b in pairwise(moved))
    assert moved[-1] < 2e-3
    for n in (5, 19, 20, 21, 100):
        assert shrink(values, n).sum().item() == pytest.approx(values.sum().item())
        assert shrink(values, n).min() > 0


def test_equal_eigenvalues_of_few_samples_are_told_from_what_sampling_spread():
    """Of white noise: nearly equal again, though the sample's span two orders of magnitude."""
    values = torch.linalg.eigvalsh(normal(200, 100).T.cov())
    assert values[-1] / values[0] > 20
    shrunk = shrink(values, 199)
    assert shrunk.max() / shrunk.min() < 2


BAD = {
    "constant": (lambda x: x[:, 2].fill_(7), "no variance in column 2 of 400 samples"),
    "zeros": (lambda x: x[:, 0].zero_(), "no variance in column 0 "),
    "all": (lambda x: x.fill_(1), "no variance in columns 0, 1, 2 and 2 more"),
    "nan": (lambda x: x[3:4, 1].fill_(torch.nan), "NaN or infinite values in column 1: clean"),
    "infinite": (lambda x: x[3:4, 1:3].fill_(torch.inf), "values in columns 1, 2: clean"),
}


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize(("spoil", "says"), BAD.values(), ids=BAD)
def test_columns_that_cannot_be_whitened_are_named(spoil, says, batched):
    x = correlated().float()
    spoil(x)
    with pytest.raises(ValueError, match=says):
        Whitening(x.shape[1:]).fit(x.split(33) if batched else x)


def test_pixels_are_named_by_where_they_are():
    x = normal(50, 1, 3, 4)
    x[:, 0, 1, 2] = 0.1  # no binary fraction, so its mean is rounded
    with pytest.raises(ValueError, match=r"column \(0, 1, 2\) of 50.*chart 'scaling'"):
        Whitening((1, 3, 4)).double().fit(x)


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ValueError, match="by 'zac': there are pca, zca, cholesky"):
        Whitening((5,), "zac")
    with pytest.raises(ValueError, match="no points"):
        Whitening((5,)).fit([])
    with pytest.raises(ValueError, match=r"shape \(5,\) cannot be .* \(400, 4\)"):
        Whitening((5,)).fit([correlated(), correlated()[:, :4]])
    with pytest.raises(ValueError, match="columns 0, 1, 2 and 2 more of 1 samples"):
        Whitening((5,)).fit(correlated(1))
    for x in (correlated()[:, [0, 1, 2, 0, 1]], correlated(4)):
        with pytest.raises(ValueError, match="2 of 5 directions have no variance"):
            Whitening((5,), shrinkage=False).double().fit(x)


@pytest.mark.parametrize("method", METHODS)
def test_state_carries_the_chart(method):
    x = correlated()
    fitted = Whitening(x.shape[1:], method).double().fit(x)
    empty = Whitening(x.shape[1:], method).double()
    empty.load_state_dict(fitted.state_dict())
    assert torch.equal(empty.encode(x), fitted.encode(x))
    assert torch.equal(empty.covariance, fitted.covariance)


def test_an_empty_interval_is_refused():
    with pytest.raises(ValueError, match="low < high"):
        Scaling(1, 1)
