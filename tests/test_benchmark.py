"""`otgan benchmark w1`: what it trains, what it keeps, what it refuses."""

import json

import pytest

from otgan.benchmark import METHODS, command, ruler, show
from otgan.config import InputError
from otgan.geometry import Mahalanobis

SMALL = {
    "dims": (2,),
    "sets": ("points",),
    "numbers": (2,),
    "keep": ("ray",),
    "cost": "l2",
    "methods": (),
    "seconds": 0.3,
    "seeds": (0,),
    "threads": 1,
    "file": None,
}


def test_every_method_has_its_row_and_a_bound_is_one(tmp_path):
    file = tmp_path / "w1.json"
    command(**{**SMALL, "file": file})
    rows = json.loads(file.read_text())
    assert [row["method"] for row in rows] == list(METHODS)
    for row in rows:
        if row["certified"]:
            assert row["ratio"] <= 1 + 1e-9 and row["slope"] <= 1 + 1e-6
        assert -1 <= row["cosine"] <= 1 and row["W1"] > 0
    assert {row["method"] for row in rows if row["certified"]} == {"layers", "landmarks", "cones"}


def test_rows_of_the_file_are_kept_and_only_what_is_missing_is_trained(tmp_path, capsys):
    file = tmp_path / "w1.json"
    command(**{**SMALL, "methods": ("cones",), "file": file})
    (row,) = json.loads(file.read_text())
    file.write_text(json.dumps([{**row, "cosine": 0.123}]))
    command(**{**SMALL, "methods": ("cones", "layers"), "file": file})
    first, second = json.loads(file.read_text())
    assert first == {**row, "cosine": 0.123} and second["method"] == "layers"
    assert "0.123" in capsys.readouterr().out
    command(**{**SMALL, "methods": ("cones",), "seconds": 0.4, "file": file})
    assert len(json.loads(file.read_text())) == 3


def test_the_table_shows_medians_over_seeds(capsys):
    row = {"sets": "points", "dim": 2, "number": 4, "keep": "ray", "cost": "l2"}
    row |= {"method": "gp", "certified": False}
    values = [0.25, 0.5, 0.875]
    show([{**row, "seed": k, **dict.fromkeys(("cosine", "l2", "ratio", "slope"), v)}
          for k, v in enumerate(values)])  # fmt: skip
    assert capsys.readouterr().out.count("0.500") == 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sets": ("point",)}, "did you mean 'points'"),
        ({"methods": ("cone",)}, "did you mean 'cones'"),
        ({"cost": "angles"}, "no norm"),
        ({"cost": "l3"}, "unknown cost"),
        ({"dims": (0,)}, "--dims"),
        ({"numbers": ()}, "--numbers"),
        ({"threads": 0}, "--threads"),
        ({"seconds": 0.0}, "--seconds"),
        ({"keep": ("1.5",)}, "--keep"),
        ({"sets": ("spheres",), "cost": "l1"}, "no closed form"),
    ],
)
def test_bad_input_is_refused_before_anything_is_trained(given, message, tmp_path):
    with pytest.raises(InputError, match=message):
        command(**{**SMALL, **given, "file": tmp_path / "w1.json"})
    assert not list(tmp_path.iterdir())


def test_mahalanobis_needs_no_file():
    assert isinstance(ruler("mahalanobis", 8), Mahalanobis)
