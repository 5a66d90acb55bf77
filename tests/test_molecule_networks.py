"""Molecules as sentences and as graphs: what is written can be read, no order is seen."""

import pytest
import torch
from otgan_domains.molecules.onehot import OneHot, geometry
from otgan_domains.molecules.packing import canonical, pack, unpack
from otgan_domains.molecules.relational import GraphEncoder, Relational, graph
from otgan_domains.molecules.spelling import Spelling
from otgan_domains.molecules.vocabulary import Vocabulary
from rdkit import Chem

import otgan
from otgan.geometry.base import flat
from otgan.model import Model
from otgan.networks.layers import Critic

ATOMS = (("C", 0), ("O", 0), ("N", 0), ("N", 1), ("O", -1), ("Cl", 0), ("S", 0))
KNOWN = Vocabulary(ATOMS, tuple(range(15)))
SMILES = [
    "CO",
    "C#N",
    "CC(C)(C)C",
    "c1ccccc1",
    "O=[N+]([O-])c1ccccc1Cl",
    "c1ccc2[nH]ccc2c1",
    "C1CC2CCC1CC2",
    "OC12CC3CC1CC3C2",
    "CS(=O)(=O)N1CC1",
    "C12C3C4C1C5C2C3C45",
    "[NH3+]CC([O-])=O",
]


def packed(smiles):
    return torch.stack([pack(Chem.MolFromSmiles(s), KNOWN) for s in smiles]).float()


def shuffled(x, seed=0):
    """The same molecules with their atoms, and missing ones, in another order."""
    g = torch.Generator().manual_seed(seed)
    rows = []
    for one in x:
        order = torch.randperm(len(one), generator=g)
        rows.append(torch.cat([one[order, :1], one[order][:, 1 + order]], 1))
    return torch.stack(rows)


def named(x):
    mols = [unpack(one, KNOWN) for one in x]
    return [mol and canonical(mol) for mol in mols]


@pytest.mark.parametrize("order", [lambda x: x, shuffled])
def test_what_is_written_can_be_read(order):
    language, x = Spelling(KNOWN), order(packed(SMILES))
    tokens = language.write(x)
    assert tokens.shape == (len(SMILES), language.length)
    assert tokens.min() == 0 and tokens.max() <= language.symbols
    assert named(language.read(tokens)) == [Chem.CanonSmiles(s) for s in SMILES]


def test_all_spellings_of_a_molecule_say_it():
    language, x = Spelling(KNOWN, spellings=8), packed(SMILES)
    tokens = language.write(x)
    assert tokens.shape == (len(SMILES), 8, language.length)
    assert len(tokens[5].unique(dim=0)) > 3
    for k, smiles in enumerate(SMILES):
        assert set(named(language.read(tokens[k]))) == {Chem.CanonSmiles(smiles)}


def test_any_tokens_can_be_read():
    language = Spelling(KNOWN)
    tokens = torch.randint(0, language.symbols + 1, (300, language.length))
    x = language.read(tokens)
    assert x.shape == (300, 14, 15) and (x[..., 1:] == x[..., 1:].transpose(1, 2)).all()


@pytest.mark.parametrize(
    "said", ["C(", "C%10CC", "CC)", "C%10%10", "=", "", "C" * 15, "C=%10CC%10="]
)
def test_what_spells_nothing_gives_no_atoms(said):
    language, row, rest = Spelling(KNOWN), [], said
    while rest:
        word = next(w for w in sorted(language.words, key=len, reverse=True) if rest.startswith(w))
        row, rest = [*row, language.words.index(word)], rest[len(word) :]
    tokens = torch.nn.functional.pad(
        torch.tensor(row, dtype=torch.long), (0, language.length - len(row))
    )
    assert language.said(tokens[None]) == [said]
    assert not language.read(tokens[None]).any()


def test_impossible_valences_are_read_as_they_are():
    language = Spelling(KNOWN)
    tokens = torch.zeros(1, language.length, dtype=torch.long)
    tokens[0, :5] = torch.tensor([language.words.index(w) for w in ("[O]", "=", "[O]", "=", "[O]")])
    x = language.read(tokens)
    assert (x[0, :, 0] > 0).sum() == 3 and x[0, :, 1:].sum() == 8 and named(x) == [None]


def test_no_atoms_have_no_spelling():
    with pytest.raises(ValueError, match="no spelling"):
        Spelling(KNOWN).write(torch.zeros(1, 14, 15))


def test_the_encoder_does_not_see_the_order_of_atoms():
    torch.manual_seed(0)
    encoder, x = GraphEncoder(KNOWN, 16, width=32).double(), packed(SMILES)
    z = encoder(x.double())
    for seed in range(3):
        torch.testing.assert_close(encoder(shuffled(x, seed).double()), z, atol=1e-10, rtol=1e-10)
    assert (torch.cdist(z, z) + torch.eye(len(z)) > 1e-3).all()


def test_the_encoder_tells_what_message_passing_alone_does_not():
    """Decalin and bicyclopentyl have the same neighbourhoods at any depth."""
    torch.manual_seed(0)
    x = packed(["C1CCC2CCCCC2C1", "C1CCC(C1)C1CCCC1"])
    a, b = GraphEncoder(KNOWN, 16, width=32)(x)
    assert (a - b).abs().max() > 1e-3


def networks(**options):
    torch.manual_seed(0)
    generator, critic = graph(KNOWN, (KNOWN.length,), latent=8, width=16, **options)
    torch.nn.init.normal_(critic[-1].weight)
    return generator, critic


def test_the_graph_critic_does_not_see_the_order_of_atoms():
    _, critic = networks()
    chart, x = OneHot(KNOWN), packed(SMILES)
    value = critic.double()(chart.encode(x).double())
    for seed in range(3):
        other = critic(chart.encode(shuffled(x, seed)).double())
        torch.testing.assert_close(other, value, atol=1e-12, rtol=1e-10)
    assert value.std() > 1e-3 and isinstance(critic, Critic)


def test_a_slope_is_one_number_a_molecule_and_its_dual_norm_bounds_every_change():
    """|f(x) - f(y)| for near x and y is at most the slope there times the product norm."""
    generator, critic = networks()
    cost, x = geometry(KNOWN), OneHot(KNOWN).encode(packed(SMILES))
    fake = generator(torch.randn(len(x), 8)).detach()
    slope = cost.slope(critic, x, fake)
    assert slope.shape == (len(x),) and slope.isfinite().all()
    near = x + 1e-4 * torch.randn_like(x)
    at = cost.slope(critic.double(), x.double(), x.double())
    change = (critic(x.double()) - critic(near.double())).abs()
    assert (change <= 1.01 * at * cost.distance(x, near) + 1e-9).all()
    assert flat(fake).shape == (len(x), KNOWN.length)


def test_the_slope_of_a_molecule_is_its_own():
    """Not that of the batch: it stays as it is whatever the others are."""
    _, critic = networks()
    cost, x = geometry(KNOWN), OneHot(KNOWN).encode(packed(SMILES)).double()
    critic = critic.double()
    torch.testing.assert_close(cost.slope(critic, x, x)[3:4], cost.slope(critic, x[3:4], x[3:4]))


def test_a_layer_is_pygs_relational_convolution():
    from torch_geometric.nn import RGCNConv

    torch.manual_seed(0)
    layer = Relational(6, 3, torch.nn.Identity(), norm=False)
    torch.nn.init.zeros_(layer.whole.weight)
    theirs = RGCNConv(6, 6, 3, aggr="sum")
    own, *parts = layer.mix.weight.T.split(6)
    theirs.weight.data = torch.stack(parts)
    theirs.root.data, theirs.bias.data = own, layer.mix.bias
    x = packed(["O=[N+]([O-])c1ccccc1Cl"])
    bonds = torch.nn.functional.one_hot(x[..., 1:].long(), 4)[..., 1:].permute(0, 3, 1, 2).float()
    kind, ends = bonds[0].nonzero()[:, 0], bonds[0].nonzero()[:, 1:].T
    h = torch.randn(1, 14, 6)
    ours = layer(h, bonds, torch.ones(1, 14, 1)) - h
    torch.testing.assert_close(ours[0], theirs(h[0], ends, kind))


def test_a_run_in_learned_coordinates_needs_no_data_to_sample(tmp_path):
    model = otgan.fit(
        SMILES * 2 + ["CCO", "CCN", "CCC", "CCCl", "CCS"],
        domain="otgan_domains.molecules:molecules",
        held_out=0.3,
        rare=0.0,
        steps=2,
        chart_steps=3,
        batch_size=4,
        condition=["logp"],
        network={"width": 8},
        out=tmp_path / "run",
        quiet=True,
    )
    x = model.sample(5, seed=0, condition="0.1")
    assert x.shape == (5, *model.spec["shape"]) and x.dtype == torch.int8
    again = Model.load(tmp_path / "run")
    assert torch.equal(again.sample(5, seed=0, condition="0.1"), x)
    assert model.spec["config"]["chart_steps"] == 3
    assert again.score(x, "0.1").shape == (5,)


@pytest.mark.parametrize("name", ["graph", "mlp"])
@pytest.mark.parametrize("condition", [[], ["logp"]])
def test_one_hot_codes_are_a_chart_as_well(name, condition):
    model = otgan.fit(
        SMILES,
        domain="otgan_domains.molecules:molecules",
        chart="one-hot",
        held_out=0.3,
        rare=0.0,
        steps=2,
        batch_size=4,
        condition=condition,
        network={"name": name, "width": 8},
        quiet=True,
    )
    assert model.sample(3).shape == (3, *model.spec["shape"])
