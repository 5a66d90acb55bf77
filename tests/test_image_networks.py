"""Networks of images: each has the properties its paper is known for."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from conftest import PIXELS, QUICK
from duel import built, endless, game, played
from lightning_fabric import Fabric
from torch import nn

import otgan
from otgan.cli import main
from otgan.conditions import Attribute, Condition
from otgan.config import InputError
from otgan.constraints import Certified, SlopePenalty, SpectralNorm, WeightClipping
from otgan.engine import train
from otgan.geometry import Lp
from otgan.model import Model
from otgan.networks import biggan, dcgan, progan, r3gan, resnet, stylegan
from otgan.networks.biggan import orthogonally
from otgan.networks.blocks import Attention, Down, Residual, Up
from otgan.networks.controls import set_step
from otgan.networks.stylegan import Mapping, Modulated, Styled

NETWORKS = [biggan, dcgan, progan, r3gan, resnet, stylegan]
SHAPES = [(1, 8, 8), (3, 32, 32), (2, 9, 17), (5, 24, 11), (1, 28, 28)]
LABEL = Condition((Attribute("label", ("a", "b", "c")),), (0,))
GROWN = 10**6


@pytest.mark.parametrize("condition", [None, LABEL], ids=["plain", "conditional"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("make", NETWORKS)
def test_two_steps_under_a_slope_penalty_at_any_size(make, shape, condition):
    done = played(make, shape, 2, condition)
    y = None if condition is None else torch.tensor([[0.0], [2.0]])
    x = done.average(torch.randn(2, 8), y)
    assert x.shape == (2, *shape) and x.abs().max() <= 1
    assert done.critic(x, y).shape == (2,)
    parts = (done.generator, done.critic)
    assert all(weight.isfinite().all() for part in parts for weight in part.parameters())


@pytest.mark.parametrize("make", NETWORKS)
def test_two_steps_in_mixed_precision(make):
    networks = built(
        make, (1, 8, 8), condition=LABEL, **({"phases": (1, 2)} if make is progan else {})
    )
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    done = game(Lp(2), SlopePenalty("one"), networks=networks, fabric=fabric, steps=3)
    for record in train(done, endless((1, 8, 8), LABEL), lambda n: torch.randn(n, 8)):
        assert record.critic_loss.isfinite() and record.generator_loss.isfinite()


@pytest.mark.slow
@pytest.mark.parametrize("make", NETWORKS)
def test_the_largest_images(make):
    generator, critic = built(make, (1, 256, 256), width=2)
    set_step(generator, GROWN), set_step(critic, GROWN)
    assert critic(generator(torch.randn(2, 8))).shape == (2,)


@pytest.mark.parametrize("make", NETWORKS)
def test_every_pixel_reaches_the_critic_and_every_weight_is_trained(make):
    generator, critic = built(make, (2, 9, 11))
    set_step(generator, GROWN), set_step(critic, GROWN)
    for module in critic.modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and not module.weight.any():
            nn.init.normal_(module.weight)
    generator(torch.randn(4, 8)).square().sum().backward()
    x = torch.randn(4, 2, 9, 11, requires_grad=True)
    critic(x).square().sum().backward()
    assert (x.grad.abs().sum(0) > 0).all()
    for network in (generator, critic):
        for name, weight in network.named_parameters():
            left = make is progan and (".paint.0." in name or ".look.0." in name)
            assert left or (weight.grad is not None and weight.grad.isfinite().all()), name


@pytest.mark.parametrize("make", NETWORKS)
@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (0.0, 5.0)])
def test_images_are_within_the_bounds_of_the_chart(make, bounds):
    generator, _ = built(make, bounds=bounds)
    for scale in (1, 100):
        x = generator(scale * torch.randn(16, 8))
        assert bounds[0] <= x.min() and x.max() <= bounds[1]


@pytest.mark.parametrize("make", NETWORKS)
def test_a_new_critic_is_flat_so_that_its_sign_can_turn(make):
    values = built(make)[1](torch.randn(5, 2, 16, 16))
    assert torch.equal(values, values[:1].expand(5))


@pytest.mark.parametrize("make", NETWORKS)
def test_both_players_are_told(make):
    generator, critic = built(make, condition=LABEL)
    for network in (generator, critic):
        for weight in network.parameters():
            nn.init.normal_(weight, std=0.3)
        network.eval()
    y = torch.tensor([[0.0], [1.0], [2.0]])
    torch.manual_seed(0)
    x = generator(torch.randn(1, 8).expand(3, -1), y)
    assert all((a - b).abs().max() > 1e-3 for a, b in pairwise(x))
    values = critic(torch.randn(1, 2, 16, 16).expand(3, -1, -1, -1), y)
    assert len(set(values.tolist())) == 3
    with pytest.raises(ValueError, match="conditional: give label"):
        generator(torch.randn(3, 8))


@pytest.mark.parametrize("make", NETWORKS)
@pytest.mark.parametrize("shape", [(3,), (1, 7, 8), (1, 8)], ids=str)
def test_what_is_no_image_is_refused(make, shape):
    with pytest.raises(ValueError, match=f"{make.__name__} needs images.*at least 8"):
        make(shape)


@pytest.mark.parametrize("make", [resnet, r3gan])
def test_residual_networks_need_a_block(make):
    with pytest.raises(ValueError, match="depth 1 or more, got 0"):
        make((1, 8, 8), depth=0)


@pytest.mark.parametrize("make", [n for n in NETWORKS if n is not dcgan])
def test_a_critic_that_cannot_be_certified_is_refused(make):
    _, critic = built(make)
    with pytest.raises(ValueError, match=r"certified critic has no \w+: build it of Flatten"):
        Certified(torch.zeros(4, 2, 16, 16)).build(critic, Lp(2))


@pytest.mark.parametrize("make", NETWORKS)
def test_no_critic_normalises_its_batch_unless_asked(make):
    critic = built(make)[1]
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in critic.modules())


@pytest.mark.parametrize("make", NETWORKS)
def test_spectral_normalisation_leaves_a_critic_with_slopes_or_refuses_it(make):
    _, critic = built(make, condition=LABEL)
    set_step(critic, GROWN)
    if make in (progan, stylegan):
        for constraint in (SpectralNorm(), WeightClipping(0.01)):
            with pytest.raises(ValueError, match="equalised"):
                constraint.build(critic, Lp(2))
        return
    critic = SpectralNorm().build(critic, Lp(2)).train()
    x, y = torch.randn(3, 2, 16, 16, requires_grad=True), torch.zeros(3, 1)
    for _ in range(20):  # power iterations
        values = critic(x, y)
    values.sum().backward()
    assert 1e-3 < x.grad.flatten(1).norm(dim=1).max() < 10


def test_depth_adds_residual_blocks():
    def blocks(network):
        return sum(isinstance(m, Residual) for m in network.modules())

    for make in (resnet, r3gan):
        once, twice = (built(make, depth=depth) for depth in (1, 2))
        for a, b in zip(once, twice, strict=True):
            assert blocks(b) == 2 * blocks(a)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_means_undo_nearest_neighbours(shape):
    x = torch.randn(2, shape[0], shape[1] // 2, shape[2] // 2)
    up = Up(shape[1:])(x)
    assert up.shape == (2, *shape)
    torch.testing.assert_close(Down()(up), x)


# The style-based generator


@pytest.mark.parametrize("kernel", [1, 3])
def test_demodulation_gives_unit_variance_whatever_the_style(kernel):
    torch.manual_seed(0)
    layer = Modulated(32, 64, kernel, 8)
    x, w = torch.randn(64, 32, 10, 10), 3 * torch.randn(64, 8)
    inner = layer(x, w)[..., 1:-1, 1:-1]
    assert inner.var((0, 2, 3)).mean().item() == pytest.approx(1, rel=0.02)
    assert inner.var((1, 2, 3)).sub(1).abs().max() < 0.25  # each image's own style is divided out
    layer.demodulate = False
    assert layer(x, w).var((1, 2, 3)).sub(1).abs().max() > 1


def test_modulated_activations_are_modulated_weights():
    torch.manual_seed(0)
    layer = Modulated(5, 4, 3, 8)
    x, w = torch.randn(3, 5, 6, 7), torch.randn(3, 8)
    for k in range(3):  # equations 1 and 3 of Karras et al. 2020, for one image
        weight = layer.weight * layer.scale * layer.style(w)[k][None, :, None, None]
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        expected = nn.functional.conv2d(x[k : k + 1], weight, padding=1)
        torch.testing.assert_close(layer(x, w)[k : k + 1], expected, rtol=1e-4, atol=1e-5)


def test_noise_enters_where_it_is_given_strength():
    layer, x, w = Styled(3, 3, 8), torch.randn(2, 3, 4, 4), torch.randn(2, 8)
    assert torch.equal(layer(x, w), layer(x, w))
    nn.init.ones_(layer.strength)
    assert not torch.equal(layer(x, w), layer(x, w))


def test_truncated_styles_go_to_their_mean():
    torch.manual_seed(0)
    mapping = Mapping(8, 2)
    z = torch.randn(512, 8)
    for _ in range(2000):
        mapping(z)
    w = mapping.eval()(z)
    torch.testing.assert_close(mapping.mean, w.mean(0), rtol=1e-2, atol=1e-3)
    mapping.truncation = 0.0
    torch.testing.assert_close(mapping(z), mapping.mean.expand(512, -1))
    mapping.truncation = 0.5
    torch.testing.assert_close(mapping(z), (w + mapping.mean) / 2)


# BigGAN


def test_attention_is_equivariant_to_permutations_of_positions():
    torch.manual_seed(0)
    layer, x = Attention(16), torch.randn(2, 16, 5, 6)
    assert torch.equal(layer(x), x)  # gamma is 0 at first
    nn.init.ones_(layer.gamma)
    order = torch.randperm(30)
    shuffled = x.flatten(2)[..., order].view_as(x)
    expected = layer(x).flatten(2)[..., order].view_as(x)
    torch.testing.assert_close(layer(shuffled), expected)
    far = x.clone()
    far[..., 0, 0] += 1
    assert ((layer(far) - layer(x)).abs().amax((0, 1)) > 0).all()  # every position sees every other


def test_every_block_has_its_own_part_of_the_noise():
    generator, _ = built(biggan, bounds=None, latent=9)
    for weight in generator.parameters():
        nn.init.normal_(weight, std=0.5)
    generator.eval()
    z = torch.randn(1, 9, requires_grad=True)
    generator(z).square().sum().backward()
    assert (z.grad != 0).all()
    with pytest.raises(ValueError, match="latent 3 or more, got 2"):
        built(biggan, latent=2)


def test_orthogonal_regularisation_is_the_gradient_of_its_penalty():
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(4, 3, 2, 2, dtype=torch.float64))
    rows = weight.flatten(1)
    off = 1 - torch.eye(4, dtype=torch.float64)
    (expected,) = torch.autograd.grad(0.1 * ((rows @ rows.mT) * off).square().sum(), weight)
    orthogonally(weight, 0.1)
    (2 * weight).sum().backward()
    torch.testing.assert_close(weight.grad, 2 + expected)


def test_the_generator_of_biggan_is_drawn_towards_orthogonal_weights():
    def left(strength):
        generator, _ = built(biggan, (1, 8, 8), orthogonal=strength)
        optimiser = torch.optim.Adam(generator.parameters(), lr=0.01)
        for _ in range(20):
            optimiser.zero_grad()
            (0 * generator(torch.randn(4, 8)).sum()).backward()
            optimiser.step()
        weights = [p.flatten(1) for name, p in generator.named_parameters() if "original" in name]
        products = [rows @ rows.mT for rows in weights]
        return sum((p - p.diag().diag()).square().sum().item() for p in products)

    assert left(1.0) < 0.1 * left(0.0)


# R3GAN


@pytest.mark.parametrize("depth", [1, 3])
def test_new_residual_blocks_of_r3gan_are_the_identity(depth):
    for network in built(r3gan, depth=depth):
        found = [m for m in network.modules() if isinstance(m, Residual)]
        assert len(found) == 3 * depth
        for block in found:
            x = torch.randn(2, block.main[0][0].in_channels, 5, 5)
            assert torch.equal(block(x), x)


def test_r3gan_has_no_normalisation():
    for network in built(r3gan):
        assert not any("Norm" in type(m).__name__ for m in network.modules())


# Truncation at sampling, and settings


@pytest.mark.parametrize("name", ["stylegan", "dcgan"])
def test_truncated_samples_are_less_varied(here, capsys, name):
    model = otgan.fit(PIXELS, steps=2, batch_size=8, network={"name": name, "width": 4}, quiet=True)
    for module in model.generator.modules():
        if isinstance(module, Styled):
            nn.init.zeros_(module.strength)
    spread = [
        model.sample(256, 0, truncation=t).std(0).mean().item() for t in (None, 1.0, 0.5, 0.01)
    ]
    if name == "stylegan":
        assert spread[1] == spread[0]
    assert all(b < a for a, b in pairwise(spread[1:])) and spread[3] < 0.05 * spread[0]
    assert torch.equal(model.sample(4, 1), model.sample(4, 1))  # it leaves nothing behind
    assert model.sample(256, 0).std(0).mean().item() == spread[0]
    model.save("run")
    main(["sample", "run", "-n", "4", "--truncation", "0.5", "-o", "a.npy"])
    assert np.array_equal(np.load("a.npy"), model.sample(4, 0, truncation=0.5).numpy())
    with pytest.raises(SystemExit):
        main(["sample", "run", "--truncation", "-1"])
    assert "positive number, got -1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "setting", "says"),
    [
        ("progan", {"depth": 3}, "'progan' has no --network.depth: leave it out"),
        ("dcgan", {"phases": (3,)}, "'dcgan' has no --network.phases: leave it out"),
        ("biggan", {"critic_norm": "layer"}, "no --network.critic-norm: give .* none"),
    ],
)
def test_settings_that_a_network_does_not_have_are_refused(name, setting, says):
    with pytest.raises(InputError, match=says):
        otgan.fit(PIXELS, steps=2, network={"name": name, **setting}, quiet=True)


@pytest.mark.parametrize("preset", ["progan", "stylegan", "biggan", "r3gan"])
def test_presets_have_the_network_of_their_paper(here, preset):
    np.save("images.npy", PIXELS)
    main(["train", "images", "--data", "images.npy", "--preset", preset, *QUICK, "--out", "run"])
    model = Model.load("run")
    assert model.spec["config"]["network"]["name"] == preset
    assert torch.equal(model.sample(3, 0), Model.load("run").sample(3, 0))
    assert otgan.resume("run", steps=3, quiet=True).sample(3, 0).shape == (3, 1, 8, 8)
