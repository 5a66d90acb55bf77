"""From files of molecules to a domain and back to files; what is wrong with them."""

import csv
import gzip
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from otgan_domains.molecules import molecules, parsed, parsing, processes, reading
from otgan_domains.molecules.dataset import build
from otgan_domains.molecules.packing import spell
from otgan_domains.molecules.reading import Rows, read
from otgan_domains.molecules.spread import spread
from PIL import Image
from rdkit import Chem

from otgan import fit
from otgan.cli import main
from otgan.config import InputError
from otgan.domain import check, load
from otgan.model import Model

SMILES = [
    *("CCO", "CCN", "CC(=O)O", "c1ccccc1", "CC#N", "C1CC1", "CCOC", "OCCO", "CC=O", "C=C"),
    *("CCCC", "CCCO", "CCCN", "CNC", "COC", "NCC=O", "O=CC=O", "N#CC#N", "C1CCC1", "C1CO1"),
]
QUICK = ["--chart", "one-hot", "--steps", "2", "--batch-size", "8", "--network.width", "8"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def rows(*texts, columns=None):
    return Rows("data", "smiles", list(texts), columns or {})


def built(*texts, properties=(), largest=38, rare=0.0, columns=None):
    return build(rows(*texts, columns=columns), properties, largest, rare)


def test_every_format_gives_the_same_molecules(here):
    lines = "\n".join(SMILES) + "\n"
    (here / "m.smi").write_text(
        "smiles name\n" + "".join(f"{s} m{k}\n" for k, s in enumerate(SMILES))
    )
    (here / "m.smi.gz").write_bytes(gzip.compress(lines.encode()))
    table = "".join(f"{k},{s}\n" for k, s in enumerate(SMILES))
    (here / "m.csv").write_text("id,SMILES\n" + table)
    (here / "m.csv.gz").write_bytes(gzip.compress(("id,drug\n" + table).encode()))
    (here / "m.tsv").write_text("\ufeffsmiles\n" + lines)
    with Chem.SDWriter("m.sdf") as writer:
        for k, s in enumerate(SMILES):
            mol = Chem.AddHs(Chem.MolFromSmiles(s))
            mol.SetProp("gap", str(k))
            writer.write(mol)
    (here / "m.sdf.gz").write_bytes(gzip.compress((here / "m.sdf").read_bytes()))
    want = [Chem.CanonSmiles(s) for s in SMILES]
    files = [(f"m.{e}", None) for e in ("smi", "smi.gz", "csv", "tsv", "sdf", "sdf.gz")]
    for data, column in [*files, ("m.csv.gz", "drug"), (SMILES, None)]:
        found = build(read(data, column), (), 38, 0.0)
        assert list(found.smiles) == want, data
        assert spell(found.x, found.vocabulary) == want
    assert read("m.sdf").columns == {"gap": [str(k) for k in range(len(SMILES))]}
    assert read("m.csv").columns == {"id": [str(k) for k in range(len(SMILES))]}


def test_each_row_is_kept_or_dropped_for_a_reason():
    found = built(
        *("CCO", "OCC", "C1CC", "[Na+].[Cl-]", "C" * 39, "[CH3]", "[H][H]", "N->[Fe]"),
        *("C" * 5000, "CCN", "", "F/C=C/F", "F/C=C\\F", "[SiH4]", *["CC" + "O" * 1] * 20),
        rare=0.2,
    )
    why = {
        1: "repeated",
        2: "unparsable",
        3: "several fragments",
        4: "of more than 38 heavy atoms",
        5: "radical",
        6: "hydrogen or dummy atom",
        7: "bond of another order",
        8: "longer than 2000 characters",
        9: "with a rare atom type",
        10: "unparsable",
        11: "with a rare atom type",
        12: "with a rare atom type",
        13: "with a rare atom type",
    }
    assert found.dropped == why | dict.fromkeys(range(14, 34), "repeated")
    assert list(found.smiles) == ["CCO"]
    assert "1 of 34 molecules kept; dropped: 21 repeated" in found.said()
    table = list(csv.DictReader(found.report().splitlines()))
    assert [int(row["row"]) for row in table] == [k + 1 for k in sorted(found.dropped)]
    assert table[2] == {"row": "4", "reason": "several fragments", "molecule": "[Na+].[Cl-]"}


def test_the_vocabulary_is_that_of_what_is_kept():
    found = built("CCO", "C#N", "CC(=O)[O-]", "CCCCS", largest=4)
    assert set(found.vocabulary.names) == {"C", "O", "N", "O-"}
    assert found.vocabulary.names[0] == "C"
    assert found.vocabulary.sizes == (0, 0, 1, 1, 1)
    assert found.vocabulary.orders == 3
    assert built("CC", "CCC").vocabulary.orders == 1


HOSTILE = [
    "(" * 1990,
    "C(" * 600 + "C" + ")" * 600,
    "[" * 1000,
    "C1" * 900,
    "c1" * 300 + "c" * 300,
    "[999999999999C]",
    "[C+99999999999]",
    "C%(99999999999)",
    "C" * 100_000,
    "é",
    "C\x01C",
    "".join(f"C{i % 10}{(i + 5) % 10}" for i in range(600)),
]


def test_hostile_smiles_are_dropped_and_the_others_kept():
    found = built(*HOSTILE, "CCO", largest=250)
    assert list(found.smiles) == ["CCO"]
    assert set(found.dropped) == set(range(len(HOSTILE)))


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Texts of a program to run in place of the parser."""
    path = tmp_path / "program.py"
    monkeypatch.setattr(parsing, "__file__", str(path))
    return path.write_text


def test_a_molecule_of_which_the_process_dies_is_dropped_alone(program, monkeypatch):
    program(
        "import json, os, sys\nprint('started', flush=True)\n"
        "for row in sys.stdin:\n"
        "    text = json.loads(row)\n"
        "    if text.startswith('die'): os.abort()\n"
        "    print(json.dumps([text, [['C', 0]], [], []]), flush=True)\n"
    )
    monkeypatch.setattr(processes, "CHUNK", 3)
    texts = ["a", "die", "b", "c", "d", "die", "die", "e"]
    found = parsed.parse(rows(*texts), ())
    assert list(found.smiles) == ["a", "b", "c", "d", "e"]
    assert list(found.row) == [0, 2, 3, 4, 7]
    assert sorted(found.dropped) == [1, 5, 6]
    assert found.dropped[1].startswith("crashes RDKit")


def test_a_molecule_that_takes_too_long_is_dropped(program, monkeypatch):
    program(
        f"import sys, time\nsys.path.insert(0, {str(Path(processes.__file__).parent)!r})\n"
        "import parsing\nparse = parsing.parse\n"
        "def late(text, *more):\n"
        "    time.sleep(100 if text == 'slow' else 0)\n"
        "    return parse(text, *more)\n"
        "parsing.parse = late\nparsing.main(*sys.argv[1:])\n"
    )
    monkeypatch.setattr(processes, "SECONDS", 2)
    monkeypatch.setattr(processes, "CHUNK", 3)
    found = parsed.parse(rows("CCO", "slow", "CCN"), ())
    assert list(found.smiles) == ["CCO", "CCN"]
    assert found.dropped == {1: "crashes RDKit, or takes it more than 2 s"}


def test_a_process_that_cannot_start_is_an_error(program):
    program("raise SystemExit('no RDKit here')")
    with pytest.raises(InputError, match="no RDKit here"):
        parsed.parse(rows("C"), ())


def test_chunks_do_not_show_and_the_cache_answers_the_second_time(monkeypatch, tmp_path):
    texts = [*SMILES[:4], "C1CC", "N", "O"]
    monkeypatch.setattr(processes, "_cores", lambda: 1)
    (whole,) = processes.parsed(rows(*texts), ("logp", "atoms"))
    whole = parsed.Parsed.of(whole, 0, 2)
    monkeypatch.setattr(processes, "CHUNK", 3)
    first = parsed.parse(rows(*texts), ("logp", "atoms"))
    monkeypatch.setattr(subprocess, "Popen", None)
    again = parsed.parse(rows(*texts), ("logp", "atoms"))
    for name, value in vars(whole).items():
        for other in (first, again):
            assert np.array_equal(vars(other)[name], value), name
    with pytest.raises(TypeError):
        parsed.parse(rows(*texts), ("logp",))  # another question, and no process to ask


def test_a_cache_that_is_broken_or_has_no_place_does_no_harm(monkeypatch, tmp_path):
    want = built("CCO").smiles
    (file,) = (tmp_path / "cache" / "otgan" / "molecules").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert (built("CCO").smiles == want).all()
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    assert (built("CCO").smiles == want).all()


def test_properties_are_columns_or_computed():
    columns = {"gap": ["1", "", "nan", "2.5"], "toxic": ["yes", "no", "no", "no"]}
    found = built(
        "CCO", "C1CC1", "CCN", "c1ccccc1", properties=("gap", "rings", "toxic"), columns=columns
    )
    assert list(found.smiles) == ["CCO", "c1ccccc1"]
    assert set(found.dropped.values()) == {"without a value of gap"}
    assert list(found.columns["gap"].values) == [1, 2.5]
    assert list(found.columns["rings"].values) == [0, 1]
    found = built(
        "CCO",
        "CCCN",
        properties=("logp", "qed", "weight", "atoms", "toxic"),
        columns={"toxic": ["yes", "no"]},
    )
    assert found.columns["toxic"].classes == ("no", "yes")
    from rdkit.Chem import QED, Crippen, Descriptors

    mol = Chem.MolFromSmiles("CCO")
    known = [Crippen.MolLogP(mol), QED.qed(mol), Descriptors.MolWt(mol), 3]
    ours = [found.columns[n].values[0] for n in ("logp", "qed", "weight", "atoms")]
    np.testing.assert_allclose(ours, known)


def test_a_file_says_what_is_wrong_with_it(here):
    (here / "empty.smi").write_text("")
    (here / "blank.csv").write_text("smiles\n")
    (here / "binary.smi").write_bytes(bytes(range(256)))
    (here / "nul.smi").write_bytes(b"C\0C\n")
    (here / "cut.smi.gz").write_bytes(gzip.compress(b"CCO\n" * 99)[:-9])
    (here / "plain.smi.gz").write_text("CCO\n")
    (here / "two.csv").write_text("a,b\nCCO,1\n")
    (here / "short.csv").write_text("smiles,b\nCCO,1\nCCN\n")
    (here / "m.mol2").write_text("CCO\n")
    (here / "bad.smi").write_text("hello\nC1CC\n")
    (here / "bad.sdf").write_text("nothing\n$$$$\n")
    (here / "large.smi").write_text("C" * 500)
    (here / "small.smi").write_text("C\nN\nO\n")
    (here / "good.csv").write_text(
        "smiles,same,text,none\n" + "".join(f"{s},1,{k}x,nan\n" for k, s in enumerate(SMILES * 6))
    )
    wrong = {
        "no.smi": "does not exist",
        ".": "is a folder",
        "empty.smi": "holds no molecules",
        "blank.csv": "holds no molecules",
        "binary.smi": "no text",
        "nul.smi": "no text",
        "cut.smi.gz": "is broken",
        "plain.smi.gz": "is broken",
        "two.csv": "which column.*a, b; give --column",
        "short.csv": "row 3: 1 columns, and 2",
        "m.mol2": "molecules come as .smi",
        "bad.smi": "2 rows are dropped, the first, 'hello', as unparsable",
        "bad.sdf": "no molecule to learn from",
        "small.smi": "no molecule with a bond",
        "large.smi": "of more than 38 heavy atoms",
    }
    for name, why in wrong.items():
        with pytest.raises(InputError, match=why):
            molecules(name)
    options = [
        ({"column": "smile"}, "no 'smile': did you mean 'smiles'"),
        ({"properties": ("logP",)}, "no such column: did you mean 'logp'"),
        ({"properties": ("same",)}, "same is the same for all"),
        ({"properties": ("text",)}, "different values, such as '0x'"),
        ({"properties": ("none",)}, "dropped, the first, 'CCO', as without a value of none"),
        ({"largest": 1}, "--largest is a number"),
        ({"rare": 1.0}, "--rare a share"),
        ({"p": 3.0}, "--p is the exponent"),
        ({"held_out": 1.0}, "--held-out"),
    ]
    for chosen, why in options:
        with pytest.raises(InputError, match=why):
            molecules("good.csv", **chosen)
    with pytest.raises(InputError, match="drop it"):
        molecules("bad.smi", column="smiles")


def test_properties_that_never_vary_are_left_out_unless_asked_for():
    straight = ["C" * k for k in range(1, 21)]
    assert [a.name for a in molecules(straight).attributes] == ["logp", "weight", "atoms"]
    with pytest.raises(InputError, match="rings is the same"):
        molecules(straight, properties=("rings",))


def test_histograms_have_a_bin_for_each_count_and_leave_out_what_is_far_away():
    counts = spread(np.array([0, 1, 1, 2]))
    assert counts == {"edges": [-0.5, 0.5, 1.5, 2.5], "shares": [0.25, 0.5, 0.25]}
    values = np.concatenate([np.linspace(0, 1, 1000), [1e6]])
    numbers = spread(values)
    assert numbers["edges"][-1] <= 1 and sum(numbers["shares"]) > 0.97


def test_the_nci_set_is_the_default_and_a_domain(tmp_path, monkeypatch):
    lines = reading.NCI.read_text().splitlines()[:400]
    (tmp_path / "some.smi").write_text("\n".join(lines))
    monkeypatch.setattr(reading, "NCI", tmp_path / "some.smi")
    domain = molecules()
    check(domain, "molecules")
    assert len(domain.train) + len(domain.held_out) > 300
    held_out = domain.held_out.draw(50, 0)
    assert all(share(held_out).all() for share in domain.shares.values())
    assert not domain.shares["valid, unique, not in training"](domain.train.x[:50]).any()


def test_a_run_samples_without_its_data_and_says_what_it_dropped(here, capsys):
    (here / "m.csv").write_text("smiles\n" + "\n".join([*SMILES, "C1CC"]) + "\n")
    main(["train", "otgan_domains.molecules:molecules", "--data", "m.csv", "--out", "run", *QUICK])
    assert "20 of 21 molecules kept; dropped: 1 unparsable" in capsys.readouterr().err
    assert (here / "run" / "dropped.csv").read_text().splitlines()[1:] == ["21,unparsable,C1CC"]
    (here / "m.csv").unlink()
    main(["sample", "run", "-n", "30", "-o", "s.csv", "--correct", "valence", "largest-fragment"])
    assert "as generated: valid" in capsys.readouterr().err
    model = Model.load("run")
    x = model.corrected(model.sample(30, 0), ["valence", "largest-fragment"])
    for name in ("s.smi", "s.sdf", "s.png", "s.npy"):
        model.domain.save(x, here / name)
    table = list(csv.DictReader((here / "s.csv").open()))
    assert len(table) == 30
    lines = [line.split("\t") for line in (here / "s.smi").read_text().splitlines()]
    made = [row["smiles"] for row in table if row["valid"] == "1"]
    assert [smiles for smiles, _ in lines] == made and made
    assert all(row["one_fragment"] == "1" for row in table if row["smiles"])
    for row in table:
        if row["smiles"]:
            assert float(row["atoms"]) == Chem.MolFromSmiles(row["smiles"]).GetNumAtoms()
    blocks = list(Chem.SDMolSupplier("s.sdf"))
    assert [mol.GetProp("smiles") for mol in blocks] == made
    assert np.load("s.npy").shape[0] == 30
    with Image.open("s.png") as picture:
        assert picture.width > 500 and len(set(picture.convert("L").getdata())) > 10
    with pytest.raises(InputError, match="unknown correction 'valense': did you mean 'valence'"):
        model.corrected(x, ["valense"])
    with pytest.raises(InputError, match="cannot write"):
        model.domain.save(x, here / "s.mol")


def test_molecules_can_be_asked_for_a_property(here):
    model = fit(
        SMILES,
        domain="otgan_domains.molecules:molecules",
        chart="one-hot",
        steps=2,
        batch_size=8,
        condition=["logp"],
        network={"width": 8},
    )
    x = model.sample(5, seed=0, condition="0.1")
    assert x.shape == (5, *model.spec["shape"]) and x.dtype == torch.int8
    assert torch.equal(x, model.sample(5, seed=0, condition="0.1"))


def test_a_domain_that_lacks_its_packages_says_so(monkeypatch):
    from importlib.metadata import EntryPoint

    from otgan import domain

    point = EntryPoint("molecules", "no_such_package:molecules", "otgan.domains")
    monkeypatch.setattr(domain, "installed", lambda: {"molecules": point})
    with pytest.raises(InputError, match="needs 'no_such_package', which is not installed"):
        load("molecules", {})
