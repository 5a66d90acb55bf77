"""`otgan distance`: every kind of file, what it prints and writes, and what it refuses."""

import json
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from otgan.cli import main
from otgan.config import InputError
from otgan.costs import FORMS, named
from otgan.geometry import Lp, Mahalanobis
from otgan.readers import read
from otgan.transport import exact

RNG = np.random.default_rng(0)
A, B = RNG.uniform(size=(60, 2)), RNG.uniform([1, 0], [2, 1], (50, 2))
NAMES = np.array(["Ulm", "Bonn", "Kiel", "Hof"])
ROADS = "source,target,length\nUlm,Bonn,2\nBonn,Kiel,3\nKiel,Ulm,4\nHof,Bonn,1.5\n"
STEPS = ["--steps", "2", "2", "2", "2", "2", "5"]
FEWER = ["--steps", "2", "2", "5"]


def csv(path, rows, header=None):
    lines = [",".join(map(str, row)) for row in rows]
    path.write_text("\n".join(([header] if header else []) + lines) + "\n")


@pytest.fixture
def files(here):
    """The same two samples in every format, and two of nodes on a graph."""
    for name, x in (("a", A), ("b", B)):
        np.save(here / f"{name}.npy", x)
        np.savez(here / f"{name}.npz", x=x, y=np.zeros(len(x)))
        np.savez(here / f"{name}-alone.npz", points=x)
        csv(here / f"{name}.csv", x.tolist())
        csv(here / f"{name}-header.csv", x.tolist(), "north,east")
        csv(here / f"{name}-swapped.csv", x[:, ::-1].tolist(), "east, north")
    csv(here / "roads.csv", [line.split(",") for line in ROADS.split()])
    csv(here / "nodes-a.csv", RNG.choice(NAMES[:2], (40, 1)), "node")
    csv(here / "nodes-b.csv", RNG.choice(NAMES[1:], (30, 1)))
    np.save(here / "nodes-b.npy", RNG.choice(NAMES[1:], 30))
    return here


def run(*argv):
    main(["distance", *map(str, argv), "--json", "report.json"])
    with open("report.json") as file:
        return json.load(file)


@pytest.mark.parametrize(
    "kind", ["{}.npy", "{}.npz", "{}-alone.npz", "{}.csv", "{}-header.csv", "{}-swapped.csv"]
)
def test_every_kind_of_file_gives_the_same_sample(files, kind):
    found = read(files / kind.format("a"))
    expected = A[:, ::-1].copy() if "swapped" in kind else A
    torch.testing.assert_close(found.points, torch.from_numpy(expected))
    assert found.points.dtype == torch.float64 and found.weights is None


def test_the_report_has_what_programs_read(files, capsys):
    report = run("a.npy", "b.csv", *STEPS, "--leave-out", "0.1", "--seed", "3")
    out = capsys.readouterr().out
    assert {
        *("lower", "estimate", "upper", "confidence", "sample", "p_value", "critic", "slope"),
        *("assumption", "seconds", "seed", "steps", "partial", "cost", "points", "coordinates"),
    } <= report.keys()
    assert report["lower"] <= report["estimate"] <= report["upper"]
    x, y = torch.from_numpy(A), torch.from_numpy(B)
    assert report["sample"]["lower"] == report["sample"]["upper"]
    assert report["sample"]["upper"] == pytest.approx(exact(x, y, Lp(2)).item())
    partial = exact(x, y, Lp(2), leave_out=0.1).item()
    assert report["partial"] == {
        "leave_out": 0.1,
        "cost": pytest.approx(partial),
        "points": [60, 50],
    }
    assert (report["seed"], report["steps"], report["confidence"]) == (3, [2, 2, 2, 2, 2, 5], 0.95)
    assert report["p_value"] < 0.01 and report["slope"] <= 1 + 1e-9
    samples, populations = out.split("The populations")
    assert f"W1 = {report['sample']['upper']:.6g}, exact" in samples
    assert f"{partial:.6g} when 0.1 of the mass may stay" in samples
    assert f"{report['lower']:.6g} <= W1 <= {report['upper']:.6g}" in populations
    assert report["critic"] in populations and "at 95 % confidence" in populations
    assert "p-value" in populations and "finite variances" in " ".join(populations.split())
    assert "loose by nature" not in out
    assert max(map(len, out.splitlines())) <= 100


def test_the_same_steps_give_the_same_figures(files):
    first = run("a.npy", "b.npy", "--seconds", "0.2")
    again = run("a.npy", "b.npy", "--steps", *first["steps"])
    assert {**first, "seconds": 0} == {**again, "seconds": 0}


def test_columns_are_matched_by_name(files):
    first = run("a-header.csv", "b-header.csv", *STEPS)
    assert run("a-header.csv", "b-swapped.csv", *STEPS)["sample"] == first["sample"]


def test_many_dimensions_are_said_to_loosen_the_upper_side(here, capsys):
    np.save("a.npy", RNG.normal(size=(60, 20)))
    np.save("b.npy", RNG.normal(size=(60, 20)) + np.eye(20)[0] * 9)
    run("a.npy", "b.npy", *STEPS)
    assert "The upper side is loose by nature" in capsys.readouterr().out


def test_a_diameter_is_the_assumption(files, capsys):
    report = run("a.npy", "b.npy", "--diameter", "3", *STEPS)
    assert report["assumption"] == "no two points of the populations are farther apart than 3"
    assert report["upper"] > run("a.npy", "b.npy", *STEPS)["upper"]


COSTS = {
    "l1": (Lp(1), STEPS),
    "linf": (Lp(float("inf")), STEPS),
    "lp:3": (Lp(3), STEPS),
    "mahalanobis": (Mahalanobis(torch.from_numpy(np.cov(np.concatenate([A, B]).T))), STEPS),
    "mahalanobis:cov.npy": (Mahalanobis(torch.diag(torch.tensor([4.0, 1.0]))), STEPS),
    "angles:10": (Lp(1), FEWER),
    "discrete:2": (None, FEWER),
    "own:posts": (None, FEWER),
}


@pytest.mark.parametrize("cost", COSTS)
def test_every_cost_by_its_name(files, monkeypatch, cost):
    np.save("cov.npy", np.diag([4.0, 1.0]))
    (files / "own.py").write_text(
        "import torch\nfrom otgan.geometry import MetricSpace\n"
        "class posts(MetricSpace):\n"
        "    def distance(self, x, y):\n"
        "        ways = torch.linalg.vector_norm(x, dim=1) + torch.linalg.vector_norm(y, dim=1)\n"
        "        return torch.where((x != y).any(1), ways, 0)\n"
    )
    monkeypatch.delitem(sys.modules, "own", raising=False)
    geometry, steps = COSTS[cost]
    report = run("a.npy", "b.npy", "--cost", cost, *steps)
    x, y = torch.from_numpy(A), torch.from_numpy(B)
    if cost == "discrete:2":
        expected = 2.0
    elif geometry is None:
        expected = (x.norm(dim=1).mean() + y.norm(dim=1).mean()).item()
    else:
        expected = exact(x, y, geometry).item()
    assert report["sample"]["upper"] == pytest.approx(expected)


def test_images_under_sobolev(here):
    np.save("a.npy", RNG.integers(0, 256, (30, 4, 4), np.uint8))
    np.savez("b.npz", x=RNG.integers(0, 256, (25, 4, 4), np.uint8))
    report = run("a.npy", "b.npz", "--cost", "sobolev:-1", *STEPS)
    assert report["coordinates"] == 16 and report["lower"] <= report["upper"]


def test_latitude_and_longitude_are_degrees(here):
    rows = np.stack([RNG.uniform(0, 90, 30), np.full(30, 20.0)], 1)
    csv(here / "a.csv", rows, "lat,lon")
    csv(here / "b.csv", rows[:, ::-1] + [10, 0], "lon,lat")
    report = run("a.csv", "b.csv", "--cost", "great-circle:6371", *FEWER)
    assert report["cost"] == "GreatCircle(6371)"
    assert 0 < report["sample"]["upper"] <= 6371 * np.deg2rad(10)
    csv(here / "c.csv", rows, "lat,lon")
    assert run("a.csv", "c.csv", "--cost", "great-circle", *FEWER)["sample"]["upper"] < 1e-6


@pytest.mark.parametrize("other", ["nodes-b.csv", "nodes-b.npy"])
def test_nodes_of_a_graph_by_name(files, capsys, other):
    report = run("nodes-a.csv", other, "--cost", "graph:roads.csv", "--leave-out", "0.2")
    assert report["points"] == [40, 30] and report["coordinates"] is None
    assert 0 < report["partial"]["cost"] < report["sample"]["upper"]
    assert "graph metric of 4 nodes and 4 edges" in capsys.readouterr().out


def test_nodes_may_be_integers(here):
    csv(here / "line.csv", [(10, 20), (20, 30)])
    np.save("a.npy", np.repeat([10, 20], 20))
    np.save("b.npy", np.repeat([20, 30], 20))
    assert run("a.npy", "b.npy", "--cost", "graph:line.csv")["sample"]["upper"] == pytest.approx(1)


def test_known_weights_make_both_sides_meet(files, capsys):
    csv(files / "p.csv", [("Ulm", 0.5), ("Kiel", 0.5)], "node,share")
    csv(files / "q.csv", [(0.25, "Bonn"), (0.75, "Hof")], "share,node")
    report = run("p.csv", "q.csv", "--cost", "graph:roads.csv", "--weights", "share")
    # Ulm: .5 to Hof at 3.5; Kiel: .25 to Bonn at 3, .25 to Hof at 4.5
    assert report["lower"] == report["upper"] == pytest.approx(1.75 + 0.75 + 1.125)
    assert report["confidence"] == 1 and report["p_value"] is None
    out = capsys.readouterr().out
    assert "whose weights are known" in out and "populations" not in out


def test_weights_in_archives_and_masses_other_than_1(here, capsys):
    np.savez("a.npz", x=[[0.0], [1.0]], w=[1, 3])
    np.savez("b.npz", x=[[0.0], [2.0]], w=[2, 2])
    assert run("a.npz", "b.npz", "--weights", "w")["upper"] == pytest.approx(3)
    assert "for mass 4, exact" in capsys.readouterr().out


def test_the_penalised_critic_is_said_to_certify_nothing(files, capsys):
    report = run("a.npy", "b.npy", *STEPS, "--penalised", "--seconds", "0.2")
    assert report["penalised"].keys() == {"value", "slope", "steps"}
    certified, _, other = capsys.readouterr().out.partition("Not certified")
    assert other and "value / slope" in other and "gradient penalty" not in certified


def test_directed_roads_both_ways(files):
    (files / "roads.csv").write_text(ROADS + "Bonn,Ulm,5\n")
    flags = ["nodes-a.csv", "nodes-b.csv", "--cost", "graph:roads.csv"]
    report = run(*flags, "--symmetrise")
    (files / "roads.csv").write_text(ROADS + "Bonn,Ulm,2\n")
    assert run(*flags)["sample"] == report["sample"]


def test_help_names_every_cost_and_stays_without_torch(capsys):
    code = (
        "import sys\nfrom otgan.cli import main\n"
        "try: main(['distance', '--help'])\nexcept SystemExit as exit: assert exit.code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = re.sub(r"[│\s]", "", done.stdout)
    assert all(form.split(":")[0] in said for form in FORMS)


def test_costs_are_named_in_double_precision():
    assert repr(named("l2")) == "l2"
    ruler = named("mahalanobis", torch.from_numpy(A))
    assert ruler.factor.dtype == torch.float64
    with pytest.raises(InputError, match="mahalanobis:COVARIANCE"):
        named("mahalanobis")


def text(name, content):
    return lambda here: (here / name).write_text(textwrap.dedent(content))


def array(name, values):
    return lambda here: np.save(here / name, values)


def weights(p, q):
    def make(here):
        np.savez(here / "p.npz", x=np.arange(len(p))[:, None], w=p)
        np.savez(here / "q.npz", x=np.arange(len(q))[:, None], w=q)

    return make


def hole(value):
    values = A.copy()
    values[7, 1] = value
    return values


POINTS = ["a.npy", "b.npy"]
NODES = ["nodes-a.csv", "nodes-b.csv", "--cost", "graph:roads.csv"]
WEIGHED = ["p.npz", "q.npz", "--weights", "w"]
LINES = "\n".join(f"{x},{y}" for x, y in A)
BAD = {
    "dimension": (
        array("b.npy", B[:, :1]),
        POINTS,
        "'a.npy' have 2 coordinates, those of 'b.npy' 1",
    ),
    "shape": (array("b.npy", B[:, :, None]), POINTS, "have 2 coordinates, those of 'b.npy' 2 x 1"),
    "names of columns": (
        text("c.csv", "north,west\n" + LINES),
        ["a-header.csv", "c.csv"],
        "'c.csv' north, west",
    ),
    "missing file": (None, ["a.npy", "c.npy"], "cannot read 'c.npy': no such file"),
    "folder": (
        lambda here: (here / "c").mkdir(),
        ["a.npy", "c"],
        "cannot read 'c': it is a folder",
    ),
    "extension": (text("c.txt", LINES), ["a.npy", "c.txt"], "samples come as .npy, .npz, .csv"),
    "broken npy": (text("c.npy", "hello"), ["a.npy", "c.npy"], "cannot read 'c.npy'"),
    "broken npz": (text("c.npz", "hello"), ["a.npy", "c.npz"], "cannot read 'c.npz'"),
    "broken csv": (
        lambda here: (here / "c.csv").write_bytes(b"\xff\xfe1,2"),
        ["a.npy", "c.csv"],
        "as a CSV file",
    ),
    "empty csv": (text("c.csv", ""), ["a.npy", "c.csv"], "'c.csv' holds no points"),
    "header alone": (text("c.csv", "x,y\n"), ["a.npy", "c.csv"], "'c.csv' holds no points"),
    "empty npy": (array("c.npy", A[:0]), ["a.npy", "c.npy"], "'c.npy' holds no points"),
    "no columns": (array("c.npy", A[:, :0]), ["a.npy", "c.npy"], "'c.npy' holds no points"),
    "single value": (array("c.npy", np.array(1.0)), ["a.npy", "c.npy"], "a single value"),
    "archive": (
        lambda here: np.savez(here / "c.npz", p=A, q=A),
        ["a.npy", "c.npz"],
        "name the points x",
    ),
    "word": (
        text("c.csv", "x,y\n1,2\n\n3,four\n"),
        ["a.npy", "c.csv"],
        "'c.csv', line 4, column 2: 'four' is no number",
    ),
    "word in the first line": (
        text("c.csv", "1,two\n3,4\n"),
        ["a.npy", "c.csv"],
        "line 1, column 2: 'two' is no number",
    ),
    "semicolons": (
        text("c.csv", "1;2\n3;4\n" * 20),
        ["a.npy", "c.csv"],
        "separate columns by commas",
    ),
    "hole in csv": (
        text("c.csv", "1,2\n3,\n"),
        ["a.npy", "c.csv"],
        "line 2, column 2: '' is no number",
    ),
    "ragged": (
        text("c.csv", "1,2\n3,4,5\n"),
        ["a.npy", "c.csv"],
        "line 2: 3 columns, and 2 before it",
    ),
    "index": (
        text("c.csv", ",x\n0,1\n"),
        ["a.npy", "c.csv"],
        "column 1 has no name: is it an index",
    ),
    "nan in csv": (
        text("c.csv", "1,2\n3,nan\n"),
        ["a.npy", "c.csv"],
        "line 2, column 2: nan is no",
    ),
    "nan": (array("a.npy", hole(np.nan)), POINTS, "'a.npy', [7, 1]: nan is no finite number"),
    "infinity": (array("a.npy", hole(np.inf)), POINTS, "'a.npy', [7, 1]: inf is no finite number"),
    "text": (array("a.npy", np.array(["x"] * 30)), POINTS, "'x' is no number"),
    "complex": (array("a.npy", A + 0j), POINTS, "complex128, which are not numbers"),
    "few points": (array("a.npy", A[:19]), POINTS, "needs 20 points a side, got 19 and 50"),
    "unknown cost": (None, [*POINTS, "--cost", "l22"], "unknown cost 'l22': did you mean 'l2'?"),
    "unknown prefix": (None, [*POINTS, "--cost", "sobolov:1"], "did you mean 'sobolev:S'?"),
    "cost without number": (
        None,
        [*POINTS, "--cost", "lp:two"],
        "--cost lp:two: 'two' is no number",
    ),
    "exponent": (None, [*POINTS, "--cost", "lp:0.5"], "Lp needs p >= 1, got 0.5"),
    "period": (None, [*POINTS, "--cost", "angles:-1"], "must be a positive number"),
    "no covariance": (None, [*POINTS, "--cost", "mahalanobis:c.npy"], "cannot read 'c.npy'"),
    "covariance": (
        array("c.npy", -np.eye(2)),
        [*POINTS, "--cost", "mahalanobis:c.npy"],
        "definite",
    ),
    "size of covariance": (
        array("c.npy", np.eye(3)),
        [*POINTS, "--cost", "mahalanobis:c.npy"],
        "do not fit a covariance",
    ),
    "vectors as images": (None, [*POINTS, "--cost", "sobolev:1"], "Sobolev needs images"),
    "directions": (None, [*POINTS, "--cost", "great-circle"], "name two columns lat and lon"),
    "no module": (
        None,
        [*POINTS, "--cost", "nowhere:f"],
        "no module 'nowhere' for the ground cost",
    ),
    "no function": (None, [*POINTS, "--cost", "json:lods"], "'json' has no function 'lods'"),
    "no geometry": (None, [*POINTS, "--cost", "uuid:uuid4"], "gives a UUID, no otgan.geometry"),
    "no metric": (
        text(
            "squared.py",
            """
            from otgan.geometry import Lp, Power
            def cost():
                return Power(Lp(2), 2)
        """,
        ),
        [*POINTS, "--cost", "squared:cost"],
        "is no metric",
    ),
    "triangle": (
        text(
            "bent.py",
            """
            from otgan.geometry import MetricSpace
            class Bent(MetricSpace):
                def distance(self, x, y):
                    return (x - y).square().sum(1)
        """,
        ),
        [*POINTS, "--cost", "bent:Bent"],
        "more than by way of a third point",
    ),
    "seconds": (None, [*POINTS, "--seconds", "0"], "the critics need some seconds"),
    "confidence": (None, [*POINTS, "--confidence", "95"], "between 0 and 1, got 95"),
    "diameter": (None, [*POINTS, "--diameter", "0.5"], "farther than a diameter of 0.5"),
    "negative diameter": (None, [*POINTS, "--diameter", "-1"], "a diameter is a positive number"),
    "leave out": (None, [*POINTS, "--leave-out", "1"], "--leave-out is a share between 0 and 1"),
    "seed": (None, [*POINTS, "--seed", "-1"], "--seed is a whole number from 0"),
    "threads": (None, [*POINTS, "--threads", "0"], "--threads is a number of cores"),
    "steps": (None, [*POINTS, "--steps", "1", "2"], "steps are 6 positive numbers here"),
    "symmetrise": (None, [*POINTS, "--symmetrise"], "--symmetrise is for graphs"),
    "no weights": (None, [*POINTS, "--weights", "w"], "'a.npy' has no weights 'w'"),
    "no column of weights": (
        None,
        ["a-header.csv", "b-header.csv", "--weights", "w"],
        "no column 'w', only north, east",
    ),
    "negative weight": (
        weights([1, -1, 1], [1]),
        WEIGHED,
        "'p.npz', [1]: the weight -1 is negative",
    ),
    "weight nan": (weights([1, np.nan], [1]), WEIGHED, "'p.npz', [1]: nan is no finite number"),
    "no weight": (weights([0, 0], [1]), WEIGHED, "'p.npz': all weights are 0"),
    "sums": (weights([1, 2], [1, 3]), WEIGHED, "'p.npz' sum to 3, those of 'q.npz' to 4"),
    "count of weights": (
        lambda here: [np.savez(here / f"{n}.npz", x=A, w=[1, 2]) for n in "pq"],
        WEIGHED,
        "'p.npz': 60 points and 2 weights",
    ),
    "penalty of weights": (
        weights([1], [1]),
        [*WEIGHED, "--penalised"],
        "--penalised trains on samples",
    ),
    "no edges": (None, [*NODES[:3], "graph:nowhere.csv"], "no such file of edges: 'nowhere.csv'"),
    "negative edge": (
        text("roads.csv", ROADS + "Ulm,Hof,-3\n"),
        NODES,
        "line 6: the length '-3' is no positive number",
    ),
    "bad edge": (text("roads.csv", ROADS + "Ulm\n"), NODES, "line 6: 'Ulm' is no edge"),
    "directed": (
        text("roads.csv", ROADS + "Bonn,Ulm,5\n"),
        NODES,
        "Bonn to Ulm is 5 and back 2, and its",
    ),
    "unknown node": (
        text("nodes-b.csv", "Bonn\nKeil\n"),
        NODES,
        "'nodes-b.csv', line 2, column 1: the graph has no node 'Keil': did you mean 'Kiel'?",
    ),
    "node above": (
        text("nodes-b.csv", "town\nKiel\n"),
        NODES,
        "line 1, column 1: the graph has no",
    ),
    "two columns of nodes": (
        text("nodes-b.csv", "Bonn,1\n"),
        NODES,
        "name that of the nodes 'node'",
    ),
    "numbers for nodes": (
        array("c.npy", A),
        ["c.npy", *NODES[1:]],
        "names of nodes, text or integers",
    ),
    "components": (
        text("roads.csv", ROADS.replace("Hof,Bonn", "Hof,Rom")),
        NODES,
        "2 parts of the graph that no path connects",
    ),
    "unbalanced components": (
        lambda here: [
            text("roads.csv", "a,b\nc,d\n")(here),
            text("p.csv", "node,w\na,1\n")(here),
            text("q.csv", "node,w\nc,1\n")(here),
        ],
        ["p.csv", "q.csv", "--cost", "graph:roads.csv", "--weights", "w"],
        "the part of 2 nodes around 'a' has 1 more in a",
    ),
}


@pytest.mark.parametrize(("make", "argv", "says"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_in_one_line(files, capsys, monkeypatch, make, argv, says):
    if make:
        make(files)
    before = {p: p.stat().st_mtime_ns for p in files.rglob("*")}
    for module in ("squared", "bent"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    with pytest.raises(SystemExit) as exit:
        main(["distance", *argv, "--json", "report.json"])
    out, err = capsys.readouterr()
    assert exit.value.code == 2
    assert says in err and err.startswith("otgan: ") and err.count("\n") == 1, err
    assert not out
    assert {p: p.stat().st_mtime_ns for p in files.rglob("*")} == before
