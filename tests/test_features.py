"""Feature maps: named ones of a domain, networks through torchmetrics, Inception of images."""

import json
import sys

import numpy as np
import pytest
import torch
from conftest import PIXELS, QUICK
from otgan_domains.images import images, inception
from torch import nn

from otgan.cli import main
from otgan.config import InputError
from otgan.data import Samples
from otgan.geometry import Lp
from otgan.metrics import evaluate, frechet, kernel
from otgan.metrics.features import by_torchmetrics, vectors
from otgan.preprocess import Scaling


def normal(n, seed, d=2):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def scores(features, draws=1):
    data, held_out = Samples(5 * normal(300, 0)), Samples(5 * normal(100, 1))
    return evaluate(
        lambda n: normal(n, 2) + 1, data, held_out, Lp(2), Scaling(-5, 5), features, draws=draws
    )


def test_features_are_of_points_in_data_units_and_compared_under_l2():
    found = scores({"same": lambda x: x, "first": lambda x: x[:, :1]})
    for name in ("W1", "sliced W1", "Frechet", "precision", "1-NN accuracy"):
        assert found[f"{name} on same"].value == pytest.approx(found[name].value, rel=1e-4), name
        assert found[f"{name} on same"].floor == pytest.approx(found[name].floor, rel=1e-4), name
    assert found["W1 on first"].value < found["W1"].value


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (lambda x: x.sum(), "'bad' gives shape"),
        (lambda x: x[:, None], r"it must be \(100, d\)"),
        (lambda x: x / 0 * 0, "'bad' gives NaN or infinity"),
    ],
)
def test_a_feature_map_that_gives_no_vectors_is_refused(features, message):
    with pytest.raises(InputError, match=message):
        scores({"bad": features})


@pytest.mark.parametrize(("n", "d"), [(60, 5), (30, 50)])
def test_torchmetrics_and_we_agree(n, d):
    pytest.importorskip("torchmetrics")
    x, y = (normal(n, 0, d) + 1).double(), normal(n, 1, d).double()
    theirs = by_torchmetrics(x, y)
    assert theirs["Frechet"] == pytest.approx(frechet(x, y).value, rel=1e-5)
    assert theirs["KID"] == pytest.approx(kernel(x, y).value, rel=1e-9)


def test_features_of_a_network_go_through_torchmetrics(monkeypatch):
    pytest.importorskip("torchmetrics")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 4))
    found = scores({"net": net, "function": lambda x: net(x)})
    for name in ("Frechet", "KID"):
        ours = found[f"{name} on function"]
        assert found[f"{name} on net"].value == pytest.approx(ours.value, rel=1e-4)
        assert found[f"{name} on net"].interval == pytest.approx(ours.interval, rel=1e-4)
    monkeypatch.setattr(
        "otgan.metrics.evaluation.by_torchmetrics", lambda x, y: {"Frechet": 1.0, "KID": 2.0}
    )
    assert scores({"net": net})["Frechet on net"].value == 1.0


def test_without_torchmetrics_a_network_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics.image.fid", None)
    with pytest.raises(InputError, match=r"pip install 'otgan\[images\]'"):
        by_torchmetrics(normal(10, 0), normal(10, 1))


def test_inception_takes_bytes_of_three_channels(monkeypatch, tmp_path):
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"abc")
    seen = []

    class Network(nn.Module):
        def forward(self, x):
            seen.append(x)
            return x.float().mean((2, 3))

    monkeypatch.setattr(inception, "_load", lambda path: Network())
    network = inception.Inception(weights)
    grey = torch.arange(256.0).view(4, 1, 8, 8) / 255
    for x in (grey, grey.expand(-1, 3, -1, -1), grey.expand(-1, 4, -1, -1)):
        assert vectors("inception", network, x).shape == (4, 3)
    for x in seen:
        assert x.dtype == torch.uint8 and torch.equal(
            x[:, 2].flatten().float(), grey.flatten() * 255
        )
    with pytest.raises(InputError, match="got 2"):
        network(torch.rand(1, 2, 8, 8))
    assert "weights.pth' (ba7816bf)" in repr(network)


def test_wrong_inception_weights_are_refused(tmp_path):
    with pytest.raises(InputError, match="is no file"):
        images(PIXELS, inception=str(tmp_path / "none.pth"))
    broken = tmp_path / "broken.pth"
    broken.write_text("no weights")
    domain = images(PIXELS, inception=str(broken))
    with pytest.raises(InputError, match="holds no Inception weights"):
        domain.features["inception"](domain.train.points())


def test_without_torch_fidelity_inception_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torchmetrics.image.fid", None)
    torch.save({}, tmp_path / "weights.pth")
    with pytest.raises(InputError, match=r"pip install 'otgan\[inception\]'"):
        inception.Inception(tmp_path / "weights.pth")(torch.rand(1, 1, 8, 8))


def test_evaluate_says_where_its_figures_come_from(here, capsys):
    np.save("data.npy", PIXELS)
    (here / "lab.py").write_text("def rows(x):\n    return x.mean(3).flatten(1)\n")
    size = ["--size", "10", "10", "--resize", "crop"]
    main(["train", "images", "--data", "data.npy", *size, *QUICK, "--out", "run"])
    main(["evaluate", "run", "--draws", "1", "--json", "scores.json", "--features", "lab:rows"])
    report, shown = json.loads((here / "scores.json").read_text()), capsys.readouterr().out
    provenance = report["provenance"]
    assert provenance["features"] == {"lab:rows": "lab.rows"}
    assert provenance["data"] == {
        "resizing": "cropped to the aspect ratio, then to 10 x 10, Lanczos"
    }
    assert (provenance["training"], provenance["held_out"]) == (32, 8)
    assert provenance["interval"] == {"level": 0.95, "resamples": 1000}
    assert "KID on lab:rows" in report["metrics"] and report["left_out"] == {}
    assert "Lanczos" in shown and "lab.rows" in shown


def test_an_unknown_feature_map_is_refused(here, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", "run", "--features", ":rows"])
    assert stop.value.code == 2
    assert "':rows' names no feature map: give module:function" in capsys.readouterr().err
