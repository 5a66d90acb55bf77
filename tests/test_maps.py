"""Maps between two data sets, and the distance as a loss of one's own."""

import importlib
from functools import partial

import numpy as np
import pytest
import torch
from conftest import PIXELS
from torch import nn

import otgan
from otgan.cli import main
from otgan.config import InputError
from otgan.constraints import Certified, SlopePenalty
from otgan.data import Samples
from otgan.domain import Domain
from otgan.geometry import Lp
from otgan.model import Model
from otgan.networks import mapping, mlp
from otgan.networks.mapping import Within
from otgan.objectives import Hinge, Kantorovich, Moved, Sinkhorn
from otgan.report.log import Log
from otgan.runs import Run

adam = partial(torch.optim.Adam, lr=1e-2, betas=(0.0, 0.9))
TABLE = "otgan_domains.table:table"
SMALL = {"batch_size": 8, "log_every": 2, "monitor_every": 2, "network": {"width": 4}}


@pytest.mark.parametrize("shape", [(3,), (1, 8, 8), (3, 15, 9), (2, 5)])
def test_a_map_starts_as_the_identity_and_learns(shape):
    network, x = mapping(shape, (-1.0, 1.0), width=8), 2 * torch.rand(4, *shape) - 1
    assert torch.equal(network(x), x)
    optimiser = torch.optim.SGD(network.parameters(), 0.1)
    for _ in range(2):  # the first step moves the last layer alone
        network(x).sub(0.5).square().mean().backward()
        optimiser.step()
    assert all(weight.grad.any() for weight in network.parameters())
    assert not torch.equal(network(x), x)


def test_a_map_of_nodes_is_refused():
    with pytest.raises(ValueError, match="nodes have none"):
        mapping(())


def test_points_are_kept_within_bounds_and_can_come_back():
    x = torch.tensor([-2.0, -2.0, 2.0, 2.0, 0.0], requires_grad=True)
    found = Within(-1.0, 1.0)(x)
    assert found.tolist() == [-1, -1, 1, 1, 0]
    found.backward(torch.tensor([1.0, -1.0, 1.0, -1.0, 3.0]))  # descent goes against the gradient
    assert x.grad.tolist() == [0, -1, 1, 0, 3]


def test_the_way_is_charged_in_the_ground_cost_beside_any_objective():
    objective = Moved(Kantorovich(), 0.5)
    assert objective.measures_distance and Moved(Sinkhorn(), 0.5).head == "none"
    z, fake = torch.zeros(2, 2), torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert objective.input_loss(Lp(2), z, fake).item() == pytest.approx(0.5 * 2.5)
    assert objective.input_loss(Lp(1), z, fake).item() == pytest.approx(0.5 * 3.5)
    assert Kantorovich().input_loss(Lp(2), z, fake).item() == 0


def fitted(out=None, **chosen):
    settings = {**SMALL, "steps": 4, "quiet": True, "objective": {"transport": 0.5}, **chosen}
    return otgan.fit(PIXELS, source=255 - PIXELS, out=out, **settings)


@pytest.fixture
def files(tmp_path):
    np.save(tmp_path / "to.npy", PIXELS)
    np.save(tmp_path / "from.npy", 255 - PIXELS)
    return tmp_path


def test_a_run_maps_samples_and_resumes_bit_for_bit(files, monkeypatch, capsys):
    settings = {**SMALL, "steps": 6, "quiet": True}
    data = {"data": str(files / "to.npy"), "source": str(files / "from.npy")}
    whole, broken = files / "whole", files / "broken"
    model = otgan.fit(**data, out=whole, **settings)

    row = Log.row

    def stop(self, step, *rest):
        if step == 4:
            raise KeyboardInterrupt
        row(self, step, *rest)

    monkeypatch.setattr(Log, "row", stop)
    with pytest.raises(KeyboardInterrupt):
        otgan.fit(**data, out=broken, **settings)
    monkeypatch.undo()
    torch.manual_seed(99)
    otgan.resume(broken, quiet=True)
    for name in ("generator", "critic", "checkpoint"):
        ours, theirs = (Run(path).read_tensors(name) for path in (whole, broken))
        assert all(torch.equal(value, theirs[key]) for key, value in ours.items())

    loaded = Model.load(whole)
    assert torch.equal(loaded.map(PIXELS[:5]), model.map(PIXELS[:5]))
    assert torch.equal(loaded.sourced().sample(5, seed=1), model.sample(5, seed=1))
    with pytest.raises(InputError, match="say what to map"):
        loaded.sample(2)
    main(["sample", str(whole), "-n", "3", "-o", str(files / "a.npy")])
    main(["sample", str(whole), "--source", data["data"], "-n", "90", "-o", str(files / "b.npy")])
    assert np.load(files / "a.npy").shape[0] == 3
    assert np.load(files / "b.npy").shape[0] == 90  # more than there are: every one twice at least
    main(["evaluate", str(whole), "--limit", "10", "--draws", "1"])
    assert "W1" in capsys.readouterr().out


def test_what_cannot_be_mapped_is_refused_with_what_to_do(files):
    chosen = {**SMALL, "steps": 2, "quiet": True}
    with pytest.raises(InputError, match=r"\(1, 8, 9\).*--size"):
        otgan.fit(PIXELS, source=np.zeros((40, 8, 9), np.uint8), **chosen)
    with pytest.raises(InputError, match="give --source"):
        otgan.fit(PIXELS, objective={"transport": 0.5}, **chosen)
    labelled = {"x": PIXELS, "y": np.arange(40) % 2}
    with pytest.raises(InputError, match="no condition"):
        otgan.fit(labelled, source=labelled, condition=("label",), **chosen)
    domain = Domain(Lp(2), Samples(torch.randn(20, 2)), Samples(torch.randn(20, 2)))
    with pytest.raises(InputError, match="leave `data` and `source` out"):
        otgan.fit(domain=domain, source=PIXELS, **chosen)
    noise = otgan.fit(PIXELS, **chosen)
    with pytest.raises(InputError, match="--source DATA"):
        noise.map(PIXELS)
    model = fitted(steps=2)
    with pytest.raises(InputError, match="truncation"):
        model.sample(2, truncation=0.5)
    with pytest.raises(InputError, match="not of shape"):
        model.map(np.zeros((2, 9, 9)))
    with pytest.raises(InputError, match=r"Model\.map"):
        model.sourced()
    (files / "a.csv").write_text("colour,size\n" + "red,1\nblue,2\n" * 20)
    (files / "b.csv").write_text("colour,size\n" + "red,1\ngreen,2\n" * 20)
    tables = {"data": str(files / "a.csv"), "source": str(files / "b.csv"), "domain": TABLE}
    with pytest.raises(InputError, match="'columns' of the source differ"):
        otgan.fit(**tables, **chosen)


@pytest.mark.slow
def test_the_way_of_a_map_is_no_longer_than_w1():
    torch.manual_seed(0)
    x, y = torch.randn(3000, 2), torch.randn(3000, 2) + torch.tensor([2.0, 1.0])
    source = Domain(Lp(2), Samples(x[:2000]), Samples(x[2000:]))
    domain = Domain(Lp(2), Samples(y[:2000]), Samples(y[2000:]), source=source)
    model = otgan.fit(
        domain=domain, preset="wgan-lp", steps=300, batch_size=128, quiet=True,
        network={"width": 64}, optimiser={"rate": 1e-3}, objective={"transport": 0.5},
    )  # fmt: skip
    gone = model.map(x[2000:]) - x[2000:]
    assert gone.norm(dim=1).mean().item() == pytest.approx(5**0.5, rel=0.05)
    assert torch.allclose(gone.mean(0), torch.tensor([2.0, 1.0]), atol=0.2)


@pytest.mark.parametrize("p", [1, 2])
def test_an_alignment_finds_the_known_distance_of_shifted_gaussians(p):
    torch.manual_seed(0)
    shift = torch.tensor([1.5, -0.5, 1.0])  # W1 of a translation is its length
    align = otgan.Alignment(Lp(p), mlp((3,), width=16, depth=1)[1], Certified(), optimiser=adam)
    for _ in range(150):
        align.step(torch.randn(256, 3), torch.randn(256, 3) + shift)
    x = torch.randn(4000, 3)
    found = align(x, x + shift).item()
    assert 0.95 < found / shift.norm(p=p).item() < 1.001


def test_the_loss_moves_points_to_the_others_and_leaves_the_critic_alone():
    torch.manual_seed(0)
    offset = nn.Parameter(torch.zeros(2))
    align = otgan.Alignment(Lp(2), mlp((2,), width=16, depth=1)[1], Certified(), optimiser=adam)
    optimiser = torch.optim.SGD([offset], 0.1)
    for _ in range(60):
        x, y = torch.randn(128, 2) + offset, torch.randn(128, 2) + torch.tensor([1.0, 2.0])
        for _ in range(4):
            align.step(x, y)
        before = [weight.clone() for weight in align.parameters()]
        optimiser.zero_grad()
        align(x, y).backward()
        optimiser.step()
        assert all(map(torch.equal, before, align.parameters()))
    assert torch.allclose(offset, torch.tensor([1.0, 2.0]), atol=0.4)


def test_an_alignment_takes_another_objective_of_values_and_refuses_others():
    critic = mlp((2,), width=8, depth=1)[1]
    align = otgan.Alignment(Lp(2), critic, SlopePenalty("one"), Hinge())
    x, y = torch.randn(8, 2), torch.randn(8, 2)
    align.step(x, y)
    assert align(x, y).item() == pytest.approx(-align.critic_loss.critic(x).mean().item())
    with pytest.raises(ValueError, match="no critic of values"):
        otgan.Alignment(Lp(2), critic, objective=Sinkhorn())


@pytest.mark.slow
def test_the_example_adapts():
    found = importlib.import_module("examples.07_alignment").main(300)
    assert found[1.0] > found[0.0] + 0.2
