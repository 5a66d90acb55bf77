"""Runs: resumed, timed, saved and loaded, from Python."""

import numpy as np
import pytest
import torch

import otgan
from otgan.config import InputError, RunError
from otgan.data import Samples
from otgan.domain import Domain
from otgan.geometry import Lp
from otgan.model import Model
from otgan.preprocess import Whitening
from otgan.report.log import Log
from otgan.runs import Run

RNG = np.random.default_rng(0)
SMALL = {"batch_size": 16, "log_every": 2, "monitor_every": 4, "network": {"width": 8}}


def weights(path, name):
    return Run(path).read_tensors(name)


def same(a, b, *names):
    for name in names:
        theirs = weights(b, name)
        assert all(torch.equal(v, theirs[k]) for k, v in weights(a, name).items()), name


OPTIONS = [
    {"preset": "wgan-gp"},
    {"preset": "wgan"},
    {"smoothing": {"kind": "diffusion"}},
    {"smoothing": {"kind": "noise", "anneal": 20}},
    {"smoothing": {"kind": "augment"}},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_run_stopped_and_resumed_ends_as_if_it_had_not_been(tmp_path, monkeypatch, options):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    chosen = {**SMALL, **options, "steps": 10, "quiet": True}
    otgan.fit(out=whole, **chosen)

    row = Log.row

    def stop(self, step, *rest):
        if step == 6:
            raise KeyboardInterrupt
        row(self, step, *rest)

    monkeypatch.setattr(Log, "row", stop)
    with pytest.raises(KeyboardInterrupt):
        otgan.fit(out=broken, **chosen)
    monkeypatch.undo()
    torch.manual_seed(99)
    otgan.resume(broken, quiet=True)

    same(whole, broken, "generator", "critic", "checkpoint")
    used = ("seconds", "step_seconds", "memory_mb")
    rows = [[r for k, r in m.items() if k not in used] for m in Run(whole).metrics()]
    assert rows == [[r for k, r in m.items() if k not in used] for m in Run(broken).metrics()]


def test_a_finished_run_goes_on_only_for_longer(tmp_path):
    otgan.fit(out=tmp_path, steps=4, quiet=True, **SMALL)
    with pytest.raises(InputError, match="done: 4 steps"):
        otgan.resume(tmp_path, quiet=True)
    otgan.resume(tmp_path, quiet=True, steps=6)
    assert [int(r["step"]) for r in Run(tmp_path).metrics()] == [2, 4, 6]


def test_a_time_budget_becomes_a_step_count_that_repeats_the_run(tmp_path):
    timed, counted = tmp_path / "timed", tmp_path / "counted"
    otgan.fit(out=timed, minutes=0.05, quiet=True, **SMALL)
    steps = Run(timed).spec()["config"]["steps"]
    assert int(Run(timed).metrics()[-1]["step"]) == steps
    otgan.fit(out=counted, steps=steps, quiet=True, **SMALL)
    same(timed, counted, "generator", "critic")


def test_a_resumed_time_budget_counts_from_there(tmp_path):
    otgan.fit(out=tmp_path, steps=40, quiet=True, **SMALL)
    before = float(Run(tmp_path).metrics()[-1]["seconds"])
    otgan.resume(tmp_path, quiet=True, minutes=0.03)
    rows = Run(tmp_path).metrics()
    assert int(rows[-1]["step"]) > 40
    assert before < float(rows[-1]["seconds"]) < before + 60


def test_a_run_needs_a_length():
    domain = Domain(Lp(2), Samples(torch.randn(50, 2)), Samples(torch.randn(20, 2)))
    with pytest.raises(InputError, match="how long"):
        otgan.fit(domain=domain, quiet=True)


def test_samples_scores_and_saves(tmp_path):
    pictures = RNG.random((60, 8, 10)).astype("float32")
    model = otgan.fit(pictures, steps=2, quiet=True, **SMALL)
    samples = model.sample(5, seed=3)
    assert samples.shape == (5, 1, 8, 10)
    assert 0 <= samples.min() <= samples.max() <= 1
    assert torch.equal(samples, model.sample(5, seed=3))
    assert not torch.equal(samples, model.sample(5))
    model.save(tmp_path / "saved")
    again = Model.load(tmp_path / "saved")
    assert torch.equal(again.sample(5, seed=3), samples)
    assert torch.equal(again.score(samples), model.score(samples))
    with pytest.raises(InputError, match="already holds a run"):
        model.save(tmp_path / "saved")


def test_nothing_is_written_without_a_run_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    otgan.fit(steps=2, quiet=True, **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_domain_made_by_hand_trains_under_whitening_and_is_loaded_by_hand(tmp_path):
    x = torch.randn(200, 3) @ torch.diag(torch.tensor([1.0, 10.0, 100.0]))
    domain = Domain(Lp(2), Samples(x[:150]), Samples(x[150:]), Whitening((3,)).fit(x[:150]))
    model = otgan.fit(domain=domain, steps=4, out=tmp_path, quiet=True, **SMALL)
    spread = model.sample(500).std(0)
    assert spread[2] > 10 * spread[0]  # samples are in data units
    report = model.evaluate(draws=1)
    assert report["units"] == "chart"
    floors = [report["metrics"][name]["floor"] for name in ("W1", "W1 before the chart")]
    assert floors[1] > 5 * floors[0] > 0  # the third column spreads over hundreds
    with pytest.raises(InputError, match="by hand"):
        Model.load(tmp_path)
    assert torch.equal(Model.load(tmp_path, domain=domain).sample(3, 0), model.sample(3, 0))


def test_a_score_difference_is_ground_cost_in_data_units():
    """The critic lives in [-1, 1]; half of its difference is the difference in [0, 1]."""
    model = otgan.fit(steps=2, quiet=True, **SMALL)
    x = model.domain.held_out.x[:4]
    inside = model.critic(x.float() / 127.5 - 1)
    torch.testing.assert_close(model.score(x), inside.detach() / 2, rtol=1e-4, atol=1e-6)


def test_critics_with_batch_statistics_train_on_batch_statistics(tmp_path):
    """Pictures and monitors in between must not leave the critic in evaluation mode."""
    modes = []
    log = Log.row

    def watch(self, *rest):
        modes.append((self.game.critic.training, self.game.generator.training))
        log(self, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Log, "row", watch)
        otgan.fit(out=tmp_path, preset="wgan", steps=10, quiet=True, **SMALL)
    assert modes == [(True, True)] * 5


def test_a_diverged_run_says_so_and_keeps_no_broken_files(tmp_path):
    with pytest.raises(RunError, match="diverged before step"):
        otgan.fit(steps=20, out=tmp_path, quiet=True, optimiser={"rate": 1e30}, **SMALL)
    for path in tmp_path.glob("*.safetensors"):
        assert all(v.isfinite().all() for v in weights(tmp_path, path.stem).values()), path


def test_both_lengths_at_once_are_refused(tmp_path):
    with pytest.raises(InputError, match="give one of them"):
        otgan.fit(steps=2, minutes=1, quiet=True, **SMALL)


def test_options_a_domain_does_not_take_are_refused():
    with pytest.raises(InputError, match="unexpected keyword argument 'data'"):
        otgan.fit([1.0], "examples.01_a_metric_of_your_own:torus", steps=2, quiet=True)


def test_pictures_with_channels_last_are_not_scored_as_if_first():
    model = otgan.fit(RNG.random((40, 3, 8, 8)), steps=2, quiet=True, **SMALL)
    assert model.score(RNG.random((2, 3, 8, 8))).shape == (2,)
    with pytest.raises(InputError, match=r"\(8, 8, 3\)"):
        model.score(RNG.random((2, 8, 8, 3)))
