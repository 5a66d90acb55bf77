"""Scores of whole samples: a domain's own numbers, beside those of training points."""

import json
import math

import pytest
import torch
from conftest import QUICK

from otgan.cli import main
from otgan.config import InputError
from otgan.data import Samples
from otgan.metrics import whole
from otgan.preprocess import Scaling


def normal(n, seed):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


TRAIN, HELD_OUT = Samples(5 * normal(300, 0)), Samples(5 * normal(100, 1))


def found(scores, draws=3, limit=1000):
    sample = iter(range(100))
    return whole(
        lambda n: normal(n, 10 + next(sample)) + 2,
        TRAIN,
        HELD_OUT,
        Scaling(-5, 5),
        scores,
        limit=limit,
        draws=draws,
    )


def test_scores_are_of_data_units_and_summed_up_over_draws():
    seen = []

    def gap(x, y):
        seen.append((x, y))
        return {"gap": (x.mean() - y.mean()).item(), "size": len(x)}

    scores = found(gap)
    values = [(x.mean() - y.mean()).item() for x, y in seen]
    generated, floors = torch.tensor(values[:3]), torch.tensor(values[3:])
    assert scores["gap"] == pytest.approx(
        {
            "value": generated.mean().item(),
            "spread": generated.std(correction=0).item(),
            "floor": floors.mean().item(),
            "floor_spread": floors.std(correction=0).item(),
        }
    )
    assert scores["gap"]["value"] == pytest.approx(10, abs=1)  # 2 in chart coordinates
    assert abs(scores["gap"]["floor"]) < 1.5
    assert scores["size"]["value"] == 100
    assert found(gap, limit=40)["size"] == pytest.approx(
        {"value": 40, "spread": 0, "floor": 40, "floor_spread": 0}
    )
    assert all(torch.equal(y, seen[0][1]) for _, y in seen[:6])


def test_a_score_that_is_not_defined_in_some_draw_is_none():
    calls = iter(range(100))
    scores = found(lambda x, y: {"a": math.nan if next(calls) == 1 else 1.0})
    assert scores["a"] == {"value": None, "spread": None, "floor": 1.0, "floor_spread": 0.0}


def test_scores_that_are_no_numbers_or_come_and_go_are_refused():
    with pytest.raises(InputError, match=r"'a' has shape \(2,\): give a number"):
        found(lambda x, y: {"a": x[0]})
    with pytest.raises(InputError, match="'a' of some samples and not of others"):
        found(lambda x, y: {"a": 1.0} if x.mean() > 5 else {})


def test_evaluate_shows_and_writes_them(here, capsys):
    (here / "scored.py").write_text(
        "import torch\n"
        "from otgan.data import Samples\n"
        "from otgan.domain import Domain\n"
        "from otgan.geometry import Lp\n"
        "def lab():\n"
        "    x = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))\n"
        "    return Domain(Lp(2), Samples(x[:40]), Samples(x[40:]),\n"
        "                  scores=lambda x, y: {'rows': len(x), 'odd one': float('nan')})\n"
    )
    main(["train", "scored:lab", *QUICK, "--out", "run"])
    main(["evaluate", "run", "--draws", "2", "--json", "scores.json"])
    report, shown = json.loads((here / "scores.json").read_text()), capsys.readouterr().out
    assert report["scores"]["rows"]["value"] == 20
    assert report["scores"]["odd one"]["value"] is None
    rows = [line for line in shown.splitlines() if "rows" in line or "odd one" in line]
    assert "20.000 ± 0.000" in rows[0] and rows[1].count("-") == 2
