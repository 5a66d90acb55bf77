"""Rivals, scores and estimates of formulas: laws and known answers."""

import itertools
import math
from collections import Counter

import pytest
import torch
from scipy.stats import spearmanr

pytest.importorskip("smact")

from otgan_domains.materials.chemistry import check
from otgan_domains.materials.elements import SCALE
from otgan_domains.materials.estimates import Estimator, features
from otgan_domains.materials.evaluation import (
    along,
    distances,
    originality,
    rediscovered,
    variation,
    verdicts,
)
from otgan_domains.materials.regression import fit
from otgan_domains.materials.rivals import (
    counts,
    fresh,
    independent,
    screened,
    substitution,
)
from otgan_domains.materials.scoring import Scoring, counted

from otgan.geometry import Lp
from otgan.transport import exact

SALTS = [
    counts(f"{a}{b}")
    for a, b in itertools.product(
        ("Li", "Na", "K", "Rb", "Cs", "Cu", "Ag"), ("F", "Cl", "Br", "I", "OH", "NO3")
    )
]
ELEMENTS = ("Na", "K", "Fe", "O", "Cl")


@pytest.mark.parametrize("reach", [0.5, math.inf])
def test_substitution_changes_one_element_and_no_amount(reach):
    for made in itertools.islice(substitution(SALTS, 0, reach), 200):
        assert any(
            Counter(made) - Counter(salt) == Counter([new])
            and Counter(salt) - Counter(made) == Counter([old])
            and old[1] == new[1]
            for salt in SALTS
            for new in made
            for old in salt
        )


def test_substitution_stays_near_along_the_scale():
    def mean_step(reach):
        one, others = counts("Si2H3"), [counts(f"{symbol}H") for symbol in SCALE if symbol != "H"]
        made = itertools.islice(substitution([one, *others], 0, reach), 20_000)
        new = [symbol for found in made for symbol, n in found if n == 2 and symbol != "Si"]
        return sum(abs(SCALE.index(symbol) - SCALE.index("Si")) for symbol in new) / len(new)

    assert mean_step(0.5) < 2 < mean_step(5) < 10 < mean_step(math.inf)


def test_elements_drawn_one_by_one_keep_their_frequencies():
    made = list(itertools.islice(independent(SALTS, 0), 4000))
    assert {len(one) for one in made} <= {len(one) for one in SALTS}
    there, real = (Counter(s for one in part for s, _ in one) for part in (made, SALTS))
    for symbol in ("Na", "Cl", "O"):
        assert there[symbol] / there.total() == pytest.approx(real[symbol] / real.total(), abs=0.03)


def test_what_is_screened_passes_and_what_is_fresh_is_new():
    made = fresh(screened(independent(SALTS, 0), alloys=False), set(SALTS), 20)
    assert len(set(made)) == len(made) == 20 and not set(made) & set(SALTS)
    assert all(check(dict(one)).valid(alloys=False) for one in made)
    assert fresh(iter(SALTS * 2), SALTS[:2], 5) == SALTS[2:7]
    assert fresh(iter(SALTS), SALTS, 5) == []


def test_verdicts_are_shares():
    found = verdicts([counts(f) for f in ("NaCl", "NaCl2", "CuZn", "Fe3O4")])
    assert found == {
        "neutral": 0.25,
        "valid": 0.5,
        "valid without alloys": 0.25,
        "valid with mixed valence": 0.75,
    }


def test_originality_counts_each_formula_once():
    a, b, c = SALTS[:3]
    assert originality([a, a, b, c], {a}) == {"unique": 0.75, "novel": 2 / 3}


def test_a_sample_is_at_no_distance_from_itself():
    same = distances(SALTS, SALTS)
    assert [same[k] for k in same if k.endswith(("W1", "TV"))] == [0] * 5
    assert same["precision"] == same["coverage"] == 1
    far = distances([counts(f"{e}4N") for e in ("W", "U", "Th", "Hf", "Ta", "Re", "Os")], SALTS)
    assert far["elements TV"] > 0.8 and far["pairs TV"] == pytest.approx(1)
    assert far["precision"] == far["coverage"] == 0


def test_elements_w1_is_the_shift_along_the_scale():
    shifted = [counts(SCALE[k]) for k in (10, 20, 30, 40, 50, 60)]
    plain = [counts(SCALE[k]) for k in (13, 23, 33, 43, 53, 63)]
    found = distances(plain, shifted)
    assert found["elements W1"] == pytest.approx(3)
    assert found["element mover's W1"] == pytest.approx(3)


def test_along_carries_the_element_movers_distance():
    pair = [counts("SrTiO3"), counts("Ca2Mn3")]
    places = torch.arange(len(SCALE), dtype=torch.float64)[:, None]
    weights = [torch.tensor([dict(p).get(s, 0.0) for s in SCALE]).double() for p in pair]
    p, q = (w / w.sum() for w in weights)
    keep = [w > 0 for w in (p, q)]
    truth = exact(places[keep[0]], places[keep[1]], Lp(1), p[keep[0]], q[keep[1]])
    x = along(pair)
    assert (x[0] - x[1]).abs().sum().item() == pytest.approx(truth.item())


def test_variation_and_rediscovery():
    assert variation(Counter("aab"), Counter("aab")) == 0
    assert variation(Counter("ab"), Counter("cd")) == 1
    a, b, c, d = SALTS[:4]
    assert rediscovered([a, c], held_out=[a, b, c, d], train=[c]) == pytest.approx(1 / 3)


def test_amounts_become_compositions():
    x = torch.tensor([[2.0, 0, 0, 0, 2.1], [0, 0, 6, 8, 0], [0, 0, 0, 0.2, 0]])
    assert counted(x, ELEMENTS) == [counts("NaCl"), counts("Fe3O4"), ()]


def test_scoring_serves_a_domain():
    x = torch.tensor([[1.0, 0, 0, 0, 1], [0, 0, 3, 4, 0], [0, 0, 0, 0, 0], [0, 1, 0, 0, 2]])
    found = {n: share(x).tolist() for n, share in Scoring(ELEMENTS, x[:1]).shares.items()}
    assert found["some element"] == [True, True, False, True]
    assert found["neutral"] == [True, False, False, False]
    assert found["the same with mixed valence, or an alloy"] == [True, True, False, False]
    assert found["not in the training data"] == [False, True, False, True]
    assert "not in the training data" not in Scoring(ELEMENTS, None).shares
    real = torch.randint(0, 4, (40, 5), generator=torch.Generator().manual_seed(0)).float()
    few, many = (Scoring(ELEMENTS, None).scores(part, real) for part in (x, real))
    assert few.keys() == many.keys() and all(map(math.isnan, few.values()))
    assert many["elements W1"] == 0 and many["coverage"] == 1


def table(n, seed=0):
    """Amounts, and a property linear in the fractions with noise that grows with Fe."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 5, (n, 5), generator=draw).float()
    x[:, 0] += 1
    p = x / x.sum(1, keepdim=True)
    noise = torch.randn(n, generator=draw) * (0.02 + 0.3 * p[:, 2])
    return x, p @ torch.tensor([1.0, 2.0, -1.0, -3.0, 0.5]) + noise, 0.02 + 0.3 * p[:, 2]


@pytest.fixture(scope="module")
def estimator():
    return Estimator.learn("energy", "eV", ELEMENTS, table(2000)[:2], table(1000, 1)[:2], steps=200)


def test_estimates_know_the_value_and_how_far_off_they_are(estimator):
    errors = estimator.errors
    assert errors.mae < 0.25 * errors.mae_of_median and errors.r2 > 0.9
    assert errors.within[0] == pytest.approx(0.68, abs=0.1)
    assert 0.85 < errors.within[1] < 1
    x, _, noise = table(1000, 2)
    _, deviation = estimator(x)
    assert spearmanr(deviation, noise).statistic > 0.8
    assert "1000 held-out rows" in estimator.said()


def test_estimates_survive_json_and_need_no_data(estimator):
    x, _, _ = table(50, 3)
    again = Estimator.from_state(estimator.to_state())
    assert again.errors == estimator.errors
    for one, other in zip(estimator(x), again(x), strict=True):
        assert torch.allclose(one, other, rtol=1e-2, atol=5e-3)  # weights in half precision


def test_probabilities_of_not_exceeding(estimator):
    x, _, _ = table(200, 4)
    value, _ = estimator(x)
    at_zero, at_one = estimator.at_most(x), estimator.at_most(x, 1.0)
    assert ((at_zero > 0.5) == (value < 0)).all() and (at_one >= at_zero).all()


def test_the_same_seed_gives_the_same_estimates():
    x, y, _ = table(200)
    one, other = (fit(features(x, ELEMENTS), y, steps=5, seed=3) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_what_cannot_be_learned_is_refused():
    x, y, _ = table(200)
    for rows, values in ((x[:40], y[:40]), (x, torch.ones(200))):
        with pytest.raises(ValueError, match="50"):
            Estimator.learn("energy", "", ELEMENTS, (rows, values))
