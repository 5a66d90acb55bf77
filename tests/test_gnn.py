"""Critics and generators of the nodes of a graph."""

import networkx as nx
import pytest
import torch

from otgan.conditions import Attribute, Condition
from otgan.constraints import Certified
from otgan.geometry import GraphMetric
from otgan.networks.gnn import Neighbourhood, NodeCritic, gnn
from otgan.networks.lipschitz import Projected

KINDS = ["sage", "gcn", "gat", "gin"]


def metric(seed=0, n=24):
    graph = nx.connected_watts_strogatz_graph(n, 4, 0.3, seed=seed)
    random = torch.Generator().manual_seed(seed)
    lengths = torch.rand(graph.number_of_edges(), generator=random) + 0.1
    return GraphMetric(list(graph.edges), lengths, n).double()


def players(geometry, kind="sage", **options):
    torch.manual_seed(0)
    features = torch.randn(geometry.nodes, 5)
    generator, critic = gnn((), geometry=geometry, features=features, kind=kind, width=8, **options)
    torch.nn.init.normal_(critic.last.weight, std=3)  # it starts at zero
    return generator, critic


class Values(torch.nn.Module):
    """An encoder whose features are free values, so that any function can be projected."""

    def __init__(self, values):
        super().__init__()
        self.values = torch.nn.Parameter(values[:, None])

    def forward(self):
        return self.values


def free(values):
    critic = NodeCritic(Values(values.float()), 1)
    torch.nn.init.ones_(critic.last.weight)
    torch.nn.init.zeros_(critic.last.bias)
    return critic


@pytest.mark.parametrize("kind", KINDS)
def test_a_projected_critic_is_1_lipschitz_on_all_pairs(kind):
    for seed in range(3):
        geometry = metric(seed)
        _, critic = players(geometry, kind)
        v = torch.arange(geometry.nodes)
        f = critic(v).double()
        far = geometry.pairwise(v, v)
        steep = ((f[:, None] - f).abs() / far.fill_diagonal_(1)).max()
        assert steep > 1.5  # or there is nothing to project
        g = Projected(critic, geometry)(v).double()
        assert ((g[:, None] - g).abs() <= far * (1 + 1e-6) + 1e-6).all()


def test_what_is_1_lipschitz_stays_and_every_edge_may_be_as_steep_as_it_can():
    geometry = metric()
    v = torch.arange(geometry.nodes)
    torch.manual_seed(1)
    f = geometry.envelope(torch.randn(geometry.nodes, dtype=torch.float64))
    torch.testing.assert_close(Projected(free(f), geometry)(v).double(), f, atol=1e-5, rtol=0)
    steep = 50 * geometry.pairwise(v[:1], v)[0]  # the direction of a distance is right: its scale
    torch.testing.assert_close(
        Projected(free(steep), geometry)(v).double(), steep / 50, atol=1e-5, rtol=0
    )


def test_a_critic_far_too_steep_still_has_a_gradient():
    geometry = metric()
    v = torch.arange(geometry.nodes)
    torch.manual_seed(1)
    values = torch.randn(geometry.nodes)
    values[3] = -100  # the envelope alone would be the distance to this node
    critic = free(values)
    f = Projected(critic, geometry)
    (f(v[5:10]).mean() - f(v[10:15]).mean()).backward()
    assert (critic.encoder.values.grad[5:15].abs() > 0).all()


def test_the_gradient_of_a_projection_is_that_of_finite_differences():
    geometry = metric()
    torch.manual_seed(1)
    f, weights = torch.randn(2, geometry.nodes, dtype=torch.float64)
    values = f.clone().requires_grad_()
    (geometry.envelope(values) * weights).sum().backward()
    for u in range(geometry.nodes):
        step = torch.zeros_like(f)
        step[u] = 1e-6
        up, down = ((geometry.envelope(f + s) * weights).sum() for s in (step, -step))
        assert values.grad[u].item() == pytest.approx(((up - down) / 2e-6).item(), abs=1e-4)


@pytest.mark.parametrize("project", [False, True])
def test_a_critic_is_linear_in_soft_points(project):
    geometry = metric()
    _, critic = players(geometry)
    critic = Projected(critic, geometry) if project else critic
    p = torch.rand(6, geometry.nodes).softmax(1)
    expected = p @ critic(torch.arange(geometry.nodes))
    torch.testing.assert_close(critic(p), expected)
    v = torch.arange(geometry.nodes)
    torch.testing.assert_close(critic(torch.eye(geometry.nodes)), critic(v))


@pytest.mark.parametrize("project", [False, True])
def test_a_conditional_critic_is_asked_at_each_condition(project):
    geometry = metric()
    condition = Condition((Attribute("kind", ("a", "b", "c")),), (0,))
    _, critic = players(geometry, condition=condition)
    torch.nn.init.normal_(critic.last.embedding, std=3)
    critic = Projected(critic, geometry) if project else critic
    v, y = torch.tensor([3, 5, 3, 8]), torch.tensor([[0.0], [1.0], [2.0], [1.0]])
    table = critic.on_nodes(torch.tensor([[0.0], [1.0], [2.0]]))
    expected = table[y[:, 0].long(), v]
    torch.testing.assert_close(critic(v, y), expected)
    soft = torch.nn.functional.one_hot(v, geometry.nodes).float()
    torch.testing.assert_close(critic(soft, y), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_relabelling_the_nodes_relabels_the_values(kind):
    geometry = metric()
    order = torch.randperm(geometry.nodes, generator=torch.Generator().manual_seed(2))
    moved = GraphMetric(order[geometry.edges], geometry.lengths, geometry.nodes)
    features = torch.randn(geometry.nodes, 5, generator=torch.Generator().manual_seed(3))
    critics = []
    for graph, known in ((geometry, features), (moved, features[order.argsort()])):
        critics.append(gnn((), geometry=graph, features=known, kind=kind, width=8)[1])
    torch.nn.init.normal_(critics[0].last.weight)
    weights = {k: w for k, w in critics[0].state_dict().items() if "features" not in k}
    critics[1].load_state_dict(weights, strict=False)
    v = torch.arange(geometry.nodes)
    torch.testing.assert_close(critics[1](order[v]), critics[0](v), atol=1e-5, rtol=1e-5)


def test_a_generator_is_soft_in_training_and_draws_from_what_it_was_afterwards():
    geometry = metric()
    generator, _ = players(geometry, generator_norm="none")
    z = torch.randn(1, 64).expand(20_000, -1)
    p = generator(z[:1])
    assert p.shape == (1, geometry.nodes)
    torch.testing.assert_close(p.sum(1), torch.ones(1))
    torch.manual_seed(0)
    drawn = generator.eval()(z)
    share = drawn.bincount(minlength=geometry.nodes) / len(drawn)
    assert drawn.dtype == torch.int64
    torch.testing.assert_close(share, p[0].detach(), atol=0.02, rtol=0)


def test_messages_come_from_at_most_so_many_neighbours_and_from_all_of_them_outside_training():
    geometry = GraphMetric([[0, k] for k in range(1, 30)] + [[1, 2]])
    sampled, x = Neighbourhood(geometry, 4, sums=False), torch.ones(30, 1)
    torch.manual_seed(0)
    counts = torch.zeros(30)
    for _ in range(200):
        source, target = sampled(x)
        assert (target == 0).sum() == 4
        assert set(source[target == 1].tolist()) == {0, 2}
        counts += source[target == 0].bincount(minlength=30)
    assert counts[0] == 0
    assert counts[1:].min() > 10  # of 27.6 in the mean
    assert sampled.eval()(x).shape == (2, 60)


@pytest.mark.parametrize(
    ("kind", "neighbours"), [("sage", None), ("sage", 3), ("gcn", None), ("gin", None)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sparse_product_adds_up_the_same_messages(kind, neighbours, dtype):
    found = []
    for sums in (True, False):
        geometry = GraphMetric(list(nx.barabasi_albert_graph(40, 3, seed=0).edges))
        critic = players(geometry, kind, neighbours=neighbours)[1].to(dtype)
        critic.encoder.neighbourhood.sums = sums
        torch.manual_seed(1)
        critic(torch.arange(40)).square().sum().backward()
        found.append([weight.grad for weight in critic.parameters()])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)
    assert any(gradient.abs().max() > 0.1 for gradient in found[0])


def test_messages_in_half_precision_are_sent_one_by_one(recwarn):
    _, critic = players(metric())
    with torch.autocast("cpu", torch.bfloat16):
        assert critic(torch.arange(5)).isfinite().all()
    critic(torch.arange(5))
    assert not [w for w in recwarn if "parse" in str(w.message)]


def test_soft_and_hard_points_join_and_slopes_see_nodes_drawn_from_soft_ones():
    geometry = metric()
    nodes = torch.tensor([1, 2])
    soft = torch.nn.functional.one_hot(torch.tensor([5, 6, 7]), geometry.nodes).float()
    joined = geometry.join(nodes, soft)
    assert joined.argmax(1).tolist() == [1, 2, 5, 6, 7]
    assert geometry.join(nodes, nodes).tolist() == [1, 2, 1, 2]
    assert geometry.drawn(soft).tolist() == [5, 6, 7]
    slope = geometry.slope(lambda v: v.double(), nodes, soft[:2])
    assert slope.shape == (2,)


def test_the_certified_constraint_projects_a_critic_of_nodes():
    geometry = metric()
    _, critic = players(geometry)
    assert isinstance(Certified(torch.arange(4)).build(critic, geometry), Projected)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"critic_norm": "layer"}, "critic-norm none"),
        ({"neighbours": 3, "kind": "gin"}, "take sage or gat"),
        (
            {
                "critic_condition": "concat",
                "condition": Condition((Attribute("kind", ("a", "b")),), (0,)),
            },
            "by projection",
        ),
    ],
)
def test_what_a_graph_critic_cannot_be(options, told):
    with pytest.raises(ValueError, match=told):
        players(metric(), **options)
