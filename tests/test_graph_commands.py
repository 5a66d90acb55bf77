"""`python -m otgan_domains.graphs`: pictures of runs, whole graphs, strange nodes and edges."""

import csv
from functools import partialmethod

import networkx as nx
import numpy as np
import pytest
from otgan_domains.graphs import drawing
from otgan_domains.graphs.__main__ import main
from otgan_domains.graphs.anomalies import NodeDetector
from otgan_domains.graphs.overview import MOST, overview
from PIL import Image

from otgan.cli import main as otgan
from otgan.geometry import GraphMetric
from otgan.model import Model
from otgan.transport import exact

SMALL = ["--steps", "2", "--batch-size", "8", "--network.width", "8"]


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_picture_of_a_run_states_the_cost_of_its_flow(here, capsys):
    otgan(["train", "graphs", "--out", "run", *SMALL])
    capsys.readouterr()
    main(["picture", "run", "-n", "300", "--strange", "3"])
    told, path = capsys.readouterr().out.splitlines()
    assert path == "run/overview.png"
    assert Image.open(path).size[0] > 500
    model = Model.load("run", data=True)
    real = model.domain.held_out.draw(MOST, 0)
    between = exact(model.sample(300, 0), real, model.domain.geometry.double())
    unit = model.domain.state["unit"]
    assert told == f"W1 of the flow: {between.item() * unit:.6g}"


def test_a_picture_of_new_nodes_has_them_all(here, monkeypatch):
    otgan(["train", "graphs", "--learn", "nodes", "--out", "run", *SMALL])
    seen = {}
    monkeypatch.setattr(
        "otgan_domains.graphs.overview.draw",
        lambda metric, places, path, colour, **more: seen.update(
            more, metric=metric, places=places, colour=colour
        ),
    )
    cost = overview("run", here / "x.png", n=4)
    old = Model.load("run").domain.provenance["graph"]
    nodes = int(old.split()[3])
    assert seen["metric"].nodes == nodes + 4 == len(seen["places"]) == len(seen["colour"])
    assert seen["marks"]["generated"].tolist() == list(range(nodes, nodes + 4))
    lengths = seen["metric"].paths.lengths
    assert np.abs(seen["flow"]) @ lengths == pytest.approx(cost)
    assert not seen["flow"][seen["metric"].paths.ends[:, 1] >= nodes].any()


def test_wedges_are_wide_where_mass_starts():
    segments = np.array([[[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]], [[0, 0], [1, 1]]])
    wedges = drawing._wedges(segments, np.array([2.0, -1.0, 0.0]))
    assert len(wedges) == 2
    assert wedges[0][2].tolist() == [1, 0] and wedges[1][2].tolist() == [0, 0]
    widths = [np.linalg.norm(w[0] - w[1]) for w in wedges]
    assert widths[0] == pytest.approx(2 * widths[1])


@pytest.mark.parametrize("nodes", [30, 500, 2500])
def test_every_size_of_graph_has_a_layout(nodes):
    ring = np.stack([np.arange(nodes), np.roll(np.arange(nodes), -1)], 1)
    places = drawing.layout(GraphMetric(ring))
    assert places.shape == (nodes, 2) and np.isfinite(places).all()
    near = np.linalg.norm(places[ring[:, 0]] - places[ring[:, 1]], axis=1).mean()
    other = np.linalg.norm(places - np.roll(places, nodes // 2, 0), axis=1).mean()
    assert near < 0.25 * other


def test_a_whole_graph_is_written_with_the_names_and_statistics_of_the_given_one(here, capsys):
    main(["generate", "--data", "les-miserables", "-o", "new.graphml", "--overlap", "0.4"])
    told = capsys.readouterr().out
    assert told.splitlines()[-1] == "new.graphml" and "triangles" in told
    given, made = nx.les_miserables_graph(), nx.read_graphml("new.graphml")
    assert set(made) == set(given) and made.number_of_edges() == given.number_of_edges()
    common = set(map(frozenset, made.edges)) & set(map(frozenset, given.edges))
    assert len(common) / given.number_of_edges() == pytest.approx(0.45, abs=0.15)
    main(["generate", "--data", "les-miserables", "-o", "new.csv", "--overlap", "0.4"])
    pairs = [tuple(row.values()) for row in rows(here / "new.csv")]
    assert set(map(frozenset, pairs)) == set(map(frozenset, made.edges))


def test_strange_nodes_and_edges_are_written_with_the_simple_scores_beside(
    here, capsys, monkeypatch
):
    ring = [(k, (k + 1) % 40) for k in range(40)] + [(100, 101)]
    lines = [f"n{u},n{v},1" for u, v in ring] + ["n3,n23,0.1"]
    (here / "ring.csv").write_text("source,target,metres\n" + "\n".join(lines) + "\n")
    main(["anomalies", "--data", "ring.csv", "--edges", "-o", "edges.csv", "--top", "2"])
    assert "Strangest" in capsys.readouterr().out
    found = rows(here / "edges.csv")
    assert [int(row["rank"]) for row in found] == list(range(1, 43))
    first = [found[0][name] for name in ("source", "target", "fired", "strange", "length")]
    assert first == ["n3", "n23", "distance", "1", "0.1"]
    quick = partialmethod(NodeDetector.__init__, steps=20)
    monkeypatch.setattr(NodeDetector, "__init__", quick)
    table = "node,kind\n" + "".join(
        f"n{k},{'a' if k < 20 else 'b'}\n" for k in [*range(40), 100, 101]
    )
    (here / "nodes.csv").write_text(table)
    main(["anomalies", "--data", "ring.csv", "--nodes", "nodes.csv", "-o", "nodes-out.csv"])
    found = rows(here / "nodes-out.csv")
    assert {"context", "cosine distance", "degree"} <= found[0].keys() and len(found) == 42
    scores = [float(row["score"]) for row in found]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["picture", "nowhere"], "no run folder 'nowhere'"),
        (["picture", "nowhere", "-n", "0"], "-n is at least 1"),
        (["generate", "-o", "x.docx"], "cannot write 'x.docx': there are .graphml, .csv"),
        (["generate", "--overlap", "1"], "between 0 and 1"),
        (["anomalies", "--data", "nothing"], "no such file or built-in graph: 'nothing'"),
        (["anomalies", "--contamination", "2"], "contamination is the expected share"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(here, capsys, words, message):
    with pytest.raises(SystemExit, match="2"):
        main(words)
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
