"""What constraints charge, refuse and project."""

import math

import pytest
import torch
from duel import game
from torch import nn

from otgan.config import Constraint as Settings
from otgan.constraints import Certified, SlopePenalty, SpectralNorm, WeightClipping
from otgan.geometry import Angles, Lp, MetricSpace, Power
from otgan.networks import dcgan, mlp
from otgan.objectives import NonSaturating


class Discrete(MetricSpace):
    def distance(self, x, y):
        return (x != y).flatten(1).any(1).to(x.dtype)


def linear(slope, shape=(3, 4, 4)):
    """A critic whose gradient is a constant array of that l2 norm."""
    weight = torch.full(shape, slope / math.sqrt(math.prod(shape)), dtype=torch.float64)
    return lambda x: (weight * x).flatten(1).sum(1)


def points(n=8, shape=(3, 4, 4), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, *shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("slope", [0.0, 0.4, 1.0, 2.5])
@pytest.mark.parametrize("weight", [1.0, 10.0])
@pytest.mark.parametrize(
    ("sided", "excess"),
    [("two", lambda s: s - 1), ("one", lambda s: max(s - 1, 0)), ("zero", lambda s: s)],
)
def test_the_charge_of_a_linear_critic(slope, weight, sided, excess):
    """One norm a sample over all its axes: neither per pixel nor over the batch."""
    charged = SlopePenalty(sided, weight)
    for n in (1, 8):
        found = charged.penalty(Lp(2), linear(slope), points(n), points(n, seed=1), 0)
        assert found.item() == pytest.approx(weight * excess(slope) ** 2)


@pytest.mark.parametrize(("p", "dual"), [(1, math.inf), (2, 2), (math.inf, 1)])
def test_the_dual_norm_is_charged(p, dual):
    weight = torch.tensor([3.0, -4.0])
    found = SlopePenalty("zero", 1.0).penalty(
        Lp(p), lambda x: x @ weight, torch.zeros(2, 2), torch.ones(2, 2), 0
    )
    assert found.item() == pytest.approx(weight.norm(dual).item() ** 2)


def test_the_automatic_weight_follows_the_unit_of_the_data():
    x, y = points(), points(seed=1)
    auto = SlopePenalty("two", "auto")
    small = auto.penalty(Lp(2), linear(2.0), x, y, 0)
    large = auto.penalty(Lp(2), linear(2.0), 1000 * x, 1000 * y, 0)
    torch.testing.assert_close(large, 1000 * small)
    expected = 10 * Lp(2).distance(x, y).mean()
    torch.testing.assert_close(small, expected)


@pytest.mark.parametrize("every", [1, 4])
def test_lazy_penalties_charge_the_same_on_average(every):
    lazy, x, y = SlopePenalty(every=every), points(), points(seed=1)
    charges = [lazy.penalty(Lp(2), linear(3.0), x, y, step).item() for step in range(8)]
    assert sum(charges) / 8 == pytest.approx(40)
    assert sum(c > 0 for c in charges) == 8 / every


@pytest.mark.parametrize(("pairs", "where"), [("real", 0), ("fake", 1)])
def test_pairs_at_single_points_charge_there(pairs, where):
    x, y = torch.zeros(4, 2), torch.ones(4, 2)
    charged = SlopePenalty("zero", 1.0, pairs)
    found = charged.penalty(Lp(2), lambda z: z.square().sum(1) / 2, x, y, 0)
    assert found.item() == pytest.approx(2.0 * where)  # the slope there is ||z||


def test_slopes_at_both_kinds_of_points_are_the_sum_of_both_charges():
    """R1 and R2 together, of a critic whose slope is the distance from 0."""
    x, y = torch.full((4, 1), 2.0), torch.full((4, 1), 3.0)
    both = SlopePenalty("zero", 0.5, "both")
    found = both.penalty(Lp(2), lambda z: z.square().sum(1) / 2, x, y, 0)
    assert found.item() == pytest.approx(0.5 * (4 + 9))


def test_noised_pairs_charge_near_real_points_and_nowhere_else():
    """DRAGAN: from each point up to half the deviation of the batch in every coordinate."""
    torch.manual_seed(0)
    x, y, seen = 3 * torch.randn(500, 2), torch.full((500, 2), torch.nan), []

    def f(z):
        seen.append(z.detach() - x)
        return z.sum(1)

    found = SlopePenalty("two", 1.0, "noised").penalty(Lp(2), f, x, y, 0)
    assert found.item() == pytest.approx((2**0.5 - 1) ** 2)  # the slope of the sum
    moved = seen[0] / x.std()
    assert 0 <= moved.min() < 0.02 and 0.4 < moved.max() <= 0.5
    assert moved.mean().item() == pytest.approx(1 / 8, abs=0.01)  # two uniform factors of 1/2


def test_points_that_cannot_be_noised_are_refused():
    with pytest.raises(ValueError, match="cannot be noised"):
        SlopePenalty("one", pairs="noised").build(nn.Linear(1, 1), Discrete())
    torus = Angles()
    SlopePenalty("one", pairs="noised").build(nn.Linear(1, 1), torus)
    with pytest.raises(ValueError, match="sided='one'"):
        SlopePenalty("two", pairs="noised").build(nn.Linear(1, 1), torus)


@pytest.mark.parametrize("shape", [(3,), (1, 8, 8)])
@pytest.mark.parametrize("sided", ["one", "two", "zero"])
def test_batch_normalisation_in_the_critic_is_refused(shape, sided):
    build = dcgan if len(shape) == 3 else mlp
    with pytest.raises(ValueError, match="'layer' or 'instance'"):
        SlopePenalty(sided).build(build(shape, critic_norm="batch")[1], Lp(2))
    for norm in ("none", "layer", *(("instance",) if len(shape) == 3 else ())):
        SlopePenalty(sided).build(build(shape, critic_norm=norm)[1], Lp(2))


@pytest.mark.parametrize("norm", ["none", "layer", "instance"])
def test_the_value_at_a_sample_does_not_depend_on_its_batch(norm):
    critic = dcgan((1, 8, 8), critic_norm=norm)[1]
    nn.init.normal_(critic[-1].weight)
    x = torch.randn(5, 1, 8, 8)
    torch.testing.assert_close(critic(x)[:1], critic(x[:1]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sided", ["two", "zero"])
def test_secants_are_charged_one_sidedly_only(sided):
    with pytest.raises(ValueError, match="sided='one'"):
        SlopePenalty(sided).build(nn.Linear(1, 1), Discrete())
    SlopePenalty("one").build(nn.Linear(1, 1), Discrete())


@pytest.mark.parametrize("pairs", ["real", "fake", "both"])
def test_secants_need_two_points(pairs):
    with pytest.raises(ValueError, match="real-fake"):
        SlopePenalty("one", pairs=pairs).build(nn.Linear(1, 1), Discrete())


@pytest.mark.parametrize("geometry", [Lp(1), Lp(3), Lp(math.inf), Discrete()], ids=str)
def test_spectral_normalisation_refuses_what_it_cannot_bound(geometry):
    with pytest.raises(ValueError, match="l2"):
        SpectralNorm().build(mlp((3,))[1], geometry)


def test_spectral_normalisation_bounds_every_dense_layer():
    critic = SpectralNorm().build(mlp((6,), width=16)[1], Lp(2))
    for _ in range(50):
        critic(torch.randn(4, 6))
    for layer in critic:
        if isinstance(layer, nn.Linear):
            assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1, abs=1e-2)


def test_clipping_spares_normalisation_and_buffers():
    critic = dcgan((1, 8, 8), critic_norm="batch")[1]
    before = {k: v.clone() for k, v in critic.state_dict().items()}
    WeightClipping(0.01).project(critic)
    norms = {n for n, m in critic.named_modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)}
    assert norms
    for name, value in critic.state_dict().items():
        if name.rpartition(".")[0] in norms:
            assert torch.equal(value, before[name])
        else:
            assert value.abs().max() <= 0.01


class Steep(nn.Module):
    """f(x, y) = <w, x> + 100 y."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 0.0]))
        self.seen = []

    def forward(self, x, y):
        self.seen.append(y)
        return x @ self.weight + 100 * y


def test_a_critic_steep_in_the_condition_alone_pays_nothing():
    critic = Steep()
    play = game(Lp(2), SlopePenalty("two"), networks=(nn.Linear(1, 1), critic))
    x, fake, y = torch.randn(6, 2), torch.randn(6, 2), torch.arange(6.0)
    _, penalty, _ = play.critic_loss(x, fake, y, 0)
    assert penalty.item() == pytest.approx(0, abs=1e-6)
    values, charged = critic.seen
    assert torch.equal(values, torch.cat([y, y]))
    assert torch.equal(charged, y)  # the interpolate's label is its pair's own


def test_mixing_conditions_in_secant_pairs_would_charge_for_them():
    x, fake, y = torch.randn(6, 2), torch.randn(6, 2), torch.arange(6.0)
    critic, line = Steep(), type("Plane", (MetricSpace,), {"distance": Lp(2).distance})()
    own = SlopePenalty("one").penalty(line, lambda z: critic(z, y.repeat(2)), x, fake, 0)
    mixed = torch.cat([y, y.roll(1)])
    wrong = SlopePenalty("one").penalty(line, lambda z: critic(z, mixed), x, fake, 0)
    assert own.item() == pytest.approx(0, abs=1e-6)
    assert wrong > 100


def test_a_certified_critic_pays_nothing_and_differentiates_once():
    play = game(Lp(2), Certified())
    x, fake = torch.randn(6, 2), torch.randn(6, 2)
    loss, penalty, gap = play.critic_loss(x, fake, None, 0)
    assert penalty.item() == 0 and not penalty.requires_grad
    torch.testing.assert_close(loss.detach(), -gap)
    loss.backward()
    assert all(p.grad is not None and not p.grad.requires_grad for p in play.critic.parameters())


def test_a_cost_that_is_no_metric_has_no_distance_to_train_on():
    squared = Power(Lp(2), 2)
    for constraint in (SlopePenalty("one"), Certified(torch.randn(4, 2)), WeightClipping()):
        with pytest.raises(ValueError, match=r"otgan\.transport"):
            game(squared, constraint)
    game(squared, WeightClipping(), objective=NonSaturating())


def test_settings_and_constraint_agree_on_their_defaults():
    penalty, settings = SlopePenalty(), Settings()
    for name in ("sided", "weight", "pairs", "every"):
        assert getattr(penalty, name) == getattr(settings, name)
    assert WeightClipping().bound == settings.bound
