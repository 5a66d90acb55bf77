"""What a domain must bring, and the settings it may patch."""

import pytest
import torch

from otgan.config import PRESETS, InputError, checked, resolve
from otgan.data import Samples
from otgan.domain import Domain, check
from otgan.geometry import Lp, MetricSpace
from otgan.preprocess import Whitening


def metric(function):
    return type("Own", (MetricSpace,), {"distance": lambda self, x, y: function(x - y)})()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda v: v.abs().sum(1, keepdim=True), r"shape \(16, 1\)"),
        (lambda v: v.abs(), r"shape \(16, 2\)"),
        (lambda v: v.square().sum(1), "third point, as for squared"),
        (lambda v: v.abs().sum(1) + 1, "to itself is not 0"),
        (lambda v: v.relu().sum(1), "not the same both ways"),
        (lambda v: -v.abs().sum(1), "negative"),
        (lambda v: v.abs().sum(1).log(), "not finite"),
    ],
)
def test_a_ground_cost_that_is_no_metric_is_refused(function, message):
    data = Samples(torch.randn(50, 2))
    with pytest.raises(InputError, match=message):
        check(Domain(metric(function), data, data), "mine")


@pytest.mark.parametrize("p", [1, 2, 5, float("inf")])
def test_norms_pass_in_any_chart(p):
    x = torch.randn(200, 3) * torch.tensor([1.0, 100.0, 1e4])
    check(Domain(Lp(p), Samples(x), Samples(x)), "mine")
    check(Domain(Lp(p), Samples(x), Samples(x), Whitening((3,)).fit(x)), "mine")


def test_a_domain_without_data_or_of_another_type_is_refused():
    with pytest.raises(InputError, match="no training data"):
        check(Domain(Lp(2)), "mine")
    with pytest.raises(InputError, match="but a str"):
        check("images", "mine")
    bad = Samples(torch.tensor([[0.0], [torch.nan]]))
    with pytest.raises(InputError, match="1 of 2 training values are NaN"):
        check(Domain(Lp(2), bad, bad), "mine")


@pytest.mark.parametrize("preset", PRESETS)
def test_the_order_is_defaults_preset_domain_and_own_settings(preset):
    domain = {"*": {"steps": 7, "latent_typo": None}, preset: {"decay": 0.25}}
    with pytest.raises(InputError, match="latent_typo"):
        resolve(preset, domain)
    domain["*"].pop("latent_typo")
    assert resolve(preset, domain).steps == 7
    assert resolve(preset, domain).decay == 0.25
    own = resolve(preset, domain, {"decay": 0.1, "constraint": {"every": 3}})
    assert own.decay == 0.1
    assert own.constraint.every == 3
    assert own.constraint.kind == resolve(preset, {}).constraint.kind


def test_presets_are_what_their_papers_say():
    wgan, gp, lp, sngan, gan = (
        resolve(p, {}) for p in ("wgan", "wgan-gp", "wgan-lp", "sngan", "gan")
    )
    assert (wgan.constraint.kind, wgan.constraint.bound) == ("clipping", 0.01)
    assert (wgan.optimiser.name, wgan.optimiser.rate) == ("rmsprop", 5e-5)
    assert (wgan.critic_steps, wgan.batch_size) == (5, 64)
    for penalised, sided in ((gp, "two"), (lp, "one")):
        assert penalised.constraint.sided == sided
        assert penalised.constraint.weight == 10
        assert (penalised.optimiser.beta1, penalised.optimiser.beta2) == (0.0, 0.9)
    assert sngan.constraint.kind == "spectral-norm"
    for name in ("gan", "dcgan", "f-gan", "ebgan", "unrolled", "lsgan", "ragan", "diffusion-gan"):
        plain = resolve(name, {})
        assert (plain.constraint.kind, plain.critic_steps) == ("none", 1)
        assert (plain.optimiser.beta1, plain.average, plain.decay) == (0.5, 0.0, 0.0)
    dragan = resolve("dragan", {}).constraint
    assert (dragan.sided, dragan.pairs, dragan.weight) == ("two", "noised", 10)
    assert {resolve(name, {}).critic_steps for name in ("sinkhorn", "sliced")} == {0}
    assert resolve("lsgan", {}).objective.labels == (0, 1, 1)
    assert (gan.constraint.kind, gan.objective.kind) == ("none", "non-saturating")


@pytest.mark.parametrize(
    "settings",
    [{"minutes": float("inf")}, {"decay": 1.0}, {"batch_size": 1}, {"seed": 2**32}, {"devices": 0}],
    ids=str,
)
def test_settings_that_could_only_fail_later_are_refused_at_once(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        checked(settings)
