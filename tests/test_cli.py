"""The command line: its help, a run from training to scores, what wins over what, resuming."""

import contextlib
import csv
import io
import json
import re
import shutil
import subprocess
import sys
import textwrap
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from conftest import PIXELS, QUICK
from otgan_domains.images import images
from PIL import Image
from pydantic import BaseModel

from otgan.cli import main
from otgan.config import Config
from otgan.report.tables import number


def pictures(folder):
    for i, picture in enumerate(PIXELS):
        path = folder / "ab"[i % 2] / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of two steps on a folder of images with two classes."""
    folder = tmp_path_factory.mktemp("finished")
    data = pictures(folder / "data")
    main(["train", "images", "--data", str(data), *QUICK, "--out", str(folder / "run")])
    return folder


@pytest.fixture
def run(finished, here):
    """A copy of it, with data of its own."""
    shutil.copytree(finished, here, dirs_exist_ok=True)
    spec = json.loads((here / "run" / "run.json").read_text())
    spec["options"]["data"] = str(here / "data")
    (here / "run" / "run.json").write_text(json.dumps(spec))
    return here / "run"


def spec(run):
    return json.loads((run / "run.json").read_text())


def fields(model, prefix=""):
    for name, field in model.model_fields.items():
        flag = f"{prefix}{name}".replace("_", "-")
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation, f"{flag}.")
        else:
            yield f"--{flag}"


OPTIONS = [f"--{n.replace('_', '-')}" for n in signature(images).parameters if n != "state"]


def help_of(capsys, *argv):
    with pytest.raises(SystemExit) as exit:
        main([*argv, "--help"])
    assert exit.value.code == 0
    return capsys.readouterr().out


def test_help_lists_the_commands_and_imports_no_torch():
    code = (
        "import sys\nfrom otgan.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit as exit: assert exit.code == 0\n"
        "heavy = {'torch', 'matplotlib', 'sklearn', 'ot', 'optuna', 'tensorboard'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = ("train", "sample", "evaluate", "sweep", "domains")
    assert all(f"• {name} " in done.stdout for name in names)


def test_python_m_otgan_is_the_command():
    command = [sys.executable, "-m", "otgan", "sample", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no run folder 'nowhere'" in done.stderr


def test_no_arguments_print_the_help(capsys):
    with pytest.raises(SystemExit) as exit:
        main([])
    assert exit.value.code == 0
    assert "subcommands" in capsys.readouterr().out


@pytest.fixture(scope="module")
def entries():
    """The help of `train images` as flag -> (what it takes, what it says)."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main(["train", "images", "--help"])
    lines = re.sub(r"[│╭╰─╮╯]", " ", text.getvalue())
    parts = re.split(r"^\s+(?:-h, |--\w+ {[\w,\s-]+}, )?(--[\w.-]+)", lines, flags=re.MULTILINE)
    return {
        flag: " ".join(said.split()) for flag, said in zip(parts[1::2], parts[2::2], strict=True)
    }


@pytest.mark.parametrize("flag", [*fields(Config), *OPTIONS, "--preset", "--out", "--resume"])
def test_help_explains_every_setting_and_option(entries, flag):
    assert flag in entries
    kind, _, said = entries[flag].partition(" ")
    said = re.sub(r"\(default.*?\)|\{.*?\}|[A-Z]{3,}\|?", "", said)
    assert len(said.split()) >= 2, entries[flag]
    assert "{fixed}" not in kind


def test_the_state_of_a_run_is_no_option(entries):
    assert "--state" not in entries


@pytest.mark.parametrize("command", ["sample", "evaluate", "train", "sweep"])
def test_the_other_commands_have_help(capsys, command):
    assert f"otgan {command}" in help_of(capsys, command)


def test_domains_lists_images(capsys):
    main(["domains"])
    assert re.search(r"^images +Images: ", capsys.readouterr().out, re.MULTILINE)


def test_a_run_folder_holds_all_that_the_manual_says(finished):
    run = finished / "run"
    names = {p.name for p in run.iterdir()}
    weights = {f"{n}.safetensors" for n in ("generator", "critic", "chart", "checkpoint")}
    assert {"run.json", "metrics.csv", "curves.png", "samples", *weights} <= names
    assert len([n for n in names if n.startswith("events.out.tfevents.")]) == 1
    assert not [n for n in names if ".part" in n]
    for picture in (run / "curves.png", run / "samples" / "0000002.png"):
        with Image.open(picture) as image:
            image.load()
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["step"] for r in rows] == ["2"]
    assert all(float(rows[0][k]) >= 0 for k in ("seconds", "slope", "exact", "floor"))


def test_train_prints_the_run_folder_and_numbers_runs(here, capsys):
    np.save("data.npy", PIXELS)
    for name in ("images-1", "images-2"):
        main(["train", "images", "--data", "data.npy", *QUICK])
        assert capsys.readouterr().out.strip() == f"runs/{name}"
        assert (here / "runs" / name / "run.json").is_file()


@pytest.mark.parametrize("name", ["out.png", "out.npy", "out.npz", "sub/out.png", "out"])
def test_sample_writes_what_is_asked_for_and_prints_its_name(run, here, capsys, name):
    main(["sample", str(run), "-n", "3", "-o", name])
    assert capsys.readouterr().out == f"{name}\n"
    if name.endswith(".npy"):
        assert np.load(name).shape == (3, 1, 8, 8)
    elif name.endswith(".npz"):
        assert np.load(name)["x"].shape == (3, 1, 8, 8)
    elif name == "out":
        assert sorted(p.name for p in (here / name).iterdir()) == [f"{i:05d}.png" for i in range(3)]
    else:
        assert Image.open(name).format == "PNG"


def test_samples_go_into_the_run_if_no_file_is_named(run, capsys):
    main(["sample", str(run)])
    assert capsys.readouterr().out == f"{run}/samples.png\n"
    assert (run / "samples.png").is_file()


def test_the_same_seed_gives_the_same_file_and_another_one_another(run, here):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        main(["sample", str(run), "-n", "4", "--seed", str(seed), "-o", f"{name}.npy"])
    a, b, c = ((here / f"{name}.npy").read_bytes() for name in "abc")
    assert a == b and a != c


def test_sampling_needs_no_training_data(run, here):
    main(["sample", str(run), "-o", "before.npy"])
    shutil.rmtree(here / "data")
    main(["sample", str(run), "-o", "after.npy"])
    assert (here / "before.npy").read_bytes() == (here / "after.npy").read_bytes()


@pytest.mark.parametrize("chart", ["pca", "zca", "cholesky"])
def test_whitening_is_stored_with_the_run(here, chart):
    """With fewer images than pixels, and gone when samples are asked for."""
    np.save("data.npy", PIXELS)
    main(["train", "images", "--data", "data.npy", "--chart", chart, *QUICK, "--out", "run"])
    main(["sample", "run", "-n", "50", "-o", "before.npy"])
    Path("data.npy").unlink()
    main(["sample", "run", "-n", "50", "-o", "after.npy"])
    assert Path("before.npy").read_bytes() == Path("after.npy").read_bytes()
    assert np.load("after.npy").mean() == pytest.approx(PIXELS.mean() / 255, abs=0.1)


def test_evaluate_shows_and_writes_the_same_figures(run, here, capsys):
    main(["evaluate", str(run), "--limit", "10", "--draws", "2", "--json", "scores.json"])
    report, shown = json.loads((here / "scores.json").read_text()), capsys.readouterr().out
    assert report["metrics"].keys() > {"W1", "sliced W1", "precision", "recall", "memorisation"}
    for score in report["metrics"].values():
        sides = {"value", "spread", "interval", "floor", "floor_spread", "floor_interval"}
        assert score.keys() == sides
        assert number(score["value"]) in shown and number(score["floor"]) in shown
    assert report["classes"].keys() == {"a", "b"}
    assert sum(c["generated"] for c in report["classes"].values()) == pytest.approx(1)


def test_evaluate_knows_a_class_that_was_wholly_held_out(here):
    held = images(PIXELS).held_out.x[0, 0].numpy()
    labels = np.array([9 if np.array_equal(p, held) else 0 for p in PIXELS])
    np.savez("data.npz", x=PIXELS, y=labels)
    main(["train", "images", "--data", "data.npz", *QUICK, "--out", "run"])
    main(["evaluate", "run", "--limit", "10", "--draws", "1", "--json", "scores.json"])
    classes = json.loads((here / "scores.json").read_text())["classes"]
    assert classes["9"] == {"generated": 0.0, "data": 0.0}


DOMAIN = """
import torch
from otgan.data import Samples
from otgan.domain import Domain
from otgan.geometry import Lp
PATCHES = {
    "*": {"steps": 2, "seed": 5, "batch_size": 8},
    "wgan-lp": {"constraint": {"weight": 3.0}},
    "mine": {"critic_steps": 1},
}
def make(n=32, unused: str = "x"):
    "Points."
    x = torch.randn(n, 2, generator=torch.Generator().manual_seed(0))
    return Domain(Lp(2.0), Samples(x), Samples(x), presets=PATCHES)
"""


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], {"batch_size": 8, "seed": 5, "critic_steps": 5, "constraint.weight": 10.0}),
        (
            ["--preset", "wgan-lp"],
            {"seed": 5, "constraint.sided": "one", "constraint.weight": 3.0},
        ),
        (["--preset", "sngan", "--seed", "7"], {"seed": 7, "critic_steps": 1}),
        (
            ["--preset=wgan-lp", "--constraint.weight", "4", "--batch-size=4"],
            {"constraint.sided": "one", "constraint.weight": 4.0, "batch_size": 4},
        ),
        (["--preset", "mine"], {"critic_steps": 1, "seed": 5}),
        (["--preset", "mine", "--critic-steps", "5"], {"critic_steps": 5, "seed": 5}),
        (["--n", "48"], {"batch_size": 8}),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_defaults_yield_to_presets_to_the_domain_to_the_command_line(
    here, monkeypatch, flags, expected
):
    (here / "patched.py").write_text(DOMAIN)
    monkeypatch.syspath_prepend(str(here))
    monkeypatch.delitem(sys.modules, "patched", raising=False)
    main(["train", "patched:make", *flags, "--out", "run"])
    found = spec(here / "run")
    for path, value in expected.items():
        node = found["config"]
        for key in path.split("."):
            node = node[key]
        assert node == value, path
    assert found["options"] == {"n": 48 if "--n" in flags else 32, "unused": "x"}


def test_minutes_become_steps(here):
    np.save("data.npy", PIXELS)
    flags = ["--data", "data.npy", "--minutes", "0.005", *QUICK[2:], "--log-every", "10"]
    main(["train", "images", *flags, "--out", "run"])
    with (here / "run" / "metrics.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    assert spec(here / "run")["config"]["steps"] == int(last["step"])


def test_resuming_goes_on_to_more_steps(run):
    main(["train", "images", "--resume", str(run), "--steps", "4"])
    assert spec(run)["config"]["steps"] == 4
    with (run / "metrics.csv").open() as file:
        assert [r["step"] for r in csv.DictReader(file)] == ["2", "4"]
    assert {p.stem for p in (run / "samples").iterdir()} == {"0000002", "0000004"}


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--steps", "4", "--seed", "1"], "drop --seed"),
        (["--steps", "4", "--network.width=8"], "drop --network.width"),
        (["--steps", "4", "--chart", "identity"], "drop --chart"),
        (["--steps", "4", "--data", "other"], "drop --data"),
        (["--steps", "4", "--preset", "wgan"], "drop --preset"),
        (["--steps", "4", "--out", "new"], "drop --out"),
        (["--steps", "2"], "the run is done"),
        ([], "the run is done"),
        (["--steps", "4", "--minutes", "1"], "give one of them"),
    ],
)
def test_resuming_refuses_other_settings(run, capsys, flags, says):
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    with pytest.raises(SystemExit) as exit:
        main(["train", "images", "--resume", str(run), *flags])
    assert exit.value.code == 2
    assert says in capsys.readouterr().err
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


def test_resuming_refuses_another_domain(here, monkeypatch, run, capsys):
    (here / "patched.py").write_text(DOMAIN)
    monkeypatch.syspath_prepend(str(here))
    with pytest.raises(SystemExit) as exit:
        main(["train", "patched:make", "--resume", str(run), "--steps", "4"])
    assert exit.value.code == 2
    assert f"'{run}' is a run of 'images'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "resume"])
def test_changed_data_are_refused(run, here, capsys, command):
    for path in (here / "data").rglob("*.png"):
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    start = ["train", "images", "--steps", "4", "--resume"] if command == "resume" else ["evaluate"]
    with pytest.raises(SystemExit) as exit:
        main([*start, str(run)])
    assert exit.value.code == 2
    assert "put back what it was trained on" in capsys.readouterr().err


def test_a_domain_whose_option_is_required_resumes_without_it(here, capsys):
    code = """
        import torch
        from otgan.data import Samples
        from otgan.domain import Domain
        from otgan.geometry import Lp

        def cloud(n: int) -> Domain:
            x = torch.randn(n, 2, generator=torch.Generator().manual_seed(0))
            return Domain(Lp(1), Samples(x[20:]), Samples(x[:20]))
    """
    (here / "needy.py").write_text(textwrap.dedent(code))
    main(["train", "needy:cloud", "--n", "60", *QUICK, "--out", "run"])
    main(["train", "needy:cloud", "--resume", "run", "--steps", "4"])
    assert list(csv.DictReader((here / "run" / "metrics.csv").open()))[-1]["step"] == "4"
    assert capsys.readouterr().out == "run\nrun\n"
