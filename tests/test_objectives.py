"""Objectives: divergences with closed forms, losses by hand, unrolling, games without a critic."""

import copy
import math
from functools import partial
from typing import get_args

import pytest
import torch
from duel import game
from lightning_fabric import Fabric
from torch import nn

import otgan
from otgan import build
from otgan import config as settings
from otgan.conditions import Attribute
from otgan.config import InputError, RunError, resolve
from otgan.constraints import Certified, Constraint, SlopePenalty, SpectralNorm, WeightClipping
from otgan.data import Batches, Samples
from otgan.domain import Domain
from otgan.engine import train
from otgan.geometry import Discrete, GraphMetric, Lp, Mahalanobis
from otgan.model import Model
from otgan.monitors import HeldOut
from otgan.networks import mlp
from otgan.networks.heads import Autoencoder, Features, Points
from otgan.objectives import (
    DIVERGENCES,
    OBJECTIVES,
    CriticAt,
    EnergyDistance,
    FDivergence,
    Hinge,
    LeastSquares,
    Margin,
    Minimax,
    Quadratic,
    Relativistic,
    RelativisticAverage,
    Sinkhorn,
    Sliced,
    Unrolled,
)
from otgan.preprocess import Identity
from otgan.transport import exact, sinkhorn

CPU = Fabric(accelerator="cpu", devices=1)
DOUBLE = partial(torch.tensor, dtype=torch.float64)


# f-divergences of p = N(mean, 1) and q = N(0, 1), where u = p / q is log-normal under both.
MEAN = 0.8
CLOSED = {
    "total-variation": math.erf(MEAN / 2 / math.sqrt(2)),
    "kl": MEAN**2 / 2,
    "reverse-kl": MEAN**2 / 2,
    "pearson": math.exp(MEAN**2) - 1,
    "squared-hellinger": 2 - 2 * math.exp(-(MEAN**2) / 8),
}
X = torch.linspace(-12, 12, 20_001, dtype=torch.float64)


def density(mean, deviation=1.0):
    z = (X - mean) / deviation
    return (-z.square() / 2).exp() / deviation / math.sqrt(2 * math.pi)


def integral(values):
    return torch.trapezoid(values, X).item()


def bound(divergence, v, p, q):
    """E_p g(v) - E_q f*(g(v)) by quadrature, as the critic's loss has it with its sign turned."""
    return integral(p * divergence.activation(v)) - integral(q * divergence.conjugate(v))


def inverse(increasing, values):
    """Where an increasing function has these values, by bisection."""
    low, high = torch.full_like(values, -80.0), torch.full_like(values, 80.0)
    for _ in range(60):
        middle = (low + high) / 2
        below = increasing(middle) < values
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return low


@pytest.mark.parametrize("name", CLOSED)
def test_the_divergence_of_two_gaussians_has_its_closed_form(name):
    p, q = density(MEAN), density(0)
    found = integral(q * DIVERGENCES[name].f(p / q))
    assert found == pytest.approx(CLOSED[name], rel=1e-6)


def test_jensen_shannon_is_the_sum_of_two_kl_to_the_mean():
    p, q = density(MEAN), density(0)
    m = (p + q) / 2
    expected = integral(p * (p / m).log()) + integral(q * (q / m).log())
    found = integral(q * DIVERGENCES["jensen-shannon"].f(p / q))
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize(("mean", "deviation"), [(MEAN, 1.0), (0.3, 0.8)])
def test_the_bound_of_the_best_critic_is_the_divergence_and_no_other_is_above(
    name, mean, deviation
):
    divergence, p, q = DIVERGENCES[name], density(mean, deviation), density(0)
    true = integral(q * divergence.f(p / q))
    best = inverse(divergence.activation, divergence.slope(p / q))
    assert bound(divergence, best, p, q) == pytest.approx(true, rel=1e-4)
    for other in (best + 0.1, best - 0.1, 0.9 * best):
        assert bound(divergence, other.clamp(-80, 80), p, q) < true * (1 + 1e-9)
    assert bound(divergence, torch.zeros_like(best), p, q) < 0.9 * true


@pytest.mark.parametrize("name", DIVERGENCES)
def test_the_conjugate_is_the_largest_of_all_lines_less_f(name):
    divergence = DIVERGENCES[name]
    u = torch.logspace(-6, 6, 100_001, dtype=torch.float64)
    for v in torch.linspace(-2, 3, 6, dtype=torch.float64):
        t = divergence.activation(v)
        found = (t * u - divergence.f(u)).max()
        # where u = 0 is best and not on the grid, its limit -f(0) is
        torch.testing.assert_close(found, divergence.conjugate(v), rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_activations_increase_and_nothing_overflows_for_a_sure_critic(name):
    divergence, v = DIVERGENCES[name], torch.linspace(-60, 60, 1001, requires_grad=True)
    for values in (divergence.activation(v), divergence.conjugate(v)):
        (slope,) = torch.autograd.grad(values.sum(), v, retain_graph=True)
        assert values.isfinite().all() and slope.isfinite().all()
    assert (divergence.activation(v).diff() >= 0).all()


@pytest.mark.parametrize("name", DIVERGENCES)
def test_both_updates_of_an_f_gan_raise_generated_values(name):
    for saturating in (True, False):
        objective = FDivergence(DIVERGENCES[name], saturating)
        fake = torch.linspace(-1, 1, 5).requires_grad_()
        objective.generator(fake).backward()
        assert (fake.grad < 0).all()


def test_least_squares_charges_distances_to_labels():
    real, fake = DOUBLE([0.5, 2.0]), DOUBLE([1.0, -1.0])
    assert LeastSquares().critic(real, fake).item() == pytest.approx(0.625 / 2 + 1 / 2)
    assert LeastSquares().generator(fake).item() == pytest.approx(4 / 2 / 2)
    pearson = LeastSquares(-1, 1, 0)
    assert pearson.generator(fake).item() == pytest.approx(0.5)
    # at the best critic v = (p - q) / (p + q), 2 C(G) is the Pearson divergence of m and q, times 4
    p, q = density(MEAN), density(0)
    v = (p - q) / (p + q)
    game_value = integral(p * v.square()) + integral(q * v.square())
    assert game_value == pytest.approx(integral((p - q).square() / (p + q)), rel=1e-6)


def test_hinge_and_margin_stop_charging_beyond_their_margins():
    real, fake = DOUBLE([0.0, 3.0]), DOUBLE([-2.0, 1.0])
    assert Hinge().critic(real, fake).item() == pytest.approx(0.5 + 1.0)
    assert Hinge().generator(fake).item() == pytest.approx(0.5)
    energies = -DOUBLE([1.0, 2.0]), -DOUBLE([0.5, 5.0])  # of real and generated points
    assert Margin(2.0).critic(*energies).item() == pytest.approx(1.5 + 0.75)
    assert Margin(2.0).generator(energies[1]).item() == pytest.approx(2.75)


class Ramp(nn.Module):
    """f(x) = w x, with w a weight."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(DOUBLE(w))

    def forward(self, x, y=None):
        return self.w * x[:, 0]


def on_line(*values):
    return DOUBLE(values)[:, None]


def test_relativistic_losses_compare_with_the_other_kind():
    x, fake = on_line(1.0, 4.0), on_line(0.0, 1.0)
    f = CriticAt(Ramp(1.0), Lp(2))

    def softplus(*values):
        return sum(math.log1p(math.exp(v)) for v in values) / len(values)

    pairs = Relativistic()
    assert pairs.critic_loss(f, x, fake)[0].item() == pytest.approx(softplus(-1, -3))
    assert pairs.generator_loss(f, x, fake).item() == pytest.approx(softplus(1, 3))
    means = RelativisticAverage()
    real_part, fake_part = softplus(0.5 - 1, 0.5 - 4), softplus(0 - 2.5, 1 - 2.5)
    assert means.critic_loss(f, x, fake)[0].item() == pytest.approx(real_part + fake_part)
    turned = softplus(1 - 0.5, 4 - 0.5) + softplus(2.5 - 0, 2.5 - 1)
    assert means.generator_loss(f, x, fake).item() == pytest.approx(turned)


@pytest.mark.parametrize("steps", [1, 3])
def test_unrolling_knows_how_the_critic_will_answer(steps):
    """The gradient in the generated points is that of the whole look ahead, by differences."""
    x, objective = on_line(1.0, 2.0), Unrolled(steps, rate=0.3)
    critic = Ramp(0.5)

    def loss(fake):
        w = critic.w.item()
        for _ in range(steps):  # gradient descent by hand
            real, made = w * x[:, 0], w * fake[:, 0]
            slope = (-x[:, 0] * (-real).sigmoid()).mean() + (fake[:, 0] * made.sigmoid()).mean()
            w = w - 0.3 * slope.item()
        return -Minimax().critic(w * x[:, 0], w * fake[:, 0]).item()

    fake = on_line(-1.0, 0.5).requires_grad_()
    found = objective.generator_loss(CriticAt(critic, Lp(2)), x, fake)
    found.backward()
    assert found.item() == pytest.approx(loss(fake.detach()))
    for i in range(2):
        e = torch.zeros_like(fake)
        e[i] = 1e-5
        slope = (loss(fake.detach() + e) - loss(fake.detach() - e)) / 2e-5
        assert fake.grad[i].item() == pytest.approx(slope, rel=1e-4)
    assert critic.w.item() == 0.5 and critic.w.grad is None


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_unrolling_leaves_weights_and_statistics_of_the_critic(norm):
    critic = mlp((2,), width=8, critic_norm=norm)[1]
    before = copy.deepcopy(critic.state_dict())
    critic.requires_grad_(False)
    fake = torch.randn(16, 2, requires_grad=True)
    Unrolled(3).generator_loss(CriticAt(critic, Lp(2)), torch.randn(16, 2), fake).backward()
    assert all(torch.equal(v, before[k]) for k, v in critic.state_dict().items())
    assert fake.grad.abs().sum() > 0


def test_unrolling_leaves_a_ground_cost_that_is_part_of_the_critic():
    ruler = Mahalanobis(torch.eye(2))
    ruler.register_parameter("own", nn.Parameter(torch.ones(()), requires_grad=False))
    critic = nn.Module()
    critic.add_module("ruler", ruler)
    ahead = CriticAt(critic, ruler).copied()
    assert not ahead.weights["ruler.own"].requires_grad


def test_a_plan_that_does_not_settle_is_one_line():
    x = torch.randn(8, 2)
    with pytest.raises(RunError, match=r"Give more than --objective\.blur 1e-30"):
        Sinkhorn(1e-30).distance(x, x + 1, Lp(2))


@pytest.mark.parametrize("geometry", [Lp(1), Lp(2), Lp(math.inf)], ids=str)
@pytest.mark.parametrize("objective", [Sinkhorn(0.1), Sliced(50)], ids=str)
def test_without_a_critic_the_loss_is_a_distance_of_the_domain_and_moves_points(
    objective, geometry
):
    torch.manual_seed(0)
    x, fake = torch.randn(32, 3) + 2, torch.randn(32, 3).requires_grad_()
    f = CriticAt(Points(), geometry)
    loss = objective.generator_loss(f, x, fake)
    w = exact(x, fake.detach(), geometry).item()
    assert 0 < loss.item() < 1.05 * w
    loss.backward()
    assert exact(x, fake.detach() - 5 * fake.grad, geometry) < w
    same = objective.generator_loss(f, x, x.flip(0))
    assert same.item() == pytest.approx(0, abs=1e-3)


def test_the_sinkhorn_objective_is_the_divergence_of_transport():
    torch.manual_seed(0)
    x, fake = torch.randn(2, 20, 2)
    blur = 0.5 * Lp(1).pairwise(x, fake).mean().item()
    found = Sinkhorn(0.5).generator_loss(CriticAt(Points(), Lp(1)), x, fake)
    torch.testing.assert_close(found, sinkhorn(x, fake, Lp(1), blur), rtol=1e-2, atol=1e-3)


def test_the_energy_distance_is_that_of_salimans_with_the_cosine_of_features():
    torch.manual_seed(0)
    x, fake = torch.randn(2, 8, 2)
    features = Features(mlp((2,), width=16)[1], 5)
    f = CriticAt(features, Lp(2))
    unit = features(x) * 2**0.5
    torch.testing.assert_close(unit.norm(dim=1), torch.ones(8))

    def w(a, b):
        from scipy.optimize import linear_sum_assignment

        cost = 1 - torch.cosine_similarity(features(a)[:, None], features(b)[None], dim=2)
        rows = linear_sum_assignment(cost.detach().numpy())
        return cost[rows].mean()

    (x1, x2), (y1, y2) = ((v[::2], v[1::2]) for v in (x, fake))
    across = w(x1, y1) + w(x1, y2) + w(x2, y1) + w(x2, y2)
    expected = across - 2 * w(x1, x2) - 2 * w(y1, y2)
    objective = EnergyDistance()
    loss, gap = objective.critic_loss(f, x, fake)
    for found in (-loss, gap, objective.generator_loss(f, x, fake)):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


class Table(nn.Module):
    """A value for each of the points 0, 1, ... on the line."""

    def __init__(self, size):
        super().__init__()
        self.values = nn.Parameter(torch.zeros(size))

    def forward(self, x, y=None):
        return self.values[x[:, 0].long()]


def test_the_quadratic_critic_learns_potentials_of_half_the_squared_cost():
    x, fake = (torch.tensor(v)[:, None] for v in ([0.0, 3.0, 4.0, 9.0], [1.0, 2.0, 7.0, 8.0]))
    critic, objective = Table(10), Quadratic()
    optimiser = torch.optim.SGD(critic.parameters(), lr=2.0)
    for _ in range(100):
        loss, gap = objective.critic_loss(CriticAt(critic, Lp(2)), x, fake)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() == pytest.approx(0, abs=1e-5)
    assert gap.item() == pytest.approx((1 + 1 + 9 + 1) / 4 / 2, rel=1e-3)  # in order on the line
    climb = critic(x)[:, None] - critic(fake)
    assert (climb <= (x - fake.T).square() / 2 + 1e-2).all()
    with pytest.raises(ValueError, match="kantorovich"):
        objective.check(GraphMetric([[0, 1]]))


def test_an_autoencoder_says_minus_the_ground_cost_of_its_error():
    torch.manual_seed(0)
    decoder, critic = mlp((3,), latent=2, width=8)
    energy = Autoencoder(critic, decoder, 2, Lp(1)).eval()
    x = torch.randn(5, 3)
    expected = -(x - decoder(energy.encoder(x))).abs().sum(1)
    torch.testing.assert_close(energy(x), expected)
    assert not any("ruler" in name for name in energy.state_dict())


def play(objective, critic, constraint=None, **rules):
    generator = mlp((2,), latent=4, width=16, depth=1)[0]
    return game(
        Lp(2),
        constraint or Constraint(),
        objective=objective,
        networks=(generator, critic),
        **rules,
    )


def batches(shift=2.0):
    x = torch.randn(64, 2, generator=torch.Generator().manual_seed(0)) + shift
    return Batches(Samples(x), Identity(), 32, CPU, 0)


@pytest.mark.parametrize("objective", [Sinkhorn(), Sliced()], ids=str)
def test_a_game_without_a_critic_has_none_and_takes_one_batch_a_step(objective):
    torch.manual_seed(0)
    done, data = play(objective, Points(), critic_steps=0, steps=40, rate=1e-2), batches()
    assert sum(p.numel() for p in done.critic.parameters()) == 0
    records = list(train(done, data, lambda n: torch.randn(n, 4)))
    assert data.drawn == 40
    assert records[-1].generator_loss < records[0].generator_loss / 2
    assert records[0].gap == records[0].critic_loss == 0
    figures = HeldOut(torch.randn(50, 2), torch.randn(50, 2), lambda n: torch.randn(n, 4))(done)
    assert "slope" not in figures and figures["exact"] > 0


def test_a_diverged_generator_gives_nan_and_no_error_of_transport():
    fake = torch.full((4, 2), torch.nan)
    for objective in (Sinkhorn(), Sliced()):
        found = objective.generator_loss(CriticAt(Points(), Lp(2)), torch.randn(4, 2), fake)
        assert found.isnan()


def test_critic_steps_without_a_critic_and_a_critic_without_steps_are_refused():
    with pytest.raises(ValueError, match="critic_steps is 5: it must be 0"):
        play(Sinkhorn(), Points())
    with pytest.raises(ValueError, match="critic_steps is 0: it must be more"):
        play(Minimax(), mlp((2,))[1], critic_steps=0)


@pytest.mark.parametrize(
    ("constraint", "critics"),
    [
        (WeightClipping(), [Points]),
        (SpectralNorm(), [Points]),
        (SlopePenalty(), [Points, Features]),
        (Certified(), [Points, Features, Autoencoder]),
    ],
    ids=str,
)
def test_constraints_refuse_critics_that_they_say_nothing_about(constraint, critics):
    decoder, critic = mlp((2,), latent=3, width=8)
    made = {
        Points: Points(),
        Features: Features(critic, 3),
        Autoencoder: Autoencoder(critic, decoder, 3, Lp(2)),
    }
    for kind, network in made.items():
        if kind in critics:
            with pytest.raises(ValueError, match="this objective has"):
                constraint.build(network, Lp(2))
        elif kind is Autoencoder and isinstance(constraint, SlopePenalty):
            with pytest.raises(ValueError, match="its decoder is one"):  # it has batch norm
                constraint.build(network, Lp(2))
        else:
            constraint.build(network, Lp(2))


def test_objectives_refuse_spaces_in_which_they_have_no_gradient():
    ring = GraphMetric([[0, 1], [1, 2], [2, 0]])
    for objective in (Sinkhorn(), Sliced(), EnergyDistance()):
        with pytest.raises(ValueError, match="critic of values"):
            objective.check(ring)
    with pytest.raises(ValueError, match="no norm"):
        Sliced().check(Discrete())
    with pytest.raises(ValueError, match="nodes"):
        Autoencoder(mlp((2,))[1], mlp((2,))[0], 2, ring)
    with pytest.raises(ValueError, match="no sequence of layers"):
        Features(Points(), 3)


def test_settings_name_every_objective_reach_it_and_have_its_defaults():
    chosen = settings.Objective
    assert set(get_args(settings.Kind)) == set(OBJECTIVES)
    assert set(get_args(settings.Divergence)) == set(DIVERGENCES)
    for kind, objective in OBJECTIVES.items():
        built = build.objective(chosen(kind=kind))
        assert type(built) is objective
        for name, value in vars(objective()).items():
            assert name == "game" or getattr(built, name) == value
    found = build.objective(chosen(kind="f-divergence", divergence="kl"))
    assert found == FDivergence(DIVERGENCES["kl"])
    found = build.objective(chosen(kind="unrolled", ahead=3, ahead_rate=0.5))
    assert (found.steps, found.rate) == (3, 0.5)


@pytest.mark.parametrize("preset", ["sinkhorn", "ot-gan"])
def test_what_compares_whole_samples_takes_no_diffusion(preset):
    points = Samples(torch.randn(40, 2))
    domain = Domain(Lp(2), points, points)
    following = resolve(
        preset, {}, {"steps": 1, "batch_size": 8, "smoothing": {"kind": "diffusion"}}
    )
    with pytest.raises(InputError, match="follows the values of a critic"):
        build.game(domain, following, CPU)


@pytest.mark.parametrize("preset", ["sinkhorn", "ot-gan", "ebgan"])
def test_a_run_is_loaded_and_scores_points_only_where_its_critic_has_values(tmp_path, preset):
    points = Samples(torch.randn(60, 2))
    domain = Domain(Lp(2), points, points)
    small = {"width": 8, "depth": 1}
    model = otgan.fit(
        domain=domain, preset=preset, steps=1, batch_size=8, network=small, quiet=True, out=tmp_path
    )
    again = Model.load(tmp_path, domain=domain)
    assert torch.equal(again.sample(5, seed=1), model.sample(5, seed=1))
    if preset == "ebgan":
        assert torch.equal(again.score(points.x[:4]), model.score(points.x[:4]))
    else:
        with pytest.raises(InputError, match="no critic of values"):
            again.score(points.x[:4])


def test_what_compares_whole_samples_takes_no_condition():
    y = torch.arange(60) % 2
    points = Samples(torch.randn(60, 2), y)
    domain = Domain(Lp(2), points, points, attributes=(Attribute("side", ("left", "right")),))
    for preset in ("sinkhorn", "sliced", "ot-gan"):
        with pytest.raises(InputError, match="drop --condition"):
            otgan.fit(domain=domain, preset=preset, steps=1, condition=("side",), quiet=True)


@pytest.mark.parametrize("preset", ["unrolled", "ragan", "ebgan"])
def test_games_of_values_are_told_conditions(preset):
    points = Samples(torch.randn(60, 2), torch.arange(60) % 2)
    domain = Domain(Lp(2), points, points, attributes=(Attribute("side", ("left", "right")),))
    small = {"width": 8, "depth": 1}
    chosen = {"steps": 1, "batch_size": 8, "network": small, "quiet": True}
    model = otgan.fit(domain=domain, preset=preset, condition=("side",), **chosen)
    assert model.sample(3, condition="left").shape == (3, 2)
