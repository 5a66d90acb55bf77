"""The examples run, and do what they say."""

import importlib

import networkx
import pytest
import torch

from otgan.cli import main
from otgan.constraints import SlopePenalty
from otgan.runs import Run

TORUS = "examples.01_a_metric_of_your_own"


def test_a_metric_in_one_method_trains_from_the_command_line(tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["--steps", "4", "--batch-size", "32", "--monitor-every", "2", "--n", "300"]
    main(["train", f"{TORUS}:torus", *arguments, "--out", str(out)])
    assert Run(out).spec()["options"] == {"n": 300, "spread": 0.3}
    assert (out / "samples" / "0000004.png").exists()
    main(["sample", str(out), "-n", "5", "-o", str(tmp_path / "angles.csv")])
    assert len((tmp_path / "angles.csv").read_text().splitlines()) == 5
    main(["evaluate", str(out), "--limit", "50", "--draws", "2"])
    assert "precision" in capsys.readouterr().out


def test_the_torus_closes_at_the_seam():
    torus = importlib.import_module(TORUS)
    x, y = torch.tensor([[0.1, 0.0]]), torch.tensor([[6.2, 0.0]])
    assert torus.Torus().distance(x, y).item() == pytest.approx(0.1 + 2 * torch.pi - 6.2, rel=1e-5)


def test_the_two_sided_default_does_not_fit_secants_and_the_domain_says_so():
    domain = importlib.import_module(TORUS).torus(100)
    assert domain.presets["wgan-gp"] == {"constraint": {"sided": "one"}}
    SlopePenalty("one").build(torch.nn.Linear(2, 1), domain.geometry)


@pytest.mark.slow
def test_the_game_by_hand_comes_near_its_data():
    example = importlib.import_module("examples.02_the_game_by_hand")
    figures = example.main(steps=300, every=300)
    assert figures["exact"] < 3 * figures["floor"] < 0.5


def test_new_nodes_join_a_graph(tmp_path):
    example = importlib.import_module("examples.03_new_nodes")
    means = example.main(steps=5, n=4, out=tmp_path)
    assert means["degree"][0] >= 1
    grown = networkx.read_graphml(tmp_path / "grown.graphml")
    assert sum(new for _, new in grown.nodes(data="new")) == 4
    assert (tmp_path / "grown.png").exists()


def test_new_materials_have_a_table_and_a_page(tmp_path):
    example = importlib.import_module("examples.05_materials")
    shares = example.main(steps=3, chart_steps=60, n=3, out=tmp_path)
    assert 0 < shares["some element"] <= 1
    assert len((tmp_path / "new-materials.csv").read_text().splitlines()) == 4
    assert (tmp_path / "new-materials.png").exists()
