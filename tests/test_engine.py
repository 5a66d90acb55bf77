"""The loop: who moves when, what is averaged, what is recorded, and that a run resumes."""

import copy
from itertools import islice

import pytest
import torch
from duel import game
from lightning_fabric import Fabric
from torch import nn

from otgan.constraints import Certified, Constraint, SlopePenalty, SpectralNorm, WeightClipping
from otgan.data import Batches, Samples
from otgan.engine import Schedule, follow, train
from otgan.geometry import Lp, Pullback
from otgan.monitors import HeldOut, largest_slope
from otgan.networks import dcgan, mlp
from otgan.objectives import OBJECTIVES, Kantorovich, Minimax, NonSaturating, Pointwise
from otgan.preprocess import Identity

CPU = Fabric(accelerator="cpu", devices=1)


def source(n):
    return torch.randn(n, 4)


def cloud(n=64, shift=2.0):
    return Samples(torch.randn(n, 2, generator=torch.Generator().manual_seed(0)) + shift)


def batches(data=None, size=16, seed=0):
    return Batches(data or cloud(), Identity(), size, CPU, seed)


def play(constraint=None, **rules):
    torch.manual_seed(0)
    return game(Lp(2), constraint or SlopePenalty(), **rules)


class Counting(Constraint):
    """Remembers the gradients and weights it is called with."""

    def __init__(self):
        self.steps, self.projections = [], 0

    def penalty(self, geometry, f, x, y, step):
        self.steps.append(step)
        return x.new_zeros(())

    def project(self, critic):
        self.projections += 1


def test_critic_steps_and_generator_steps_alternate():
    counting = Counting()
    done = play(counting, critic_steps=3, steps=4)
    records = list(train(done, batches(), source))
    assert [r.step for r in records] == [1, 2, 3, 4]
    assert counting.steps == list(range(12))
    assert counting.projections == 12


def test_neither_player_leaves_gradients_on_the_other():
    done = play(steps=2, critic_steps=1)
    critic_grads, generator_grads = [], []
    done.critic_optimiser.register_step_pre_hook(
        lambda *_: generator_grads.append([p.grad for p in done.generator.parameters()])
    )
    done.generator_optimiser.register_step_pre_hook(
        lambda *_: critic_grads.append([p.grad.clone() for p in done.critic.parameters()])
    )
    kept = []
    done.critic_optimiser.register_step_post_hook(
        lambda *_: kept.append([p.grad.clone() for p in done.critic.parameters()])
    )
    next(train(done, batches(), source))
    assert all(g is None for g in generator_grads[0])
    for before, at_generator_step in zip(kept[0], critic_grads[0], strict=True):
        assert torch.equal(before, at_generator_step)
    assert all(p.requires_grad for p in done.critic.parameters())


def test_the_average_starts_at_once_and_trails_the_generator():
    done = play(steps=50, average_decay=0.9)
    start = copy.deepcopy(done.average.state_dict())
    expected = {k: v.clone() for k, v in start.items()}
    for record in train(done, batches(), source):
        decay = min(0.9, record.step / (9 + record.step))
        for name, value in done.generator.state_dict().items():
            expected[name] = decay * expected[name] + (1 - decay) * value
    for name, value in done.average.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-6)


def test_batch_statistics_are_averaged_with_the_weights_and_counters_copied():
    average, generator = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    generator.running_mean.fill_(1.0), generator.running_var.fill_(3.0)
    generator.num_batches_tracked.fill_(7)
    follow(average, generator, 0.75)
    assert average.running_mean.tolist() == [0.25, 0.25]
    assert average.running_var.tolist() == [1.5, 1.5]
    assert average.num_batches_tracked == 7


def test_without_decay_the_average_is_the_generator():
    done = play(steps=3, average_decay=0.0)
    list(train(done, batches(), source))
    for name, value in done.generator.state_dict().items():
        torch.testing.assert_close(done.average.state_dict()[name], value)


def test_rates_fall_linearly_to_zero_over_the_last_share():
    schedule = Schedule(100, 0.5)
    rates = [schedule.rate(k) for k in range(100)]
    assert rates[:51] == [1.0] * 51
    assert rates[75] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.02)
    assert {Schedule(100, 0.0).rate(k) for k in range(100)} == {1.0}


def test_the_schedule_moves_the_optimisers():
    done = play(steps=4, rate=1e-3, decay=0.5)
    rates = [done.critic_optimiser.param_groups[0]["lr"] for _ in train(done, batches(), source)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 5e-4])


def test_the_record_keeps_gap_and_penalty_apart():
    done = play(SlopePenalty("two", 7.0))
    nn.init.normal_(done.critic[-1].weight)
    x, fake = torch.randn(16, 2) + 2, torch.randn(16, 2)
    loss, penalty, gap = done.critic_loss(x, fake, None, 0)
    expected = done.critic(x, None).mean() - done.critic(fake, None).mean()
    torch.testing.assert_close(gap, expected.detach())
    torch.testing.assert_close(loss.detach(), -gap)
    assert penalty > 0


def test_the_gap_is_positive_where_the_critic_tells_real_from_fake():
    done = play(steps=30)
    records = list(train(done, batches(cloud(shift=5.0)), source))
    assert 2 < records[0].gap.new_tensor([r.gap for r in records[5:15]]).mean() < 10


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_one_forward_pass_or_two_give_the_values_of_each_batch_apart(norm):
    """Batch statistics of real and generated data must not mix."""
    torch.manual_seed(0)
    networks = dcgan((1, 8, 8), width=4, critic_norm=norm)
    done = game(Lp(2), Constraint(), networks=networks)
    nn.init.normal_(done.critic[-1].weight)
    x, fake = torch.rand(8, 1, 8, 8), -torch.rand(8, 1, 8, 8)
    _, _, gap = done.critic_loss(x, fake, None, 0)
    apart = done.critic(x, None).mean() - done.critic(fake, None).mean()
    torch.testing.assert_close(gap, apart.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "constraint", [SlopePenalty(every=3), WeightClipping(), SpectralNorm(), Certified()], ids=str
)
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_resumed_game_is_the_same_game_bit_for_bit(constraint, norm):
    """Weights, optimisers, averages, buffers, schedule, lazy phase, data position, randomness."""

    def fresh():
        torch.manual_seed(0)
        networks = mlp((2,), latent=4, width=16, depth=2, generator_norm=norm)
        return game(Lp(2), constraint, networks=networks, steps=12, decay=0.5, critic_steps=2)

    whole, data = fresh(), batches()
    torch.manual_seed(1)
    list(train(whole, data, source))

    first, data = fresh(), batches()
    torch.manual_seed(1)
    list(islice(train(first, data, source), 5))
    state, random, drawn = copy.deepcopy(first.state_dict()), torch.get_rng_state(), data.drawn

    second, data = fresh(), batches()
    torch.manual_seed(2)
    list(islice(train(second, batches(seed=9), source), 2))  # a state to be overwritten
    second.load_state_dict(state)
    torch.set_rng_state(random)
    data.drawn = drawn
    list(train(second, data, source))

    assert second.step == whole.step == 12
    for part in ("generator", "critic", "average"):
        theirs = getattr(whole, part).state_dict()
        for name, value in getattr(second, part).state_dict().items():
            assert torch.equal(value, theirs[name]), (part, name)


def test_batches_cover_the_data_once_an_epoch_in_a_new_order():
    data = Samples(torch.arange(12.0)[:, None], torch.arange(12))
    stream = Batches(data, Identity(), 4, CPU, 0)
    epochs = [torch.cat([next(stream)[1] for _ in range(3)]) for _ in range(2)]
    assert all(torch.equal(e.sort().values, torch.arange(12)) for e in epochs)
    assert not torch.equal(*epochs)
    x, y = next(stream)
    assert torch.equal(x[:, 0], y.float())


def test_uint8_becomes_float_in_the_batch_only():
    data = Samples(torch.tensor([[0], [255]], dtype=torch.uint8))
    x, _ = next(Batches(data, Identity(), 2, CPU, 0))
    assert data.x.dtype == torch.uint8
    assert sorted(x[:, 0].tolist()) == [0.0, 1.0]


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="65 needs more than the 64"):
        batches(size=65)


def test_as_many_labels_as_samples():
    with pytest.raises(ValueError, match="3 samples and 2 labels"):
        Samples(torch.zeros(3, 1), torch.zeros(2))


@pytest.mark.parametrize("name", [n for n, o in OBJECTIVES.items() if issubclass(o, Pointwise)])
def test_both_players_of_every_objective_go_downhill_the_right_way(name):
    objective = OBJECTIVES[name]()
    real, fake = (torch.full((4,), 0.5, requires_grad=True) for _ in range(2))
    objective.critic(real, fake).backward()
    assert (real.grad < 0).all()  # the critic raises real values
    assert (fake.grad > 0).all()
    values = torch.zeros(4, requires_grad=True)
    objective.generator(values).backward()
    assert (values.grad < 0).all()  # the generator raises its own


def test_classic_objectives_are_the_likelihoods_of_goodfellow():
    real, fake = torch.randn(2, 50, dtype=torch.float64)
    data, generated = real.sigmoid(), fake.sigmoid()
    expected = -(data.log().mean() + (1 - generated).log().mean())
    torch.testing.assert_close(Minimax().critic(real, fake), expected)
    torch.testing.assert_close(Minimax().generator(fake), (1 - generated).log().mean())
    torch.testing.assert_close(NonSaturating().generator(fake), -generated.log().mean())


def test_the_monitor_measures_held_out_data_and_leaves_the_game_alone():
    done = play(steps=20, networks=mlp((2,), latent=4, width=16, depth=2))
    list(islice(train(done, batches(), source), 10))
    held_out = torch.randn(200, 2) + 3
    training = held_out - 1
    before, random = copy.deepcopy(done.state_dict()), torch.get_rng_state()
    figures = HeldOut(held_out, training, source, unit=2.0)(done)
    assert torch.equal(random, torch.get_rng_state())
    after = done.state_dict()
    for part in ("generator", "critic"):
        assert all(torch.equal(v, after[part][k]) for k, v in before[part].items())
    assert done.generator.training
    assert figures["floor"] == pytest.approx(2 * 2**0.5)  # the shift, in data units


class Ramp(nn.Module):
    """f(x) = 3 x_1."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([3.0, 0.0]))

    def forward(self, x, y):
        return x @ self.weight


class Shift(nn.Module):
    """Noise to noise + 1 in the first coordinate."""

    def __init__(self):
        super().__init__()
        self.by = nn.Parameter(torch.tensor([1.0, 0.0]))

    def forward(self, z, y):
        return z + self.by


def test_the_estimate_is_the_held_out_mean_difference_in_data_units():
    """A ramp of slope 3, points at 5 and at 1, a chart unit of 2: W = 2 * 3 * (5 - 1)."""
    done = game(Lp(2), SlopePenalty(), networks=(Shift(), Ramp()))
    held_out, training = torch.zeros(64, 2), torch.zeros(64, 2)
    held_out[:, 0], training[:, 0] = 5, 4.5
    figures = HeldOut(held_out, training, lambda n: torch.zeros(n, 2), unit=2.0)(done)
    expected = {"w": 24, "slope": 3, "w_over_slope": 8, "exact": 8, "floor": 1}
    assert {k: figures[k] for k in expected} == pytest.approx(expected)
    assert figures["w_error"] == figures["exact_error"] == 0  # all points are one


def test_a_ground_cost_of_its_own_weights_is_not_trained_with_the_critic():
    torch.manual_seed(0)
    embedding = nn.Linear(2, 3)
    ruler = Pullback(Lp(2), embedding)
    done = game(ruler, Certified(torch.randn(8, 2)), steps=3)
    before = copy.deepcopy(ruler.state_dict())
    list(train(done, batches(), source))
    assert all(torch.equal(v, before[k]) for k, v in ruler.state_dict().items())
    assert not any(p.requires_grad for p in ruler.parameters())


@pytest.mark.parametrize("every", [1, 2, 3])
def test_the_penalty_is_logged_whichever_step_charges_it(every):
    done = game(Lp(2), SlopePenalty(every=every), networks=(Shift(), Ramp()), critic_steps=6)
    record = next(train(done, batches(), lambda n: torch.randn(n, 2)))
    assert record.penalty > 20  # 10 * (3 - 1)^2 on average, and falling
    assert not record.penalty.requires_grad


def test_the_monitor_gives_no_distance_where_the_objective_is_none():
    done = play(steps=2, objective=NonSaturating())
    figures = HeldOut(torch.randn(50, 2), torch.randn(50, 2), source)(done)
    assert set(figures) == {"slope", "exact", "exact_error", "floor", "recall", "points"}
    assert Kantorovich.measures_distance


def test_the_largest_slope_is_found_where_it_is():
    def f(z):  # slope 3 only at large positive z
        return 3 * torch.relu(z[:, 0] - 1)

    low, high = -torch.rand(50, 1), 1 + torch.rand(50, 1)
    assert largest_slope(f, low, high, Lp(2)) == pytest.approx(3)
    assert largest_slope(f, high, low, Lp(2)) == pytest.approx(3)
    assert largest_slope(f, low, low, Lp(2)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("constraint", [SlopePenalty("one"), Certified()], ids=str)
def test_a_generator_finds_its_data(constraint):
    """A Gaussian moves onto another: exact W1 to held-out data falls to the real-to-real floor."""
    data, held_out = cloud(2000).x, cloud(4000).x[2000:2500]
    done = play(constraint, steps=400, critic_steps=3, decay=0.5)
    monitor = HeldOut(held_out, data[:500], source)
    start = monitor(done)["exact"]
    list(train(done, batches(Samples(data), 64), source))
    figures = monitor(done)
    assert start > 2
    assert figures["exact"] < 3 * figures["floor"] < 1
