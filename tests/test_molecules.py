"""Molecules as packed arrays and as points: round trips, invariance, the ground cost, mending."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from otgan_domains.molecules.correcting import corrections
from otgan_domains.molecules.dataset import build
from otgan_domains.molecules.flags import flag
from otgan_domains.molecules.known import Known
from otgan_domains.molecules.onehot import OneHot, codes, dense, geometry, vector
from otgan_domains.molecules.packing import canonical, pack, spell, unpack
from otgan_domains.molecules.parsing import Unpackable
from otgan_domains.molecules.reading import read
from otgan_domains.molecules.vocabulary import Vocabulary
from rdkit import Chem

from otgan.testing import check_geometry

HARD = [
    "C",
    "C[n+]1ccccc1",
    "[O-][n+]1ccccc1",
    "C[N+](C)(C)CC([O-])=O",
    "O=[N+]([O-])c1ccccc1",
    "CN=[N+]=[N-]",
    "[C-]#[N+]C",
    "CS(C)=O",
    "CP(=O)(O)O",
    "O=S(=O)(O)c1ccccc1",
    "c1ccc2cc3ccccc3cc2c1",
    "c1cc2ccc3cccc4ccc(c1)c2c34",
    "c1ccc2[nH]ccc2c1",
    "c1cnc2[nH]cnc2n1",
    "O=c1cc[nH]c2ccccc12",
    "c1cc[cH-]c1",
    "C1=CC=C[CH+]C=C1",
    "c1cc2cc3ccc(cc4ccc(cc5ccc(cc1n2)[nH]5)n4)[nH]3",
    "C12C3C4C1C5C2C3C45",
    "F[B-](F)(F)F",
    "[O-]Cl(=O)(=O)=O",
    "C[O+]=C",
    "[NH4+]",
]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def molecule(smiles):
    return Chem.MolFromSmiles(smiles)


def vocabulary_of(*smiles, most=None):
    atoms = {(a.GetSymbol(), a.GetFormalCharge()) for s in smiles for a in molecule(s).GetAtoms()}
    most = most or max(molecule(s).GetNumAtoms() for s in smiles)
    return Vocabulary(tuple(sorted(atoms)), (0,) * most + (1,))


KNOWN = vocabulary_of(*HARD, "FC(Cl)Br")


def shuffled(x, seed):
    """The same molecule with its places in another order."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    return torch.cat([x[order, :1], x[order][:, 1:][:, order]], 1)


def noise(n, vocabulary, seed=0):
    """Random packed arrays, of which hardly one is a molecule."""
    rng = torch.Generator().manual_seed(seed)
    points = torch.randn(n, vocabulary.length, generator=rng)
    return OneHot(vocabulary).decode(points)


@pytest.mark.parametrize("smiles", HARD)
def test_packing_is_undone_by_unpacking_whatever_the_order_of_the_atoms(smiles):
    x = pack(molecule(smiles), KNOWN)
    assert x.shape == (KNOWN.most, KNOWN.most + 1) and x.dtype == torch.int8
    assert (x[:, 1:] == x[:, 1:].T).all()
    want = Chem.MolToSmiles(molecule(smiles))
    for seed in range(4):
        assert spell(shuffled(x, seed)[None], KNOWN) == [want]


@pytest.mark.parametrize("every", [20, pytest.param(1, marks=pytest.mark.slow)])
def test_every_molecule_of_the_nci_set_survives_and_is_packed_as_if_alone(every):
    rows = read("nci")
    found = build(replace(rows, texts=rows.texts[::every]), (), 60, 0.0)
    assert len(found.x) > 4500 / every
    assert spell(found.x, found.vocabulary) == list(found.smiles)
    texts = [t for row, t in enumerate(found.rows.texts) if row not in found.dropped]
    assert len(texts) == len(found.x)
    for k in range(0, len(texts), 50):
        assert canonical(molecule(texts[k])) == found.smiles[k]
        alone = pack(molecule(found.smiles[k]), found.vocabulary)
        assert (found.x[k] == alone).all()


@pytest.mark.parametrize(
    ("smiles", "flat"),
    [("C[C@H](F)Cl", "CC(F)Cl"), ("F/C=C/F", "FC=CF"), ("[2H]OC", "CO"), ("[13CH4]", "C")],
)
def test_stereochemistry_isotopes_and_explicit_hydrogens_are_not_kept(smiles, flat):
    known = vocabulary_of("CC(F)Cl", "CO")
    assert spell(pack(molecule(smiles), known)[None], known) == [flat]
    assert canonical(Chem.AddHs(molecule(smiles))) == flat


@pytest.mark.parametrize(
    ("smiles", "why"),
    [
        ("[CH3]", "radical"),
        ("[H][H]", "hydrogen"),
        ("*C", "dummy"),
        ("N->[Fe]", "bond"),
        ("C" * 100, "too large"),
        ("[SiH4]", "atom outside"),
    ],
)
def test_what_has_no_packed_form_says_why(smiles, why):
    with pytest.raises(Unpackable, match=why):
        pack(molecule(smiles), KNOWN)


def test_what_is_no_molecule_unpacks_to_none():
    x = pack(molecule("CC"), KNOWN)
    five, dangling = x.clone(), x.clone()
    five[0, 0] = KNOWN.codes["F", 0]
    five[0, 2] = five[1, 1] = 2
    dangling[1, 3] = dangling[2, 2] = 1
    for wrong in (torch.zeros_like(x), five, dangling):
        assert unpack(wrong, KNOWN) is None
    assert unpack(x, KNOWN) is not None


def test_points_are_one_hot_and_hold_every_bond_once():
    x = torch.stack([pack(molecule(s), KNOWN) for s in HARD])
    chart = OneHot(KNOWN)
    v = chart.encode(x)
    assert (len(x), *chart.encoded_shape(tuple(x.shape[1:]))) == v.shape
    assert (v.sum(1) == KNOWN.most + KNOWN.pairs).all()
    assert (chart.decode(v) == x).all()
    assert (chart.decode(v + 0.49 * torch.rand(v.shape)) == x).all()
    for ours, whole in zip(dense(v, KNOWN), codes(x, KNOWN), strict=True):
        assert (ours == whole).all()
    free = torch.randn(3, KNOWN.length)
    assert (vector(*dense(free, KNOWN)) == free).all()


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("bond", [1, 0.5])
def test_the_ground_cost_counts_changed_atoms_and_bonds(p, bond):
    x, y = (noise(20, KNOWN, seed) for seed in (0, 1))
    atoms = (x[..., 0] != y[..., 0]).sum(1)
    bonds = (x[..., 1:] != y[..., 1:]).sum((1, 2)) / 2
    d = geometry(KNOWN, p, bond).distance(OneHot(KNOWN).encode(x), OneHot(KNOWN).encode(y))
    torch.testing.assert_close(d**p, atoms + bond**p * bonds)


@pytest.mark.parametrize("p", [1, 2])
def test_the_ground_cost_keeps_the_laws(p):
    small = Vocabulary((("C", 0), ("O", 0)), (0, 0, 0, 1))
    x = torch.randn(12, small.length, dtype=torch.float64, generator=torch.manual_seed(0))
    check_geometry(geometry(small, p), x)
    with pytest.raises(ValueError, match="exponent"):
        geometry(small, 3)


def test_the_ground_cost_is_the_same_if_all_molecules_have_their_places_permuted_alike():
    x = torch.stack([pack(molecule(s), KNOWN) for s in HARD])
    y = torch.stack([shuffled(one, 5) for one in x])
    d = [geometry(KNOWN).pairwise(v, v) for v in (OneHot(KNOWN).encode(x), OneHot(KNOWN).encode(y))]
    torch.testing.assert_close(*d)


def test_valence_makes_every_array_a_molecule_and_leaves_molecules_alone():
    small = vocabulary_of("CN(C)C", "[O-][N+](C)=O", "CS(C)(=O)=O", "FC", most=9)
    x = noise(50, small)
    assert all(one is None for one in spell(x, small))
    y = corrections(small)["valence"](x)
    assert None not in spell(y, small)
    assert (y <= x).all() and (y[..., 0] == x[..., 0]).all()
    assert (y[..., 1:] == y[..., 1:].mT).all()
    mend = corrections(KNOWN)["valence"]
    good = torch.stack([pack(molecule(s), KNOWN) for s in HARD])
    assert (mend(good) == good).all()


def test_the_largest_fragment_is_one_of_rdkits():
    keep = corrections(KNOWN)["largest-fragment"]
    pair = pack(molecule("CC.CCO.N"), vocabulary_of("CCO", "N", most=KNOWN.most))
    known = vocabulary_of("CCO", "N", most=KNOWN.most)
    for seed in range(5):
        assert spell(keep(shuffled(pair, seed)[None]), known) == ["CCO"]
    small = vocabulary_of("CN(C)C", "COF", most=9)
    mended = corrections(small)["valence"](noise(50, small))
    for before, after in zip(spell(mended, small), spell(keep(mended), small), strict=True):
        sizes = {s: molecule(s).GetNumAtoms() for s in before.split(".")}
        assert sizes[after] == max(sizes.values())
    nothing = torch.zeros_like(mended[:1])
    assert (keep(nothing) == nothing).all()


def test_flags_tell_invalid_repeated_known_and_broken_ones():
    known = vocabulary_of("CCO", "N")
    x = torch.stack([pack(molecule(s), known) for s in ("CCO", "OCC", "N", "CC.N", "CC")])
    x = torch.cat([x, torch.zeros_like(x[:1])])
    flagged = flag(x, known, Known.of(["N", "CCC"]))
    words = [flagged.words(k) for k in range(6)]
    assert words == ["new", "repeated", "training", "fragments", "new", "invalid"]


def test_checksums_know_what_they_have_seen_after_json():
    smiles = ["C" * k for k in range(1, 2000)]
    known = Known.restore(Known.of(smiles).state())
    assert known.has(smiles).all() and len(known) == len(smiles)
    assert not known.has(["O" * k for k in range(1, 2000)]).any()
    assert not Known.restore(Known.of([]).state()).has(["C", None]).any()
    rng = np.random.default_rng(0)
    text = Known.of(map(str, rng.integers(0, 1 << 60, 20_000))).state()
    assert len(text) < 7 * 20_000
