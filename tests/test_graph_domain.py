"""The domain of the nodes of a graph: its data, its runs, its errors."""

import csv

import networkx as nx
import numpy as np
import pytest
import torch
from otgan_domains.graphs import graphs
from otgan_domains.graphs.drawing import draw, layout
from otgan_domains.graphs.features import landmarks, structural
from otgan_domains.graphs.opening import BUILT_IN, read

from otgan import fit
from otgan.cli import main
from otgan.config import InputError, RunError
from otgan.domain import load
from otgan.geometry import GraphMetric
from otgan.model import Model
from otgan.transport import exact

SQUARE = "source,target,miles\na,b,1\nb,c,2\nc,d,1\nd,a,2\n"
SMALL = ["--steps", "2", "--batch-size", "8", "--network.width", "8"]


def write(path, text):
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_graphs_are_connected_and_train_on_the_visits_of_a_walk(name):
    domain = load("graphs", {"data": name})
    assert domain.geometry.paths.components.max() == 0
    degree = torch.zeros(domain.geometry.nodes).index_add(
        0, domain.geometry.edges.flatten(), torch.ones(2 * len(domain.geometry.edges))
    )
    x = torch.cat([domain.train.x, domain.held_out.x])
    share = x.bincount(minlength=domain.geometry.nodes) / len(x)
    torch.testing.assert_close(share, degree / degree.sum(), atol=0.02, rtol=0)


def test_every_format_gives_the_same_graph(here):
    graph = nx.Graph()
    graph.add_weighted_edges_from([("a", "b", 1.0), ("b", "c", 2.0), ("c", "d", 1.5)])
    nx.write_graphml(graph, "g.graphml")
    nx.write_gml(graph, "g.gml")
    nx.write_gexf(graph, "g.gexf")
    nx.write_edgelist(graph, "g.edgelist")
    nx.write_pajek(graph, "g.net")
    write(here / "g.csv", "a,b,1\nb,c,2\nc,d,1.5\n")
    for source in (
        graph,
        *(f"g.{s}" for s in ("graphml", "gml", "gexf", "edgelist", "net", "csv")),
    ):
        metric = read(source).metric()
        ends = metric.nodes_of(["a"]), metric.nodes_of(["d"])
        assert metric.distance(*ends).item() == 4.5, source


def test_a_geometric_data_gives_its_graph_and_features():
    from torch_geometric.data import Data
    from torch_geometric.utils import from_networkx

    data = from_networkx(nx.path_graph(5))
    data.x = torch.eye(5)
    graph = read(data)
    assert graph.metric().distance(torch.tensor([0]), torch.tensor([4])).item() == 4
    assert graph.features.tolist() == torch.eye(5).tolist()
    directed = Data(edge_index=torch.tensor([[0, 1], [1, 2]]), num_nodes=3)
    with pytest.raises(InputError, match="directed"):
        read(directed)
    assert read(directed, symmetrise=True).metric().nodes == 3
    weighted = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
    weighted.metres = torch.tensor([5.0, 5.0, 7.0, 7.0])
    assert read(weighted, length="metres").metric().paths.lengths.tolist() == [5, 7]


def test_loops_and_parallel_edges_are_counted(here, capsys):
    text = "source,target,miles\na,a,1\na,b,3\nb,a,2\n"
    graph = read(write(here / "g.csv", text))
    assert graph.lengths.tolist() == [2]
    assert "1 self-loops dropped, 1 parallel edges" in capsys.readouterr().err


def test_the_largest_component_is_kept_on_request_with_the_rows_that_belong_to_it(here, capsys):
    edges = write(here / "g.csv", "source,target,miles\na,b,1\nb,c,1\nx,y,1\n")
    with pytest.raises(InputError, match=r"2 components, of 3 around 'a'; 2 around 'x'.*--largest"):
        graphs(edges)
    table = write(here / "nodes.csv", "node,kind\na,p\nb,q\nc,p\nx,p\ny,q\n")
    visits = write(here / "visits.csv", "node\na\nb\na\nx\nc\n")
    domain = graphs(edges, visits, nodes=table, largest=True)
    assert domain.geometry.nodes == 3
    assert len(domain.train) + len(domain.held_out) == 4
    assert "1 visits outside" in capsys.readouterr().err


def test_landmarks_are_far_from_each_other_and_features_standardised():
    metric = GraphMetric(list(nx.path_graph(50).edges))
    chosen, far = landmarks(metric, 3)
    assert sorted(chosen.tolist()[:2]) == [0, 49]
    assert chosen[2] in (24, 25)
    assert far[1].tolist() == np.abs(np.arange(50) - chosen[1]).tolist()
    features = structural(metric)
    torch.testing.assert_close(features.mean(0), torch.zeros(features.shape[1]), atol=1e-5, rtol=0)
    torch.testing.assert_close(features.std(0, False), torch.ones(features.shape[1]))


def test_visits_have_weights_and_attributes(here):
    edges = write(here / "g.csv", SQUARE)
    text = "node,times,hour,kind\na,3,1.5,x\nb,0,2.5,y\nc,2,3.5,x\nd,5,0.5,y\n"
    domain = graphs(edges, write(here / "v.csv", text), weight="times", held_out=0.1)
    x = torch.cat([domain.train.x, domain.held_out.x])
    y = torch.cat([domain.train.y, domain.held_out.y])
    assert x.bincount().tolist() == [3, 0, 2, 5]
    assert [a.name for a in domain.attributes] == ["hour", "kind"]
    assert domain.attributes[1].values == ("x", "y")
    assert set(y[x == 3, 1].tolist()) == {1.0}
    shares = "node,share\na,.25\nb,.25\nc,.125\nd,.375\n"
    domain = graphs(edges, write(here / "s.csv", shares), weight="share")
    x = torch.cat([domain.train.x, domain.held_out.x])
    assert x.bincount().tolist() == [2500, 2500, 1250, 3750]


@pytest.mark.parametrize("preset", ["wgan-gp", "certified", "wgan-lp"])
def test_a_run_learns_where_visits_go(preset):
    torch.manual_seed(0)
    visited = [0, 1, 2, 3, 4] * 60
    model = fit(
        nx.path_graph(30),
        "graphs",
        visits=visited,
        steps=150,
        preset=preset,
        quiet=True,
        batch_size=32,
        network={"width": 16},
        optimiser={"rate": 2e-3},
    )
    geometry = model.domain.geometry
    held_out = model.domain.held_out.x
    found = exact(model.sample(500, seed=0), held_out, geometry).item()
    before = exact(torch.arange(30), held_out, geometry).item()
    assert found < 0.15 * before


def test_train_sample_evaluate_and_resume(here, capsys):
    edges = write(here / "g.csv", SQUARE)
    visits = write(here / "v.csv", "node,kind\n" + "a,x\nb,y\na,x\nc,y\n" * 20)
    main(["train", "graphs", "--data", edges, "--visits", visits, "--condition", "kind", *SMALL])
    run = capsys.readouterr().out.strip()
    for file in ("real.png", "curves.png", "samples/0000002.png"):
        assert (here / run / file).stat().st_size > 1000
    (here / "g.csv").unlink()
    for out in ("s.csv", "again.csv", "s.npy", "s.graphml", "s.png"):
        main(["sample", run, "-n", "9", "--condition", "kind=x", "-o", out])
    rows = list(csv.reader((here / "s.csv").open()))
    assert rows[0] == ["node"] and len(rows) == 10 and {r[0] for r in rows[1:]} <= set("abcd")
    assert rows == list(csv.reader((here / "again.csv").open()))
    graph = nx.read_graphml("s.graphml")
    assert graph.edges["a", "b"]["weight"] == pytest.approx(1, rel=1e-6)
    assert sum(share for _, share in graph.nodes(data="share")) == pytest.approx(1)
    write(here / "g.csv", SQUARE)
    main(["evaluate", run, "--json", "scores.json", "--draws", "1"])
    assert "W1" in capsys.readouterr().out
    main(["train", "graphs", "--resume", run, "--steps", "3"])
    model = Model.load(run, data=True)
    names = model.domain.geometry.names
    assert model.score(torch.tensor([names.index("a")]), "kind=x").shape == (1,)


def test_distances_are_in_units_of_the_data(here):
    domain = graphs(write(here / "g.csv", SQUARE))
    far = domain.geometry.nodes_of(["a"]), domain.geometry.nodes_of(["c"])
    assert domain.geometry.distance(*far).item() * domain.chart.unit == pytest.approx(3)


@pytest.mark.parametrize("nodes", [30, 500])
def test_a_picture_shows_values_flow_and_marks(here, nodes):
    metric = GraphMetric(list(nx.connected_watts_strogatz_graph(nodes, 4, 0.1, seed=0).edges))
    places = layout(metric)
    assert places.shape == (nodes, 2)
    assert np.isfinite(places).all()
    flow = np.zeros(len(metric.edges))
    flow[:3] = 1
    draw(metric, places, here / "plain.png")
    draw(
        metric,
        places,
        here / "full.png",
        np.arange(nodes),
        label="f",
        flow=flow,
        marks={"generated": np.array([1, 2])},
    )
    assert (here / "full.png").read_bytes() != (here / "plain.png").read_bytes()


EDGES, NODES, VISITS = SQUARE, "node,kind\na,p\nb,q\nc,p\nd,q\n", "node\na\nb\nc\n"


@pytest.mark.parametrize(
    ("texts", "options", "told"),
    [
        ({"g": ""}, {}, "holds no edge"),
        ({"g": "a,a,1\n"}, {}, "every edge is a self loop"),
        ({"g": "a,b,-1\n"}, {}, "'-1' is no positive number"),
        ({"g": "a,b,0\n"}, {}, "contract nodes"),
        ({"nodes": "node,kind\na,p\nb,q\nc,p\n"}, {}, "no row for 1 of 4 nodes, such as 'd'"),
        ({"nodes": NODES + "e,p\n"}, {}, "1 nodes that no edge mentions, such as 'e'"),
        ({"nodes": NODES + "a,p\n"}, {}, "two rows for node 'a'"),
        ({"nodes": "node,size\na,1\nb,2\nc,\nd,4\n"}, {}, "1 values of 'size' are missing"),
        ({"visits": VISITS + "z\n"}, {}, "row 4: the graph has no node 'z'"),
        ({"visits": "node\n"}, {}, "no rows"),
        ({"visits": "node,kind\na,x\nb,\n"}, {}, "row 2: 'kind' is missing"),
        ({"visits": VISITS}, {"weight": "times"}, "no column 'times'"),
        ({"visits": "node,n\na,-1\n"}, {"weight": "n"}, "got '-1'"),
        ({"visits": "node,n\na,0\n"}, {"weight": "n"}, "all weights are 0"),
        ({"visits": "node,n\na,many\n"}, {"weight": "n"}, "got 'many'"),
        ({}, {"weight": "n"}, "give --visits"),
        ({}, {"length": "hours"}, "no column of lengths 'hours'"),
        ({}, {"held_out": 2.0}, "share between 0 and 1"),
        ({"visits": "node,n\na,inf\n"}, {"weight": "n"}, "got 'inf'"),
        ({"visits": VISITS}, {"learn": "nodes"}, "for --learn visits"),
        ({}, {"classes": "kind"}, "for --learn nodes"),
        ({}, {"learn": "nodes", "classes": "kind"}, "give --nodes FILE"),
    ],
)
def test_bad_input(here, texts, options, told):
    files = {"g": EDGES, **texts}
    paths = {name: write(here / f"{name}.csv", text) for name, text in files.items()}
    data = paths.pop("g")
    with pytest.raises(InputError, match=told):
        load("graphs", {"data": data, **paths, **options})


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("kareate", "did you mean 'karate'"),
        (nx.DiGraph([(0, 1)]), "directed"),
        (nx.empty_graph(3), "3 nodes and no edge"),
        (3, "got int"),
    ],
)
def test_no_graph(data, told):
    with pytest.raises(InputError, match=told):
        graphs(data)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"x": np.ones(3)}, "not \\(nodes, k\\)"),
        ({"x_indptr": np.arange(4)}, "need x_indptr, x_indices"),
        ({"x": np.array([[1.0], [np.nan], [2.0]])}, "1 values of the nodes' features"),
    ],
)
def test_bad_features(here, arrays, told):
    np.savez("g.npz", edges=np.array([[0, 1], [1, 2]]), **arrays)
    with pytest.raises(InputError, match=told):
        graphs("g.npz")


def test_a_run_that_diverges_says_so():
    with pytest.raises(RunError, match="diverged"):
        fit("karate", "graphs", steps=20, quiet=True, optimiser={"rate": 1e20})


def test_scores_of_a_penalised_critic_are_projected():
    model = fit("karate", "graphs", steps=1, quiet=True)
    torch.nn.init.normal_(model.critic.last.weight, std=9)
    geometry = model.domain.geometry
    v = torch.arange(geometry.nodes)
    f = model.score(v)
    far = geometry.pairwise(v, v) * model.domain.chart.unit
    assert ((f[:, None] - f).abs() <= far * (1 + 1e-5) + 1e-5).all()


def test_a_preset_that_needs_gradients_says_so():
    with pytest.raises(InputError, match="sided='one'"):
        fit(nx.path_graph(8), "graphs", steps=1, quiet=True, constraint={"sided": "two"})
