"""Tanimoto distance and fused Gromov-Wasserstein: known values, and where they are metrics."""

import itertools
from pathlib import Path

import pytest
import torch
from otgan_domains.molecules.fingerprints import Tanimoto, morgan
from otgan_domains.molecules.gromov import fused_gromov_wasserstein
from rdkit import Chem, DataStructs, RDConfig
from rdkit.Chem import rdFingerprintGenerator

from otgan.metrics import nearest, neighbours
from otgan.testing import check_geometry
from otgan.transport import exact

TANIMOTO = Tanimoto()


def nci(n):
    """Real molecules that RDKit ships."""
    lines = (Path(RDConfig.RDDataDir) / "NCI" / "first_200.props.sdf").as_posix()
    return [m for m in itertools.islice(Chem.SDMolSupplier(lines), n) if m is not None]


def mols(*smiles):
    return [Chem.MolFromSmiles(one) for one in smiles]


def detour(d):
    """How much longer the straight way is than the best way by a third point, at most."""
    return (d - (d[:, :, None] + d[None]).amin(1)).max()


def vectors(counts, n=60, d=12):
    random = torch.Generator().manual_seed(0)
    x = torch.randint(0, 5 if counts else 2, (n, d), generator=random).float()
    return x * torch.rand(n, 1, generator=random).round()  # some are all zeros


# Tanimoto


def test_by_hand():
    x, y = torch.tensor([[1.0, 1, 1, 0, 0]]), torch.tensor([[0.0, 1, 1, 1, 1]])
    assert TANIMOTO.distance(x, y).item() == pytest.approx(1 - 2 / 5)
    x, y = torch.tensor([[3.0, 1, 0]]), torch.tensor([[1.0, 2, 2]])
    assert TANIMOTO.distance(x, y).item() == pytest.approx(1 - (1 + 1) / (3 + 2 + 2))
    none = torch.zeros(1, 3)
    assert TANIMOTO.distance(none, none) == 0 and TANIMOTO.distance(none, y) == 1


@pytest.mark.parametrize("counts", [False, True])
def test_rdkit_says_the_same(counts):
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
    one = generator.GetCountFingerprint if counts else generator.GetFingerprint
    molecules = nci(30)
    theirs = [one(m) for m in molecules]
    expected = [[1 - DataStructs.TanimotoSimilarity(a, b) for b in theirs] for a in theirs]
    x = morgan(molecules, counts=counts)
    torch.testing.assert_close(TANIMOTO.pairwise(x, x), torch.tensor(expected).float())


@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("real", [False, True])
def test_it_is_a_metric(counts, real):
    x = morgan(nci(60), counts=counts) if real else vectors(counts)
    d = TANIMOTO.pairwise(x, x).double()
    assert detour(d) < 1e-6 and (d.diagonal() == 0).all()
    torch.testing.assert_close(d, d.T)
    check_geometry(TANIMOTO, x[:20])


def test_the_form_with_dot_products_is_no_metric_on_counts():
    x = torch.tensor([[1.0], [2.0], [4.0]])
    product, square = x @ x.T, x.square()
    dot = 1 - product / (square + square.T - product)
    assert dot[0, 2] == pytest.approx(9 / 13) and dot[0, 1] == dot[1, 2] == pytest.approx(1 / 3)
    assert detour(dot) > 0.02
    ours = TANIMOTO.pairwise(x, x)
    assert ours[0, 2] == 0.75 and ours[0, 1] == ours[1, 2] == 0.5 and detour(ours) <= 0


@pytest.mark.parametrize("points", [vectors(False), vectors(True), vectors(True) / 3])
def test_pairwise_is_distance_of_all_pairs(points):
    x, y = points[:25], points[25:]
    expected = torch.stack([TANIMOTO.distance(x, one.expand_as(x)) for one in y], 1)
    torch.testing.assert_close(TANIMOTO.pairwise(x, y), expected)
    assert TANIMOTO.pairwise(x[:0], y).shape == (0, len(y))


def test_numbers_below_0_are_refused():
    x = torch.tensor([[1.0, -2.0]])
    for measure in (TANIMOTO.distance, TANIMOTO.pairwise):
        with pytest.raises(ValueError, match="at least 0, got -2"):
            measure(x, x)


def test_transport_and_neighbours_work_under_it():
    x = morgan(nci(40))
    a, b = x[:20], x[20:]
    assert exact(a, a, TANIMOTO) == pytest.approx(0, abs=1e-7)
    far = exact(a, b, TANIMOTO)
    assert nearest(a, b, TANIMOTO).mean() <= far <= 1
    assert neighbours(a, a.clone(), TANIMOTO)["1-NN accuracy"].value < 0.1


# fused Gromov-Wasserstein


@pytest.mark.parametrize("structure", ["paths", "bonds"])
def test_the_order_of_atoms_does_not_matter(structure):
    (molecule,) = mols("CC(C)Cc1ccc(cc1)C(C)C(=O)O")
    order = torch.randperm(15, generator=torch.Generator().manual_seed(0)).tolist()
    other = Chem.RenumberAtoms(molecule, order)
    assert fused_gromov_wasserstein(molecule, other, structure) == pytest.approx(0, abs=1e-12)


def test_molecules_whose_matching_is_known():
    water, ethanol, hexane, ether, propane = mols("O", "CCO", "CCCCCC", "COC", "CCC")
    # One atom has one coupling: half the share of other elements, half the mean squared length.
    assert fused_gromov_wasserstein(water, ethanol) == pytest.approx(2 / 3 / 2 + 12 / 9 / 2)
    assert fused_gromov_wasserstein(water, hexane) == pytest.approx(1 / 2 + 210 / 36 / 2)
    assert fused_gromov_wasserstein(water, ethanol, share=0) == pytest.approx(2 / 3)
    assert fused_gromov_wasserstein(propane, ether) == pytest.approx(1 / 6)
    assert fused_gromov_wasserstein(propane, ether, share=1) == pytest.approx(0, abs=1e-12)


def test_it_breaks_the_triangle_inequality():
    water, ethanol, hexane = mols("O", "CCO", "CCCCCC")
    straight = fused_gromov_wasserstein(water, hexane)
    assert straight > 1.5 * (
        fused_gromov_wasserstein(water, ethanol) + fused_gromov_wasserstein(ethanol, hexane)
    )


def test_molecules_without_atoms_or_in_pieces_are_refused():
    salt, none, water = mols("CC(=O)[O-].[Na+]", "", "O")
    with pytest.raises(ValueError, match="is in pieces"):
        fused_gromov_wasserstein(salt, water)
    assert fused_gromov_wasserstein(salt, salt, "bonds") == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="without atoms"):
        fused_gromov_wasserstein(water, none)
