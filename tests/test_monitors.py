"""Alarms speak on runs made to fail, and not on healthy ones."""

import pytest
import torch
from duel import game
from lightning_fabric import Fabric

import otgan
from otgan.config import RunError
from otgan.constraints import Certified, Constraint, SlopePenalty
from otgan.data import Batches, Samples
from otgan.domain import Domain
from otgan.engine import train
from otgan.geometry import Lp
from otgan.monitors import Collapse, HeldOut, Plateau, Slope, broken, memory
from otgan.preprocess import Identity
from otgan.report.log import Log
from otgan.runs import Run

POINTS = torch.randn(1400, 2, generator=torch.Generator().manual_seed(0)) + 2
SMALL = {"batch_size": 16, "log_every": 2, "monitor_every": 4, "quiet": True}


def source(n):
    return torch.randn(n, 4)


def watched(constraint, promised, *, seed=0, steps=160, meddle=lambda game: None, **rules):
    """What the alarms say of a short run on a 2-D Gaussian, every 20 steps."""
    torch.manual_seed(seed)
    play = game(Lp(2), constraint, steps=steps, critic_steps=3, decay=0.5, **rules)
    batches = Batches(Samples(POINTS[400:]), Identity(), 64, Fabric(accelerator="cpu"), seed)
    held_out, alarms = HeldOut(POINTS[:200], POINTS[200:400], source), [Collapse(), Slope(promised)]
    told = []
    for record in train(play, batches, source):
        if record.step % 20 == 0:
            figures = held_out(play)
            told += [text for alarm in alarms if (text := alarm(figures))]
            meddle(play)
    return told


def cloud():
    return Domain(Lp(2), Samples(POINTS[:1000]), Samples(POINTS[1000:]))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_healthy_runs_are_silent(seed):
    constraint = Certified() if seed % 2 else SlopePenalty("one")
    assert watched(constraint, constraint, seed=seed) == []


def test_a_generator_forced_to_one_point_is_a_collapse_told_once():
    def collapse(play):
        if play.step >= 120:
            with torch.no_grad():
                for weight in play.generator.parameters():
                    weight.zero_()

    told = watched(SlopePenalty("one"), SlopePenalty("one"), meddle=collapse)
    assert [text.partition(":")[0] for text in told] == ["collapse"]


@pytest.mark.parametrize("promised", [SlopePenalty("one"), Certified()], ids=str)
def test_a_critic_without_its_constraint_is_too_steep(promised):
    told = watched(Constraint(), promised, steps=120, rate=1e-2)
    assert any(text.startswith("slope") for text in told)


def test_slopes_are_judged_by_what_the_constraint_promises():
    for constraint, fine, high in ((Certified(), 1.001, 1.02), (SlopePenalty(), 4.0, 6.0)):
        monitor = Slope(constraint)
        assert [monitor({"slope": s}) for s in (high, fine, high)] == [None] * 3
        assert "slope" in monitor({"slope": high})
    assert Slope(Constraint()).limit == Slope(SlopePenalty("zero")).limit == float("inf")


def test_a_plateau_is_so_many_checks_without_an_improvement_beyond_the_error():
    monitor = Plateau(3)
    seen = [monitor({"exact": w, "exact_error": 0.1}) for w in (1.0, 0.95, 0.8, 0.75, 0.72, 0.71)]
    assert seen[:5] == [None] * 5
    assert "0.8 for 3 checks" in seen[5]


def test_recall_alone_tells_a_collapse_beyond_chance_only():
    figures = {"exact": 1.0, "exact_error": 0.1, "points": 200}
    monitor = Collapse()
    assert monitor({**figures, "recall": 0.9}) is None
    assert "recall" in monitor({**figures, "recall": 0.1})
    few = Collapse()
    assert few({**figures, "points": 20, "recall": 0.9}) is None
    assert few({**figures, "points": 20, "recall": 0.1}) is None


def test_the_standard_errors_are_those_of_repeated_samples():
    torch.manual_seed(0)
    play = game(Lp(2), SlopePenalty())
    torch.nn.init.normal_(play.critic[-1].weight)
    rows = []
    for k in range(40):
        play.step = k
        x = torch.randn(200, 2) + 4
        rows.append(HeldOut(x, x, source)(play))
    for name in ("w", "exact"):
        spread = torch.tensor([r[name] for r in rows]).std().item()
        error = sum(r[f"{name}_error"] for r in rows) / len(rows)
        assert spread < 1.5 * error, name
    assert torch.tensor([r["w"] for r in rows]).std().item() > rows[0]["w_error"] / 1.5


def test_nan_in_a_weight_never_replaces_a_good_checkpoint(tmp_path, monkeypatch):
    row = Log.row

    def poison(self, step, *rest):
        row(self, step, *rest)
        if step == 6:
            self.game.average.requires_grad_(False)
            next(self.game.average.parameters()).fill_(float("nan"))

    monkeypatch.setattr(Log, "row", poison)
    with pytest.raises(RunError, match=r"game/average/.*last good checkpoint, step 4") as error:
        otgan.fit(domain=cloud(), steps=12, out=tmp_path, **SMALL)
    assert str(tmp_path) in str(error.value)
    state = Run(tmp_path).read_checkpoint()
    assert state["game"]["step"] == 4
    assert broken(state) is None


def test_a_rate_far_too_large_stops_the_run_and_says_there_is_no_checkpoint(tmp_path):
    with pytest.raises(RunError, match=r"diverged before step .* no checkpoint"):
        otgan.fit(domain=cloud(), steps=8, out=tmp_path, optimiser={"rate": 1e30}, **SMALL)
    assert not (tmp_path / "checkpoint.safetensors").exists()


@pytest.mark.slow
def test_a_plateau_ends_the_run_whole_and_its_step_count_repeats_it(tmp_path, monkeypatch):
    ended, again = tmp_path / "ended", tmp_path / "again"
    chosen = {**SMALL, "domain": cloud(), "optimiser": {"rate": 1e-9}}
    otgan.fit(out=ended, steps=400, patience=2, **chosen)
    steps = Run(ended).spec()["config"]["steps"]
    assert steps == Run(ended).read_checkpoint()["game"]["step"] == 26  # 2 * (12 + 1)
    assert (ended / "alarms.csv").read_text().startswith("12,plateau")
    otgan.fit(out=again, steps=steps, **chosen)
    a, b = (Run(path).read_tensors("generator") for path in (ended, again))
    assert all(torch.equal(v, b[k]) for k, v in a.items())


def test_a_resumed_run_remembers_what_its_monitors_have_seen(tmp_path):
    chosen = {**SMALL, "domain": cloud(), "optimiser": {"rate": 1e-9}}
    otgan.fit(out=tmp_path, steps=8, patience=3, decay=0.0, **chosen)
    otgan.resume(tmp_path, steps=400, domain=chosen["domain"], quiet=True)
    assert Run(tmp_path).spec()["config"]["steps"] == 17
    assert (tmp_path / "alarms.csv").read_text().startswith("16,plateau")


def test_time_and_memory_are_columns(tmp_path):
    otgan.fit(domain=cloud(), steps=4, out=tmp_path, **SMALL)
    row = Run(tmp_path).metrics()[-1]
    assert 0 < float(row["step_seconds"]) < float(row["seconds"]) + 0.01
    assert 10 < float(row["memory_mb"]) <= memory(torch.device("cpu"))["memory_mb"]
