"""Candidates, what is said of formulas, and the page."""

import csv
import itertools

import pytest
import torch
from PIL import Image

pytest.importorskip("smact")

from otgan_domains.materials import materials
from otgan_domains.materials.candidates import best, chemistry
from otgan_domains.materials.elements import SCALE
from otgan_domains.materials.estimates import Estimator, features
from otgan_domains.materials.page import draw
from otgan_domains.materials.periodic import places
from otgan_domains.materials.regression import fit
from otgan_domains.materials.representation import points
from otgan_domains.materials.rivals import counts
from otgan_domains.materials.saving import Saver

from otgan.config import InputError

ELEMENTS = ("Na", "K", "Fe", "Cu", "Zn", "O", "Cl")
SHOWN = ["NaCl", "Fe3O4", "CuZn", "NaCl2", "O2", "FeO", "KCl"]


@pytest.fixture
def table(tmp_path):
    """100 formulas with an energy that the share of oxygen lowers."""
    path = tmp_path / "table.csv"
    pairs = itertools.product(("Na", "K", "Fe", "Zn"), (1, 2, 3, 4, 5), (1, 2, 3, 5, 7))
    rows = [(f"{e}{n}O{m}", f"{1 - 2 * m / (n + m)}") for e, n, m in pairs]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("formula", "energy_ev_atom"), *dict(rows).items()])
    return path


def test_every_element_has_its_own_place():
    found = places()
    assert found.keys() == set(SCALE) and len(set(found.values())) == len(SCALE)
    assert found["He"] == (1, 18) and found["Hf"] == (6, 4) and found["Lu"] == (9, 18)
    assert {column for row, column in found.values() if row == 4} == set(range(1, 19))


def test_what_is_said_of_formulas():
    states, neutral, balanced, alloy = zip(
        *chemistry(points(SHOWN, ELEMENTS), ELEMENTS), strict=True
    )
    assert neutral == ("yes", "mixed valence", "no", "no", "yes", "yes", "yes")
    assert balanced == neutral
    assert alloy == ("no", "no", "yes", "no", "no", "no", "no")
    assert states[:4] == ("Na+, Cl-", "Fe2+, 2 Fe3+, 4 O2-", "", "")
    assert chemistry(torch.zeros(1, 7), ELEMENTS) == [("", "no", "no", "no")]


def test_candidates_are_new_balanced_and_each_there_once():
    x = points([*SHOWN, "FeO", "KCl"], ELEMENTS)
    found = best(x, ELEMENTS, {counts("NaCl")})
    assert [SHOWN[c.row] for c in found] == ["O2", "FeO", "KCl"]
    assert [c.row for c in best(x, ELEMENTS, {counts("NaCl")}, n=2)] == [4, 5]
    assert best(x[:1], ELEMENTS, {counts("NaCl")}) == []


def test_candidates_come_by_what_is_surely_low():
    draw_from = torch.Generator().manual_seed(0)
    x = torch.randint(0, 3, (400, 7), generator=draw_from).float() + 1
    y = x[:, 6] / x.sum(1)
    estimator = Estimator("energy", "eV", ELEMENTS, fit(features(x, ELEMENTS), y, steps=100))
    found = best(points(SHOWN, ELEMENTS), ELEMENTS, set(), estimator)
    bounds = [c.value + c.deviation for c in found]
    assert bounds == sorted(bounds) and len(found) == 4
    value, deviation = estimator(points(SHOWN, ELEMENTS))
    for c in found:
        assert (c.value, c.deviation) == pytest.approx(
            (value[c.row].item(), deviation[c.row].item()), rel=1e-4
        )
        assert 0 <= c.at_most_0 <= 1


@pytest.mark.parametrize("n", [0, 7])
def test_the_page_is_a_picture_even_of_nothing(tmp_path, n):
    x = points(SHOWN, ELEMENTS)
    draw(x[:n] if n else torch.zeros(3, 7), x, ELEMENTS, tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.size[0] > 1000


def test_a_column_is_estimated_for_every_sample(table, tmp_path):
    domain = materials(str(table), cost="l2", estimate="energy_ev_atom")
    assert "held-out rows" in domain.provenance["reading"]
    again = materials(str(table), cost="l2", estimate="energy_ev_atom", state=dict(domain.state))
    x = points(["NaO9", "Na9O", "Fe2O3"], domain.state["elements"])
    for one in (domain, again):
        one.save(x, tmp_path / "rows.csv", None)
        with (tmp_path / "rows.csv").open() as file:
            rows = list(csv.DictReader(file))
        energy = [float(row["energy_ev_atom, estimate"]) for row in rows]
        assert energy[0] < energy[2] < energy[1]
        assert all(float(row["standard deviation"]) > 0 for row in rows)
    again.show(x, tmp_path / "page.png", None)
    assert (tmp_path / "page.png").exists()


def test_without_an_estimate_there_are_no_such_columns():
    saver = Saver(ELEMENTS, SHOWN, 5)
    (row,) = saver.rows(points(["Fe2O3"], ELEMENTS))
    assert len(row) == len(saver.header) and "standard deviation" not in saver.header


def test_a_column_that_is_not_there_cannot_be_estimated(table):
    with pytest.raises(InputError, match="energy_ev_atom"):
        materials(str(table), estimate="energy")
    few = table.with_name("few.csv")
    few.write_text("\n".join(table.read_text().splitlines()[:41]))
    with pytest.raises(InputError, match="50 are needed"):
        materials(str(few), estimate="energy_ev_atom")
