"""Committees: certified for every lp norm, tight on disjoint parts, and hard to dominate."""

import math

import pytest
import torch
from torch import nn

import otgan
from otgan.config import InputError
from otgan.data import Samples
from otgan.domain import Domain
from otgan.geometry import Lp, Sobolev
from otgan.model import Model
from otgan.networks import mlp
from otgan.networks.committee import Committee, Part, certified_weight, committee, parts
from otgan.networks.lipschitz import lipschitz

LOOKS = [("columns", (7,), 3), ("random", (6,), 4), ("channels", (3, 4, 4), 3),
         ("patches", (2, 8, 9), 4)]  # fmt: skip


class Steepest(nn.Module):
    """<x, w> with ||w||_q = 1: as steep as 1-Lipschitz functions in lp are."""

    def __init__(self, size, p):
        super().__init__()
        self.row = torch.zeros(size).double()
        self.row[:] = size ** (-1 / Lp(p).q)

    def forward(self, x, y=None):
        return x.flatten(1) @ self.row


@pytest.mark.parametrize(("look", "shape", "number"), LOOKS)
def test_parts_cover_and_fit(look, shape, number):
    torch.manual_seed(0)
    found = parts(look, shape, number)
    assert len(found) == number
    assert all(len(places) == math.prod(own) for places, own in found)
    every = torch.cat([places for places, _ in found])
    if look == "random":
        assert all(len(places.unique()) == math.prod(shape) // 2 for places, _ in found)
    else:
        assert torch.equal(every.sort().values, torch.arange(math.prod(shape)))


def test_a_patch_is_a_patch():
    x = torch.arange(64.0).view(1, 1, 8, 8)
    places, shape = parts("patches", (1, 8, 8), 4)[1]
    assert torch.equal(x.flatten(1)[:, places].view(1, *shape), x[:, :, :4, 4:])


@pytest.mark.parametrize("p", [1, 1.5, 2, 4, math.inf])
def test_the_weight_is_tight_on_disjoint_parts_and_a_mean_is_loose(p):
    seen = parts("columns", (12,), 4)
    weight = certified_weight(seen, Lp(p))
    steep = Committee([Steepest(3, p) for _ in seen], seen, weight)
    # the direction in which lp sees least and the committee most
    way = torch.ones(1, 12).double()
    climb = (steep(way) - steep(0 * way)) / Lp(p).distance(way, 0 * way)
    assert climb.item() == pytest.approx(1, rel=1e-6) and climb <= 1
    mean = Committee([Steepest(3, p) for _ in seen], seen)
    assert (mean(way) / steep(way)).item() == pytest.approx(4 ** (-1 / p), rel=1e-6)


@pytest.mark.parametrize("p", [1, 2, math.inf])
@pytest.mark.parametrize(("look", "shape", "number"), LOOKS)
def test_a_certified_committee_is_1_lipschitz(look, shape, number, p):
    torch.manual_seed(0)
    plain = committee(look, shape, number, lambda s: mlp(s, width=8, depth=1)[1])
    f = lipschitz(plain, Lp(p), torch.randn(5, *shape)).double()
    for weight in f.parameters():
        nn.init.normal_(weight, std=10.0)
    x = torch.randn(300, *shape, dtype=torch.float64)
    assert Lp(p).slope(f, x, x).max() <= 1 + 1e-9
    y = x + 0.1 * torch.randn_like(x)
    assert ((f(x) - f(y)).abs() <= Lp(p).distance(x, y) * (1 + 1e-9)).all()


@pytest.mark.parametrize(
    ("look", "shape", "number", "message"),
    [
        ("columns", (3,), 4, "4 cannot share 3 coordinates"),
        ("channels", (1, 8, 8), 2, "2 cannot share 1 channels"),
        ("channels", (8,), 2, "parts of images"),
        ("patches", (1, 8, 8), 3, "a square number"),
        ("patches", (1, 2, 2), 9, "3 cannot share 2 rows"),
    ],
)
def test_parts_that_do_not_exist_are_refused(look, shape, number, message):
    with pytest.raises(ValueError, match=message):
        parts(look, shape, number)


def test_a_norm_of_whole_images_has_no_certified_committee():
    plain = committee("patches", (1, 8, 8), 4, lambda s: mlp(s, width=8)[1])
    with pytest.raises(ValueError, match="needs an lp norm"):
        lipschitz(plain, Sobolev(1), torch.randn(5, 1, 8, 8))


def test_one_member_cannot_outvote_the_others():
    """The share of the steepest coordinate in a gradient: all of it for one critic, 1 / K here."""
    members = [Steepest(1, 2) for _ in range(4)]
    f = Committee(members, [Part(torch.tensor([k]), (1,)) for k in range(4)], 0.5)
    x = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(f(x).sum(), x)
    torch.testing.assert_close(gradient.square(), torch.full_like(x, 0.25))


@pytest.mark.parametrize(("look", "number"), [("patches", 4), ("columns", 3), ("random", 2)])
def test_images_have_committees_too(look, number):
    model = otgan.fit(
        preset="certified", steps=1, batch_size=8, quiet=True,
        network={"committee": number, "look": look, "width": 8},
    )  # fmt: skip
    assert len(model.critic.members) == number
    assert model.score(model.sample(3)).shape == (3,)


def test_a_run_with_a_committee_is_saved_whole(tmp_path):
    points = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
    data = Domain(Lp(2), Samples(points), Samples(points[:20]))
    model = otgan.fit(
        domain=data, preset="certified", steps=3, batch_size=16, quiet=True, out=tmp_path,
        network={"committee": 3, "look": "random", "width": 8},
    )  # fmt: skip
    again = Model.load(tmp_path, domain=data)
    torch.testing.assert_close(again.score(points), model.score(points))
    with pytest.raises(InputError, match="cannot share 6 coordinates"):
        otgan.fit(domain=data, steps=1, network={"committee": 7}, quiet=True)
