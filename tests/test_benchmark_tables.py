"""The tables of docs/lineage.md: a few steps of each, and the rules by which they judge."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from otgan.domain import load

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    """Name -> the module of a script of benchmarks/."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return __import__


@pytest.fixture
def clothes():
    """Images whose classes are bright above and bright below."""
    random = np.random.default_rng(0)
    x = random.integers(0, 80, (400, 8, 8), np.uint8)
    y = random.integers(0, 2, 400)
    x[y == 0, :4] += 170
    x[y == 1, 4:] += 170
    return load("images", {"data": {"x": x, "y": y}})


def test_a_run_fails_by_the_rule_and_in_no_other_way(benchmark):
    failed = benchmark("architectures").failed
    assert not failed({"recall": 0.5, "W1 / floor": 1.25})
    assert failed({"recall": 0.49, "W1 / floor": 1.0})
    assert failed({"recall": 0.9, "W1 / floor": 1.26})
    assert failed({"recall": None, "W1 / floor": None})


def test_architectures_end_with_1_where_a_loss_fails_that_must_not(benchmark, tmp_path):
    rows = tmp_path / "rows.json"
    run = ["--architectures", "dense generator", "--steps", "2", "--json", str(rows), "--losses"]
    main = benchmark("architectures").main
    assert main([*run, "dcgan"]) == 0
    assert main([*run, "dcgan", "wgan-gp"]) == 1
    found = json.loads(rows.read_text())
    assert [row["loss"] for row in found] == ["dcgan", "wgan-gp"]
    assert all(row["recall"] < 0.5 and row["W1 / floor"] > 1.25 for row in found)


@pytest.mark.parametrize("name", ["standard", "dense generator", "no normalisation", "deeper"])
def test_architectures_are_what_their_names_say(benchmark, name):
    settings = {"latent": 4, "generator_norm": "batch", "critic_norm": "batch"}
    build = benchmark("architectures").ARCHITECTURES[name]
    generator, critic = build((1, 8, 8), (-1.0, 1.0), **settings)
    assert critic(generator(torch.randn(4, 4))).shape == (4,)

    def has(network, *kinds):
        return any(isinstance(module, kinds) for module in network.modules())

    norms = nn.BatchNorm1d, nn.BatchNorm2d
    assert has(critic, nn.Conv2d) and has(critic, *norms) == (name != "no normalisation")
    assert has(generator, nn.ConvTranspose2d) == (name != "dense generator")
    assert has(generator, *norms) == (name in ("standard", "deeper"))


def test_modes_are_counted_for_a_preset(benchmark):
    modes = benchmark("mode_coverage")
    perfect, early = (modes.measure(modes.Task("8 Gaussians", p, 0, 2)) for p in ("data", "sliced"))
    assert perfect["modes"] == 8 and perfect["W1 / floor"] < 2 < early["W1 / floor"]
    names = "wgan-gp", modes.GENTLE
    plain, gentle = (modes.measure(modes.Task("8 Gaussians", name, 0, 3)) for name in names)
    assert plain["W1 / floor"] != gentle["W1 / floor"]


@pytest.fixture
def quick(benchmark, monkeypatch):
    module = benchmark("equal_seconds")
    for name, value in {"FEW": 1, "MORE": 2, "SAMPLES": 60, "NEIGHBOURS": 60}.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_a_judge_is_kept_and_tells_data_from_noise(quick, clothes, tmp_path):
    file = tmp_path / "judge.safetensors"
    x = clothes.train.draw(60, 1)
    first, again = (quick.Judge(clothes, file)(x) for _ in range(2))
    assert first == again
    noise = quick.Judge(clothes, file)(torch.rand(60, 1, 8, 8))
    assert noise["Frechet"] > 3 * first["Frechet"] and noise["precision"] < first["precision"]


def test_a_system_gets_its_time(quick, clothes, monkeypatch):
    monkeypatch.setattr(quick, "timed", lambda play, steps: (play(steps), 0.5 + 0.2 * steps))
    task = quick.Task("wgan-gp", 0.02, 0)
    row = quick.measure(task, clothes, quick.Judge(clothes, None), None)
    assert row["steps"] == 6 and row["seconds"] == pytest.approx(1.7)
    per_step = row["images/s"] * row["seconds"] / row["steps"]
    assert per_step == pytest.approx(2 * 64)  # critic steps of the image domain, batch


LOOP = """
import torch
from absl import flags
from torchvision import datasets, transforms
from tensorboardX import SummaryWriter

FLAGS = flags.FLAGS
flags.DEFINE_string("arch", "small", "")
flags.DEFINE_integer("total_steps", 9, "")
flags.DEFINE_integer("z_dim", 9, "")
flags.DEFINE_integer("n_dis", 5, "")
flags.DEFINE_integer("batch_size", 64, "")
flags.DEFINE_bool("record", True, "")
flags.DEFINE_string("logdir", "", "")
device = torch.device("cuda:0")


def train():
    assert FLAGS.logdir and not FLAGS.record
    generator = net_G_models[FLAGS.arch](FLAGS.z_dim).to(device)
    critic = net_D_models[FLAGS.arch]().to(device)
    data = datasets.CIFAR10("data", transform=transforms.ToTensor())
    x, _ = next(iter(torch.utils.data.DataLoader(data, batch_size=8, num_workers=4)))
    assert critic(x).shape == (8,) and -1 <= x.min() < 0 < x.max() <= 1
    for _ in range(FLAGS.total_steps):
        SummaryWriter().add_scalar("bias", generator[0].bias.data.add_(1).mean(), 1)
"""


def test_another_projects_loop_trains_our_networks_for_its_steps(quick, clothes, tmp_path):
    (tmp_path / "wgangp.py").write_text(LOOP)
    reference = quick.Reference(tmp_path, clothes)
    assert "torchvision" not in sys.modules or sys.modules["torchvision"].__spec__
    sample, images = reference(0, 3)
    assert images == 3 * 5 * 64
    generator = sample.args[0]
    torch.manual_seed(0)
    start, _ = quick.dcgan((1, 8, 8), (-1.0, 1.0), latent=quick.LATENT, width=quick.WIDTH)
    torch.testing.assert_close(generator[0].bias, start[0].bias + 3)
    x = sample(20)
    assert x.shape == (20, 1, 8, 8) and x.min() >= 0 and x.max() <= 1
