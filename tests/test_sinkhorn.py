"""Entropic transport: its limits, its laws, its gradients."""

import math

import pytest
import torch

from otgan.geometry import Discrete, GraphMetric, Lp, Power
from otgan.transport import exact, sinkhorn

COSTS = [Lp(1), Lp(2), Lp(float("inf")), Power(Lp(2), 2), Discrete()]


def points(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_two_pairs_by_hand():
    x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    keep = torch.tensor(0.5).double() / (1 + torch.exp(torch.tensor(-1 / 0.7).double()))
    plan = torch.stack([keep, 0.5 - keep]).repeat(2)  # of each point, what stays and what moves
    entropy = (plan * (plan * 4).log()).sum()
    expected = 2 * (0.5 - keep) + 0.7 * entropy
    value = sinkhorn(x, x, Lp(2), 0.7, debiased=False, tolerance=1e-9)
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("geometry", COSTS, ids=repr)
@pytest.mark.parametrize("share", [1.0, 0.1, 0.005])
def test_it_approaches_exact_transport_as_fast_as_it_says(geometry, share):
    x, y = points(20, 3), points(30, 3, seed=1) + 0.5
    truth, cost = exact(x, y, geometry), geometry.pairwise(x, y)
    blur = share * cost.max().item()
    bare = sinkhorn(x, y, geometry, blur, debiased=False)
    assert truth - 1e-6 * blur <= bare <= truth + blur * math.log(20)
    assert bare <= cost.mean() + 1e-6 * blur  # the independent plan
    assert truth - blur * math.log(30) <= sinkhorn(x, y, geometry, blur) <= bare


def test_debiased_it_is_a_divergence_for_l2():
    x, y, a = points(30, 3), points(25, 3, seed=1), points(30, seed=2).softmax(0)
    for blur in (0.1, 1.0, 100.0):
        assert sinkhorn(x, x, Lp(2), blur, a, a) == 0
        assert sinkhorn(x, y, Lp(2), blur, a) > 0
        assert sinkhorn(x, x, Lp(2), blur, a) > 0  # other weights are another measure
        one_way, other_way = sinkhorn(x, y, Lp(2), blur, a), sinkhorn(y, x, Lp(2), blur, None, a)
        torch.testing.assert_close(one_way, other_way)


def test_a_wide_blur_gives_half_the_energy_distance():
    x, y = points(20, 3), points(25, 3, seed=1) + 0.2
    c = Lp(2).pairwise
    energy = c(x, y).mean() - c(x, x).mean() / 2 - c(y, y).mean() / 2
    torch.testing.assert_close(sinkhorn(x, y, Lp(2), 1e5), energy, rtol=1e-3, atol=0)


@pytest.mark.parametrize("debiased", [False, True])
def test_gradients_are_finite_differences(debiased):
    x, y = points(4, 2).requires_grad_(), (points(5, 2, seed=1) + 1).requires_grad_()
    p, q = points(4, seed=2).requires_grad_(), points(5, seed=3).requires_grad_()

    def value(x, y, p, q):
        a, b = p.softmax(0), q.softmax(0)
        return sinkhorn(x, y, Lp(2), 1.0, a, b, debiased=debiased, tolerance=1e-8)

    assert torch.autograd.gradcheck(value, (x, y, p, q))


def test_the_gradient_at_equal_samples_is_0():
    x = points(10, 2)
    moving = x.clone().requires_grad_()
    sinkhorn(moving, x, Lp(2), 0.1).backward()
    torch.testing.assert_close(moving.grad, torch.zeros_like(x), rtol=0, atol=1e-6)


def test_a_point_of_weight_0_changes_nothing_and_has_a_finite_gradient():
    x, y = points(10, 2), points(12, 2, seed=1)
    a = torch.cat([torch.full((9,), 1 / 9), torch.zeros(1)]).double().requires_grad_()
    value = sinkhorn(x, y, Lp(2), 0.2, a)
    torch.testing.assert_close(value, sinkhorn(x[:9], y, Lp(2), 0.2), rtol=1e-6, atol=0)
    value.backward()
    assert torch.isfinite(a.grad).all() and a.grad[9] != 0


def test_it_scales_with_costs_and_with_weights():
    x, y, a = points(10, 2), points(12, 2, seed=1), points(10).softmax(0)
    value = sinkhorn(x, y, Lp(2), 0.2, a)
    torch.testing.assert_close(sinkhorn(50 * x, 50 * y, Lp(2), 10, a), 50 * value)
    torch.testing.assert_close(sinkhorn(x, y, Lp(2), 0.2, 7 * a), 7 * value)


def test_single_precision_and_equal_points_do():
    x = torch.zeros(5, 2)
    assert sinkhorn(x, x[:3], Lp(2), 1e-3).abs() < 1e-7
    x, y = points(50, 2).float(), points(60, 2, seed=1).float() + 1
    value = sinkhorn(x.double(), y.double(), Lp(2), 0.02).float()
    torch.testing.assert_close(sinkhorn(x, y, Lp(2), 0.02), value, rtol=1e-4, atol=0)


def test_nodes_of_a_graph_are_points_too():
    ring = GraphMetric([[i, (i + 1) % 12] for i in range(12)])
    x, y = torch.arange(5), torch.arange(2, 9)
    bare, truth = sinkhorn(x, y, ring, 0.05, debiased=False), exact(x, y, ring)
    assert truth <= bare + 1e-5 <= truth + 0.05 * math.log(5) + 2e-5


@pytest.mark.parametrize("blur", [0, -1.0, float("nan"), float("inf")])
def test_a_blur_that_is_no_length_is_refused(blur):
    with pytest.raises(ValueError, match="blur is a length"):
        sinkhorn(points(3, 2), points(3, 2), Lp(2), blur)


def test_what_has_not_converged_is_an_error_that_says_what_to_do():
    x, y = points(20, 2), points(20, 2, seed=1)
    with pytest.raises(RuntimeError, match=r"after 40 iterations .*: raise iterations or blur"):
        sinkhorn(x, y, Lp(2), 1e-4, iterations=40)
