"""Critics against distributions whose distance is known in closed form."""

import math

import pytest
import torch
from duel import duel

from otgan.constraints import SlopePenalty
from otgan.geometry import Lp, MetricSpace
from otgan.transport import exact

PENALTIES = {
    "two-sided": SlopePenalty("two"),
    "one-sided": SlopePenalty("one"),
    "auto": SlopePenalty("one", "auto"),
}


class Line(MetricSpace):
    """The real line, known by its distance alone."""

    def distance(self, x, y):
        return (x - y).abs().flatten(1).sum(1)


def at(place):
    return lambda n: torch.full((n, 1), float(place))


def overstatement(constraint, theta):
    """The optimum of s * theta - weight * (s - 1)^2 is s = 1 + theta / (2 * weight)."""
    weight = 10 * theta if constraint.weight == "auto" else constraint.weight
    return 1 + theta / (2 * weight)


def check_point_masses(constraint, theta, sign, seed, geometry=None):
    value, slope = duel(
        geometry or Lp(2),
        constraint,
        at(0),
        at(sign * theta),
        seed=seed,
        steps=1200 if constraint.weight == "auto" else 400,  # where the weight has to be found
        width=16,
        batch=32,
    )
    assert value == pytest.approx(theta * overstatement(constraint, theta), rel=0.01)
    assert value / slope == pytest.approx(theta, rel=0.02)


@pytest.mark.parametrize("theta", [0.1, 10])
@pytest.mark.parametrize("kind", PENALTIES)
def test_point_masses(kind, theta):
    check_point_masses(PENALTIES[kind], theta, 1, 0)


@pytest.mark.slow
@pytest.mark.parametrize("theta", [0.1, 0.3, 1, 3, 10])
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", PENALTIES)
def test_point_masses_of_either_sign_and_any_seed(kind, theta, sign, seed):
    check_point_masses(PENALTIES[kind], theta, sign, seed)


@pytest.mark.parametrize("theta", [0.3, 3])
def test_point_masses_by_secants(theta):
    check_point_masses(SlopePenalty("one"), theta, 1, 0, Line())


@pytest.mark.parametrize("p", [1, 2, math.inf])
def test_the_dual_norm_of_the_ground_cost_is_charged(p):
    """Point masses 0 and (1, 2): l1 says 3, l2 sqrt 5, l-infinity 2."""
    there = torch.tensor([1.0, 2.0])
    value, slope = duel(
        Lp(p), SlopePenalty("one", 30.0), lambda n: torch.zeros(n, 2), lambda n: there.repeat(n, 1)
    )
    truth = torch.linalg.vector_norm(there, p).item()
    assert value / slope == pytest.approx(truth, rel=0.03)


def gaussian(mean, scale=1.0):
    mean = torch.tensor(mean)
    return lambda n: mean + scale * torch.randn(n, len(mean))


@pytest.mark.slow
@pytest.mark.parametrize("d", [1, 2, 8])
@pytest.mark.parametrize("sided", ["one", "two"])
def test_gaussians_of_equal_covariance_are_as_far_as_their_means(d, sided):
    shift = [3.0] + [0.0] * (d - 1)
    value, slope = duel(
        Lp(2), SlopePenalty(sided), gaussian([0.0] * d), gaussian(shift), steps=1000, rate=2e-3
    )
    assert value == pytest.approx(3 * overstatement(SlopePenalty(), 3), rel=0.08)
    assert 0.85 * 3 < value / slope < 1.02 * 3


@pytest.mark.slow
def test_gaussians_on_the_line_by_their_quantiles():
    """W1 of N(0, 1) and N(0, 3): E |Z| * 2, and no critic of slope 1 says more."""
    truth = 2 * math.sqrt(2 / math.pi)
    value, slope = duel(
        Lp(2), SlopePenalty("one", 50.0), gaussian([0.0]), gaussian([0.0], 3.0), steps=1500
    )
    assert 0.9 * truth < value / slope < 1.02 * truth
    assert value == pytest.approx(truth, rel=0.06)


@pytest.mark.parametrize("p", [1, 1.5, 2, math.inf])
def test_weak_duality_no_1_lipschitz_function_beats_exact_transport(p):
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(60, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    y = 1.5 * y + 0.5
    geometry, bound = Lp(p), exact(x, y, Lp(p)).item()
    for seed in range(30):
        anchors = torch.randn(
            5, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
        for f in (
            lambda z, a=anchors: geometry.pairwise(z, a).amin(1),
            lambda z, a=anchors: -geometry.pairwise(z, a).amin(1),
            lambda z, a=anchors: z @ a[0] / geometry.dual_norm(a[:1]),
        ):
            assert f(x).mean() - f(y).mean() <= bound + 1e-9
