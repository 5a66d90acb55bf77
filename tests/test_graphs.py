"""Shortest paths against networkx and brute force; graphs from outside, and broken ones."""

import copy
import math

import networkx as nx
import numpy as np
import pytest
import torch

from otgan.geometry import GraphMetric, paths
from otgan.testing import check_geometry

INF = math.inf


def random_graph(seed, whole=False):
    """A graph of two components, parallel edges and self loops; lengths whole or irrational."""
    rng = np.random.default_rng(seed)
    edges = np.concatenate([rng.integers(0, 15, (40, 2)), rng.integers(15, 22, (12, 2))])
    lengths = rng.integers(1, 6, len(edges)) if whole else rng.uniform(0.1, 2, len(edges))
    return GraphMetric(edges, lengths.astype(float), 24).double(), edges, lengths


def by_networkx(edges, lengths, nodes):
    graph = nx.MultiGraph()
    graph.add_nodes_from(range(nodes))
    graph.add_weighted_edges_from((*e, w) for e, w in zip(edges.tolist(), lengths, strict=True))
    table = torch.full((nodes, nodes), INF, dtype=torch.float64)
    for u, row in nx.all_pairs_dijkstra_path_length(graph):
        for v, d in row.items():
            table[u, v] = d
    return table


@pytest.fixture(params=[0, 1, 2], ids=str)
def case(request):
    geometry, edges, lengths = random_graph(request.param, whole=request.param == 1)
    return geometry, by_networkx(edges, lengths, 24)


@pytest.fixture(params=[None, 1], ids=["at once", "source by source"])
def chunk(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(paths, "_CHUNK", request.param)


def test_distances_are_those_of_networkx(case, chunk):
    geometry, table = case
    x, y = torch.randint(24, (2, 60))
    torch.testing.assert_close(geometry.distance(x, y), table[x, y])
    torch.testing.assert_close(geometry.distance(x, y[:1].expand(60)), table[x, y[0]])
    torch.testing.assert_close(geometry.pairwise(x, y[:7]), table[x][:, y[:7]])
    torch.testing.assert_close(geometry.pairwise(x[:7], y), table[x[:7]][:, y])
    torch.testing.assert_close(geometry.distances_from(x), table[x])
    assert geometry.distance(x[:0], y[:0]).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_law_of_a_geometry(dtype):
    geometry = GraphMetric.from_networkx(nx.les_miserables_graph(), None).to(dtype)
    checked = check_geometry(geometry, torch.arange(0, 72, 3))
    assert {"triangle_inequality", "slopes_of_distance_are_at_most_1"} <= set(checked)
    assert geometry.distance(torch.tensor([0]), torch.tensor([1])).dtype == dtype


def test_edges_of_the_shortest_path_come_each_as_often(chunk):
    """From 0 to 3 over three edges of length 1, not over the one of length 9."""
    geometry = GraphMetric([[0, 1], [1, 2], [2, 3], [0, 3], [3, 4]], [1, 1, 1, 9.0, 1])
    x, y = torch.tensor([[0], [3]]).expand(2, 1800)
    for start, end in ((x, y), (y, x)):
        counts = torch.bincount(geometry.between(start, end), minlength=5)
        kept = {tuple(e): n for e, n in zip(geometry.edges.tolist(), counts.tolist(), strict=True)}
        assert kept[0, 3] == kept[3, 4] == 0
        assert all(500 < kept[e] < 700 for e in [(0, 1), (1, 2), (2, 3)])


def test_edges_of_every_pair_are_on_its_own_path(case):
    geometry, table = case
    x, y = torch.randint(24, (2, 300))
    edge = geometry.between(x, y)
    u, v = geometry.edges[edge].T
    through = torch.minimum(table[x, u] + table[v, y], table[x, v] + table[u, y])
    way = (x != y) & table[x, y].isfinite()
    torch.testing.assert_close((through + geometry.lengths[edge])[way], table[x, y][way])
    lost = geometry.between(torch.zeros(4000, dtype=torch.long), torch.full((4000,), 23))
    assert len(lost.unique()) == len(geometry.edges)  # anywhere, as node 23 has no edge


def test_slopes_are_differences_over_lengths_and_reach_the_critic():
    geometry = GraphMetric([[0, 1], [1, 2]], [2.0, 0.5])
    f = torch.tensor([0.0, 4.0, 1.0], requires_grad=True)
    x, y = torch.tensor([0, 1, 2]), torch.tensor([1, 2, 1])
    slope = geometry.slope(lambda node: f[node], x, y)
    torch.testing.assert_close(slope[::2], torch.tensor([2.0, 6.0]))  # on the shortest path
    assert slope[1].item() in (2.0, 6.0)  # on any edge
    slope[2].backward()
    torch.testing.assert_close(f.grad, torch.tensor([0.0, 2.0, -2.0]))


def test_slopes_repeat_with_the_seed():
    geometry, *_ = random_graph(0)
    x, y = torch.randint(15, (2, 200))
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(geometry.between(x, y))
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_the_envelope_is_the_largest_lipschitz_function_below(case):
    geometry, table = case
    values = 3 * torch.randn(24, dtype=torch.float64)
    values[:4] = values.min()  # edges of length 0 in the graph that Dijkstra sees
    f = geometry.envelope(values)
    torch.testing.assert_close(f, (values[:, None] + table).amin(0))
    assert (f[:, None] - f <= table + 1e-12).all()
    torch.testing.assert_close(geometry.envelope(f), f)


def test_values_of_some_nodes_extend_to_all(case):
    geometry, table = case
    nodes = torch.tensor([3, 20, 7, 23])
    values = torch.tensor([0.1, -0.3, 0.2, 5.0], dtype=torch.float64)
    expected = (values[:, None] + table[nodes]).amin(0)
    torch.testing.assert_close(geometry.envelope(values, nodes), expected)
    assert geometry.envelope(values[:1], nodes[:1])[23] == INF


def test_edges_are_kept_once_and_shortest():
    edges = torch.tensor([[2, 1], [0, 0], [1, 2], [1, 0], [2, 1]])
    geometry = GraphMetric(edges, [3.0, 9.0, 2.0, 1.0, 4.0])
    assert geometry.edges.tolist() == [[0, 1], [1, 2]]
    assert geometry.lengths.tolist() == [1.0, 2.0]
    assert repr(geometry) == "graph metric of 3 nodes and 2 edges"
    assert geometry.slopes == "edge"


def test_a_copy_follows_the_run():
    geometry = copy.deepcopy(GraphMetric([[0, 1]])).to("meta")
    assert geometry.edges.is_meta and geometry.lengths.is_meta
    assert not geometry.state_dict()  # a checkpoint need not hold the graph


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([[]], "at least one edge"),
        ([[[1, 1]]], "self loop"),
        ([[[0, 1, 2]]], r"int64 of shape \(1, 3\)"),
        ([[[0.0, 1.0]]], "float64 of shape"),
        ([[[0, 1], [2, -3]]], "edge 1 joins 2 and -3, but nodes are 0 to 2"),
        ([[[0, 1], [2, 5]], None, 5], "edge 1 joins 2 and 5, but nodes are 0 to 4"),
        ([[[0, 1]], [1.0, 2.0]], r"1 edges need as many lengths, got shape \(2,\)"),
        ([[[0, 1], [4, 2]], [1.0, -2.0]], "edge 1, which joins 4 and 2, has length -2"),
        ([[[0, 1]], [0.0]], "length 0.*contract"),
        ([[[0, 1]], [math.nan]], "length nan"),
        ([[[0, 1]], [INF]], "length inf"),
        ([[[0, 1]], None, None, ["a"]], "nodes are 0 to 0"),
        ([[[0, 1]], None, None, ["a", "a"]], "2 nodes need as many different names, got 2, 1"),
    ],
)
def test_broken_graphs_are_refused_in_a_line(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        GraphMetric(*arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.tensor([0, 3]), "no node 3: nodes are 0 to 2"),
        (torch.tensor([-1]), "no node -1"),
        (torch.tensor([0.0]), r"nodes, integers of shape \(n,\), got torch.float32"),
        (torch.tensor([[0]]), r"shape \(1, 1\)"),
    ],
)
def test_points_that_are_no_nodes_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        GraphMetric([[0, 1], [1, 2]]).distance(x, x)


@pytest.mark.parametrize("values", [[0.0, math.nan, 0], [0, -INF, 0], [INF] * 3, [1.0]])
def test_values_without_an_envelope_are_refused(values):
    with pytest.raises(ValueError, match="values"):
        GraphMetric([[0, 1], [1, 2]]).envelope(torch.tensor(values))


def test_networkx_graphs_keep_their_names_and_lengths():
    graph = nx.MultiGraph()
    graph.add_edge("b", "a", weight=2, miles=7)
    graph.add_edge("a", "b", weight=1, miles=9)
    graph.add_edge("a", (1, 2), weight=5, miles=3.5)
    geometry = GraphMetric.from_networkx(graph)
    assert geometry.names == ["b", "a", (1, 2)]
    b, far = geometry.nodes_of(["b", (1, 2)]).split(1)
    assert geometry.distance(b, far).item() == 6
    assert GraphMetric.from_networkx(graph, "miles").distance(b, far).item() == 10.5
    assert GraphMetric.from_networkx(graph, None).distance(b, far).item() == 2
    assert GraphMetric.from_networkx(nx.path_graph(4)).lengths.tolist() == [1, 1, 1]
    assert geometry.nodes_of([]).dtype == torch.long
    with pytest.raises(ValueError, match=r"2 of 3 names are no node: 'c', 'd'"):
        geometry.nodes_of(["a", "c", "d"])


def test_directed_graphs_need_a_word():
    graph = nx.DiGraph()
    graph.add_weighted_edges_from([(0, 1, 5.0), (1, 0, 3.0), (1, 2, 1.0)])
    with pytest.raises(ValueError, match=r"directed.*symmetrise=True"):
        GraphMetric.from_networkx(graph)
    geometry = GraphMetric.from_networkx(graph, symmetrise=True)
    assert geometry.distances_from(torch.tensor([2])).tolist() == [[4, 1, 0]]


@pytest.mark.parametrize("weight", [None, "long", -1, 0, math.nan])
def test_weights_that_are_no_lengths_are_refused(weight):
    graph = nx.Graph()
    graph.add_edge("a", "b", weight=1)
    graph.add_edge("b", "c", weight=weight)
    with pytest.raises(ValueError, match="from 'b' to 'c' has weight="):
        GraphMetric.from_networkx(graph)


@pytest.mark.parametrize(
    ("text", "names", "total"),
    [
        ("source,target,length\nUlm,Bonn,2\nBonn,Kiel,3.5\n", ["Ulm", "Bonn", "Kiel"], 5.5),
        ("Ulm,Bonn,2\n\nBonn,Kiel,3.5", ["Ulm", "Bonn", "Kiel"], 5.5),
        ('"Ulm, Donau", Bonn\r\nBonn ,Kiel\r\n', ["Ulm, Donau", "Bonn", "Kiel"], 2),
        ("source,target\nx,y\ny,z\n", ["x", "y", "z"], 2),
        ("a,b\n10,2\n3,2\n", [2, 3, 10], 2),
        ("10,2\n3,2\n", [2, 3, 10], 2),
        ("007,7\n7,8\n", ["007", "7", "8"], 2),
        ("\ufeffu,v,miles,flights\n0,1,4,x\n1,2,5,y\n2,1,1,z", [0, 1, 2], 5),
    ],
)
def test_files_of_edges(here, text, names, total):
    (here / "edges.csv").write_text(text, encoding="utf-8", newline="")
    geometry = GraphMetric.read(here / "edges.csv")
    assert geometry.names == names
    assert geometry.distances_from(torch.arange(3)).max() == total


def test_a_column_of_lengths_by_name(here):
    (here / "edges.csv").write_text("source,target,id,metres\na,b,x1,7\nb,c,x2,3\n")
    assert GraphMetric.read("edges.csv", length="metres").lengths.tolist() == [7, 3]


@pytest.mark.parametrize(
    ("text", "length", "message"),
    [
        ("", None, "holds no edge"),
        ("source,target\n", None, "holds no edge"),
        ("a,b,1\nb,c\n", None, "line 2: 'b,c' is no edge"),
        ("a,b\nb\n", None, "line 2: 'b' is no edge"),
        ("a,b\n,c\n", None, "line 2: ',c' is no edge"),
        ("s,t,w\na,b,1\n\nb,c,far\n", None, "line 4: the length 'far' is no positive number"),
        ("a,b,1\nb,c,0\n", None, "line 2: the length '0'"),
        ("a,b,1\nb,c,nan\n", None, "line 2: the length 'nan'"),
        ("s,t,w\na,b,1\n", "miles", "no column of lengths 'miles', only w"),
        ("a,b,1\n", "w", "no column of lengths 'w', only none"),
        ("a,a,1\n", None, "self loop"),
    ],
)
def test_broken_files_name_the_line(here, text, length, message):
    (here / "edges.csv").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        GraphMetric.read("edges.csv", length)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_refused(here):
    (here / "edges.csv").write_bytes(b"a,b,\xff\xfe")
    with pytest.raises(ValueError, match=r"cannot read 'edges\.csv' as a CSV"):
        GraphMetric.read("edges.csv")
