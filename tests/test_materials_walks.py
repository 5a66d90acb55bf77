"""Walks between two formulas."""

import csv
import itertools

import pytest
from PIL import Image

pytest.importorskip("smact")

from otgan_domains.materials import materials
from otgan_domains.materials.__main__ import main
from otgan_domains.materials.walks import draw, walk

from otgan import fit
from otgan.config import InputError


@pytest.fixture(scope="module")
def domain(tmp_path_factory):
    path = tmp_path_factory.mktemp("walks") / "table.csv"
    pairs = itertools.product(("Na", "K", "Fe", "Zn"), (1, 2, 3, 4, 5), (1, 2, 3, 5, 7))
    rows = {f"{e}{n}O{m}": 1 - 2 * m / (n + m) for e, n, m in pairs}
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("formula", "energy_ev_atom"), *rows.items()])
    return materials(str(path), cost="elmd", estimate="energy_ev_atom")


def test_a_walk_of_fractions_goes_through_all_mixtures(domain):
    steps = walk(domain, "NaO5", "Na5O", n=401)
    assert steps[0].formula == "NaO5" and steps[-1].formula == "Na5O"
    met = [step.formula for step in steps]
    assert met.index("NaO2") < met.index("Na2O2") < met.index("Na2O") < met.index("Na4O")
    assert all(a != b for a, b in itertools.pairwise(met))


def test_steps_cover_the_way_in_order(domain):
    steps = walk(domain, "KO5", "K5O")
    assert steps[0].begin == 0 and steps[-1].end == 1
    assert all(a.begin <= a.end < b.begin for a, b in itertools.pairwise(steps))


def test_what_is_said_of_a_step(domain):
    by_formula = {step.formula: step for step in walk(domain, "NaO5", "Na5O", n=401)}
    oxide, odd = by_formula["Na2O"], by_formula["NaO5"]
    assert oxide.known and oxide.balanced == "yes" and oxide.states == "2 Na+, O2-"
    assert odd.balanced == "no" and not odd.states
    assert odd.value < oxide.value and oxide.deviation > 0


def test_a_walk_to_itself_stays(domain):
    (step,) = walk(domain, "Na2O", "Na2O", n=5)
    assert (step.formula, step.begin, step.end) == ("Na2O", 0, 1)


def test_a_walk_becomes_a_picture(domain, tmp_path):
    draw(domain, walk(domain, "NaO5", "Zn5O", n=21), tmp_path / "walk.png")
    with Image.open(tmp_path / "walk.png") as picture:
        assert picture.size[0] >= 880
    with pytest.raises(InputError, match="no formula"):
        draw(domain, [], tmp_path / "none.png")


@pytest.mark.parametrize("end", ["UO2", "NaXx"])
def test_a_walk_stays_within_what_is_known(domain, end):
    with pytest.raises(InputError, match="no walk from 'Na2O'"):
        walk(domain, "Na2O", end)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of a learned chart."""
    path = tmp_path_factory.mktemp("walks") / "run"
    small = {"steps": 1, "chart_steps": 1, "batch_size": 16, "network": {"width": 8}}
    fit("aflow", "materials", quiet=True, out=path, **small)
    return path


def test_a_walk_from_the_command_line(tmp_path, run, capsys):
    fit("aflow", "materials", cost="elmd", steps=2, quiet=True, out=tmp_path / "run")
    main(["walk", str(tmp_path / "run"), "NaCl", "Fe2O3", "--points", "41"])
    *steps, path = capsys.readouterr().out.splitlines()
    assert path == str(tmp_path / "run" / "walk.png") and Image.open(path).size[0] >= 880
    assert "NaCl" in steps[0] and "known" in steps[0] and "Na+, Cl-" in steps[0]
    assert "to 1.00  Fe2O3" in steps[-1]


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["NaCl", "NaXx"], "'Xx' is no element"),
        (["NaCl", "KrCl"], "'KrCl' has Kr, which no formula in training has"),
        (["NaCl", "O999Fe"], "999 atoms of an element"),
        (["NaCl", "KCl", "-o", "walk.pdf"], "cannot write 'walk.pdf'"),
        (["NaCl", "KCl", "--points", "1"], "--points is at least 2"),
    ],
)
def test_a_walk_that_cannot_be_is_a_line(run, arguments, wrong, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["walk", str(run), *arguments])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("otgan: ") and wrong in line
