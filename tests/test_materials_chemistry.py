"""Neutrality and balance: known answers, and smact's own verdicts."""

import itertools
import math

import numpy as np
import pytest

pytest.importorskip("smact")

from otgan_domains.materials.chemistry import check, elements, reduced
from otgan_domains.materials.ions import Ion, ions
from smact.screening import smact_validity

ORDINARY = {
    "NaCl": "Na+ Cl-",
    "TiO2": "Ti4+ 2 O2-",
    "LiFePO4": "Li+ Fe2+ P5+ 4 O2-",
    "BaTiO3": "Ba2+ Ti4+ 3 O2-",
    "CaF2": "Ca2+ 2 F-",
    "Al2O3": "2 Al3+ 3 O2-",
}


@pytest.mark.parametrize("formula", ORDINARY)
def test_ordinary_salts_have_their_textbook_states(formula):
    assert " ".join(map(str, ions(formula))) == ORDINARY[formula]
    assert check(formula).balanced and check(formula).neutral and not check(formula).alloy


def test_no_states_of_sodium_and_chlorine_make_nacl2():
    assert not check("NaCl2").neutral
    assert ions("NaCl2") == ()


def test_magnetite_needs_mixed_valence():
    assert not check("Fe3O4").neutral
    assert check("Fe3O4", mixed_valence=True).balanced
    assert ions("Fe3O4", mixed_valence=True) == (Ion("Fe", 2, 1), Ion("Fe", 3, 2), Ion("O", -2, 4))


def test_atoms_of_one_element_are_never_cation_and_anion_at_once():
    # Fe is reported from -4 to 6, so that -4 and 5 would leave the single charge of F.
    assert not check("Fe2F", mixed_valence=True).balanced
    assert not check("Fe3Pb", mixed_valence=True).balanced


def test_alloys_pass_by_exemption_alone():
    brass = check("CuZn")
    assert brass.alloy and brass.valid() and not brass.valid(alloys=False)
    assert not check("NaCl").alloy
    assert check("O2").valid(alloys=False)  # as in smact, an element alone always passes


def test_neutral_is_not_balanced():
    # O is less electronegative than F: O2+ and 2 F-.
    assert check("OF2").balanced and ions("OF2") == (Ion("O", 2, 1), Ion("F", -1, 2))
    hydride = check("Mg2RuH6")
    assert hydride.neutral and not hydride.balanced  # Ru and H are equally electronegative


def test_amounts_are_reduced_first():
    assert reduced("Ag0.5Ge1Pb1.75S4") == {"Ag": 2, "Ge": 4, "Pb": 7, "S": 16}
    assert reduced({"Na": 2, "Cl": 2}) == {"Na": 1, "Cl": 1}
    assert check("Al0.5Ga0.5As") == check("AlGaAs2")
    assert check("Fe6O8", mixed_valence=True) == check("Fe3O4", mixed_valence=True)


@pytest.fixture(scope="module")
def nonsense():
    """Formulas of up to 4 elements at random, noble gases and actinides among them."""
    draw = np.random.default_rng(0)
    symbols = [s for s in elements().electronegativity if s not in ("Lr", "No", "Md", "Fm", "Es")]
    return [
        {str(s): int(draw.integers(1, 4)) for s in draw.choice(symbols, k, replace=False)}
        for k in draw.integers(1, 5, 400)
    ]


def text(amounts):
    return "".join(f"{symbol}{count}" for symbol, count in amounts.items())


def test_smact_agrees(nonsense):
    for amounts in nonsense:
        formula, verdict = text(amounts), check(amounts)
        assert verdict.valid() == smact_validity(formula), formula
        assert verdict.valid(alloys=False) == smact_validity(formula, include_alloys=False), formula
        neutral = smact_validity(formula, use_pauling_test=False, include_alloys=False)
        assert (verdict.neutral or verdict.element) == neutral, formula


@pytest.mark.filterwarnings("error:Mixed-valence")
def test_smact_agrees_on_mixed_valence(nonsense):
    several = elements().mixed
    few = [a for a in nonsense if math.prod(8 ** a[s] for s in several & a.keys()) < 1e5]
    assert len(few) > 200
    for amounts in few:
        formula = text(amounts)
        ours = check(amounts, mixed_valence=True).valid(alloys=False)
        theirs = smact_validity(formula, include_alloys=False, mixed_valence=True)
        assert ours == theirs, formula


@pytest.mark.parametrize("mixed", [False, True])
def test_ions_are_what_the_verdict_says(nonsense, mixed):
    known = elements()
    for amounts in nonsense:
        found, verdict = ions(amounts, mixed), check(amounts, mixed)
        assert bool(found) == (verdict.neutral or verdict.element)
        if not found:
            continue
        assert sum(ion.count * ion.state for ion in found) == 0
        totals = {s: sum(ion.count for ion in found if ion.symbol == s) for s in amounts}
        assert totals == reduced(amounts)
        if verdict.balanced:
            for one, other in itertools.product(found, found):
                if one.state > 0 > other.state:
                    assert (
                        known.electronegativity[one.symbol] < known.electronegativity[other.symbol]
                    )
