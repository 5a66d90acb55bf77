"""Detectors of strange nodes and edges: their conventions, planted anomalies, closed forms."""

import networkx as nx
import numpy as np
import pytest
import torch
from otgan_domains.graphs.anomalies import EdgeDetector, NodeDetector
from otgan_domains.graphs.anomaly_tables import accuracy, show
from otgan_domains.graphs.detectors import percentile
from otgan_domains.graphs.detours import contradictions, detours
from otgan_domains.graphs.misfits import RANK, Coordinates, Linked, train
from otgan_domains.graphs.simple_scores import simple_edge_scores, simple_node_scores
from scipy import sparse
from scipy.stats import spearmanr
from torch_geometric.data import Data

from otgan.config import InputError
from otgan.geometry import GraphMetric

CLIQUE = np.arange(8) * 37
SWAPPED = np.array([7, 111, 222])


def planted(seed=0, nodes=300):
    """Three blocks, a clique across them and three nodes with the features of another block."""
    rng = np.random.default_rng(seed)
    block = rng.integers(0, 3, nodes)
    chance = np.where(block[:, None] == block, 0.06, 0.003)
    edges = np.argwhere(np.triu(rng.random((nodes, nodes)) < chance, 1))
    told = block.copy()
    told[SWAPPED] = (told[SWAPPED] + 1) % 3
    features = 2 * rng.normal(size=(3, 20))[told] + rng.normal(size=(nodes, 20))
    pairs = [(u, v) for u in CLIQUE for v in CLIQUE if u < v]
    return np.concatenate([edges, pairs]), features


@pytest.fixture(scope="module")
def fitted():
    edges, features = planted()
    return NodeDetector(contamination=0.05, steps=200).fit(edges, features), edges, features


def test_it_keeps_the_conventions(fitted):
    detector, edges, features = fitted
    assert detector.decision_score_.shape == (300,)
    assert detector.label_.sum() == 15
    assert (detector.label_ == (detector.decision_score_ > detector.threshold_)).all()
    assert (detector.predict() == detector.label_).all()
    assert (detector.predict(edges, features) == detector.label_).all()
    np.testing.assert_allclose(
        detector.decision_function(edges, features), detector.decision_score_
    )


def test_planted_anomalies_are_found_and_their_channel_is_named(fitted):
    detector = fitted[0]
    assert {*CLIQUE, *SWAPPED} <= set(np.flatnonzero(detector.label_))
    assert min(detector.explain(i).percentiles["structure"] for i in CLIQUE.tolist()) > 0.95
    assert sum(detector.explain(i).channel == "structure" for i in CLIQUE.tolist()) >= 6
    assert {detector.explain(i).channel for i in SWAPPED.tolist()} == {"context"}
    assert str(detector.explain(7)).startswith("context, percentile 99.")


def test_the_edges_of_the_clique_are_strange():
    edges, features = planted()
    detector = EdgeDetector(steps=200).fit(edges, features)
    within = np.isin(detector.edges_, CLIQUE).all(1)
    across = np.isin(detector.edges_, SWAPPED).any(1)
    found = accuracy({"ours": detector.decision_score_}, 1 * (within | across))
    assert found["ours"]["auc"] > 0.9


def test_a_repetition_is_the_same_to_the_last_digit():
    edges, features = planted()
    first, second = (NodeDetector(steps=5).fit(edges, features) for _ in range(2))
    assert (first.decision_score_ == second.decision_score_).all()


def test_names_of_nodes_do_not_matter(fitted):
    """Exactly where nothing is trained; up to the order of the training data elsewhere."""
    detector, edges, features = fitted
    order = np.random.default_rng(1).permutation(300)
    back = np.argsort(order)
    plain, moved = NodeDetector().fit(edges), NodeDetector().fit(back[edges])
    for name, values in plain.channels_.items():
        np.testing.assert_allclose(moved.channels_[name], values[order])
    again = NodeDetector(steps=200).fit(back[edges], features[order])
    assert spearmanr(again.decision_score_, detector.decision_score_[order])[0] > 0.95


def test_every_form_of_input_is_the_same_graph():
    edges, features = planted()
    both = torch.from_numpy(np.concatenate([edges, edges[:, ::-1]]).T.copy())
    found = [
        NodeDetector(steps=3).fit(edges, features),
        NodeDetector(steps=3).fit(GraphMetric(edges, nodes=300), torch.from_numpy(features)),
        NodeDetector(steps=3).fit(Data(x=torch.from_numpy(features), edge_index=both)),
        NodeDetector(steps=3).fit(edges, sparse.csr_matrix(features)),
    ]
    for detector in found[1:]:
        np.testing.assert_allclose(detector.decision_score_, found[0].decision_score_, atol=1e-3)


def test_the_critic_is_certified():
    """No two points are further apart for it than under the ground cost."""
    edges, features = planted()
    metric = GraphMetric(edges, nodes=300)
    linked = Linked(metric, Coordinates(features)(features))
    critic = train(linked, 50, 0).double()
    x = linked.pairs(*linked.chance(400, 0), False).double()
    excess = (critic(x)[:, None] - critic(x)).abs() - torch.cdist(x, x)
    assert excess.max() <= 1e-6


def test_places_leave_the_node_itself_out():
    metric = GraphMetric([[0, 1], [1, 2], [1, 3]])
    z = np.array([[1.0], [10.0], [100.0], [1000.0]])
    pair = Linked(metric, z).pairs(np.array([0, 1]), np.array([1, 0]), True)
    assert pair.tolist() == [[1, (10 + 100 + 1000) / 3], [10, 1]]


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("columns", [RANK - 2, 3 * RANK])
def test_coordinates_do_not_depend_on_units(form, columns):
    rng = np.random.default_rng(0)
    x = rng.poisson(1, (200, columns)).astype(float)
    x[:, 0] = 7
    inner = [
        (z := Coordinates(form(v))(form(v))) @ z.T for v in (x, x * rng.uniform(1, 9, columns))
    ]
    np.testing.assert_allclose(*inner, atol=1e-8)
    assert np.diag(inner[0]).max() <= 1 + 1e-9


def test_detours_against_networkx():
    graph = nx.gnm_random_graph(20, 35, seed=1)
    rng = np.random.default_rng(0)
    nx.set_edge_attributes(graph, {e: rng.uniform(1, 5) for e in graph.edges}, "weight")
    metric = GraphMetric.from_networkx(graph).double()
    for (u, v), found in zip(metric.paths.ends.tolist(), detours(metric), strict=True):
        without = graph.copy()
        without.remove_edge(metric.names[u], metric.names[v])
        try:
            expected = nx.dijkstra_path_length(without, metric.names[u], metric.names[v])
        except nx.NetworkXNoPath:
            expected = np.inf
        assert found == pytest.approx(expected)
    bridge = GraphMetric([[0, 1]], [3.0])
    assert contradictions(bridge).tolist() == [0]


def test_a_short_cut_on_a_road_is_the_strangest_edge():
    grid = nx.grid_2d_graph(8, 8)
    nx.set_edge_attributes(grid, {e: 1 + 0.01 * i for i, e in enumerate(grid.edges)}, "weight")
    grid.add_edge((0, 0), (7, 7), weight=1.0)
    metric = GraphMetric.from_networkx(grid)
    detector = EdgeDetector().fit(metric)
    strangest = detector.edges_[detector.decision_score_.argmax()]
    assert {metric.names[i] for i in strangest} == {(0, 0), (7, 7)}
    assert detector.explain(int(detector.decision_score_.argmax())).channel == "distance"
    assert list(detector.channels_) == ["distance", "hops"]


def test_percentiles_count_ties_half_and_know_nothing_of_nan():
    usual = np.array([0.0, 0.0, 1.0, 2.0])
    np.testing.assert_array_equal(
        percentile(np.array([0.0, 1.0, 9.0, -1.0, np.nan]), usual), [0.25, 0.625, 1, 0, 0]
    )


def test_a_node_without_links_is_not_strange():
    edges, features = planted()
    alone = np.concatenate([features, features[:1]])
    detector = NodeDetector(steps=3).fit(edges, alone)
    assert detector.decision_score_[-1] == 0


def test_simple_scores_on_a_triangle_with_a_tail():
    x = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    found = simple_node_scores([[0, 1], [1, 2], [0, 2], [2, 3]], x)
    assert found["degree"].tolist() == [2, 2, 3, 1]
    assert found["triangles"].tolist() == [1, 1, 1, 0]
    np.testing.assert_allclose(found["cosine distance"], [0.5, 0.5, 2 / 3, 0])
    edges = simple_edge_scores([[0, 1], [1, 2], [0, 2], [2, 3]], x)
    assert edges["few common neighbours"].tolist() == [-1, -1, -1, 0]
    np.testing.assert_allclose(edges["cosine distance"], [0, 1, 1, 0])


def test_accuracy_by_kind():
    labels = np.array([0, 0, 1, 2, 3])
    found = accuracy({"s": np.array([0.0, 2, 3, 1, 4])}, labels)["s"]
    assert found["auc"] == pytest.approx(5 / 6)
    assert found["auc 1"] == 1 and found["auc 2"] == 0.75


@pytest.mark.parametrize("kind", [NodeDetector, EdgeDetector])
def test_the_table_shows_who_fired(kind, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    edges, features = planted()
    detector = kind(steps=3).fit(edges, features)
    show(detector, edges, features, detector.label_, top=2)
    told = capsys.readouterr().out
    assert all(word in told for word in ("fired", "cosine distance", "context", "auc", "otgan"))


EDGES, FEATURES = [[0, 1], [1, 2]], np.eye(3)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: NodeDetector(contamination=0), "above 0 and at most 0.5, got 0"),
        (lambda: NodeDetector(contamination=0.6), "got 0.6"),
        (lambda: NodeDetector(steps=0), "at least 1 step, got 0"),
        (lambda: NodeDetector().fit([]), "at least one edge"),
        (lambda: NodeDetector().fit([[0, 5]], FEATURES), "edge 0 joins 0 and 5"),
        (lambda: NodeDetector().fit(GraphMetric(EDGES), np.eye(4)), "4 rows of features for 3"),
        (lambda: NodeDetector().fit(EDGES, [[np.nan]] * 3), "NaN or infinity"),
        (lambda: NodeDetector().fit(EDGES, np.ones((3, 2))), "all 2 features are constant"),
        (lambda: NodeDetector().fit(EDGES, np.ones(3)), "of shape (3,)"),
        (lambda: NodeDetector().fit(EDGES, [["a"]] * 3), "features are numbers"),
        (lambda: NodeDetector().predict(), "NodeDetector is not fitted"),
        (lambda: EdgeDetector().explain(0), "EdgeDetector is not fitted"),
        (lambda: NodeDetector().fit(EDGES).explain(3), "no number 3: 0 to 2"),
        (lambda: NodeDetector().fit(EDGES).predict(EDGES, FEATURES), "fitted without"),
        (
            lambda: NodeDetector(steps=1).fit(EDGES, FEATURES).predict(EDGES, np.eye(3)[:, :2]),
            "fitted to 3 features, got 2",
        ),
        (lambda: accuracy({"s": np.ones(3)}, np.zeros(3)), "0 anomalies of 3"),
        (lambda: accuracy({"s": np.ones(3)}, np.zeros(4)), "one for each of [3], got (4,)"),
        (lambda: show(NodeDetector().fit(EDGES), [[0, 1]]), "fitted to 3 and this graph has 2"),
    ],
)
def test_bad_input_is_one_line(act, message):
    with pytest.raises(InputError) as caught:
        act()
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_weights_of_a_geometric_graph_are_lengths():
    edges = torch.tensor([[0, 1], [1, 2], [0, 2], [2, 3]])
    lengths = torch.tensor([1.0, 1.0, 9.0, 1.0])
    both = torch.cat([edges, edges.flip(1)]).T
    data = Data(edge_index=both, edge_weight=lengths.repeat(2), num_nodes=4)
    found = EdgeDetector().fit(data).decision_score_
    assert list(found) == list(EdgeDetector().fit(GraphMetric(edges, lengths)).decision_score_)
    assert list(found) != list(EdgeDetector().fit(GraphMetric(edges)).decision_score_)
