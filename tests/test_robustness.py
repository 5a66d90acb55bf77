"""What W1 does with outliers: the best single point is a median, and medians do not follow them."""

from functools import partial

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from scipy.optimize import linprog
from scipy.stats import norm
from torch import nn

from otgan.constraints import Certified
from otgan.data import Batches, Samples
from otgan.engine import Game, Schedule, train
from otgan.geometry import Lp
from otgan.networks import mlp
from otgan.objectives import Kantorovich
from otgan.preprocess import Identity
from otgan.transport import exact, one_dimensional


def cloud(n, share=0.0, far=10.0, d=2, seed=0):
    """Skewed points, (n, d), the first of them outliers."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=random, dtype=torch.float64).abs() ** 1.5
    outliers = round(share * n)
    x[:outliers] = far * torch.linspace(1, -0.5, d) + 0.1 * x[:outliers]
    return x


def geometric_median(x):
    """By the iteration of Weiszfeld 1937."""
    a = x.mean(0)
    for _ in range(1000):
        weight = 1 / (x - a).norm(dim=1, keepdim=True)
        a = (weight * x).sum(0) / weight.sum()
    return a


def median(x, p):
    return geometric_median(x) if p == 2 else x.median(0).values


def to_point(x, a, p=2):
    """Exact W1 between x and a generator that knows the one point a."""
    return exact(x, a[None], Lp(p)).item()


@pytest.mark.parametrize("share", [0.0, 0.2])
@pytest.mark.parametrize("p", [1, 2])
def test_no_single_point_is_nearer_than_the_median(p, share):
    x = cloud(41, share)
    centre = median(x, p)
    best = to_point(x, centre, p)
    random = torch.Generator().manual_seed(1)
    for scale in (1e-3, 0.1, 1.0, 5.0):
        for step in scale * torch.randn(50, 2, generator=random, dtype=torch.float64):
            assert to_point(x, centre + step, p) >= best - 1e-12
    assert to_point(x, x.mean(0), p) > 1.01 * best


@pytest.mark.parametrize("p", [1, 2])
def test_descent_on_exact_transport_ends_at_the_median(p):
    x = cloud(41, 0.2)
    a = x.mean(0).requires_grad_()
    optimiser = torch.optim.Adam([a], lr=0.1)
    for step in range(600):
        optimiser.param_groups[0]["lr"] = 0.1 * 0.985**step
        optimiser.zero_grad()
        exact(x, a[None], Lp(p)).backward()
        optimiser.step()
    torch.testing.assert_close(a.detach(), median(x, p), atol=5e-3, rtol=0)


class Point(nn.Module):
    """A generator of one point, whatever the noise."""

    def __init__(self, at):
        super().__init__()
        self.at = nn.Parameter(at.clone())

    def forward(self, z, y=None):
        return self.at.expand(len(z), -1)


def trained_point(x, steps):
    """The point of a game against a certified critic under l2, which begins at the mean of x."""
    torch.manual_seed(0)
    fabric = Fabric(accelerator="cpu", devices=1)
    adam = partial(torch.optim.Adam, betas=(0.0, 0.99))
    game = Game.start(
        fabric,
        Point(x.mean(0)),
        mlp(tuple(x.shape[1:]), latent=1, width=32, depth=2)[1],
        partial(adam, lr=0.05),
        partial(adam, lr=0.01),
        geometry=Lp(2),
        objective=Kantorovich(),
        constraint=Certified(),
        schedule=Schedule(steps, 0.9),
    )
    batches = Batches(Samples(x), Identity(), len(x), fabric, seed=0)
    for _ in train(game, batches, lambda n: torch.zeros(n, 1)):
        pass
    return game.average.at.detach()


def test_a_trained_one_point_generator_leaves_the_mean_for_the_geometric_median():
    x = cloud(51, 0.2).float()
    best = geometric_median(x.double())
    found = trained_point(x, 250).double()
    assert (found - best).norm() < 0.2 * (x.double().mean(0) - best).norm()
    assert to_point(x.double(), found) < 1.02 * to_point(x.double(), best)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.45])
def test_outliers_move_the_mean_without_bound_and_the_median_by_a_bound(share):
    """Where a share of at most e < 1/2 is outside a ball of radius r, the geometric median is
    within r (1 - e) / sqrt(1 - 2 e) of its centre (Minsker 2015, 'Geometric median and robust
    estimation in Banach spaces', lemma 2.1)."""
    clean = cloud(100)
    centre, radius = clean.mean(0), (clean - clean.mean(0)).norm(dim=1).max()
    bound = radius * (1 - share) / (1 - 2 * share) ** 0.5
    for far in (1e2, 1e4, 1e6):
        x = cloud(100, share, far)
        assert (geometric_median(x) - centre).norm() <= bound
        assert (x.mean(0) - centre).norm() > 0.9 * share * far


def quantile_differences(x, y):
    """Of samples of real numbers, (n m,): constant on n m equal parts of (0, 1)."""
    n, m = len(x), len(y)
    return x.sort().values.repeat_interleave(m) - y.sort().values.repeat_interleave(n)


@pytest.mark.parametrize(("n", "m"), [(31, 31), (25, 31)])
@pytest.mark.parametrize("share", [0.0, 0.2])
def test_the_best_shift_on_the_line_is_the_median_of_quantile_differences(n, m, share):
    x, y = cloud(n, share, d=1)[:, 0], -cloud(m, d=1, seed=1)[:, 0]
    shift = quantile_differences(x, y).median()

    def cost(shift):
        return one_dimensional(x, y + shift).item()

    grid = torch.linspace(-20, 20, 4001, dtype=torch.float64)
    brute = min(map(cost, grid))
    assert cost(shift) <= brute + 1e-12
    assert brute <= cost(shift) + 0.01  # the grid is that fine, and the cost 1-Lipschitz
    assert cost(shift) == pytest.approx(
        (quantile_differences(x, y) - shift).abs().mean().item(), abs=1e-12
    )


def location_and_scale(x):
    """The normal distribution nearest in W1 to real numbers x, (n,), as sum |x_i - t - s z_i| over
    normal quantiles z_i: least absolute deviations."""
    n = len(x)
    z = norm.ppf((np.arange(n) + 0.5) / n)
    design = np.stack([np.ones(n), z], 1)
    rows = np.block([[-design, -np.eye(n)], [design, -np.eye(n)]])
    x = np.sort(x)
    found = linprog(np.r_[0, 0, np.ones(n)], rows, np.r_[-x, x], bounds=[(None, None)] * (2 + n))
    return found.x[:2]


@pytest.mark.parametrize("share", [0.1, 0.2, 0.24])
def test_below_a_quarter_of_outliers_a_normal_fitted_by_w1_does_not_follow_them(share):
    near, far = (location_and_scale(with_outliers(share, at)) for at in (20.0, 2000.0))
    np.testing.assert_allclose(near, far, atol=1e-6)


def test_above_a_quarter_it_does():
    """A quarter: E |Z - c|, c the lower quartile, is then half of the outliers' making."""
    near, far = (location_and_scale(with_outliers(0.3, at)) for at in (20.0, 2000.0))
    assert (far > 50 * near).all()


def with_outliers(share, at, n=200):
    outliers = round(share * n)
    m = n - outliers
    return np.r_[norm.ppf((np.arange(m) + 0.5) / m), np.full(outliers, at)]
