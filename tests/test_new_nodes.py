"""New nodes of a graph: what is hidden, what critics see, what generators link, what is counted."""

import csv

import networkx as nx
import numpy as np
import pytest
import torch
from otgan_domains.graphs import graphs
from otgan_domains.graphs.features import structural
from otgan_domains.graphs.hiding import hide, unpadded
from otgan_domains.graphs.joining import joining
from otgan_domains.graphs.opening import Graph, read
from otgan_domains.graphs.patterns import Patterns
from otgan_domains.graphs.starting import start
from otgan_domains.graphs.views import View
from torch.nn.functional import one_hot

import otgan
from otgan.cli import main
from otgan.config import InputError
from otgan.domain import check
from otgan.networks.lipschitz import lipschitz
from otgan.transport.flow import flow

QUICK = ["--steps", "3", "--batch-size", "16", "--network.width", "16"]


def ring_of_cliques(seed=0):
    """100 nodes with triangles, classes and three columns of features."""
    graph = nx.connected_caveman_graph(20, 5)
    graph.add_edges_from(np.random.default_rng(seed).integers(100, size=(30, 2)).tolist())
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    return graph


def arrays(graph, seed=0):
    random = np.random.default_rng(seed)
    classes = np.arange(100) // 25
    features = classes[:, None] + random.normal(size=(100, 3))
    return {"edges": np.array(graph.edges), "x": features, "y": classes}


@pytest.fixture(scope="module")
def cliques(tmp_path_factory):
    path = tmp_path_factory.mktemp("graph") / "cliques.npz"
    np.savez(path, **arrays(ring_of_cliques()))
    return path


@pytest.fixture(scope="module")
def domain(cliques):
    return graphs(str(cliques), learn="nodes")


def weighted(seed):
    """A small graph with irrational lengths and features, and its view under uneven weights."""
    graph = nx.connected_watts_strogatz_graph(25, 4, 0.3, seed=seed)
    random = np.random.default_rng(seed)
    edges = np.array(graph.edges)
    metric = Graph(edges, random.uniform(0.2, 3, len(edges)), range(25)).metric()
    features = torch.from_numpy(random.normal(size=(25, 3))).float()
    return metric, features, View(metric, features, (0.5, 2.0, 1.0))


def scattered(n, nodes, links):
    """Link distributions: uniform over so many nodes, and soft ones, (2 n, nodes)."""
    hard = torch.zeros(n, nodes).scatter_(1, torch.rand(n, nodes).topk(links).indices, 1 / links)
    return torch.cat([hard, (3 * torch.randn(n, nodes)).softmax(1)])


def test_hidden_nodes_are_gone_and_the_rest_is_connected():
    graph = read(ring_of_cliques())
    split = hide(graph, 0.2)
    metric = split.base.metric()
    assert len(split.kept) == metric.nodes <= 100 - 20
    assert metric.distances_from(torch.tensor([0])).isfinite().all()
    whole = {frozenset(edge) for edge in graph.edges.tolist()}
    kept = {frozenset(split.kept[edge].tolist()) for edge in split.base.edges}
    inside = set(split.kept.tolist())
    assert kept == {edge for edge in whole if edge <= inside}
    for node, links in zip(split.hidden, split.links, strict=True):
        assert node not in inside
        met = {v for v in inside if frozenset((int(node), v)) in whole}
        assert set(split.kept[links].tolist()) == met and met


@pytest.mark.parametrize("share", [0, 1, -0.1, 0.99])
def test_a_share_that_leaves_no_graph_is_refused(share):
    with pytest.raises(InputError, match="held-out"):
        hide(read("karate"), share)


def test_points_survive_the_chart(domain):
    x = domain.train.points()
    encoded = domain.chart.encode(x)
    torch.testing.assert_close(encoded[:, domain.geometry.size :].sum(1), torch.ones(len(x)))
    torch.testing.assert_close(domain.chart.decode(encoded), _sorted(x, domain.chart.view.k))
    check(domain, "new nodes")


@pytest.mark.parametrize("columns", [3, 40])
def test_what_hidden_nodes_are_like_changes_nothing_in_training(tmp_path, columns):
    given = arrays(ring_of_cliques())
    given["x"] = np.random.default_rng(0).normal(size=(100, columns))
    np.savez(tmp_path / "a.npz", **given)
    graph = read(str(tmp_path / "a.npz"))
    kept = hide(graph, 0.1).kept
    given["x"][np.setdiff1d(np.arange(100), kept)] *= 50
    np.savez(tmp_path / "b.npz", **given)
    one, other = (graphs(str(tmp_path / f"{k}.npz"), learn="nodes").train.points() for k in "ab")
    torch.testing.assert_close(one, other)
    size = min(columns, 32)
    torch.testing.assert_close(one[:, :size].mean(0), torch.zeros(size), atol=1e-5, rtol=0)


def _sorted(x, k):
    there = [sorted(row) for row in unpadded(x[:, k:])]
    most = x.shape[1] - k
    ids = torch.tensor([row + [-1] * (most - len(row)) for row in there])
    return torch.cat([x[:, :k], ids.to(x)], 1)


@pytest.mark.parametrize("seed", [0, 1])
def test_what_a_critic_sees_is_never_farther_than_the_ground_cost(seed):
    """Against exact W1 on the graph; and the norm is no mere 0."""
    torch.manual_seed(seed)
    metric, _, view = weighted(seed)
    p, f = scattered(20, 25, 3), torch.randn(40, 3)
    degree = torch.rand(40) * 3
    seen = view(f, p, degree)
    other = torch.randperm(40)
    away = torch.stack(
        [
            torch.linalg.vector_norm(f - f[other], dim=1),
            torch.tensor([flow(a, b, metric).value for a, b in zip(p, p[other], strict=True)]),
            (degree - degree[other]).abs(),
        ]
    )
    cost = torch.tensor([0.5, 2.0, 1.0]) @ (away / view.units[:, None]).float()
    below = view.norm.distance(seen, seen[other])
    assert (below <= cost * (1 + 1e-4) + 1e-5).all()
    assert (below > 0.5 * cost)[other != torch.arange(40)].float().mean() > 0.8


@pytest.mark.parametrize("seed", [0, 1])
def test_a_certified_critic_is_1_lipschitz_under_the_ground_cost(seed):
    torch.manual_seed(seed)
    metric, features, view = weighted(seed)
    _, critic = joining((), view=view, metric=metric, features=features, classes=0, width=16)
    f = lipschitz(critic, view.geometry())
    for weight in f.parameters():
        torch.nn.init.normal_(weight)
    p, x, degree = scattered(15, 25, 3), torch.randn(30, 3), torch.rand(30) * 3
    values, other = f(view(x, p, degree)), torch.randperm(30)
    w1 = torch.tensor([flow(a, b, metric).value for a, b in zip(p, p[other], strict=True)])
    gone = torch.linalg.vector_norm(x - x[other], dim=1), w1, (degree - degree[other]).abs()
    cost = torch.tensor([0.5, 2.0, 1.0]) @ (torch.stack(gone) / view.units[:, None]).float()
    assert ((values - values[other]).abs() <= cost * (1 + 1e-4) + 1e-5).all()
    assert values.std() > 1e-3


def test_linked_neighbours_are_what_the_view_says():
    """With edges of length 1: c / 2 - sum p(u)^2 - (linked pairs) p p."""
    metric = read(ring_of_cliques()).metric()
    view = View(metric, torch.zeros(100, 0), (1.0, 1.0, 1.0))
    p = scattered(5, 100, 4)
    adjacency = torch.from_numpy(metric.paths.links.toarray()).float()
    expected = 1 - p.square().sum(1) - ((p @ adjacency) * p).sum(1) / 2
    seen = view(torch.zeros(10, 0), p, torch.zeros(10))[:, 0] * view.units[1]
    torch.testing.assert_close(seen, expected)


def test_generated_nodes_have_the_links_they_ask_for(domain):
    torch.manual_seed(0)
    generator, critic = domain.networks["joining"](domain.train.shape, width=16)
    torch.nn.init.normal_(critic.critic[-1].weight)
    torch.nn.init.normal_(generator[-1].describe[-1].weight)  # as the critic's, it starts at 0
    x = generator(torch.randn(200, 64))
    p = x[:, domain.geometry.size :]
    torch.testing.assert_close(p.sum(1), torch.ones(200))
    decoded = domain.chart.decode(x.detach())
    there = unpadded(decoded[:, domain.chart.view.k :])
    degree = (x[:, domain.geometry.size - 1] * domain.chart.view.units[2]).exp().round().long()
    assert [len(row) for row in there] == degree.tolist()
    assert all(len(set(row)) == len(row) for row in there)
    assert all(0 <= v < domain.chart.view.nodes for row in there for v in row)
    torch.testing.assert_close(domain.chart.encode(decoded), x.detach(), atol=1e-5, rtol=1e-5)
    critic(x).mean().backward()
    still = [name for name, w in generator.named_parameters() if not w.grad.abs().sum()]
    assert still == []


def hubs():
    """A ring of 5, each with 20 leaves, class 0 and class 1."""
    graph = nx.cycle_graph(5)
    graph.add_edges_from((v % 5, 5 + v) for v in range(100))
    classes = (torch.arange(105) >= 5).long()
    return Graph(np.array(graph.edges), None, range(105)).metric(), one_hot(classes).float()


def test_a_random_neighbour_of_a_random_leaf_is_a_hub():
    metric, features = hubs()
    found = start(metric, structural(metric), features, classes=2)
    assert found.degrees.tolist() == [1, 22] and found.counts.tolist() == [100, 5]
    hub = 20 + 2 / 22
    torch.testing.assert_close(found.met, torch.tensor([*5 * [hub], *100 * [1 / 22]]))
    z = (np.log(22) - found.scale[0]) / found.scale[1]
    assert torch.sigmoid(found.closing[0] + found.closing[1] * z) < 0.02  # no triangle


def test_links_tilt_with_the_degree_as_likelihood_says():
    """Where likelihood + |w|^2 / 2 is best, expected columns differ from the observed by w."""
    metric = read(nx.barabasi_albert_graph(60, 2, seed=0)).metric()
    known = structural(metric)
    found = start(metric, known, torch.zeros(60, 0), classes=0)
    links = torch.from_numpy(metric.paths.links.toarray()).float()
    degree = links.sum(1, keepdim=True)
    z = (degree.log() - found.scale[0]) / found.scale[1]
    p = (found.met.log() + z * (known @ found.tilt)).softmax(1)
    left = (z * ((links / degree - p) @ known)).sum(0)
    torch.testing.assert_close(left, found.tilt, atol=2e-2, rtol=1e-2)
    assert found.tilt.abs().max() > 0.1


def test_before_training_leaves_are_linked_to_hubs():
    torch.manual_seed(0)
    metric, features = hubs()
    view = View(metric, features, (1.0, 1.0, 1.0))
    generator, _ = joining((), view=view, metric=metric, features=features, classes=2, width=16)
    x = generator(torch.randn(400, 64)).detach()
    p, degree = x[:, view.size :], (x[:, view.size - 1] * view.units[2]).exp()
    leaf = degree < 1.5
    assert 0.9 < leaf.float().mean() < 0.99
    assert p[leaf, :5].sum(1).mean() > 0.9  # by the ends of edges it were .52
    assert (x[leaf, 1] > x[leaf, 0]).float().mean() > 0.9  # unlike the neighbour's class


def test_statistics_are_those_of_networkx(domain, cliques):
    base = hide(read(str(cliques)), 0.1).base
    graph = nx.from_edgelist(base.edges.tolist())
    order = range(len(base.names))
    x = domain.train.points()
    found = {name: f(x)[:, 0].tolist() for name, f in domain.features.items()}
    assert found["degree"] == [graph.degree[v] for v in order]
    assert found["triangles"] == [nx.triangles(graph, v) for v in order]
    assert found["clustering"] == pytest.approx([nx.clustering(graph, v) for v in order])
    first = int(base.metric().distances_from(torch.tensor([0]))[0].argmax())
    far = nx.single_source_shortest_path_length(graph, first)
    away = [far[v] - 1 for v in order if v != first]
    assert [d for v, d in enumerate(found["distance profile"]) if v != first] == away
    k, features = domain.chart.view.k, x[:, : domain.chart.view.k].double()
    for v in (0, 40, 77):
        around = features[list(graph[v])].mean(0)
        torch.testing.assert_close(domain.features["neighbours' classes"](x)[v], around[-4:])
        cosine = torch.cosine_similarity(features[v, : k - 4], around[: k - 4], dim=0)
        assert found["cosine to neighbours"][v] == pytest.approx(cosine.item())


def test_nodes_that_repeat_another_are_counted():
    metric = read("karate").metric()
    patterns = Patterns(metric, torch.zeros(34, 0), 0)
    leaf, pair = sorted(nx.karate_club_graph()[11]), sorted(nx.karate_club_graph()[9])
    x = torch.tensor([[*pair, -1], [*pair[::-1], -1], [*leaf, -1, -1], [3, 11, -1], [*pair, 20]])
    assert patterns.repeated(x.float()).tolist() == [True, True, True, False, False]


def test_a_run_grows_its_graph(here, cliques, capsys):
    main(["train", "graphs", "--data", str(cliques), "--learn", "nodes", *QUICK, "--out", "run"])
    main(["sample", "run", "-n", "7", "-o", "grown.graphml"])
    told = capsys.readouterr().err
    assert "of 7 new nodes have exactly the links of an existing node" in told
    grown = nx.read_graphml("grown.graphml")
    new = [v for v, known in grown.nodes(data=True) if known["new"]]
    assert len(new) == 7 and len(grown) == len(hide(read(str(cliques)), 0.1).kept) + 7
    assert {grown.nodes[v]["class"] for v in new} <= {"0", "1", "2", "3"}
    assert not any(grown.has_edge(u, v) for u in new for v in new)
    main(["sample", "run", "-n", "7", "-o", "links.csv"])
    with open("links.csv") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["source", "target"]
    assert {frozenset(row) for row in rows[1:]} == {frozenset(e) for e in grown.edges(new)}
    assert len(rows) - 1 == sum(grown.degree[v] for v in new)
    main(["sample", "run", "-n", "7", "-o", "grown.png"])
    main(["evaluate", "run", "--draws", "2"])
    printed = capsys.readouterr().out
    assert "on triangles" in printed and "links of an existing node: generated" in printed


def test_lengths_of_new_links_are_the_median_of_their_node(here):
    text = "".join(f"{v},{(v + k) % 40},{k}.5\n" for v in range(40) for k in (1, 2, 3))
    (here / "edges.csv").write_text("source,target,length\n" + text)
    domain = graphs("edges.csv", learn="nodes")
    domain.save(domain.held_out.x[:2], here / "grown.graphml", None)
    grown = nx.read_graphml("grown.graphml", node_type=str)
    edges = [(u, v, w) for u, v, w in grown.edges(data="weight") if "new-1" in (u, v)]
    for u, v, length in edges:
        old = v if u == "new-1" else u
        own = [w for _, x, w in grown.edges(old, data="weight") if "new" not in x]
        assert length == np.median(own)


def test_samples_repeat_with_the_seed(domain):
    model = otgan.fit(domain=domain, steps=2, batch_size=16, quiet=True)
    first, second = model.sample(20, seed=3), model.sample(20, seed=3)
    assert torch.equal(first, second)
    assert not torch.equal(first, model.sample(20, seed=4))


def test_classes_come_from_a_column_of_the_node_table(here):
    nx.write_graphml(ring_of_cliques(), "graph.graphml")
    rows = "".join(f"{v},{'odd' if v % 2 else 'even'},{v / 10}\n" for v in range(100))
    (here / "nodes.csv").write_text("node,parity,height\n" + rows)
    domain = graphs("graph.graphml", nodes="nodes.csv", classes="parity", learn="nodes")
    assert domain.state["classes"] == ["even", "odd"] and domain.chart.view.k == 3
    with pytest.raises(InputError, match=r"no column 'party'.*'parity'"):
        graphs("graph.graphml", nodes="nodes.csv", classes="party", learn="nodes")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edges": None}, "no array 'edges'"),
        ({"x": np.zeros((3, 2))}, "100 nodes and features of 3"),
        ({"y": np.zeros(7, int)}, "100 nodes and classes y of 7"),
    ],
)
def test_broken_arrays_are_refused_in_a_line(here, change, message):
    whole = {**arrays(ring_of_cliques()), **change}
    np.savez("graph.npz", **{k: v for k, v in whole.items() if v is not None})
    with pytest.raises(InputError, match=message) as caught:
        read("graph.npz")
    assert "\n" not in str(caught.value)
