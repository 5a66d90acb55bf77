"""Conditions: what is known of samples, told to both players, asked of a generator."""

import numpy as np
import pytest
import torch
from duel import game
from torch import nn

import otgan
from otgan.conditions import Attribute, Condition, Joint, check_known, described
from otgan.config import InputError
from otgan.constraints import Certified, SlopePenalty
from otgan.data import Samples
from otgan.domain import Domain, check
from otgan.geometry import Lp, Mahalanobis, MetricSpace
from otgan.model import Model
from otgan.networks import dcgan, mlp
from otgan.networks.lipschitz import lipschitz
from otgan.pairs import ConditionalPair, translation
from otgan.runs import Run
from otgan.transport import exact

SHAPE = Attribute("shape", ("round", "square", "flat"))
ANGLE = Attribute.number("angle", torch.tensor([0.0, 10.0, 20.0]))
BOTH = Condition((SHAPE, ANGLE), (0, 1))
ONE = Condition((SHAPE,), (0,))
Y = torch.tensor([[0.0, 5.0], [2.0, 20.0], [1.0, 10.0], [0.0, 0.0]])


class Plain(MetricSpace):
    """l2 of which only the distance is known."""

    def distance(self, x, y):
        return Lp(2).distance(x, y)


def test_networks_see_one_hot_classes_and_standardised_numbers():
    expected = [[1, 0, 0, -0.5], [0, 0, 1, 1], [0, 1, 0, 0], [1, 0, 0, -1]]
    torch.testing.assert_close(BOTH.features(Y), torch.tensor(expected, dtype=torch.float32))


def test_what_is_typed_is_the_value_in_the_column():
    y = BOTH.parse("angle=12.5, shape=flat")
    assert y.tolist() == [2, 12.5]
    assert ONE.parse("square").tolist() == [1] == ONE.parse({"shape": "square"}).tolist()
    assert Condition((Attribute("pair", ("a,b", "c=d")),), (0,)).parse("a,b").tolist() == [0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("shape=rund,angle=1", "shape 'rund' was not in training: did you mean 'round'"),
        ("shape=flat,angle=21", "angle 21 was not in training, which has 0 to 20"),
        ("shape=flat,angle=wide", "angle 'wide' is no number"),
        ("flat", "a condition is shape=...,angle=... here"),
        ({"shape": "flat", "size": 3}, "shape, size is given"),
    ],
)
def test_what_was_not_in_training_cannot_be_asked_for(given, message):
    with pytest.raises(InputError, match=message):
        BOTH.parse(given)


def test_columns_that_do_not_fit_are_refused():
    for y in (torch.zeros(4), torch.zeros(4, 1), torch.zeros(4, 3)):
        with pytest.raises(ValueError, match=r"are not \(n, 2\): one column each for shape, angle"):
            BOTH.features(y)
    with pytest.raises(InputError, match="3 everywhere"):
        Attribute.number("angle", torch.full((5,), 3.0))
    with pytest.raises(InputError, match="1 values of 'angle' are NaN"):
        Attribute.number("angle", torch.tensor([1.0, float("nan")]))
    with pytest.raises(InputError, match="2 of 3 training samples have no valid shape"):
        check_known(torch.tensor([3, 0, -1]), (SHAPE,), "training")
    with pytest.raises(InputError, match="2 attributes are named and the held-out data know 1"):
        check_known(torch.tensor([0, 1]), (SHAPE, ANGLE), "held-out")
    with pytest.raises(InputError, match="no 'size' to condition on"):
        Condition.of((SHAPE, ANGLE), ["size"])
    with pytest.raises(InputError, match="no labels at all"):
        Condition.of((), ["shape"])
    with pytest.raises(InputError, match="twice"):
        Condition.of((SHAPE,), ["shape", "shape"])


def test_attributes_survive_json_and_selection():
    from otgan.conditions import to_json

    assert tuple(map(Attribute.restore, to_json((SHAPE, ANGLE)))) == (SHAPE, ANGLE)
    chosen = Condition.of((SHAPE, ANGLE), ["angle"])
    assert torch.equal(chosen.select(Y), Y[:, 1:])
    assert described(Y, {"shape": SHAPE.values, "angle": ()})[1].high == 20


@pytest.mark.parametrize("how", ["concat", "projection"])
@pytest.mark.parametrize("way", ["concat", "norm"])
@pytest.mark.parametrize(("make", "shape"), [(mlp, (3,)), (dcgan, (2, 9, 12))])
def test_both_players_are_told(make, shape, way, how):
    torch.manual_seed(0)
    generator, critic = make(
        shape, latent=5, width=8, condition=BOTH, generator_condition=way, critic_condition=how
    )
    for network in (generator, critic):  # some start where the condition has no weight yet
        for weight in network.parameters():
            nn.init.normal_(weight, std=0.3)
        network.eval()
    z = torch.randn(1, 5).expand(4, -1)
    x = generator(z, Y)
    assert x.shape == (4, *shape)
    assert not torch.allclose(x[0], x[3])
    same = torch.randn(1, *shape).expand(4, *[-1] * len(shape))
    values = critic(same, Y)
    assert values.shape == (4,) and len(set(values.tolist())) == 4
    with pytest.raises(ValueError, match="conditional: give shape, angle"):
        critic(same)


def test_a_generator_without_norms_cannot_be_told_by_them():
    with pytest.raises(ValueError, match="generator-condition concat"):
        mlp((2,), condition=ONE, generator_condition="norm", generator_norm="none")


@pytest.mark.parametrize("how", ["concat", "projection"])
@pytest.mark.parametrize(
    ("geometry", "make", "shape"),
    [
        (Lp(2), mlp, (4,)),
        (Lp(2), dcgan, (1, 8, 8)),
        (Lp(1), mlp, (4,)),
        (Mahalanobis(torch.diag(torch.tensor([0.01, 1.0, 2.0, 9.0]))), mlp, (4,)),
        (Plain(), mlp, (4,)),
    ],
    ids=str,
)
def test_a_certified_critic_is_1_lipschitz_at_each_condition(geometry, make, shape, how):
    torch.manual_seed(0)
    plain = make(shape, latent=1, width=8, condition=BOTH, critic_condition=how)[1]
    critic = lipschitz(plain, geometry, torch.randn(12, *shape)).double()
    for weight in critic.parameters():
        nn.init.normal_(weight, std=20.0)
    x = torch.randn(200, *shape, dtype=torch.float64)
    y = torch.tensor([[1.0, 5.0]], dtype=torch.float64).expand(200, -1)
    for step in (1e-3, 1.0, 10.0):
        other = x + step * torch.randn_like(x)
        climb = (critic(x, y) - critic(other, y)).abs()
        assert (climb <= geometry.double().distance(x, other) * (1 + 1e-9)).all()
    with pytest.raises(ValueError, match="conditional: give shape, angle"):
        critic(x)
    asked_otherwise = torch.tensor([[0.0, 20.0]], dtype=torch.float64).expand(200, -1)
    assert (critic(x, y) - critic(x, asked_otherwise)).abs().max() > 1


def test_joint_distances_are_finite_and_tend_to_conditional_ones():
    generator = torch.Generator().manual_seed(0)
    x, z = (torch.randn(30, 2, generator=generator).double() for _ in range(2))
    y = torch.arange(30).remainder(3).double()[:, None]
    z = z + 3 * y  # condition k is shifted by 3 k
    parts = [exact(x[y[:, 0] == k], z[y[:, 0] == k], Lp(2)).item() for k in range(3)]
    values = []
    for length in (0.1, 1.0, 100.0):
        joint = Joint(Lp(2), (2,), ONE, length)
        values.append(exact(joint.points(x, y), joint.points(z, y), joint.geometry).item())
    assert values[0] < values[1] < values[2]
    assert values[2] == pytest.approx(sum(parts) / 3, rel=1e-6)
    joint = Joint(Lp(2), (2,), BOTH, 2.0)
    one = [joint.points(x[:1], row[None].double()) for row in Y[:2]]
    assert joint.geometry.distance(*one).item() == pytest.approx(2 * (1 + 1.5))


OPPOSITE = ConditionalPair(
    [translation(Lp(2), torch.tensor(v)) for v in ([2.0, 0.0], [-1.0, 0.0], [0.0, 0.5])]
)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["concat", "projection"])
@pytest.mark.parametrize("constraint", [SlopePenalty("one", "auto"), Certified()], ids=str)
def test_a_finished_conditional_estimate_is_the_known_distance(constraint, how):
    """Conditions are shifted in opposite ways: W1 of the mixtures is far below the joint one."""
    torch.manual_seed(0)
    random = torch.Generator().manual_seed(0)
    networks = mlp((2,), latent=1, width=64, depth=2, condition=ONE, critic_condition=how)
    steps, rate = 800, 5e-3
    play = game(Lp(2), constraint, networks=networks, rate=rate)
    for step in range(steps):
        for group in play.critic_optimiser.param_groups:
            group["lr"] = rate * (1 - step / steps)
        x, fake, y = OPPOSITE.coupled(256, random)
        loss, penalty, _ = play.critic_loss(x, fake, y.float()[:, None], step)
        play.critic_optimiser.zero_grad()
        (loss + penalty).backward()
        play.critic_optimiser.step()
    x, fake, y = OPPOSITE.coupled(20_000, random)
    y = y.float()[:, None]
    with torch.no_grad():
        gap = play.critic(x, y) - play.critic(fake, y)
    assert gap.mean().item() / OPPOSITE.cost() == pytest.approx(1, abs=0.07)
    for k, pair in enumerate(OPPOSITE.pairs):  # and so is every one of them
        assert gap[y[:, 0] == k].mean().item() == pytest.approx(pair.cost(1000), rel=0.15)
    if isinstance(constraint, Certified):
        assert gap.mean() <= OPPOSITE.cost() * (1 + 1e-5)


RNG = np.random.default_rng(0)
PICTURES = {
    "x": RNG.random((60, 8, 8)).astype(np.float32),
    "y": np.array(["a", "b", "c"] * 20),
    "angle": np.linspace(0, 1, 60),
    "side": np.array([0, 1] * 30),
}
SMALL = {"steps": 4, "batch_size": 16, "monitor_every": 2, "network": {"width": 8}, "quiet": True}


@pytest.mark.parametrize("condition", [("label",), ("angle",), ("label", "angle", "side")])
@pytest.mark.parametrize("preset", ["wgan-gp", "certified", "wgan"])
def test_a_run_is_asked_for_what_it_was_told(tmp_path, condition, preset):
    run = tmp_path / "run"
    model = otgan.fit(PICTURES, condition=condition, preset=preset, out=run, **SMALL)
    asked = {"label": "b", "angle": 0.25, "side": "1"}
    asked = {name: asked[name] for name in condition}
    samples = model.sample(3, seed=0, condition=asked)
    assert samples.shape == (3, 1, 8, 8)
    assert model.sample(5, seed=0).shape == (5, 1, 8, 8)
    pictures, columns = model.rows(64)
    assert len(pictures) % columns == 0
    scores = model.score(samples, condition=asked)
    assert scores.shape == (3,)
    with pytest.raises(InputError, match="give the condition"):
        model.score(samples)

    domain = otgan.domain.load("images", {"data": PICTURES})
    again = Model.load(run, domain=domain)
    assert torch.equal(again.sample(3, seed=0, condition=asked), samples)
    torch.testing.assert_close(again.score(samples, condition=asked), scores)
    otgan.resume(run, steps=6, domain=domain, quiet=True)
    assert Run(run).metrics()[-1]["step"] == "6"


def test_a_run_without_condition_cannot_be_asked():
    model = otgan.fit(PICTURES, **SMALL)
    with pytest.raises(InputError, match="train one with --condition"):
        model.sample(1, condition="a")


def test_test_images_need_the_labels_that_training_has():
    data = {**PICTURES, "x_test": PICTURES["x"][:9]}
    with pytest.raises(InputError, match="9 samples have no label"):
        otgan.fit(data, condition=("label",), **SMALL)
    otgan.fit(data, **SMALL)


def test_a_network_that_cannot_be_told_is_refused():
    def deaf(shape, bounds=None, *, latent, generator_norm, critic_norm):
        return mlp(shape, bounds, latent=latent)

    data = Samples(torch.randn(40, 2), torch.arange(40) % 3)
    domain = Domain(Lp(2), data, data, networks={"deaf": deaf}, attributes=(SHAPE,))
    with pytest.raises(InputError, match="'deaf' takes no condition"):
        otgan.fit(domain=domain, condition=("shape",), steps=2, batch_size=8, quiet=True)


def test_labels_that_the_attributes_do_not_describe_are_refused():
    data = Samples(torch.randn(40, 2), torch.arange(40) % 4)
    with pytest.raises(InputError, match="10 of 40 training samples have no valid shape"):
        check(Domain(Lp(2), data, data, attributes=(SHAPE,)), "the domain")
