"""Tables of numbers and classes."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from otgan_domains.table import table
from otgan_domains.table.columns import quantity
from otgan_domains.table.coordinates import Mixed

from otgan.cli import main
from otgan.config import InputError
from otgan.geometry import Lp, Mahalanobis

DOMAIN = "otgan_domains.table:table"
RANDOM = np.random.default_rng(0)
MASS = RANDOM.normal(5, 2, 120)
ROWS = [
    f"{m:.6f},{1000 * m + e:.3f},{c}"
    for m, e, c in zip(
        MASS, RANDOM.normal(0, 100, 120), RANDOM.choice(["red", "green", "blue"], 120), strict=True
    )
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["mass (kg),energy_ev,colour", *ROWS]) + "\n")
    return path


def test_the_chart_is_inverted_and_whitens_the_numbers(file):
    domain = table(str(file))
    x = domain.train.x
    z = domain.chart.encode(x)
    assert z.shape[1:] == domain.chart.encoded_shape(x.shape[1:]) == (5,)
    assert torch.allclose(domain.chart.decode(z), x, rtol=1e-4)
    assert torch.allclose(z[:, :2].T.cov(), torch.eye(2), atol=0.1)


def test_l2_is_mahalanobis_where_classes_agree_and_classes_are_sqrt_two_apart():
    x = torch.cat([torch.randn(500, 3), torch.randint(2, (500, 1)).float()], 1)
    chart = Mixed([0, 0, 0, 2]).fit(x)
    same = x[x[:, 3] == 0][:2]
    covariance = chart.whitening.covariance
    ruler = Mahalanobis((covariance + covariance.T) / 2)
    expected = ruler.distance(same[:1, :3], same[1:, :3])
    z = chart.encode(same)
    assert torch.allclose(Lp(2).distance(z[:1], z[1:]), expected, rtol=1e-3)
    other = same[:1].clone()
    other[0, 3] = 1
    apart = Lp(2).distance(chart.encode(same[:1]), chart.encode(other)).item()
    assert apart == pytest.approx(2**0.5, rel=1e-5)


def test_train_and_sample_a_table(file, here):
    quick = ["--steps", "2", "--batch-size", "16", "--out", "run"]
    main(["train", DOMAIN, "--data", str(file), "--condition", "colour", *quick])
    main(["sample", "run", "--condition", "red", "-n", "6", "-o", "new.csv"])
    rows = list(csv.DictReader(Path("new.csv").read_text().splitlines()))
    assert len(rows) == 6 and list(rows[0]) == ["mass (kg)", "energy_ev", "colour"]
    assert {row["colour"] for row in rows} <= {"red", "green", "blue"}
    assert all(np.isfinite(float(row["energy_ev"])) for row in rows)


def test_missing_values_are_an_error_or_counted(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,b", "1,2", ",3", "2,nan", "4,1", "5,7", "3,3"]) + "\n")
    with pytest.raises(InputError, match=r"line 3: 'a' is missing, and 2 rows.*--drop-missing"):
        table(str(path))
    domain = table(str(path), drop_missing=True)
    assert len(domain.train) + len(domain.held_out) == 4
    assert "2 rows lack a value and are left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("column", "wrong"),
    [(["5"] * 6, "'x' is 5 everywhere"), ([""] * 6, "'x' is empty"), (["a"] * 6, "'x' is a every")],
)
def test_columns_that_cannot_be_learned_are_named(tmp_path, column, wrong):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,x", *(f"{k},{cell}" for k, cell in enumerate(column))]) + "\n")
    with pytest.raises(InputError, match=wrong):
        table(str(path))
    assert len(table(str(path), columns=("a",)).train)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("gap_ev", ("gap", "eV")),
        ("formation_energy_ev_per_atom", ("formation energy", "eV/atom")),
        ("Band gap [eV]", ("Band gap", "eV")),
        ("energy_ev_atom (eV/atom)", ("energy", "eV/atom")),
        ("density (g/cm3)", ("density", "g/cm3")),
        ("species", ("species", "")),
    ],
)
def test_headers_name_a_quantity_and_its_unit(header, found):
    assert quantity(header) == found
