"""Distributions whose modes can be counted: samples of them have all, and counts see what lacks."""

import math

import pytest
import torch

from otgan.pairs.modes import PLANE, balance, lattice, lines, ring, swiss_roll


def draw(n=4000, seed=0):
    return n, torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", PLANE)
def test_a_sample_has_every_mode_equally_often_and_nearly_all_points_near(name):
    modes = PLANE[name]
    found = modes.counts(modes.sample(*draw()))
    assert found["modes"] == modes.number
    assert found["quality"] >= 1 - math.exp(-4.5) - 0.01  # a plane Gaussian's share within 3
    assert found["kl"] < 2 * modes.number / 4000


def test_numbers_and_places_are_those_of_the_papers():
    assert [modes.number for modes in PLANE.values()] == [25, 8, 20, 20]
    assert lattice().at.abs().max() == 4 and lattice().at.mean(0).abs().max() < 1e-6
    torch.testing.assert_close(ring().at.norm(dim=1), torch.full((8,), 2.0))
    radius = swiss_roll().at.norm(dim=1)
    assert (radius.diff() > 0).all() and radius[-1] / radius[0] == pytest.approx(3, rel=1e-2)
    assert sorted(set(lines().at[:, 0].tolist())) == [-2, -1, 0, 1, 2]


def test_modes_of_low_quality_or_missing_are_not_found_and_unbalance():
    modes = lattice()
    one = modes.at[3].repeat(100, 1)
    assert modes.counts(one) == {"modes": 1, "quality": 1, "kl": pytest.approx(math.log(25))}
    between = one + 3.1 * modes.deviation
    assert modes.counts(between)["modes"] == 0
    half = torch.cat([modes.at[:12], modes.at[:12] + 0.5])
    found = modes.counts(half)
    assert (found["modes"], found["quality"]) == (12, 0.5)
    assert found["kl"] == pytest.approx(math.log(25 / 12))


def test_balance_is_the_divergence_of_shares_from_equal_ones():
    shares = torch.tensor([0.5, 0.25, 0.25, 0.0])
    mode = torch.tensor([0, 0, 1, 2])
    expected = sum(p * math.log(4 * p) for p in shares.tolist() if p)
    assert balance(mode, 4) == pytest.approx(expected)
