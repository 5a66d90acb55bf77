"""Sweeps: which settings come first, what is not run again, and what is refused before any work."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from otgan.certify import bracket
from otgan.cli import main
from otgan.config import Config, InputError, RunError, resolve
from otgan.data import Samples
from otgan.domain import Domain
from otgan.geometry import GraphMetric, Lp, MetricSpace
from otgan.model import Model
from otgan.report.log import Log
from otgan.runs import Run, describe
from otgan.sweep import Trial, certificate, lists, points, sweep, trials
from otgan.sweep.ranking import ranking

BASE = resolve(
    "wgan-lp",
    {},
    {
        "steps": 60,
        "batch_size": 32,
        "critic_steps": 2,
        "average": 0.9,
        "network": {"width": 16, "depth": 1, "latent": 2, "generator_norm": "none"},
    },
)
RATES = ["optimiser.rate=1e-7,1e-2"]


def cloud():
    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(0)) + 1
    return Domain(Lp(2), Samples(x[60:]), Samples(x[:60]))


def settings(domain, over, base=BASE, limit=None):
    return [
        Trial(p.name, p.swept, describe(domain, p.config, "", {}, p.preset))
        for p in points(lists(over, ()), {"wgan-lp": base}, limit)
    ]


def run(out, over=RATES, domain=None, base=BASE, seconds=0.3):
    domain = domain or cloud()
    return sweep(domain, settings(domain, over, base), out, seconds, quiet=True)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    out = tmp_path_factory.mktemp("sweep")
    return out, run(out)


def test_a_rate_that_learns_nothing_comes_last_and_is_proven_worse(swept):
    _, report = swept
    good, bad = report["trials"]
    assert good["settings"] == {"optimiser.rate": 1e-2}
    assert bad["settings"] == {"optimiser.rate": 1e-7}
    assert bad["lower"] > good["upper"]
    assert bad["behind"] == pytest.approx(bad["estimate"] - good["estimate"])
    assert bad["behind"] > bad["behind_error"] > 0
    assert {"W1", "Frechet", "precision", "recall"} <= bad["metrics"].keys()
    assert good["steps"] == bad["steps"] != []


def test_every_trial_is_a_run_that_can_be_sampled(swept):
    _, report = swept
    for row in report["trials"]:
        assert Model.load(row["run"], domain=cloud()).sample(5).shape == (5, 2)


def test_what_is_finished_is_not_run_again(swept, monkeypatch):
    out, report = swept
    monkeypatch.setattr(trials, "play", None)
    monkeypatch.setattr(trials, "bracket", None)
    assert run(out) == report


@pytest.mark.slow
def test_a_longer_list_runs_what_is_new_with_certificates_of_as_many_steps(swept):
    out, report = swept
    longer = run(out, ["optimiser.rate=1e-7,1e-2,3e-3"])
    assert len(longer["trials"]) == 3
    assert len({tuple(row["steps"]) for row in longer["trials"]}) == 1
    kept = {row["run"]: row["estimate"] for row in longer["trials"]}
    assert all(kept[row["run"]] == row["estimate"] for row in report["trials"])


@pytest.mark.slow
def test_an_interrupted_sweep_goes_on_where_it_stopped(swept, tmp_path, monkeypatch):
    row = Log.row

    def stop(self, step, *rest):
        if step == 40 and "0.01" in str(self.run.path):
            raise KeyboardInterrupt
        row(self, step, *rest)

    base = BASE.model_copy(update={"log_every": 20, "monitor_every": 20})
    monkeypatch.setattr(Log, "row", stop)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, base=base)
    assert not (tmp_path / "optimiser.rate=0.01" / "samples" / "0000040.png").exists()
    started = []
    monkeypatch.setattr(Log, "row", row)
    monkeypatch.setattr(trials, "play", lambda *rest, **more: started.append(rest))
    report = run(tmp_path, base=base)
    assert not started
    whole, again = (Run(path / "optimiser.rate=0.01") for path in (swept[0], tmp_path))
    theirs = again.read_tensors("generator")
    assert all(torch.equal(v, theirs[k]) for k, v in whole.read_tensors("generator").items())
    assert [row["settings"]["optimiser.rate"] for row in report["trials"]] == [1e-2, 1e-7]


def test_a_run_that_diverges_is_listed_as_failed_and_not_tried_again(tmp_path, monkeypatch):
    over = ["optimiser.rate=1e30,1e-2"]
    report = run(tmp_path, over)
    (failed,) = report["failed"]
    assert failed["settings"] == {"optimiser.rate": 1e30}
    assert "diverged" in failed["failed"]
    assert len(report["trials"]) == 1
    monkeypatch.setattr(trials, "play", None)
    assert run(tmp_path, over) == report


@pytest.mark.slow
def test_a_run_folder_that_was_deleted_is_made_again(tmp_path):
    over = ["seed=0"]
    run(tmp_path, over)
    for path in (tmp_path / "seed=0").glob("*.*"):
        path.unlink()
    assert run(tmp_path, over)["trials"][0]["run"] == str(tmp_path / "seed=0")
    assert (tmp_path / "seed=0" / "generator.safetensors").exists()


def stub(geometry, held_out, fixed):
    """A model whose generator always gives the same points, of data in the same units."""

    class Fixed(torch.nn.Linear):
        def forward(self, z, y=None):
            return fixed[torch.arange(len(z)) % len(fixed)]

    domain = Domain(geometry, Samples(held_out), Samples(held_out))
    spec = {"config": Config().model_dump(), "conditions": []}
    return Model(domain, spec, Fixed(1, 1), torch.nn.Linear(1, 1))


class Hamming(MetricSpace):
    def distance(self, x, y):
        return (x.round() != y.round()).flatten(1).sum(1).to(x)


NODES = torch.arange(60) % 3
BITS = torch.eye(4)[torch.arange(60) % 4]


@pytest.mark.parametrize(
    ("geometry", "held_out", "fixed", "distance"),
    [
        (GraphMetric([[0, 1], [1, 2], [2, 3]], [1.0, 2.0, 4.0]), NODES, torch.tensor([3]), 17 / 3),
        (Hamming(), BITS, torch.zeros(1, 4), 1.0),
        (Lp(1), BITS[:, None], torch.zeros(1, 1, 4), 1.0),
    ],
)
def test_a_certificate_holds_a_known_distance(geometry, held_out, fixed, distance):
    found = certificate(stub(geometry, held_out, fixed), 0.3)
    assert found["lower"] <= distance + 1e-6
    assert found["upper"] >= distance - 1e-6
    assert found["estimate"] == pytest.approx(distance, rel=0.1)


def test_samples_that_no_path_leads_to_are_a_failure_of_the_run():
    graph = GraphMetric([[0, 1], [1, 2], [3, 4]])
    with pytest.raises(RunError, match="2 parts of the graph"):
        certificate(stub(graph, NODES, torch.tensor([4])), 0.3)


def test_what_a_bracket_scored_gives_its_estimate_and_its_error():
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(n, 2, generator=generator) for n in (200, 300))
    found = bracket(x, y + 2, Lp(2), 0.3)
    on_x, on_y = found.scored
    assert (len(on_x), len(on_y)) == (80, 120)
    assert (on_x.mean() - on_y.mean()).item() == pytest.approx(found.estimate)
    error = (on_x.var() / 80 + on_y.var() / 120).sqrt().item() * stats.t.ppf(0.975, 79)
    assert found.estimate - found.lower == pytest.approx(error)


def figures(values, shift, **metrics):
    return {
        "lower": np.mean(values) + shift - 0.1,
        "estimate": np.mean(values) + shift,
        "upper": np.mean(values) + shift + 0.1,
        "on_held_out": [v + shift for v in values],
        "generated_error": 0.0,
        "metrics": {name: {"value": value} for name, value in metrics.items()},
    }


def ranked(*rows):
    named = {f"seed={k}": row for k, row in enumerate(rows)}
    of = [Trial(name, {"seed": k}, {}) for k, name in enumerate(named)]
    return ranking(cloud(), of, named, Path("out"))


def test_differences_are_paired():
    """Estimates whose own errors are large are told apart if they are so at every point."""
    values = [0.0, 10.0, 20.0, 30.0]
    (first, second) = ranked(figures(values, 1.0), figures(values, 0.0))["trials"]
    assert second["behind"] == pytest.approx(1.0)
    assert second["behind_error"] == pytest.approx(0.0)
    assert first["settings"] == {"seed": 1}


def test_agreement_knows_in_which_direction_a_metric_is_good():
    rows = [
        figures(
            [0.0, 1.0], k, W1=k, precision=1 - k / 9, memorisation=0.5 - k / 9, KID=-k, density=1
        )
        for k in range(4)
    ]
    found = ranked(*rows)["agreement"]
    assert found == pytest.approx(
        {"lower": 1, "upper": 1, "W1": 1, "precision": 1, "memorisation": 1, "KID": -1}
    )
    assert ranked(*rows[:2])["agreement"] == {}


TORUS = "examples.01_a_metric_of_your_own:torus"
SHORT = ["--n", "200", "--steps", "3", "--batch-size", "8"]


@pytest.mark.slow
def test_presets_of_a_metric_space_on_the_command_line(here, capsys):
    over = ["--over", "preset=wgan-gp,certified", "--over", "seed=0"]
    argv = ["sweep", TORUS, *SHORT, *over, "--seconds", "0.3", "--out", "all", "--json", "all.json"]
    main(argv)
    printed = capsys.readouterr().out
    report = json.loads((here / "all.json").read_text())
    first, second = report["trials"]
    assert {first["settings"]["preset"], second["settings"]["preset"]} == {"wgan-gp", "certified"}
    kind = {"wgan-gp": "slope-penalty", "certified": "certified"}
    for row in report["trials"]:
        spec = Run.open(row["run"]).spec()
        assert spec["preset"] == row["settings"]["preset"]
        assert spec["config"]["constraint"]["kind"] == kind[spec["preset"]]
    assert re.search(r"│ 1 +│ " + first["settings"]["preset"], printed)
    assert f"W1 {report['agreement']}" not in printed  # two trials have no rank correlation
    (command,) = re.findall(r"The best: otgan (sample .*) -n 64", printed)
    main([*command.split(), "-n", "4", "-o", "four.npy"])
    assert np.load(here / "four.npy").shape == (4, 2)


def test_a_sweep_in_which_all_fail_fails(here, capsys):
    over = ["--over", "optimiser.rate=1e30"]
    with pytest.raises(SystemExit) as exit:
        main(["sweep", TORUS, *SHORT, *over, "--seconds", "0.3", "--out", "all"])
    assert exit.value.code == 1
    assert "diverged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "nothing to sweep"),
        (["--over", "optimizer.rate=1"], "no setting 'optimizer.rate': did you mean 'optimiser"),
        (["--over", "n=100,200"], "no setting 'n'"),
        (["--over", "optimiser.rate"], "a value is missing"),
        (["--over", "optimiser.rate=1,,2"], "a value is missing"),
        (["--over", "optimiser.rate=fast"], "optimiser.rate='fast'"),
        (["--over", "optimiser.rate=1e-3,-1"], "optimiser.rate='-1'"),
        (["--over", "seed=0", "--over", "seed=1"], "seed is given twice"),
        (["--over", "steps=3,4"], "steps is swept and fixed: drop --steps"),
        (["--over", "minutes=1,2"], "--steps and --minutes are two ways"),
        (["--over", "batch-size=4,8"], "batch_size is swept and fixed: drop --batch-size"),
        (["--constraint", "none", "--over", "constraint.kind=none"], "drop --constraint"),
        (["--over", "preset=wgan-gp,wgan-pg"], "unknown preset 'wgan-pg'"),
        (["--over", "seed=0,1", "--trials", "0"], "--trials is a number"),
        (["--over", "seed=0,1", "--seconds", "0"], "need some seconds"),
        (["--over", "seed=0,1", "--devices", "2"], "one device"),
        (["--over", "seed=0,1", "--n", "80"], "20 points a side, got 16"),
        (["--over", "constraint.sided=one,two"], "constraint.sided=two: Torus"),
        (["--over", "constraint.kind=spectral-norm"], "constraint.kind=spectral-norm: spectral"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(here, capsys, options, message):
    with pytest.raises(SystemExit) as exit:
        main(["sweep", TORUS, *SHORT, *options])
    assert exit.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not list(here.iterdir())


def test_a_folder_keeps_one_length_and_one_certificate(swept):
    out, _ = swept
    with pytest.raises(InputError, match="has steps 60, and now it is 70: give another --out"):
        run(out, base=BASE.model_copy(update={"steps": 70}))
    with pytest.raises(InputError, match=r"certificates of 0\.3 seconds"):
        run(out, seconds=0.5)


def test_random_combinations_are_a_part_of_all_and_more_of_them_keep_the_fewer():
    over = lists(["seed=0,1,2", "batch-size=8,16"], ())
    every = [p.name for p in points(over, {"wgan-lp": BASE})]
    assert every == [f"seed={k},batch_size={n}" for k in range(3) for n in (8, 16)]
    few, more = ({p.name for p in points(over, {"wgan-lp": BASE}, n)} for n in (2, 4))
    assert len(few) == 2 and len(more) == 4 and few < more < set(every)
    assert [p.name for p in points(over, {"wgan-lp": BASE}, 99)] == every


def test_values_that_are_written_twice_are_one():
    over = lists(["optimiser.rate=1e-3,0.001", "patience=None,3"], ())
    found = points(over, {"wgan-lp": BASE})
    assert [p.swept for p in found] == [
        {"optimiser.rate": 0.001, "patience": None},
        {"optimiser.rate": 0.001, "patience": 3},
    ]
    assert [p.config.patience for p in found] == [None, 3]
