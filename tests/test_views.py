"""Views: laws of every one, their formulas, and that both players see the same."""

import copy
import math
from itertools import islice, product
from types import SimpleNamespace

import pytest
import torch
from duel import game
from lightning_fabric import Fabric
from torch import nn

import otgan
from otgan import build
from otgan.config import InputError, resolve
from otgan.constraints import Constraint, SlopePenalty
from otgan.data import Batches, Samples
from otgan.domain import Domain
from otgan.engine import train
from otgan.geometry import (
    Angles,
    Discrete,
    GraphMetric,
    GreatCircle,
    Lp,
    Mahalanobis,
    Power,
    Product,
    Pullback,
    Sobolev,
)
from otgan.monitors import HeldOut
from otgan.networks import mlp
from otgan.preprocess import Identity
from otgan.transport import exact
from otgan.views import Augmentation, Diffusion, Noise, View
from otgan.views.augmentation import brightness, contrast, cutout, saturation, translation

CPU = Fabric(accelerator="cpu", devices=1)
SMALL = {"batch_size": 16, "log_every": 2, "monitor_every": 4, "network": {"width": 8}}
GRAPH = GraphMetric(torch.tensor([[0, 1], [1, 2]]))


def diffusion(length=10.0, shape=(2,), **settings):
    view = Diffusion(torch.zeros(4, *shape), **settings)
    view.length.fill_(length)
    return view


def image_views(bounds=(-1.0, 1.0)):
    policies = [("color",), ("translation",), ("cutout",), ("color", "translation", "cutout")]
    return [Augmentation((3, 6, 5), bounds, policy) for policy in policies]


def name(value):
    return f"{value!r}".replace("\n", "")


@pytest.mark.parametrize(
    ("view", "geometry", "shape"),
    [
        (Noise(0.7), Lp(1), (3,)),
        (Noise(0.7), Lp(2), ()),
        (Noise(0.7), Sobolev(1), (1, 3, 3)),
        (Noise(0.7), Mahalanobis(torch.diag(torch.tensor([1.0, 50.0, 0.1]))), (3,)),
        (Noise(0.7), Angles(2.0), (3,)),
        (Noise(0.7), Power(Lp(2), 0.5), (3,)),
        (Noise(0.7), Product([(Angles(), (1,)), (Lp(math.inf), (2,))], [3, 1]), (3,)),
        (diffusion(10, std=0.7), Lp(1), (3,)),
        (diffusion(1000, std=0.7), Lp(2), (3,)),
        (diffusion(300, std=0.7), Sobolev(-1), (1, 3, 3)),
        (Augmentation((1, 4, 4), (-1.0, 1.0), ("translation", "cutout")), Lp(1), (1, 4, 4)),
        (Augmentation((1, 4, 4), (0.0, 1.0), ("cutout", "translation")), Lp(2), (1, 4, 4)),
    ],
    ids=name,
)
def test_one_view_of_both_brings_no_two_distributions_further_apart(view, geometry, shape):
    """All points under each of 16 draws: W1 of the mixtures, exactly."""
    view.check(geometry)
    torch.manual_seed(0)
    x, y = torch.randn(8, *shape, dtype=torch.float64), torch.randn(8, *shape, dtype=torch.float64)

    def seen(points):
        views = []
        for k in range(16):
            for point in points.split(1):
                torch.manual_seed(k)
                views.append(view(point))
        return torch.cat(views)

    before, after = exact(x, y, geometry), exact(seen(x), seen(y), geometry)
    assert 0 < after <= before * (1 + 1e-6)


@pytest.mark.parametrize(
    "view", [View(), Noise(0.3), diffusion(shape=(3, 6, 5)), *image_views()], ids=name
)
def test_gradients_pass(view):
    x = torch.rand(2, 3, 6, 5, dtype=torch.float64, requires_grad=True)

    def seen(x):
        torch.manual_seed(3)
        return view(x)

    assert torch.autograd.gradcheck(seen, x)


def test_the_identity_is_the_point_itself_and_draws_nothing():
    view, x, before = View(), torch.randn(4, 2), torch.get_rng_state()
    assert view(x) is x
    view.adapt(None, torch.zeros(()), x, None)
    assert torch.equal(torch.get_rng_state(), before)
    assert view.state_dict() == view.figures() == {}


def test_instance_noise_has_its_deviation_and_falls_to_zero_over_its_steps():
    view = Noise(0.5, anneal=10)
    assert (view(torch.full((100_000, 1), 2.0)) - 2).std() == pytest.approx(0.5, rel=0.02)
    for step, std in ((1, 0.45), (5, 0.25), (10, 0.0), (11, 0.0)):
        view.adapt(SimpleNamespace(step=step), None, None, None)
        assert view.std.item() == pytest.approx(std)
    constant = Noise(0.5)
    constant.adapt(SimpleNamespace(step=1000), None, None, None)
    assert constant.std == 0.5


@pytest.mark.parametrize(("length", "t"), [(10, 1), (10, 10), (500, 200), (1000, 1000)])
def test_moments_after_t_steps(length, t):
    """Multiplied up step by step: x_s = sqrt(1 - beta_s) x_{s-1} + sqrt(beta_s) std e."""
    view = diffusion(length, (1,), std=0.3)
    view.times = lambda n: torch.full((n,), t)
    mean, variance = 2.0, 0.0
    for s in range(t):
        beta = 1e-4 + (0.02 - 1e-4) * s / (length - 1)
        mean, variance = math.sqrt(1 - beta) * mean, (1 - beta) * variance + beta * 0.3**2
    torch.manual_seed(0)
    seen = view(torch.full((200_000, 1), 2.0))
    assert seen.mean().item() == pytest.approx(mean, rel=0.005, abs=0.002)
    assert seen.var().item() == pytest.approx(variance, rel=0.02)


def test_a_point_after_no_steps_is_itself():
    view, x = diffusion(700), torch.randn(50, 2)
    view.times = lambda n: torch.zeros(n, dtype=torch.long)
    assert torch.equal(view(x), x)


@pytest.mark.parametrize("length", [1, 5, 40])
def test_half_of_the_times_are_zero_the_others_in_proportion_to_t(length):
    torch.manual_seed(0)
    shares = diffusion(length).times(400_000).bincount(minlength=length + 1) / 400_000
    t = torch.arange(1, length + 1)
    expected = torch.cat([torch.tensor([0.5]), 0.5 * t / t.sum()])
    torch.testing.assert_close(shares, expected, atol=0.003, rtol=0)


def test_images_move_by_an_eighth_at_most_in_every_direction_and_zeros_come_in():
    x = torch.rand(3, 2, 9, 16) + 1
    found = set()
    for image, seen in ((i, s) for _ in range(200) for i, s in zip(x, translation(x), strict=True)):
        for dy, dx in product((-1, 0, 1), (-2, -1, 0, 1, 2)):
            moved = torch.zeros_like(image)
            moved[:, max(dy, 0) : 9 + dy, max(dx, 0) : 16 + dx] = image[
                :, max(-dy, 0) : 9 - dy, max(-dx, 0) : 16 - dx
            ]
            if torch.equal(moved, seen):
                found.add((dy, dx))
                break
        else:
            pytest.fail("no such translation")
    assert len(found) == 15


@pytest.mark.parametrize("shape", [(4, 6), (5, 3)])
def test_a_rectangle_of_half_the_size_is_cut_out_anywhere(shape):
    h, w = shape
    cut_h, cut_w = (int(size / 2 + 0.5) for size in shape)
    image, found = torch.rand(2, h, w) + 1, set()
    rectangles = {}
    centres = product(range(h + 1 - cut_h % 2), range(w + 1 - cut_w % 2))
    for y, x in centres:
        expected = image.clone()
        for row, column in product(range(h), range(w)):
            if 0 <= row - y + cut_h // 2 < cut_h and 0 <= column - x + cut_w // 2 < cut_w:
                expected[:, row, column] = 0
        rectangles[y, x] = expected
    for seen in cutout(image.expand(2000, -1, -1, -1)):
        found.add(next(where for where, cut in rectangles.items() if torch.equal(cut, seen)))
    assert found == set(rectangles)


def test_colours_change_as_published():
    x = torch.rand(4000, 3, 4, 4) * 2 - 1
    added = brightness(x) - x
    torch.testing.assert_close(added, added[:, :1, :1, :1].expand_as(x), atol=1e-6, rtol=0)
    for change, mean, low, high in (
        (saturation, x.mean(1, keepdim=True), 0, 2),
        (contrast, x.mean((1, 2, 3), keepdim=True), 0.5, 1.5),
    ):
        ratio = ((change(x) - mean) / (x - mean)).flatten(1).median(1).values
        torch.testing.assert_close(
            change(x).mean((1, 2, 3)), x.mean((1, 2, 3)), atol=1e-5, rtol=1e-4
        )
        assert low - 1e-3 <= ratio.min() < low + 0.02 and high - 0.02 < ratio.max() <= high + 1e-3
    assert -0.5 <= added.min() < -0.49 and 0.49 < added.max() <= 0.5
    grey = torch.rand(5, 1, 4, 4)
    torch.testing.assert_close(saturation(grey), grey)


@pytest.mark.parametrize("view", range(4))
def test_augmentation_means_the_same_in_every_chart(view):
    x = torch.rand(5, 3, 6, 5)
    torch.manual_seed(0)
    narrow = image_views((0.0, 1.0))[view](x)
    torch.manual_seed(0)
    wide = image_views((-1.0, 1.0))[view](2 * x - 1)
    torch.testing.assert_close(2 * narrow - 1, wide)


class Watching(nn.Module):
    """A flat critic that remembers what it sees."""

    def __init__(self):
        super().__init__()
        self.weight, self.seen = nn.Parameter(torch.zeros(1)), []

    def forward(self, x, y):
        self.seen.append(x.detach())
        return (self.weight * x).flatten(1).sum(1)


class Still(nn.Module):
    """A generator of one point."""

    def __init__(self, shape):
        super().__init__()
        self.point = nn.Parameter(torch.full(shape, 0.25))

    def forward(self, z, y):
        return self.point.expand(len(z), *self.point.shape)


@pytest.mark.parametrize(
    "view",
    [
        Noise(0.5),
        diffusion(400, (1, 4, 4), std=0.5),
        Augmentation((1, 4, 4), (-1.0, 1.0)),
    ],
    ids=name,
)
def test_real_and_generated_points_are_seen_alike_in_both_players_steps(view):
    """Where all points are one, so are the distributions of what the critic sees, each pixel's mean
    and deviation; and no look is the other's."""
    critic, point = Watching(), torch.full((4000, 1, 4, 4), 0.25)
    networks = (Still((1, 4, 4)), critic)
    done = game(Lp(2), Constraint(), networks=networks, critic_steps=1, steps=1, view=view)
    torch.manual_seed(0)
    next(train(done, iter([(point, None)]), lambda n: torch.randn(n, 1)))
    both, in_generator_step = critic.seen[:2]
    looks = [*both.split(4000), in_generator_step]
    for a, b in ((looks[0], looks[1]), (looks[0], looks[2])):
        assert not torch.equal(a, b)
        torch.testing.assert_close(a.mean(0), b.mean(0), atol=0.03, rtol=0)
        torch.testing.assert_close(a.std(0), b.std(0), atol=0.03, rtol=0)
        assert a.std() > 0.05


def test_the_generator_learns_through_the_view():
    torch.manual_seed(0)
    data = Samples(torch.randn(256, 2) + 4)
    done = game(Lp(2), SlopePenalty("one"), steps=150, critic_steps=3, view=Noise(0.5))
    list(train(done, Batches(data, Identity(), 64, CPU, 0), lambda n: torch.randn(n, 4)))
    with torch.no_grad():
        fake = done.average(torch.randn(1000, 4), None)
    assert (fake.mean(0) - 4).norm() < 1


def test_monitors_measure_the_points_themselves():
    """The critic x -> x of a point at 5 and a generator at .25, whatever the noise."""
    critic = Watching()
    nn.init.ones_(critic.weight)
    done = game(Lp(1), Constraint(), networks=(Still((1,)), critic), view=Noise(100.0))
    real = torch.full((40, 1), 5.0)
    figures = HeldOut(real, real, lambda n: torch.zeros(n, 1))(done)
    assert figures["w"] == pytest.approx(4.75) == figures["exact"]


def looked(critic, view, real, fake, step=4):
    """The length after one look at a critic."""
    player = SimpleNamespace(step=step, critic=critic, critic_steps=2, fabric=CPU)
    torch.manual_seed(0)
    with torch.no_grad():
        gap = critic(view(real), None).mean() - critic(view(fake), None).mean()
    view.adapt(player, gap, fake, None)
    return view.length.item()


def test_the_length_grows_on_an_overfitted_critic_and_falls_on_others():
    torch.manual_seed(0)
    real, held_back, fake = torch.randn(3, 64, 30)
    real, held_back = real + 0.2, held_back + 0.2

    def memory(x, y):  # knows its data one by one
        return -torch.cdist(x, real).amin(1)

    def truth(x, y):  # knows what makes them different
        return x.sum(1) / 30**0.5

    def fresh(x, y):
        return torch.zeros(len(x))

    for critic, way in ((memory, 1), (truth, -1), (fresh, -1)):
        view = Diffusion(held_back)
        view.length.fill_(500)
        assert looked(critic, view, real, fake, step=5) == 500  # every fourth step alone
        after = looked(critic, view, real, fake)
        assert after - 500 == pytest.approx(way * 990 * 4 * 2 * 64 / 100_000, rel=1e-3)
        for bound in (10, 1000):
            view.length.fill_(bound)
            assert 10 <= looked(critic, view, real, fake) <= 1000
    overfitted = Diffusion(held_back)
    looked(memory, overfitted, real, fake)
    assert 0.8 < overfitted.figures()["overfitting"] < 1.2


def test_held_back_points_are_looked_at_under_their_own_conditions():
    held_back, conditions = torch.arange(8.0)[:, None], torch.arange(8.0)[:, None]
    seen = []

    def critic(x, y):
        seen.append((x, y))
        return x[:, 0]

    view = Diffusion(held_back, conditions)
    view.times = lambda n: torch.zeros(n, dtype=torch.long)
    player = SimpleNamespace(step=4, critic=critic, critic_steps=1, fabric=CPU)
    fake, y = torch.zeros(5, 1), torch.full((5, 1), 9.0)
    view.adapt(player, torch.zeros(()), fake, y)
    (points, given), (others, theirs) = seen
    assert torch.equal(points, given)
    assert torch.equal(others, fake) and torch.equal(theirs, y)


@pytest.mark.parametrize("kind", ["noise", "diffusion"])
def test_a_resumed_game_is_the_same_game_bit_for_bit(kind):
    data = Samples(torch.randn(64, 2, generator=torch.Generator().manual_seed(0)) + 2)

    def source(n):
        return torch.randn(n, 4)

    def fresh():
        torch.manual_seed(0)
        view = Noise(0.5, 10) if kind == "noise" else Diffusion(data.x[:8], std=0.5)
        networks = mlp((2,), latent=4, width=16, depth=2)
        play = game(Lp(2), SlopePenalty(), networks=networks, steps=12, critic_steps=2, view=view)
        return play, Batches(data, Identity(), 16, CPU, 0)

    whole, batches = fresh()
    list(train(whole, batches, source))
    first, batches = fresh()
    list(islice(train(first, batches, source), 5))
    state, random, drawn = copy.deepcopy(first.state_dict()), torch.get_rng_state(), batches.drawn
    second, batches = fresh()
    second.load_state_dict(state)
    torch.set_rng_state(random)
    batches.drawn = drawn
    list(train(second, batches, source))
    for part in ("generator", "critic", "view"):
        theirs = getattr(whole, part).state_dict()
        for key, value in getattr(second, part).state_dict().items():
            assert torch.equal(value, theirs[key]), (part, key)
    assert whole.view.state_dict().keys() == ({"std"} if kind == "noise" else {"length", "gaps"})


SPACES = [
    GRAPH,
    Discrete(),
    GreatCircle(),
    Pullback(Lp(2), torch.atan),
    Product([(Lp(2), (1,)), (GreatCircle(), (2,))]),
]


@pytest.mark.parametrize("geometry", SPACES, ids=name)
@pytest.mark.parametrize("view", [Noise(), diffusion()], ids=name)
def test_points_that_cannot_be_noised_are_refused(geometry, view):
    with pytest.raises(ValueError, match=r"cannot be .*: .*smoothing"):
        game(geometry, SlopePenalty("one"), view=view)


def test_angles_can_be_noised_but_not_shrunk():
    Noise().check(Angles())
    with pytest.raises(ValueError, match="try --smoothing noise"):
        diffusion().check(Angles())


@pytest.mark.parametrize(
    ("smoothing", "chosen", "said"),
    [
        ({"kind": "diffusion", "shortest": 20, "longest": 10}, {}, "20 to 10"),
        ({"kind": "augment"}, {"chart": "identity"}, "--chart scaling"),
        ({"kind": "augment", "policy": ()}, {}, "nothing: take some of color"),
        ({"kind": "noise", "std": 0}, {}, "smoothing.std"),
        ({"kind": "diffusion", "target": 1}, {}, "smoothing.target"),
    ],
    ids=str,
)
def test_settings_that_do_not_go_together_are_refused_before_anything_is_written(
    tmp_path, smoothing, chosen, said
):
    with pytest.raises(InputError, match=said):
        otgan.fit(out=tmp_path / "run", steps=2, quiet=True, smoothing=smoothing, **SMALL, **chosen)
    assert not (tmp_path / "run").exists()


def vectors(n, d=2):
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(1))
    return Domain(Lp(2), Samples(x, torch.arange(n)), Samples(torch.randn(20, d)))


def test_vectors_are_not_augmented():
    with pytest.raises(InputError, match=r"\(c, h, w\), and a sample has \(2,\)"):
        otgan.fit(
            domain=vectors(50), steps=2, quiet=True, smoothing={"kind": "augment"}, batch_size=8
        )


@pytest.mark.parametrize(("n", "kept"), [(100, 10), (59, 5), (30_000, 1000)])
def test_a_tenth_of_the_training_data_is_kept_from_the_critic(n, kept):
    domain = vectors(n)
    seen, held_back = build.seen(
        domain, resolve("wgan-gp", {}, {"smoothing": {"kind": "diffusion"}})
    )
    assert len(held_back) == kept
    assert set(seen.y.tolist()).isdisjoint(held_back.y.tolist())
    assert sorted([*seen.y.tolist(), *held_back.y.tolist()]) == list(range(n))
    assert torch.equal(seen.x, domain.train.x[seen.y])
    for kind in ("none", "noise", "augment"):
        config = resolve("wgan-gp", {}, {"smoothing": {"kind": kind}})
        assert build.seen(domain, config) == (domain.train, None)


def test_too_few_data_to_keep_some_back():
    config = resolve("wgan-gp", {}, {"smoothing": {"kind": "diffusion"}})
    with pytest.raises(InputError, match="there are 9 samples"):
        build.seen(vectors(9), config)


@pytest.mark.parametrize("kind", ["noise", "diffusion", "augment"])
def test_a_conditional_run_with_every_view(kind, tmp_path):
    model = otgan.fit(
        out=tmp_path, steps=4, condition=("label",), smoothing={"kind": kind}, quiet=True, **SMALL
    )
    assert model.sample(2, 0, "3").isfinite().all()
    assert model.spec["config"]["smoothing"]["kind"] == kind
