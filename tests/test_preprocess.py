"""Charts: inverses, similarities, and whitening as the Mahalanobis distance."""

import pytest
import torch
from scipy.spatial.distance import mahalanobis

from otgan.geometry import Lp
from otgan.preprocess import Identity, Scaling, Whitening

METHODS = ["pca", "zca", "cholesky"]


def correlated(n=400, d=5):
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(d, d, generator=generator, dtype=torch.float64)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) @ mix + 3


def charts(x):
    whitened = [Whitening(x.shape[1:], m).double().fit(x) for m in METHODS]
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
def test_l2_after_whitening_is_mahalanobis_before_it(method):
    x = correlated()
    chart = Whitening(x.shape[1:], method).double().fit(x)
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
    z = Whitening((2, 3), method).double().fit(x).encode(x)
    assert z.shape == x.shape
    torch.testing.assert_close(z.flatten(1).T.cov(), torch.eye(6, dtype=z.dtype))


def test_zca_stays_closest_to_the_data_and_cholesky_is_triangular():
    x = correlated()
    zca, cholesky = (Whitening(x.shape[1:], m).double().fit(x) for m in ("zca", "cholesky"))
    torch.testing.assert_close(zca.forward_matrix, zca.forward_matrix.T)
    assert torch.equal(cholesky.forward_matrix.triu(1), torch.zeros(5, 5, dtype=x.dtype))


def test_constant_directions_are_refused():
    x = correlated()
    x[:, 2] = 1
    with pytest.raises(ValueError, match="1 of 5"):
        Whitening(x.shape[1:]).fit(x)


def test_state_carries_the_chart():
    x = correlated()
    fitted = Whitening(x.shape[1:]).double().fit(x)
    empty = Whitening(x.shape[1:]).double()
    empty.load_state_dict(fitted.state_dict())
    assert torch.equal(empty.encode(x), fitted.encode(x))


def test_an_empty_interval_is_refused():
    with pytest.raises(ValueError, match="low < high"):
        Scaling(1, 1)
