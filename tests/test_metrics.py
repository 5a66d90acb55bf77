"""Precision, recall and class shares on samples whose answer is known."""

import pytest
import torch

from otgan.data import Samples
from otgan.geometry import Lp
from otgan.metrics import class_shares, coverage, evaluate
from otgan.preprocess import Identity, Scaling

L2 = Lp(2)


def normal(n, seed, d=2):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_points_far_away_are_not_covered_and_copies_are():
    real = normal(100, 0)
    assert coverage(real, real + 100, L2) == 0
    assert coverage(real, real, L2) == 1
    assert coverage(real, torch.cat([real, real + 100]), L2) == 0.5


def test_a_collapsed_generator_has_precision_without_recall():
    real = normal(300, 0)
    collapsed = 0.01 * normal(300, 1)
    assert coverage(real, collapsed, L2) == 1
    assert coverage(collapsed, real, L2) < 0.05


def test_the_kth_neighbour_is_counted_without_the_point_itself():
    line = torch.arange(10.0)[:, None]
    assert coverage(line, torch.tensor([[10.9], [-3.1], [4.5]]), L2, k=2) == pytest.approx(2 / 3)


def test_real_data_score_their_own_floor():
    data = Samples(normal(1000, 0))
    found = evaluate(lambda n: normal(n, 7), data, Samples(normal(200, 1)), L2, Identity())
    assert set(found) == {"W1", "precision", "recall"}
    for score in found.values():
        assert score.value == pytest.approx(score.floor, rel=0.1)


def test_w1_is_given_in_data_units():
    data = Samples(normal(50, 0))
    one, ten = (
        evaluate(
            lambda n: normal(n, 7), Samples(u * data.x), Samples(u * data.x), L2, chart, draws=1
        )["W1"]
        for u, chart in ((1.0, Identity()), (10.0, Scaling(-10.0, 10.0)))
    )
    assert ten.value == pytest.approx(10 * one.value)


def test_class_shares_count_what_is_there():
    train = torch.tensor([0.0, 0.1, 5.0, 5.1, 9.0, 9.1])[:, None]
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    samples = torch.tensor([0.05, 5.0, 5.2, 4.9])[:, None]
    shares = class_shares(samples, train, labels, 3, L2, k=1)
    assert shares.tolist() == [0.25, 0.75, 0.0]
