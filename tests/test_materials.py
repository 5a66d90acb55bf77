"""Formulas: what is read, what is refused, and what stays exact."""

import csv
import gzip
import re
from pathlib import Path

import numpy as np
import ot
import pytest
import torch
from otgan_domains.materials import materials
from otgan_domains.materials.elements import SCALE
from otgan_domains.materials.formulas import amounts, formula
from otgan_domains.materials.fractions import Cumulative, WhitenedFractions, fractions
from otgan_domains.materials.magpie import PROPERTIES, STATISTICS, Magpie
from otgan_domains.materials.reading import materials_of, prototypes
from otgan_domains.materials.representation import points, texts, vocabulary
from otgan_domains.materials.saving import left_out
from otgan_domains.materials.spelling import Reader, Spelling

from otgan import fit
from otgan.cli import main
from otgan.config import InputError, resolve
from otgan.geometry import Lp, Mahalanobis
from otgan.preprocess import Encoding

DOMAIN = "otgan_domains.materials:materials"
AFLOW = sorted(set(prototypes()))
ELEMENTS = vocabulary(AFLOW)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Fe6O8", {"Fe": 3, "O": 4}),
        ("Li3Fe2(PO4)3", {"Li": 3, "Fe": 2, "P": 3, "O": 12}),
        ("Fe₂O₃", {"Fe": 2, "O": 3}),
        ("Cu0.333Ni0.667", {"Cu": 1, "Ni": 2}),
        ("Ag0.5Ge1Pb1.75S4", {"Ag": 2, "Ge": 4, "Pb": 7, "S": 16}),
        ("Bi0.04Te0.06Pb0.98Se0.98", {"Bi": 2, "Te": 3, "Pb": 49, "Se": 49}),
        ("CuSO4(H2O)5", {"Cu": 1, "S": 1, "O": 9, "H": 10}),
    ],
)
def test_amounts_are_the_least_whole_ones(text, found):
    assert amounts(text) == found


BAD = {
    "": "empty",
    "foo": "no formula",
    "Fe(": "no formula",
    "Fe2+O": "no formula",
    "D2O": "'D' is an isotope: write H",
    "X2O": "'X' is no element",
    "Qq2": "'Qq' is no element",
    "Og2O": "beyond Lr",
    "Fe-1O": "negative",
    "FeO0": "is 0",
    "Fe3000000000O": "more than 10,000 atoms",
    "Sr8.007Ge2.043Bi7.949Se24": "in whole amounts it has more than 10,000 atoms",
    "Fe" + 400 * "9": "more than 10,000 atoms",
    "Cu0.5Ni0.4": "fractions that add up to 0.9",
    "Fe3.14159O": "not whole",
    "CuSO4·5H2O": "CuSO4(H2O)5",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_formula_is_said(text):
    with pytest.raises(ValueError, match=re.escape(BAD[text])):
        amounts(text)


def test_the_way_to_points_and_back_is_exact():
    assert len(AFLOW) > 200
    x = points(AFLOW, ELEMENTS)
    assert texts(x, ELEMENTS) == AFLOW
    assert all(amounts(formula(amounts(text))) == amounts(text) for text in AFLOW)


def test_multiples_are_one_point_and_nothing_is_no_formula():
    x = points(["Fe3O4", "Fe6O8"], ("Fe", "O"))
    assert torch.equal(x[0], x[1])
    assert texts(torch.zeros(1, 2), ("Fe", "O")) == [""]
    with pytest.raises(ValueError, match="'NaCl' has Na"):
        points(["NaCl"], ("Fe", "O"))


@pytest.mark.parametrize("make", [Cumulative, lambda e: WhitenedFractions(len(e))])
def test_charts_of_fractions_are_inverted_exactly(make):
    x = points(AFLOW, ELEMENTS)
    chart = make(ELEMENTS)
    if isinstance(chart, WhitenedFractions):
        chart.fit(x)
    y = chart.encode(x)
    assert tuple(y.shape[1:]) == chart.encoded_shape(tuple(x.shape[1:]))
    assert torch.equal(chart.decode(y), x)


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [("CaTiO3", "SrTiO3", 0.2), ("NaCl", "LiCl", 0.5), ("O2", "O3", 0.0), ("He", "H", 102.0)],
)
def test_the_element_movers_distance_has_its_published_values(a, b, distance):
    """The first two are the examples of ElMD's own documentation."""
    elements = vocabulary([a, b, "HeH"])
    x, y = Cumulative(elements).encode(points([a, b], elements)).split(1)
    assert Lp(1).distance(x, y).item() == pytest.approx(distance, abs=1e-5)


def test_the_element_movers_distance_is_optimal_transport_on_the_scale():
    x = points(AFLOW[:12], ELEMENTS)
    y = Cumulative(ELEMENTS).encode(x)
    places = np.array([[SCALE.index(element)] for element in ELEMENTS], float)
    cost = np.abs(places - places.T)
    p = fractions(x).double().numpy()
    p /= p.sum(1, keepdims=True)
    exact = [[ot.emd2(a, b, cost) for b in p] for a in p]
    assert Lp(1).pairwise(y, y).numpy() == pytest.approx(np.array(exact), abs=1e-4)


def test_l2_of_whitened_fractions_is_mahalanobis():
    x = points(AFLOW, ELEMENTS)
    chart = WhitenedFractions(len(ELEMENTS)).fit(x)
    y = chart.encode(x[:20]).double()
    p = fractions(x[:20])[:, :-1].double()
    covariance = chart.whitening.covariance.double()
    ruler = Mahalanobis((covariance + covariance.T) / 2)
    assert torch.allclose(ruler.pairwise(p, p), torch.cdist(y, y), rtol=1e-3)


MATMINER = {  # matminer 0.10.1, PropertyStats on its Magpie tables
    ("Fe2O3", "electronegativity"): [1.83, 3.44, 1.61, 2.796, 0.7728, 3.44],
    ("Fe2O3", "atomic number"): [8, 26, 18, 15.2, 8.64, 8],
    ("NaCl", "electronegativity"): [0.93, 3.16, 2.23, 2.045, 1.115, 0.93],
    ("LiFePO4", "atomic number"): [3, 26, 23, 10.857143, 5.510204, 8],
    ("LiFePO4", "unfilled"): [1, 4, 3, 2.285714, 0.693878, 2],
    ("SrTiO3", "unfilled"): [0, 8, 8, 2.8, 2.08, 2],
}


@pytest.mark.parametrize(("text", "name"), MATMINER)
def test_magpies_statistics_are_matminers(text, name):
    elements = vocabulary([text])
    magpie = Magpie(elements)
    found = magpie(points([text], elements))[0].reshape(len(PROPERTIES), len(STATISTICS))
    assert len(magpie.names) == len(magpie.units) == found.numel()
    assert found[list(PROPERTIES).index(name)].tolist() == pytest.approx(
        MATMINER[text, name], abs=1e-5
    )


def test_nothing_has_no_statistics_that_are_not_finite():
    assert Magpie(ELEMENTS)(torch.zeros(2, len(ELEMENTS))).abs().sum() == 0


def test_formulas_are_spelt_from_cation_to_anion_and_read_again():
    x = points(AFLOW, ELEMENTS)
    counts = x.unique().long().tolist()[1:]
    spelling = Spelling(ELEMENTS, counts, int((x > 0).sum(1).max()))
    assert torch.equal(spelling.read(spelling.write(x)), x)
    tokens = spelling.write(points(["SrTiO3"], ELEMENTS))[0]
    places = tokens[0:6:2] - 1
    assert [ELEMENTS[spelling.order[k]] for k in places] == ["Sr", "Ti", "O"]
    with pytest.raises(ValueError, match="999 atoms of an element"):
        spelling.write(points(["O999Fe"], ELEMENTS))


def test_any_tokens_are_read():
    spelling = Spelling(ELEMENTS, (1, 2, 3), 4)
    x = spelling.read(torch.randint(0, spelling.symbols + 1, (500, spelling.length)))
    assert (x >= 0).all() and (x == x.round()).all() and x.sum() > 0


def test_a_reader_reads_nothing_as_well():
    z = Reader(len(ELEMENTS), 5)(torch.zeros(2, len(ELEMENTS)))
    assert z.shape == (2, 5) and z.isfinite().all()


def written(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_a_bad_row_is_named_and_can_be_skipped(tmp_path, capsys):
    file = written(tmp_path / "f.csv", "formula,gap_ev", "NaCl,8", "Fe(,1", "MgO,7", "D2O,2")
    with pytest.raises(InputError, match=r"f\.csv', line 3: 'Fe\('.*--skip"):
        materials_of(file)
    found = materials_of(file, skip=True)
    assert found.formulas == ["NaCl", "MgO"]
    assert left_out(found.left_out)["left-out.csv"].splitlines()[2].startswith("5,D2O,'D' is an")
    assert [(line, text) for line, text, _ in found.left_out] == [(3, "Fe("), (5, "D2O")]
    assert "2 rows are left out, for 2 reasons" in found.said[-1]


def test_formulas_on_several_rows_are_kept_and_counted(tmp_path):
    rows = ["1,Fe2O3", "2,Fe4O6", "2,Fe2O3", "3,FeO", "3,FeO", "4,Fe3O4"]
    file = written(tmp_path / "f.csv", "gap_ev,formula", *rows)
    found = materials_of(file)
    assert found.formulas == ["Fe2O3", "Fe2O3", "FeO", "Fe3O4"]
    assert found.columns[0].values.tolist() == [1, 2, 3, 4]
    assert "2 rows repeat another one" in found.said[0]
    assert "1 formulas, such as Fe2O3, have rows of different properties" in found.said[1]
    domain = materials(file, held_out=0.3, cost="elmd")
    elements = domain.state["elements"]
    sides = [set(texts(part.x, elements)) for part in (domain.train, domain.held_out)]
    assert not sides[0] & sides[1]


def test_columns_that_say_nothing_are_said(tmp_path):
    file = written(
        tmp_path / "f.csv",
        "id,formula,empty,gap_ev,temperature (K),half",
        *(f"m{k},NaCl{k},,{k},300,{k if k % 2 else ''}" for k in range(1, 120)),
    )
    found = materials_of(file)
    assert [(c.name, c.unit) for c in found.columns] == [("gap_ev", "eV")]
    told = "; ".join(found.said)
    assert "'id' has 119 different texts" in told
    assert "'empty' is empty" in told
    assert "'temperature (K)' is 300 everywhere" in told
    assert "'half' lacks 59 of 119" in told
    found = materials_of(file, properties=("half",))
    assert len(found.formulas) == 60 and len(found.left_out) == 59
    with pytest.raises(InputError, match="'empty' is empty"):
        materials_of(file, properties=("empty",))


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        (["a,b", "1,2"], "no column 'formula', only a, b"),
        (["formula,gap_ev (meV)", "NaCl,1"], "names two units, eV and meV"),
        (["formula,gap", "NaCl,1", "MgO,2", "KCl,1.2 eV"], "line 4, 'gap': '1.2 eV' is no finite"),
        (["formula,gap", "NaCl,1", "MgO,inf"], "'inf' is no finite number"),
        (["formula,formula", "NaCl,1"], "two columns named 'formula'"),
        (["formula,", "NaCl,1"], "column 2 has no name"),
        (["formula,gap", "NaCl"], "line 2: 1 cells, and 2 names"),
        (["formula;gap", "NaCl;1"], "separate columns by commas"),
        (["formula"], "a header and data are needed"),
    ],
)
def test_a_wrong_table_is_explained(tmp_path, lines, wrong):
    with pytest.raises(InputError) as error:
        materials_of(written(tmp_path / "f.csv", *lines))
    assert wrong in str(error.value)


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        (["formula,elements", *(f"{a}Cl,{k}" for k, a in enumerate(("Li", "Na", "K")))], "rename"),
        (["formula", "NaCl", "KBr"], "none is left to hold out: give more formulas"),
    ],
)
def test_what_cannot_be_divided_is_explained(tmp_path, lines, wrong):
    with pytest.raises(InputError, match=wrong):
        materials(written(tmp_path / "f.csv", *lines))


def test_a_system_of_which_no_formula_lacks_an_element_keeps_its_amounts(tmp_path):
    rows = ["formula", *(f"Ga{a}As{b}" for a in (1, 2, 3) for b in (1, 4, 5))]
    (tmp_path / "system.csv").write_text("\n".join(rows))
    assert materials(str(tmp_path / "system.csv")).state["counts"] == [1, 2, 3, 4, 5]


@pytest.mark.slow
def test_prototypes_are_those_of_pymatgens_library():
    from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY

    library = [one["snl"].structure.composition.reduced_formula for one in AFLOW_PROTOTYPE_LIBRARY]
    assert prototypes() == library


def test_what_can_be_spelt_is_read_off_training_formulas_alone(tmp_path, capsys):
    rows = ["split,formula", "train,NaCl", "train,Na2Cl", "train,NaCl3", "test,Na5Cl", "val,Na3Cl"]
    state = materials(written(tmp_path / "f.csv", *rows)).state
    assert (state["counts"], state["most"], state["atoms"]) == ([1, 2, 3], 2, 4)
    assert "1 held-out rows have an amount" in capsys.readouterr().err


def test_presets_without_a_critic_have_no_critic_steps():
    assert resolve("sinkhorn", materials(cost="elmd").presets).critic_steps == 0


def test_the_split_of_the_file_is_obeyed_without_leaks(tmp_path):
    file = written(
        tmp_path / "f.csv",
        "split,formula",
        *("train,NaCl", "train,MgO", "train,NaMgOCl", "test,Na2Cl2", "val,MgCl2", "test,KCl"),
    )
    domain = materials(file, cost="elmd")
    elements = domain.state["elements"]
    assert texts(domain.train.x, elements) == ["NaCl", "MgO", formula(amounts("NaMgOCl"))]
    assert texts(domain.held_out.x, elements) == ["MgCl2"]
    told = domain.provenance["reading"]
    assert "1 held-out rows have a formula of a training row" in told
    assert "1 held-out rows have an element that no training formula has" in told


@pytest.mark.parametrize("cost", ["encoding", "elmd", "l2"])
def test_a_domain_is_rebuilt_from_its_state(cost):
    domain = materials(cost=cost)
    again = materials(cost=cost, state=dict(domain.state))
    assert again.train is None and again.attributes == domain.attributes
    assert again.geometry.__class__ is domain.geometry.__class__
    again.chart.load_state_dict(domain.chart.state_dict())
    x = domain.held_out.x[:5]
    assert torch.equal(again.chart.encode(x), domain.chart.encode(x))


def test_a_learned_chart_of_formulas_gives_most_of_them_back():
    domain = materials()
    assert isinstance(domain.chart, Encoding)
    x = domain.train.x[:60]
    domain.chart.fit(x, steps=150, quiet=True)
    back = (domain.chart.decode(domain.chart.encode(x)) == x).all(1).float().mean()
    assert back > 0.5


def test_rows_out_say_what_is_known(tmp_path):
    domain = materials(cost="elmd")
    elements = domain.state["elements"]
    new = next(t for t in ("NaI", "KI", "CuI") if t not in AFLOW and set(amounts(t)) <= {*elements})
    first, held = texts(domain.train.x[:1], elements)[0], texts(domain.held_out.x[:1], elements)[0]
    domain.save(points([first, held, new, new], elements), tmp_path / "new.csv", None)
    rows = list(csv.DictReader((tmp_path / "new.csv").read_text().splitlines()))
    assert [row["formula"] for row in rows] == [first, held, new, new]
    assert [row["known"] for row in rows] == ["training", "held out", "no", "no"]
    assert [row["repeats"] for row in rows] == ["no", "no", "no", "yes"]
    assert all(row["nearest"] not in ("", row["formula"]) for row in rows)
    known = [text for text in AFLOW if set(amounts(text)) <= set(elements)]
    x = Cumulative(elements).encode(points([new, rows[2]["nearest"], *known], elements))
    distances = Lp(1).pairwise(x[:1], x[1:])[0]
    assert float(rows[2]["distance"]) == pytest.approx(distances.min().item(), rel=1e-3)
    assert distances[0] == distances.min()


def test_train_and_sample_on_a_condition(here):
    rows = [f"{text},{0.1 * k:.2f}" for k, text in enumerate(AFLOW[:80])]
    with gzip.open("f.csv.gz", "wt") as file:
        file.write("\n".join(["formula,gap_ev", *rows]) + "\n")
    quick = ["--steps", "2", "--chart-steps", "3", "--batch-size", "16"]
    arguments = ["--data", "f.csv.gz", "--condition", "gap_ev", "elements", "--out", "run"]
    main(["train", DOMAIN, *arguments, *quick])
    main(["sample", "run", "--condition", "gap_ev=1.5,elements=2", "-n", "7", "-o", "new.csv"])
    found = list(csv.DictReader(Path("new.csv").read_text().splitlines()))
    assert len(found) == 7 and all(np.isfinite(float(row["critic"])) for row in found)
    assert {row["neutral"] for row in found} <= {"yes", "no", "mixed valence"}
    with pytest.raises(SystemExit):
        main(["sample", "run", "--condition", "gap_ev=99,elements=2"])


def test_samples_are_kept_that_are_as_asked(tmp_path):
    domain = materials(cost="elmd")
    elements = tuple(domain.state["elements"])
    texts_in = ["NaCl", "Fe2O3", "FeO", "MgFe2O4", "Na3Fe"]
    x = torch.cat([points(texts_in, elements), torch.zeros(1, len(elements))])

    def kept(text):
        good = domain.keep(text)(x).tolist()
        assert not good[-1]
        return [t for t, is_good in zip(texts_in, good, strict=False) if is_good]

    assert kept("Fe") == texts_in[1:]
    assert kept("Fe, no O") == ["Na3Fe"]
    assert kept("O,3") == ["MgFe2O4"]
    assert kept("valid, Fe") == ["Fe2O3", "FeO", "MgFe2O4", "Na3Fe"]
    assert kept("no alloy,Fe") == ["Fe2O3", "FeO", "MgFe2O4"]
    assert kept("new") == [t for t in texts_in if t not in AFLOW]
    for wrong in ("Xx", "no", "old"):
        with pytest.raises(InputError, match="training knows no such element; there are"):
            domain.keep(wrong)


def test_rejection_gives_as_many_as_asked_or_gives_up():
    model = fit(domain=DOMAIN, cost="elmd", steps=2, batch_size=16, quiet=True)
    accepts = model.domain.keep("no O")
    x = model.sample(20, seed=0, keep="no O")
    assert len(x) == 20 and accepts(x).all()
    assert torch.equal(x, model.sample(20, seed=0, keep="no O"))
    with pytest.raises(InputError, match="samples 0 are '99': ask for less"):
        model.sample(20, keep="99")
