"""Learned charts: points come back, neighbours decode alike, and a WGAN in them spells."""

import csv
from dataclasses import replace

import pytest
import torch

import otgan
from otgan import build
from otgan.conditions import Attribute
from otgan.config import InputError, resolve
from otgan.data import Samples
from otgan.domain import Domain
from otgan.geometry import Lp
from otgan.metrics import evaluate
from otgan.model import Model
from otgan.preprocess import Encoding, Sequences
from otgan.randomness import seeded
from otgan.training import _monitor, resume

LANGUAGE = Sequences(3, 6)
SMALL = {"latent": 8, "width": 16, "batch_size": 32, "steps": 3}
QUICK = {"batch_size": 32, "network": {"latent": 8, "width": 16}, "quiet": True}


def palindromes(n, seed):
    """Even palindromes of three letters, 2 to 6 long: 39 there are, of 1,092 words."""
    g = torch.Generator().manual_seed(seed)
    halves = [
        torch.randint(1, 4, (int(torch.randint(1, 4, (), generator=g)),), generator=g)
        for _ in range(n)
    ]
    rows = [torch.cat([half, half.flip(0)]) for half in halves]
    return torch.stack([torch.nn.functional.pad(row, (0, 6 - len(row))) for row in rows]).float()


def spelt(x):
    """Whether each row is an even palindrome."""
    words = [[int(k) for k in row if k] for row in x]
    return torch.tensor([len(w) > 0 and len(w) % 2 == 0 and w == w[::-1] for w in words])


@pytest.fixture(scope="module")
def chart():
    sizes = {"latent": 8, "width": 64, "batch_size": 128, "rate": 8e-3}
    return Encoding(LANGUAGE, **sizes).fit(palindromes(3000, 0), 400, quiet=True)


def domain(chart):
    return Domain(Lp(2), Samples(palindromes(300, 0)), Samples(palindromes(100, 1)), chart)


def test_points_come_back(chart):
    x = palindromes(1000, 1)
    assert (chart.decode(chart.encode(x)) == x).all(1).double().mean() > 0.99


def test_near_vectors_decode_alike(chart):
    x = palindromes(1000, 1)
    z = chart.encode(x)
    with seeded(0, torch.device("cpu")):
        near = z + 0.3 * torch.randn_like(z)
    assert (chart.decode(near) == x).all(1).double().mean() > 0.95


def test_a_game_in_the_chart_spells(chart):
    """A random word is an even palindrome one time in 28."""
    network = {"latent": 16, "width": 64, "depth": 2}
    options = {"batch_size": 128, "critic_steps": 3, "optimiser": {"rate": 1e-3}}
    model = otgan.fit(domain=domain(chart), steps=150, network=network, quiet=True, **options)
    x = model.sample(1000, seed=0)
    assert spelt(palindromes(9, 2)).all() and not spelt(torch.tensor([[1, 2], [1, 0]])).any()
    assert spelt(x).double().mean() > 0.9
    assert len(x[spelt(x)].unique(dim=0)) > 25


def test_encoded_data_have_mean_0_and_variance_1(chart):
    z = chart.encode(palindromes(3000, 0))
    torch.testing.assert_close(z.mean(0), torch.zeros(8), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.std(0), torch.ones(8), atol=1e-3, rtol=0)


def test_a_point_is_encoded_and_decoded_whatever_its_batch(chart):
    x = palindromes(1500, 1)
    z = chart.encode(x)
    torch.testing.assert_close(z[1200:1203], chart.encode(x[1200:1203]), atol=1e-5, rtol=1e-4)
    assert torch.equal(chart.decode(z)[1200:1203], chart.decode(z[1200:1203]))


def told(chart, x, about):
    """Share of the variance of `about` that a linear map tells of noised vectors, (n,) -> ()."""
    z = chart.encode(x)
    with seeded(0, torch.device("cpu")):
        z = torch.cat([z + chart.noise * torch.randn_like(z), torch.ones(len(z), 1)], 1)
    fit = torch.linalg.lstsq(z[: len(z) // 2], about[: len(z) // 2, None]).solution
    rest = about[len(z) // 2 :]
    return 1 - ((z @ fit)[len(z) // 2 :, 0] - rest).var() / rest.var()


def odd(x):
    """1 where either the first letter is a 2 or there are four letters, but not both; else -1."""
    return ((x[:, 0] == 2) ^ ((x > 0).sum(1) == 4)).float() * 2 - 1


def test_a_chart_can_have_a_direction_for_a_property():
    x, new = palindromes(3000, 0), palindromes(2000, 1)
    sizes = {"latent": 8, "width": 64, "batch_size": 128, "rate": 8e-3}
    plain, with_it = (
        Encoding(LANGUAGE, **sizes).fit(x, 400, about=about, quiet=True)
        for about in (None, odd(x)[:, None])
    )
    assert told(with_it, new, odd(new)) > 0.7 > 0.4 > told(plain, new, odd(new))
    assert (with_it.decode(with_it.encode(new)) == new).all(1).double().mean() > 0.95


def test_a_chart_is_told_what_its_run_is_told(monkeypatch):
    seen, fit = [], Encoding.fit
    monkeypatch.setattr(
        Encoding, "fit", lambda self, x, *a, **k: (seen.append(k["about"]), fit(self, x, *a, **k))
    )
    x, attribute = palindromes(300, 0), Attribute.number("odd", odd(palindromes(300, 0)))
    for condition in ("odd",), ():
        data = Domain(
            Lp(2),
            Samples(x, odd(x)),
            Samples(x[:50], odd(x[:50])),
            Encoding(LANGUAGE, **SMALL),
            attributes=(attribute,),
        )
        otgan.fit(domain=data, steps=2, condition=condition, **QUICK)
    torch.testing.assert_close(seen[0][:, 0], (odd(x) - odd(x).mean()) / odd(x).std())
    assert seen[1] is None


def test_a_fit_repeats_and_leaves_the_random_generators_alone():
    x, before = palindromes(100, 0), torch.get_rng_state()
    a, b, c = (Encoding(LANGUAGE, **SMALL).fit(x, seed=s, quiet=True) for s in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(a.encode(x), b.encode(x)) and not torch.equal(a.encode(x), c.encode(x))


def test_the_state_is_all_there_is():
    x = palindromes(100, 0)
    fitted, other = Encoding(LANGUAGE, **SMALL).fit(x, quiet=True), Encoding(LANGUAGE, **SMALL)
    assert fitted.fitted and not other.fitted
    other.load_state_dict(fitted.state_dict())
    assert other.fitted and torch.equal(other.encode(x), fitted.encode(x))


def test_a_budget_in_seconds_becomes_steps():
    chart = Encoding(LANGUAGE, **SMALL).fit(palindromes(100, 0), seconds=0.5, quiet=True)
    assert chart.taken > 3


def test_a_run_keeps_its_chart(tmp_path, monkeypatch):
    out = tmp_path / "run"
    settings = {**QUICK, "monitor_every": 2, "chart_steps": 4}
    model = otgan.fit(domain=domain(Encoding(LANGUAGE, **SMALL)), steps=2, out=out, **settings)
    assert model.spec["config"]["chart_steps"] == 4 and model.spec["shape"] == [6]
    loaded = Model.load(out, domain=domain(Encoding(LANGUAGE, **SMALL)))
    assert torch.equal(loaded.sample(20, seed=0), model.sample(20, seed=0))
    assert torch.equal(loaded.score(palindromes(5, 0)), model.score(palindromes(5, 0)))

    monkeypatch.setattr(Encoding, "fit", None)
    longer = resume(out, steps=4, domain=domain(Encoding(LANGUAGE, **SMALL)), quiet=True)
    x = palindromes(5, 0)
    assert torch.equal(longer.domain.chart.encode(x), model.domain.chart.encode(x))


def test_a_blurred_target_is_what_the_generator_makes(chart):
    """By the variance of its samples in the chart: 1 + blur^2, not 1."""
    x = palindromes(3000, 0)
    blurred = Encoding(LANGUAGE, blur=1.0, latent=8, width=64)
    blurred.load_state_dict(chart.state_dict())
    assert torch.equal(blurred.encode(x), chart.encode(x))
    assert torch.equal(chart.target(x), chart.encode(x))
    torch.testing.assert_close(blurred.target(x).var(0), torch.full((8,), 2.0), atol=0.2, rtol=0)
    parts = Samples(x[:2000]), Samples(x[2000:])
    found = evaluate(lambda n: blurred.target(palindromes(n, 3)), *parts, Lp(2), blurred, draws=2)
    assert 0.9 < found["W1"].value / found["W1"].floor < 1.1
    bare = evaluate(lambda n: blurred.encode(palindromes(n, 3)), *parts, Lp(2), blurred, draws=2)
    assert bare["W1"].value > 1.1 * found["W1"].value  # noise is what it lacks
    options = {"batch_size": 128, "critic_steps": 3, "optimiser": {"rate": 1e-3}, "quiet": True}
    network = {"latent": 16, "width": 64, "depth": 2}
    made = [
        otgan.fit(domain=domain(c), steps=600, network=network, **options) for c in (chart, blurred)
    ]
    plain, wide = (model.generator(torch.randn(2000, 16)).var(0).mean() for model in made)
    assert plain < 1.4 < 1.6 < wide < 2.4


def test_the_noise_to_make_is_the_generators_own():
    """A generator that gives one point has the variance of the blur, whatever it has learned."""
    chart = Encoding(LANGUAGE, blur=0.5, **SMALL)
    config = resolve("wgan-gp", {}, {"network": {"latent": 8}})
    generator, _ = build.networks(domain(chart), config, (8,))
    for weight in generator.generator[-2].parameters():  # the last that has any
        torch.nn.init.zeros_(weight)
    torch.testing.assert_close(
        generator(torch.randn(5000, 8)).var(0), torch.full((8,), 0.25), atol=0.02, rtol=0
    )
    with pytest.raises(InputError, match=r"7 numbers of noise are too few to blur 8 .*--network.l"):
        build.networks(domain(chart), resolve("wgan-gp", {}, {"network": {"latent": 7}}), (8,))


@pytest.mark.parametrize("kind", ["none", "diffusion"])
def test_what_a_run_is_judged_by_is_blurred(chart, kind):
    """The monitor's points, and those held back from the critic, have the variance of targets."""
    blurred = Encoding(LANGUAGE, blur=2.0, latent=8, width=64)
    blurred.load_state_dict(chart.state_dict())
    there = Domain(Lp(2), Samples(palindromes(3000, 0)), Samples(palindromes(1000, 1)), blurred)
    config = resolve("wgan-gp", {}, {"smoothing": {"kind": kind}})
    fabric = build.fabric(config)
    source = build.source(there, config, fabric)
    judges = [_monitor(there, None, source, fabric).held_out]
    if kind == "diffusion":
        held_back = build.seen(there, config)[1]
        judges.append(build.view(there, config, held_back, fabric).held_back)
    for points in judges:
        assert 4 < points.var(0).mean() < 6


def test_a_map_of_a_blurred_chart_starts_from_blurred_points():
    """So that the identity maps data onto themselves."""

    def there():
        return domain(Encoding(LANGUAGE, blur=2.0, **SMALL))

    both = replace(there(), source=there())
    model = otgan.fit(domain=both, steps=1, optimiser={"rate": 1e-9}, **QUICK)
    found = model.evaluate(100, draws=2)["metrics"]["W1"]
    assert 0.9 < found["value"] / found["floor"] < 1.1


@pytest.mark.parametrize(
    ("about", "says"),
    [
        (torch.ones(40), r"\(n, k\), got \(40,\)"),
        (torch.ones(39, 1), r"got \(39, 1\)"),
        (torch.full((40, 1), float("nan")), "NaN"),
    ],
)
def test_properties_of_a_fit_are_checked(about, says):
    with pytest.raises(ValueError, match=says):
        Encoding(LANGUAGE, **SMALL).fit(palindromes(40, 0), about=about, quiet=True)


def test_settings_are_refused_before_a_chart_is_fitted(monkeypatch):
    monkeypatch.setattr(Encoding, "fit", None)
    with pytest.raises(InputError, match="too few to blur"):
        otgan.fit(
            domain=domain(Encoding(LANGUAGE, blur=0.5, **SMALL)),
            steps=2,
            **{**QUICK, "network": {"latent": 7}},
        )
    with pytest.raises(ValueError, match="0 or more, got -1"):
        Encoding(LANGUAGE, blur=-1, **SMALL)


def test_a_run_with_a_blurred_chart_resumes_bit_for_bit(tmp_path):
    def unfitted():
        return domain(Encoding(LANGUAGE, blur=0.5, **SMALL))

    settings = {**QUICK, "monitor_every": 2, "chart_steps": 4}
    otgan.fit(domain=unfitted(), steps=2, decay=0.0, out=tmp_path / "run", **settings)
    longer = resume(tmp_path / "run", steps=6, domain=unfitted(), quiet=True)
    whole = otgan.fit(domain=unfitted(), steps=6, decay=0.0, out=tmp_path / "whole", **settings)
    rows = [
        list(csv.DictReader((tmp_path / name / "metrics.csv").open())) for name in ("run", "whole")
    ]
    for column in ("exact", "floor"):
        assert len({tuple(row[column] for row in one) for one in rows}) == 1, column
    z = torch.randn(20, 8)
    assert torch.equal(longer.generator(z), whole.generator(z))


def test_a_time_budget_is_the_charts_and_the_games():
    unfitted = domain(Encoding(LANGUAGE, **SMALL))
    model = otgan.fit(domain=unfitted, minutes=0.03, **QUICK)
    config = model.spec["config"]
    assert config["chart_steps"] == unfitted.chart.taken > 3 and config["steps"] > 1


def test_samples_are_scored_as_points_and_the_ruler_is_named(chart):
    seen = []

    def lengths(x):
        seen.append(x)
        return (x > 0).sum(1, keepdim=True).float()

    model = otgan.fit(domain=domain(chart), steps=1, **QUICK)
    report = model.evaluate(50, draws=2, features={"length": lengths})
    assert report["units"] == "chart" and "W1 before the chart" not in report["metrics"]
    assert spelt(seen[0]).all() and seen[0].shape == (50, 6)  # the data, not their decodings
    assert report["metrics"]["W1 on length"]["floor"] < 2


def test_networks_live_in_the_chart(chart):
    there = domain(chart)
    config = resolve("wgan-gp", {}, {"network": {"width": 16}})
    generator, critic = build.networks(there, config, there.chart.encoded_shape((8,)))
    assert generator(torch.randn(4, 64)).shape == (4, 8)
    assert critic(chart.encode(palindromes(4, 0))).shape == (4,)


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (torch.full((40, 6), 4.0), "whole numbers from 0 to 3"),
        (torch.full((40, 6), 0.5), "whole numbers from 0 to 3"),
        (torch.ones(1, 6), "2 points at least"),
    ],
)
def test_what_cannot_be_spelt_is_refused(x, says):
    with pytest.raises(ValueError, match=says):
        Encoding(LANGUAGE, **SMALL).fit(x, quiet=True)


def test_a_run_on_what_cannot_be_spelt_is_an_input_error():
    wrong = Domain(
        Lp(2), Samples(torch.rand(40, 6)), Samples(torch.rand(40, 6)), Encoding(LANGUAGE, **SMALL)
    )
    with pytest.raises(InputError, match="whole numbers"):
        otgan.fit(domain=wrong, steps=1, **QUICK)
