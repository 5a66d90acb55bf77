"""A WGAN of walks: exact rows and gradients, a bound that holds, communities that come out."""

from itertools import islice

import networkx as nx
import numpy as np
import pytest
import torch
from otgan_domains.graphs import walks
from otgan_domains.graphs.assembly import with_degrees
from otgan_domains.graphs.closure import close
from otgan_domains.graphs.rivals import adamic_adar, low_rank, stochastic_blocks
from otgan_domains.graphs.statistics import degrees, edge_overlap, link_prediction, statistics
from otgan_domains.graphs.walks import Cuts, Transitions, walk_gan, walk_rows
from otgan_domains.graphs.whole import assemble, generate, stopped

from otgan.config import InputError
from otgan.geometry import GraphMetric, Lp, Product
from otgan.monitors import largest_slope

KARATE = GraphMetric.from_networkx(nx.karate_club_graph(), weight=None)
GROUPS = np.repeat(np.arange(4), 30)


def planted(seed=0):
    graph = nx.planted_partition_graph(4, 30, 0.3, 0.01, seed=seed)
    return GraphMetric(list(graph.edges), nodes=120)


def inside(scores):
    """Share of the scores between nodes of one group."""
    return scores[GROUPS[:, None] == GROUPS].sum() / scores.sum()


def test_rows_are_the_ends_of_walks():
    rows, rng = walk_rows(KARATE, 3), np.random.default_rng(0)
    near = [np.flatnonzero(r) for r in KARATE.paths.links.toarray()]
    ends = np.zeros(34)
    for k in range(30_000):
        u = 5
        for _ in range(1 + k % 3):
            u = rng.choice(near[u])
        ends[u] += 1 / 30_000
    assert np.abs(ends - rows[5].numpy()).max() < 5 * 0.5 / 30_000**0.5
    torch.testing.assert_close(rows.sum(1), torch.ones(34))


def test_the_gradient_through_soft_nodes_is_that_of_finite_differences():
    torch.manual_seed(0)
    generator = Transitions(torch.arange(1.0, 7), rank=3).double()
    critic = Cuts(6, 4).double()
    y = torch.tensor([0, 3, 3, 5])

    def value(starts, ends, bias):
        weights = {"starts": starts, "ends": ends, "bias": bias}
        return critic(torch.func.functional_call(generator, weights, (y[:, None][:, :0], y)), y)

    parameters = [generator.starts, generator.ends, generator.bias]
    assert torch.autograd.gradcheck(value, parameters)
    before = value(*parameters).sum()
    (slope,) = torch.autograd.grad(before, generator.bias)
    moved = generator.bias.detach() + 1e-6 * torch.eye(6, dtype=torch.float64)[2]
    assert (value(*parameters[:2], moved).sum() - before).item() / 1e-6 == pytest.approx(
        slope[2].item(), rel=1e-4
    )


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_the_critic_is_1_lipschitz_whatever_its_weights(size):
    torch.manual_seed(0)
    critic = Cuts(20, 3).double()
    for weight in critic.parameters():
        weight.data *= size
    x, other = torch.rand(2, 500, 20, dtype=torch.float64).pow(8)
    x, other = x / x.sum(1, keepdim=True), other / other.sum(1, keepdim=True)
    y = torch.randint(20, (500,))
    variation = Product([(Lp(1), (20,))], weights=[0.5])
    climb = (critic(x, y) - critic(other, y)).abs() / variation.distance(x, other)
    assert climb.max() <= 1 + 1e-9
    assert largest_slope(lambda p: critic(p, y[: len(p)]), x, other, variation) <= 1 + 1e-9


def test_the_bound_is_reached_where_two_rows_have_no_node_in_common():
    critic = Cuts(2, 1)
    critic.starts.data[:] = 1
    critic.ends.data[:] = torch.tensor([[1.0], [-1.0]])
    values = critic(torch.eye(2), torch.tensor([0, 0]))
    assert (values[0] - values[1]).item() == pytest.approx(1)


def test_communities_come_out():
    graph = planted()
    first, *_, last = walk_gan(graph, rank=8, dim=8, steps=120, every=20, batch=60)
    truth = np.zeros((120, 120))
    truth[tuple(graph.edges.T)] = 1
    assert inside(last) == pytest.approx(inside(truth), abs=0.05)
    assert inside(last) > inside(first)
    assert inside(np.outer(degrees(graph), degrees(graph))) < 0.3
    assert last.sum() == pytest.approx(2) and (last == last.T).all()


def test_a_walk_of_several_steps_finds_hidden_links():
    graph, rng = planted(), np.random.default_rng(0)
    hidden = rng.random(len(graph.edges)) < 0.1
    seen = GraphMetric(graph.edges[~hidden], nodes=120)
    others = np.array([p for p in rng.integers(120, size=(200, 2)) if GROUPS[p[0]] != GROUPS[p[1]]])
    *_, scores = walk_gan(seen, 4, rank=8, dim=8, steps=120, every=60, batch=60)
    assert link_prediction(scores, graph.edges[hidden], others)["AUC"] > 0.85


def test_training_repeats_and_leaves_the_random_state_alone():
    state = torch.random.get_rng_state()
    a, b = (next(walk_gan(KARATE, steps=4, every=4, seed=3)) for _ in range(2))
    assert (a == b).all()
    assert torch.equal(state, torch.random.get_rng_state())
    assert (a != next(walk_gan(KARATE, steps=4, every=4, seed=4))).any()


def test_a_generated_graph_keeps_what_it_promises():
    graph = planted()
    q = stopped(walk_gan(graph, rank=16, every=5), graph, 0.5)
    assert 0.5 <= q[tuple(graph.edges.T)].mean() < 0.65
    drawn = [assemble(q, graph, seed) for seed in range(3)]
    triangles = statistics(graph)["triangles"]
    for other in drawn:
        assert len(other.edges) == len(graph.edges) and degrees(other).min() > 0
        assert triangles <= statistics(other)["triangles"] <= triangles + 10
        assert 0.35 < edge_overlap(other, graph) < 0.75
    mean = np.mean([degrees(other) for other in drawn], 0)
    assert np.corrcoef(mean, degrees(graph))[0, 1] > 0.8


def test_closing_keeps_every_degree_and_follows_the_odds():
    rng = np.random.default_rng(0)
    edges = np.array(nx.gnm_random_graph(40, 100, seed=0).edges)
    before = statistics(GraphMetric(edges, nodes=40))
    odds = np.where(np.add.outer(np.arange(40), np.arange(40)) % 2, 0.01, 1.0)
    closed = GraphMetric(close(edges, odds, int(before["triangles"]) + 30, rng), nodes=40)
    assert (degrees(closed) == np.bincount(edges.ravel(), minlength=40)).all()
    assert statistics(closed)["triangles"] >= before["triangles"] + 30
    assert odds[tuple(closed.edges.T)].mean() > odds[tuple(edges.T)].mean()
    assert (close(edges, odds, 0, rng) == np.sort(edges, 1)).all()


def test_rivals_on_a_graph_known_by_hand():
    square = GraphMetric([[0, 1], [1, 2], [2, 3], [3, 0], [0, 2]])
    pairs = nx.adamic_adar_index(nx.Graph(square.edges.tolist()), [(1, 3), (0, 2)])
    for u, v, score in pairs:
        assert adamic_adar(square)[u, v] == pytest.approx(score)
    graph = planted()
    blocks = stochastic_blocks(graph)
    assert blocks.sum(1) == pytest.approx(degrees(graph))
    assert inside(blocks) > 0.8
    assert inside(list(islice(low_rank(graph, rank=4), 5))[-1]) > 0.8


def test_what_cannot_be_walked_is_refused(monkeypatch):
    with pytest.raises(InputError, match="no walk leaves node 2"):
        next(walk_gan(GraphMetric([[0, 1]], nodes=3)))
    monkeypatch.setattr(walks, "LARGEST", 30)
    with pytest.raises(InputError, match="34 nodes are more than 30"):
        next(walk_gan(KARATE))


def test_what_cannot_be_reached_is_said():
    with pytest.raises(InputError, match=r"overlap is 1\.5"):
        generate(KARATE, 1.5)
    with pytest.raises(InputError, match=r"before 0\.99: train longer"):
        stopped(walk_gan(KARATE, steps=4, every=2), KARATE, 0.99)
    q = with_degrees(np.ones((34, 34)), degrees(KARATE))
    edges = KARATE.edges.numpy()
    with pytest.raises(InputError, match="short of 5000 triangles"):
        close(edges, q, 5000, np.random.default_rng(0), proposals=1000)
