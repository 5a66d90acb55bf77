"""Precision, compilation and several processes: the penalty is there, and is the same."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from duel import game
from lightning_fabric import Fabric
from torch import multiprocessing

from otgan.constraints import SlopePenalty
from otgan.data import Batches, Samples
from otgan.geometry import Lp
from otgan.networks import dcgan
from otgan.preprocess import Identity
from otgan.runs import Run
from otgan.views import Diffusion

SHAPE = (1, 8, 8)


class FixedPoints(Lp):
    """l2 with slopes at a point of the segment that depends on the pair alone, not on chance."""

    def between(self, x, y):
        t = (x > 0).flatten(1).float().mean(1).view(-1, 1, 1, 1)
        return x + t * (y - x)


def generator_gradients(fabric, z):
    """A generator's gradients through a critic, as in its own step."""
    torch.manual_seed(0)
    networks = dcgan(SHAPE, latent=4, width=4, generator_norm="none")
    torch.nn.init.normal_(networks[1][-1].weight)
    play = game(FixedPoints(2), SlopePenalty(), networks=networks, fabric=fabric)
    play.critic.requires_grad_(False)
    fake = play.generator(z, None)
    fabric.backward(play.objective.generator(play.critic(fake, None)))
    return [p.grad.clone() for p in play.generator.parameters()]


def gradients(fabric, x, fake, compiled=False):
    """The critic's gradients after one backward pass of loss and penalty."""
    torch.manual_seed(0)
    networks = dcgan(SHAPE, width=4)
    torch.nn.init.normal_(networks[1][-1].weight)
    play = game(FixedPoints(2), SlopePenalty(), networks=networks, fabric=fabric)
    if compiled:
        play.critic_loss.module.critic = torch.compile(play.critic, backend="aot_eager")
    loss, penalty, _ = play.critic_loss(x, fake, None, 0)
    fabric.backward(loss + penalty)
    return [p.grad.clone() for p in play.critic.parameters()], penalty.detach()


def data(n=16):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, n, *SHAPE, generator=generator)


def noise():
    return torch.randn(16, 4, generator=torch.Generator().manual_seed(1))


def looked(fabric, x, fake, gap):
    """What adaptive smoothing remembers after a look at a process's share."""
    torch.manual_seed(0)
    networks = dcgan(SHAPE, width=4)
    torch.nn.init.normal_(networks[1][-1].weight)
    view = Diffusion(data()[0, :1])
    play = game(Lp(2), SlopePenalty(), networks=networks, fabric=fabric, view=view, critic_steps=1)
    play.step = 4
    view.times = lambda n: torch.zeros(n, dtype=torch.long)
    view.length.fill_(100)
    view.adapt(play, torch.tensor(gap), fake, None)
    return view.length, view.gaps


def one_process(rank, port, folder):
    """Runs in each of two processes: half of the batch each."""
    import os

    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
    os.environ |= {"GROUP_RANK": "0", "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "test"}
    torch.set_num_threads(1)
    fabric = Fabric(accelerator="cpu", devices=2)
    fabric.launch()
    x, fake = data().view(2, 2, -1, *SHAPE)[:, rank]
    found, _ = gradients(fabric, x, fake)
    stream = Batches(Samples(torch.arange(40.0)[:, None]), Identity(), 8, fabric, 3)
    drawn = torch.stack([next(stream)[0] for _ in range(5)])
    found += generator_gradients(fabric, noise().view(2, -1, 4)[rank])
    length, gaps = looked(fabric, x, fake, 10.0 * rank)
    kept = {"gradients": found, "drawn": drawn, "length": length, "gaps": gaps}
    torch.save(kept, f"{folder}/{rank}.pt")


@pytest.mark.slow
def test_two_processes_give_the_gradients_of_one_on_the_joined_batch(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(one_process, (port, str(tmp_path)), nprocs=2)
    ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]

    single = Fabric(accelerator="cpu", devices=1)
    expected, penalty = gradients(single, *data())
    assert penalty > 0.01
    expected += generator_gradients(single, noise())
    for rank in ranks:
        for found, wanted in zip(rank["gradients"], expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)

    stream = Batches(Samples(torch.arange(40.0)[:, None]), Identity(), 8, single, 3)
    whole = torch.stack([next(stream)[0] for _ in range(5)])
    assert torch.equal(torch.cat([r["drawn"] for r in ranks], 1), whole)

    for part in ("length", "gaps"):
        assert torch.equal(ranks[0][part], ranks[1][part])
    shares = data().view(2, 2, -1, *SHAPE)
    alone = [looked(single, *shares[:, rank], 10.0 * rank)[1] for rank in range(2)]
    torch.testing.assert_close(ranks[0]["gaps"], (alone[0] + alone[1]) / 2)
    assert (ranks[0]["length"] - 100).abs() == pytest.approx(990 * 4 * 16 / 100_000, rel=1e-3)


def test_bfloat16_keeps_the_penalty_and_its_gradients():
    exact, penalty = gradients(Fabric(accelerator="cpu", devices=1), *data())
    mixed = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    rough, approximate = gradients(mixed, *data())
    assert approximate.dtype == torch.float32
    torch.testing.assert_close(approximate, penalty, rtol=0.02, atol=0)
    joined = (torch.cat([g.flatten() for g in gradient]) for gradient in (rough, exact))
    assert torch.cosine_similarity(*joined, 0) > 0.97


def test_a_compiled_critic_is_charged_in_full_or_fails_aloud():
    """torch.compile has no second derivative in most backends, and must not drop it silently."""
    fabric = Fabric(accelerator="cpu", devices=1)
    expected, penalty = gradients(fabric, *data())
    try:
        found, charged = gradients(fabric, *data(), compiled=True)
    except RuntimeError as error:
        found, charged = expected, penalty * ("backward" in str(error))
    torch.testing.assert_close(charged, penalty)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_run_on_two_processes_trains_and_resumes(tmp_path):
    otgan = [str(Path(sys.executable).parent / "otgan"), "train", "images"]
    small = ["--network.width", "8", "--log-every", "2", "--monitor-every", "2"]
    two = ["--accelerator", "cpu", "--devices", "2", "--steps", "4", "--out", str(tmp_path / "run")]
    for arguments in ([*small, *two], ["--resume", str(tmp_path / "run"), "--steps", "6"]):
        done = subprocess.run([*otgan, *arguments], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    rows = Run(tmp_path / "run").metrics()
    assert [int(r["step"]) for r in rows] == [2, 4, 6]
    assert Run(tmp_path / "run").read_checkpoint()["random"].shape[0] == 2
