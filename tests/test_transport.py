"""Exact transport against closed forms and brute force."""

import itertools

import pytest
import torch
from scipy.stats import wasserstein_distance

from otgan.geometry import Lp
from otgan.transport import exact


@pytest.mark.parametrize("p", [1, 2, 3.5, float("inf")])
def test_small_samples_by_trying_every_matching(p):
    x, y = torch.randn(2, 6, 3, dtype=torch.float64)
    cost = Lp(p).pairwise(x, y)
    best = min(cost[range(6), list(order)].mean() for order in itertools.permutations(range(6)))
    torch.testing.assert_close(exact(x, y, Lp(p)), best)


def test_one_dimension_with_different_counts():
    x, y = torch.randn(40, 1, dtype=torch.float64), 2 * torch.randn(57, 1, dtype=torch.float64)
    expected = wasserstein_distance(x[:, 0].numpy(), y[:, 0].numpy())
    assert exact(x, y, Lp(2)).item() == pytest.approx(expected)


def test_a_translation_costs_its_length_and_pulls_back_along_itself():
    x = torch.randn(30, 2, 4, dtype=torch.float64)
    y = (x + 3).requires_grad_()
    distance = exact(x, y, Lp(2))
    assert distance.item() == pytest.approx(3 * 8**0.5)
    distance.backward()
    torch.testing.assert_close(y.grad, torch.full_like(y, 1 / (30 * 8**0.5)))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.zeros(0, 2), torch.zeros(3, 2), "0 and 3"),
        (torch.zeros(3, 2), torch.zeros(3, 4), "cannot move"),
        (torch.full((3, 2), torch.nan), torch.zeros(3, 2), "NaN"),
    ],
)
def test_bad_samples_are_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        exact(x, y, Lp(2))
