"""Every preset plays on a small domain, and goes on from a checkpoint as if it had not stopped."""

import copy

import pytest
import torch
from lightning_fabric import Fabric

from otgan import build
from otgan.config import PRESETS, resolve
from otgan.data import Batches, Samples
from otgan.domain import Domain
from otgan.engine import train
from otgan.geometry import Lp
from otgan.randomness import random_state, set_random_state

CPU = Fabric(accelerator="cpu", devices=1)
SMALL = {"batch_size": 16, "steps": 2, "decay": 0.0, "network": {"width": 8, "depth": 1}}


def cloud(seed):
    return Samples(torch.randn(80, 2, generator=torch.Generator().manual_seed(seed)))


DOMAIN = Domain(Lp(2), cloud(0), cloud(1))


def start(preset, seed=0, fabric=CPU):
    """A game, its batches, and the records of playing it."""
    config = resolve(preset, {}, SMALL)
    torch.manual_seed(seed)
    game = build.game(DOMAIN, config, fabric)
    data = build.seen(DOMAIN, config)[0]
    batches = Batches(data, DOMAIN.chart, config.batch_size, fabric, config.seed)
    return game, batches, train(game, batches, build.noise(config.network.latent, fabric))


@pytest.mark.parametrize("preset", PRESETS)
def test_two_steps_move_the_generator_and_go_on_from_a_checkpoint_after_one(preset):
    game, batches, records = start(preset)
    next(records)
    state, drawn = copy.deepcopy(game.state_dict()), batches.drawn
    random = random_state(CPU.device)
    next(records)

    again, batches, records = start(preset, seed=1)
    again.load_state_dict(state)
    batches.drawn = drawn
    set_random_state(random, CPU.device)
    assert torch.isfinite(next(records).generator_loss)

    for part in ("generator", "critic", "average", "view"):
        first, second = (getattr(g, part).state_dict() for g in (game, again))
        assert first.keys() == second.keys()
        assert all(torch.equal(v, second[k]) for k, v in first.items()), part
    moved = game.generator.state_dict()
    assert not all(torch.equal(v, moved[k]) for k, v in state["generator"].items())


@pytest.mark.parametrize("preset", PRESETS)
def test_mixed_precision_gives_nearly_the_same_first_loss(preset):
    rough = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    exact, mixed = (next(start(preset, fabric=f)[2]).generator_loss.item() for f in (CPU, rough))
    assert mixed == pytest.approx(exact, rel=0.05, abs=0.05)
