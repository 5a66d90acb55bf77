"""From scores to graphs, and what graphs look like, against counting by hand."""

from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from otgan_domains.graphs.assembly import cover_then_fill, draw, with_degrees
from otgan_domains.graphs.statistics import (
    degrees,
    edge_overlap,
    gini,
    link_prediction,
    statistics,
)

from otgan.config import InputError
from otgan.geometry import GraphMetric


def random_graph(seed, n=14, p=0.25):
    graph = nx.gnp_random_graph(n, p, seed=seed)
    return GraphMetric(list(graph.edges), nodes=n)


def random_scores(seed, n=30):
    s = np.random.default_rng(seed).gamma(0.3, size=(n, n))
    return s + s.T


@pytest.mark.parametrize("seed", range(5))
def test_statistics_are_those_counted_by_hand(seed):
    graph = random_graph(seed)
    n, has = graph.nodes, {frozenset(e) for e in graph.edges.tolist()}
    near = [{v for v in range(n) if frozenset((u, v)) in has} for u in range(n)]
    d = [len(neighbours) for neighbours in near]
    triangles = sum(
        all(frozenset(p) in has for p in combinations(trio, 2))
        for trio in combinations(range(n), 3)
    )
    wedges = sum(len(list(combinations(neighbours, 2))) for neighbours in near)
    claws = sum(len(list(combinations(neighbours, 3))) for neighbours in near)
    closed = [
        sum(frozenset(p) in has for p in combinations(around, 2))
        / max(1, len(around) * (len(around) - 1) / 2)
        for around in near
    ]
    ends = np.array([(d[u], d[v]) for u, v in graph.edges.tolist() + graph.edges.flip(1).tolist()])
    seen = np.array([k for k in d if k])
    steps = [
        k
        for u, row in nx.all_pairs_shortest_path_length(nx.Graph(graph.edges.tolist()))
        for v, k in row.items()
        if u != v
    ]
    expected = {
        "largest degree": max(d),
        "assortativity": np.corrcoef(ends.T)[0, 1],
        "triangles": triangles,
        "power-law exponent": 1 + len(seen) / np.log(seen / seen.min()).sum(),
        "clustering": np.mean(closed),
        "transitivity": 3 * triangles / wedges,
        "path length": np.mean(steps),
        "gini": sum(abs(a - b) for a in d for b in d) / (2 * n * sum(d)),
        "wedges": wedges,
        "claws": claws,
        "largest component": max(map(len, nx.connected_components(nx.Graph(graph.edges.tolist())))),
    }
    assert statistics(graph) == pytest.approx(expected)


def test_equal_degrees_have_gini_0_and_one_rich_node_nearly_1():
    assert gini(np.ones(7)) == pytest.approx(0)
    assert gini(np.eye(100)[3]) == pytest.approx(0.99)


def test_overlap_is_a_share_of_the_graph_it_is_asked_about():
    small, large = GraphMetric([[0, 1]]), GraphMetric([[1, 0], [1, 2], [0, 2], [2, 3]])
    assert edge_overlap(large, small) == 1
    assert edge_overlap(small, large) == 0.25


def test_link_prediction_is_the_share_of_pairs_in_order():
    scores = np.array([[0, 5.0, 1], [5, 0, 3], [1, 3, 0]])
    found = link_prediction(scores, np.array([[0, 1], [1, 2]]), np.array([[0, 2]]))
    assert found == {"AUC": 1.0, "AP": 1.0}
    found = link_prediction(scores, np.array([[0, 1], [0, 2]]), np.array([[1, 2]]))
    assert found["AUC"] == 0.5
    with pytest.raises(InputError, match="at least one link"):
        link_prediction(scores, np.zeros((0, 2), int), np.array([[0, 2]]))


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_have_the_degrees_and_the_odds_ratios_of_the_scores(seed):
    s, d = random_scores(seed), np.random.default_rng(seed).integers(1, 15, 30).astype(float)
    q = with_degrees(s, d)
    assert q.sum(1) == pytest.approx(d, rel=1e-4)
    assert (q == q.T).all() and not q.diagonal().any()
    # a projection onto the degrees multiplies odds by x_u x_v: round a square it cancels
    odds = q / (1 - q)
    a, b, c, e = 0, 1, 2, 3
    square = [m[a, b] * m[c, e] / (m[b, c] * m[e, a]) for m in (odds, s)]
    assert square[0] == pytest.approx(square[1])


def test_probabilities_that_are_right_already_stay():
    q = with_degrees(random_scores(0), np.full(30, 4.0))
    assert with_degrees(q / (1 - q), q.sum(1)) == pytest.approx(q, abs=1e-4)


def test_a_graph_drawn_has_the_number_of_edges_and_the_probabilities():
    q = with_degrees(random_scores(1), np.full(30, 4.0))
    rng, drawn = np.random.default_rng(0), np.zeros((30, 30))
    for _ in range(2000):
        edges = draw(q, rng)
        assert len(edges) == 60 and (edges[:, 0] < edges[:, 1]).all()
        drawn[tuple(edges.T)] += 1
    error = drawn / 2000 - np.triu(q)
    assert np.abs(error).max() < 4.5 * 0.5 / 2000**0.5
    assert np.abs(error).max() > 0


def test_a_node_of_degree_one_gets_its_edge():
    degrees_wanted = np.array([1.0] * 40 + [8.0] * 20)
    q = with_degrees(random_scores(2, 60), degrees_wanted)
    rng = np.random.default_rng(0)
    lonely = [
        int((degrees(GraphMetric(draw(q, rng), nodes=60))[:40] == 0).sum()) for _ in range(50)
    ]
    independent = 40 * np.exp(-1)
    assert np.mean(lonely) < independent / 3


def test_cover_then_fill_leaves_no_node_alone_and_draws_by_score():
    s = random_scores(3)
    rng, counts = np.random.default_rng(0), np.zeros((30, 30))
    for _ in range(300):
        graph = GraphMetric(cover_then_fill(s, 60, rng), nodes=30)
        assert len(graph.edges) == 60 and degrees(graph).min() >= 1
        counts[tuple(graph.edges.T)] += 1
    upper = np.triu_indices(30, 1)
    assert np.corrcoef(counts[upper].argsort().argsort(), s[upper].argsort().argsort())[0, 1] > 0.8


def test_scores_that_cannot_be_used_are_refused():
    s = random_scores(0)
    with pytest.raises(InputError, match="not symmetric"):
        with_degrees(np.triu(s), np.ones(30))
    with pytest.raises(InputError, match="at least 0"):
        with_degrees(-s, np.ones(30))
    with pytest.raises(InputError, match="node 7 is expected 0 edges"):
        with_degrees(s * (np.arange(30) != 7) * (np.arange(30) != 7)[:, None], np.ones(30))
    with pytest.raises(InputError, match="more than there are pairs"):
        cover_then_fill(s, 436, np.random.default_rng(0))
