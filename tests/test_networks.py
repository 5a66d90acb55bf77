"""Networks of every shape: critics take what generators make, and nothing is left out."""

import pytest
import torch

from otgan.networks import dcgan, mlp
from otgan.networks.layers import LeakyReLU

SHAPES = [(1, 8, 8), (3, 32, 32), (1, 28, 28), (2, 9, 17), (4, 64, 24), (5, 11, 8), (3, 15, 40)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("builder", [dcgan, mlp])
@pytest.mark.parametrize("depth", [0, 2])
def test_critics_take_what_generators_make(shape, builder, depth):
    generator, critic = builder(shape, (-1.0, 1.0), latent=7, width=8, depth=depth)
    x = generator(torch.randn(3, 7))
    assert x.shape == (3, *shape)
    assert critic(x).shape == (3,)
    assert x.abs().max() <= 1


@pytest.mark.parametrize("builder", [dcgan, mlp])
def test_every_pixel_reaches_the_critic_and_every_weight_is_trained(builder):
    generator, critic = builder((2, 9, 11), width=8)
    torch.nn.init.normal_(critic[-1].weight)
    generator(torch.randn(4, 64)).square().sum().backward()
    x = torch.randn(4, 2, 9, 11, requires_grad=True)
    critic(x).square().sum().backward()
    assert (x.grad.abs().sum(0) > 0).all()
    for network in (generator, critic):
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("builder", [dcgan, mlp])
@pytest.mark.parametrize(
    ("bounds", "low", "high"), [(None, None, None), ((-1.0, 1.0), -1, 1), ((0.0, 5.0), 0, 5)]
)
def test_the_final_activation_is_the_range_of_the_chart(builder, bounds, low, high):
    generator, _ = builder((1, 8, 8), bounds)
    for weight in generator.parameters():
        torch.nn.init.normal_(weight, std=2)
    x = generator(torch.randn(64, 64))
    if bounds is None:
        assert x.abs().max() > 10
    else:
        assert low <= x.min() < low + 0.1 * (high - low)
        assert high >= x.max() > high - 0.1 * (high - low)


def test_a_new_critic_is_flat_so_that_its_sign_can_turn():
    for builder, shape in ((dcgan, (1, 8, 8)), (mlp, (3,))):
        values = builder(shape)[1](torch.randn(5, *shape))
        assert torch.equal(values, values[:1].expand(5))


def scales(network, x):
    """The mean square behind every rectifier."""
    found = []
    for layer in network:
        x = layer(x)
        if isinstance(layer, torch.nn.ReLU | LeakyReLU):
            found.append(x.square().mean().item())
    return torch.tensor(found)


@pytest.mark.parametrize(("builder", "depth"), [(mlp, 6), (dcgan, 0), (dcgan, 6)])
def test_without_normalisation_any_depth_passes_its_inputs_on_at_their_scale(builder, depth):
    torch.manual_seed(0)
    shape = (3, 64, 64)
    generator, critic = builder(shape, width=64, depth=depth, generator_norm="none")
    with torch.no_grad():
        made = scales(generator, torch.randn(64, 64))
        judged = scales(critic, torch.randn(64, *shape))
    assert len(made) > 3 and ((made > 0.4) & (made < 2.5)).all()
    assert len(judged) > 3 and ((judged > 0.4) & (judged < 2.5)).all()


@pytest.mark.parametrize("norm", ["none", "batch", "layer", "instance"])
def test_normalisation_is_chosen_by_name(norm):
    generator, critic = dcgan((1, 16, 16), generator_norm=norm, critic_norm=norm)
    kinds = {
        type(m).__name__
        for m in [*generator.modules(), *critic.modules()]
        if "Norm" in type(m).__name__
    }
    expected = {
        "none": set(),
        "batch": {"BatchNorm1d", "BatchNorm2d"},
        "layer": {"GroupNorm"},
        "instance": {"InstanceNorm2d", "GroupNorm"},
    }
    assert kinds == expected[norm]


@pytest.mark.parametrize("shape", [(3,), (1, 7, 8), (1, 8), (1, 30, 4)], ids=str)
def test_dcgan_refuses_what_is_no_image(shape):
    with pytest.raises(ValueError, match="mlp"):
        dcgan(shape)


@pytest.mark.parametrize("slope", [0.0, 0.2, 1.5])
def test_the_leaky_relu_is_torchs_to_the_second_derivative(slope):
    torch.manual_seed(0)
    first, second = torch.nn.Linear(3, 8).double(), torch.nn.Linear(8, 1).double()
    x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    found = []
    for activation in (LeakyReLU(slope), torch.nn.LeakyReLU(slope)):
        value = second(activation(first(x)))
        (gradient,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        loss = (gradient.norm(dim=1) - 1).square().mean() + value.mean()
        weights = (first.weight, first.bias, second.weight, second.bias)
        found.append([value, gradient, *torch.autograd.grad(loss, weights)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)
