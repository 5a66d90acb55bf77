"""Certified critics, by a search for a slope above 1 and by the matrices of their layers."""

import math

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from otgan.certify import fit
from otgan.constraints import Certified
from otgan.geometry import Angles, Lp, Mahalanobis, Product, Sobolev
from otgan.networks import mlp
from otgan.networks.lipschitz import L1Rows, MaxMin, Orthogonal, OrthogonalConv, lipschitz
from otgan.networks.potentials import Landmarks
from otgan.pairs import point_masses

WIDE = Mahalanobis(torch.diag(torch.tensor([1e-4, 1.0, 9.0])))
NORMS = [Lp(1), Lp(1.5), Lp(2), Lp(3), Lp(math.inf), WIDE, Product([(Lp(1), (2,)), (Lp(2), (1,))])]
dense = pytest.mark.parametrize("geometry", NORMS, ids=repr)


def dense_critic(size, width=16):
    return mlp((size,), width=width, depth=2)[1]


def conv_critic(channels):
    return nn.Sequential(
        nn.Conv2d(channels, 6, 4, 2, 1), nn.LeakyReLU(), nn.Conv2d(6, 8, 4, 2, 1), nn.LeakyReLU(),
        nn.Flatten(), nn.Linear(32, 1),
    )  # fmt: skip


def steepest(f, geometry, x, steps=30):
    """The largest dual norm of a gradient found by gradient ascent on the point."""
    x, best = x.clone().requires_grad_(), 0.0
    optimiser = torch.optim.Adam([x], lr=0.05)
    for _ in range(steps):
        (g,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
        slope = geometry.dual_norm(g)
        best = max(best, slope.max().item())
        optimiser.zero_grad()
        if slope.requires_grad:
            (-slope.sum()).backward()
        x.data += 0.1 * torch.randn_like(x)  # pieces are linear: walk to others
        optimiser.step()
    return best


def wild(f, factor):
    with torch.no_grad():
        for weight in f.parameters():
            weight.mul_(factor)
    return f.double()


@dense
@pytest.mark.parametrize("factor", [0.1, 1, 100])
def test_no_search_finds_a_slope_above_1(geometry, factor):
    torch.manual_seed(0)
    f = wild(lipschitz(dense_critic(3), geometry), factor)
    slope = steepest(f, geometry.double(), 3 * torch.randn(100, 3, dtype=torch.float64))
    assert 0 < slope <= 1 + 1e-9


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 7, 9)], ids=str)
@pytest.mark.parametrize("geometry", [Lp(2), Sobolev(1), Lp(1)], ids=repr)
def test_nor_on_images(geometry, shape):
    torch.manual_seed(0)
    network = conv_critic(shape[0])
    f = wild(lipschitz(network, geometry, torch.zeros(1, *shape)), 3)
    slope = steepest(f, geometry.double(), torch.randn(40, *shape, dtype=torch.float64), 10)
    assert 0 < slope <= 1 + 1e-9


def test_the_search_finds_what_is_steeper():
    torch.manual_seed(0)
    x = 3 * torch.randn(100, 3, dtype=torch.float64)
    f = lipschitz(dense_critic(3), Lp(2)).double()
    assert steepest(lambda v: 2 * f(v), Lp(2), x) > 1.2
    assert steepest(f, Lp(math.inf), x) > steepest(f, Lp(2), x) + 0.1  # another ground cost


def operator(layer, shape):
    """The matrix of a layer without its bias."""
    basis = torch.eye(math.prod(shape), dtype=torch.float64).view(-1, *shape)
    zero = layer(torch.zeros(1, *shape, dtype=torch.float64))
    return (layer(basis) - zero).flatten(1).detach()


@pytest.mark.parametrize("shape", [(6, 6), (5, 7)], ids=str)
@pytest.mark.parametrize(("kernel", "stride"), [(4, 2), (3, 1), (1, 1)])
@pytest.mark.parametrize("channels", [(1, 4), (3, 2), (2, 8)])
def test_a_convolution_has_operator_norm_at_most_1(channels, kernel, stride, shape):
    torch.manual_seed(0)
    layer = wild(OrthogonalConv(*channels, kernel, stride), 4)
    norm = torch.linalg.matrix_norm(operator(layer, (channels[0], *shape)), 2)
    assert 0.99 < norm <= 1 + 1e-12


def test_the_same_measure_catches_the_spectral_norm_of_torch():
    torch.manual_seed(0)
    layer = spectral_norm(nn.Conv2d(2, 8, 3, 1, 1), n_power_iterations=100).double()
    assert torch.linalg.matrix_norm(operator(layer, (2, 6, 6)), 2) > 1.2


@pytest.mark.parametrize(("inputs", "outputs"), [(5, 5), (7, 3), (3, 7)])
def test_dense_layers_keep_their_norms(inputs, outputs):
    matrix = wild(Orthogonal(inputs, outputs), 5).matrix()
    size = min(inputs, outputs)
    product = matrix @ matrix.T if outputs <= inputs else matrix.T @ matrix
    torch.testing.assert_close(product, torch.eye(size, dtype=torch.float64))
    rows = wild(L1Rows(inputs, outputs), 5).matrix().abs().sum(1)
    assert (rows <= 1 + 1e-12).all() and rows.max() > 0.99
    inside = torch.full((1, inputs), 0.5 / inputs)
    layer = L1Rows(inputs, 1)
    layer.weight.data = inside
    torch.testing.assert_close(layer.matrix(), inside)  # within the ball nothing changes


def test_maxmin_is_a_permutation_and_refuses_odd_widths():
    x = torch.randn(5, 6)
    torch.testing.assert_close(MaxMin()(x).sort(1).values, x.sort(1).values)
    assert not torch.equal(MaxMin()(x), x)
    with pytest.raises(ValueError, match="got 3 channels: make them even"):
        MaxMin()(torch.randn(2, 3))


@pytest.mark.slow
@pytest.mark.parametrize("geometry", [Lp(1), Lp(2), Lp(math.inf), WIDE], ids=repr)
@pytest.mark.parametrize("theta", [0.3, 3.0])
def test_two_point_masses_without_any_correction(geometry, theta):
    torch.manual_seed(0)
    at = torch.randn(3, generator=torch.Generator().manual_seed(0))
    at = theta * at / geometry.float().norm(at[None])
    pair = point_masses(geometry, at)
    f = Certified().build(dense_critic(3), geometry)
    generator = torch.Generator().manual_seed(0)
    fit(f, lambda n: pair.sample(n, generator), geometry, 4, rate=5e-3, batch=2)
    ratio = pair.score(f.double(), 10)["ratio"]
    assert 0.95 < ratio <= 1 + 1e-6


def test_where_only_a_metric_is_known():
    with pytest.raises(ValueError, match="give points, a sample of the data"):
        lipschitz(dense_critic(3), Angles())
    assert isinstance(lipschitz(dense_critic(3), Angles(), torch.rand(5, 3)), Landmarks)


def test_normalisation_is_refused():
    network = mlp((3,), critic_norm="layer")[1]
    with pytest.raises(ValueError, match="has no normalisation"):
        Certified().build(network, Lp(2))
    with pytest.raises(ValueError, match="needs the size of its images"):
        lipschitz(conv_critic(1), Lp(2))


def test_a_certificate_costs_no_penalty():
    f = Certified().build(dense_critic(3), Lp(2))
    x, y = torch.randn(4, 3), torch.randn(4, 3)
    penalty = Certified().penalty(Lp(2), f, x, y, 0)
    assert penalty == 0 and not penalty.requires_grad
