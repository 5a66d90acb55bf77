"""Progressive growing, and the layers that came with it (Karras et al. 2018)."""

import copy
import math
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from duel import built, endless, game, played
from torch import nn
from torch.nn.functional import interpolate

import otgan
from otgan import build
from otgan.config import Network, resolve
from otgan.constraints import SlopePenalty
from otgan.domain import load
from otgan.engine import train
from otgan.geometry import Lp
from otgan.networks import progan
from otgan.networks.blocks import Down, resolutions
from otgan.networks.controls import set_step
from otgan.networks.equalised import EqualConv, EqualLinear, MinibatchDeviation, PixelNorm
from otgan.networks.growing import Growth

GROWN = 10**6


# Equal learning rates, pixel norm, minibatch deviation


@pytest.mark.parametrize(("inputs", "gain"), [(16, 1.0), (300, math.sqrt(2))])
@pytest.mark.parametrize("rate", [1.0, 0.01])
def test_equalised_layers_keep_variance_and_hold_unit_weights(inputs, gain, rate):
    torch.manual_seed(0)
    layer = EqualLinear(inputs, 500, gain, rate)
    assert layer.weight.std().item() * rate == pytest.approx(1, rel=0.02)
    assert layer(torch.randn(200, inputs)).std().item() == pytest.approx(gain, rel=0.05)
    conv = EqualConv(inputs, 64, 3, gain)
    found = conv(torch.randn(4, inputs, 12, 12))[..., 1:-1, 1:-1].std().item()
    assert conv.weight.std().item() == pytest.approx(1, rel=0.03)
    assert found == pytest.approx(gain, rel=0.1)


def test_a_step_of_adam_moves_equalised_layers_of_any_fan_in_as_much():
    """Outputs change by rate * gain * sqrt(fan-in) * mean |x|: a weight's share of the scale is
    what it is at every fan-in."""
    for inputs in (4, 400):
        layer = EqualLinear(inputs, 1, gain=1, rate=0.1)
        before = (layer.weight * layer.scale).detach()
        optimiser = torch.optim.Adam(layer.parameters(), lr=0.01)
        layer(torch.ones(1, inputs)).sum().backward()
        optimiser.step()
        moved = (layer.weight * layer.scale).detach() - before
        expected = torch.full_like(moved, -0.01 * 0.1 / math.sqrt(inputs))
        torch.testing.assert_close(moved, expected, rtol=1e-3, atol=1e-7)


def test_pixel_norm_is_a_root_mean_square_of_one_at_every_position():
    x = PixelNorm()(7 * torch.randn(3, 5, 4, 6))
    torch.testing.assert_close(x.square().mean(1), torch.ones(3, 4, 6))


def test_the_minibatch_deviation():
    layer, x = MinibatchDeviation(), torch.randn(1, 3, 4, 5)
    same = layer(x.expand(6, -1, -1, -1))
    assert torch.equal(same, same[:1].expand(6, -1, -1, -1))  # equal images have equal values
    assert same[:, 3].max() <= 1e-4 + 1e-6  # and show no deviation
    two = torch.cat([x - 2, x + 2])
    torch.testing.assert_close(layer(two)[:, 3], torch.full((2, 4, 5), 2.0))


# Progressive growing


def test_phases_are_a_list():
    growth = Growth(3, (10, 20, 5))
    found = []
    for step in (0, 9, 10, 20, 29, 30, 34, 35, 37, 40, 10**6):
        set_step(growth, step)
        found.append(growth.now())
    assert found == [
        (0, 1), (0, 1), (1, 0), (1, 0.5), (1, 0.95), (1, 1), (1, 1), (2, 0), (2, 0.4), (2, 1),
        (2, 1),
    ]  # fmt: skip
    assert Network(phases=(10, 20)).phases == (10, 20)


@pytest.mark.parametrize("shape", [(2, 16, 16), (1, 17, 11)], ids=str)
def test_fading_in_begins_with_the_lower_resolution_and_ends_with_the_higher(shape):
    generator, _ = built(progan, shape, phases=(100,))
    generator.eval()
    z = torch.randn(3, 8)

    def at(step):
        set_step(generator, step)
        return generator(z)

    levels = len(resolutions(shape, "progan"))
    for level in range(1, levels):
        start = 100 * (2 * level - 1)
        low, half, high = at(start - 1), at(start + 50), at(start + 100)
        assert torch.equal(at(start), low)
        assert (low - high).abs().max() > 1e-3
        torch.testing.assert_close(half, (low + high) / 2)
    set_step(generator, 0)
    growing, sizes = generator[-1], resolutions(shape, "progan")
    grid = growing.paint[0](growing.stages[0](z))
    assert grid.shape[2:] == sizes[0]
    if shape[1:] == (16, 16):
        torch.testing.assert_close(at(0), interpolate(grid, size=shape[1:], mode="nearest"))


@pytest.mark.parametrize("shape", [(2, 16, 16), (1, 17, 11)], ids=str)
def test_in_training_the_critic_sees_the_blend_of_the_paper(shape):
    generator, critic = built(progan, shape, phases=(100,))
    z, trunk = torch.randn(3, 8), critic[0]
    for step in (100, 130, 199, 250, 301, 10**6):
        set_step(generator, step), set_step(critic, step)
        blend = generator.eval()(z)
        for _ in trunk.ups[trunk.growth.now()[0] :]:
            blend = Down()(blend)
        torch.testing.assert_close(trunk.seen(generator.train()(z)), blend)


def test_a_growing_critic_does_not_jump():
    _, critic = built(progan, phases=(100,))
    for weight in critic.parameters():
        nn.init.normal_(weight)
    x = torch.rand(4, 2, 16, 16)

    def at(step):
        set_step(critic, step)
        return critic(x)

    for start in (100, 300):
        torch.testing.assert_close(at(start), at(start - 1))
        torch.testing.assert_close(at(start + 100), at(10**6)) if start == 300 else None
        assert (at(start) - at(start + 100)).abs().max() > 1e-3


def test_what_has_not_come_in_yet_is_not_trained():
    generator, critic = built(progan)
    before = copy.deepcopy(generator.state_dict())
    (critic(generator(torch.randn(4, 8))).sum() + generator(torch.randn(4, 8)).sum()).backward()
    growing = generator[-1]
    assert all(p.grad is None for stage in growing.stages[1:] for p in stage.parameters())
    assert all(p.grad is not None for p in growing.stages[0].parameters())
    assert all(torch.equal(v, before[k]) for k, v in generator.state_dict().items())


def test_growing_under_a_slope_penalty_at_odd_sizes():
    done = played(progan, (2, 9, 17), 4, phases=(1, 2))
    assert all(weight.isfinite().all() for weight in done.critic.parameters())
    assert done.average(torch.randn(2, 8)).shape == (2, 2, 9, 17)


@pytest.mark.parametrize(("steps", "each"), [(20, 4), (3, 1), (3000, 500)])
def test_phases_that_nobody_gives_are_within_the_steps(steps, each):
    domain = load("images", {"data": np.zeros((40, 16, 16), np.uint8)})
    config = resolve("progan", domain.presets, {"steps": steps})
    assert build.phases(domain, config) == (each,)
    given = resolve("progan", domain.presets, {"steps": steps, "network": {"phases": (7, 9)}})
    assert build.phases(domain, given) == (7, 9)

    def theirs(shape, bounds=None, *, phases):
        raise AssertionError("not built here")

    other = replace(domain, networks={"progan": theirs})
    assert build.phases(other, config) is None


def test_a_short_run_grows_up_and_keeps_its_phases_when_it_goes_on(here):
    data, few = np.zeros((40, 16, 16), np.uint8), {"batch_size": 4, "quiet": True}
    model = otgan.fit(data, preset="progan", steps=5, out="run", **few)
    (growth,) = (m for m in model.generator.modules() if isinstance(m, Growth))
    assert growth.now() == (2, 1)
    longer = otgan.resume("run", steps=7, quiet=True, domain=model.domain)
    assert longer.spec["config"]["network"]["phases"] == model.spec["config"]["network"]["phases"]


def test_a_growing_run_resumes_bit_for_bit():
    """In the middle of a phase, into networks that are elsewhere."""
    data = list(islice(endless((1, 16, 16)), 14))

    def fresh(seed=0):
        networks = built(progan, (1, 16, 16), phases=(2, 4))
        torch.manual_seed(seed)
        return game(Lp(2), SlopePenalty("one"), networks=networks, steps=14, critic_steps=1)

    def source(n):
        return torch.randn(n, 8)

    whole = fresh()
    list(train(whole, iter(data), source))
    first = fresh()
    list(islice(train(first, iter(data), source), 4))
    state, random = copy.deepcopy(first.state_dict()), torch.get_rng_state()
    second = fresh(seed=1)
    list(islice(train(second, iter(data), source), 9))
    second.load_state_dict(state)
    torch.set_rng_state(random)
    list(train(second, iter(data[4:]), source))
    for part in ("generator", "critic", "average"):
        theirs = getattr(whole, part).state_dict()
        for name, value in getattr(second, part).state_dict().items():
            assert torch.equal(value, theirs[name]), (part, name)
    for network in (whole.generator, whole.critic, whole.average):
        (growth,) = (m for m in network.modules() if isinstance(m, Growth))
        assert growth.step == 13 and growth.now() == (2, 0.75)
    start = built(progan, (1, 16, 16), phases=(2, 4))[0].state_dict()
    moved = {
        k for k, v in whole.generator.module.state_dict().items() if not torch.equal(v, start[k])
    }
    assert any(".stages.2." in k for k in moved)  # resolutions that came in learn


def test_deviations_of_real_and_generated_batches_do_not_mix():
    _, critic = built(progan)
    nn.init.normal_(critic[-1].weight)
    done = game(Lp(2), SlopePenalty("one"), networks=(built(progan)[0], critic))
    x, fake = torch.rand(8, 2, 16, 16), -torch.rand(8, 2, 16, 16)
    _, _, gap = done.critic_loss(x, fake, None, 0)
    apart = done.critic(x, None).mean() - done.critic(fake, None).mean()
    torch.testing.assert_close(gap, apart.detach(), rtol=1e-4, atol=1e-5)
