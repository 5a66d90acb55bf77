"""Molecules as points of a vector space: one-hot codes of atoms and of pairs, and their norm.

A point is a vector of length N A + N (N - 1) / 2 B: codes of atoms (N, A), then codes of bonds
(N (N - 1) / 2, B), those of pairs i < j in the order of `torch.triu_indices`, each once.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from otgan.geometry import Geometry, Lp, Product
from otgan.preprocess import Chart
from otgan_domains.molecules.vocabulary import Vocabulary


def geometry(vocabulary: Vocabulary, p: float = 2, bond: float = 1) -> Geometry:
    """The ground cost of molecules: d(x, y)^p = atoms that differ + bond^p * bonds that differ.

    A product of an lp norm of the atoms and one of the bonds, each bond counted once, combined by
    "l2" for p = 2 and by "sum" for p = 1, so that one changed atom is 1 away. Its dual norm is that
    of the two dual norms, joined by "l2" and "max". Atoms are compared place by place: an order
    of the atoms is part of a point, and critics that do not see it measure the distance up to
    permutations.

    Args:
        p: 2, or 1 for a count of changes.
        bond: distance of two molecules that differ in one bond alone.

    Raises:
        ValueError: another p, a cost that is not positive.

    Example:
        >>> known = Vocabulary((("C", 0), ("O", 0)), (0, 0, 1))
        >>> co, cc = (torch.tensor([[[1, 0, 1], [k, 1, 0]]]) for k in (2, 1))
        >>> geometry(known, p=1).distance(OneHot(known).encode(co), OneHot(known).encode(cc))
        tensor([1.])
    """
    if p not in (1, 2):
        raise ValueError(f"molecules have ground costs of exponent 1 or 2, got {p:g}")
    change = 2 ** (-1 / p)  # two coordinates differ by 1 where two codes differ
    parts = [
        (Lp(p), (vocabulary.most, vocabulary.kinds)),
        (Lp(p), (vocabulary.pairs, vocabulary.bonds)),
    ]
    return Product(parts, [change, bond * change], "l2" if p == 2 else "sum")


def dense(v: Tensor, vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
    """Vectors (n, length) as atoms (n, N, A) and symmetric bonds (n, N, N, B), differentiable.

    A place has code 0, no bond, with itself.
    """
    places = vocabulary.most
    atoms = v[:, : places * vocabulary.kinds].reshape(-1, places, vocabulary.kinds)
    pairs = v[:, places * vocabulary.kinds :].reshape(-1, vocabulary.pairs, vocabulary.bonds)
    i, j = torch.triu_indices(places, places, 1, device=v.device)
    bonds = v.new_zeros(len(v), places, places, vocabulary.bonds)
    bonds[:, i, j] = pairs
    bonds[:, j, i] = pairs
    here = torch.arange(places, device=v.device)
    bonds[:, here, here, 0] = 1
    return atoms, bonds


def vector(atoms: Tensor, bonds: Tensor) -> Tensor:
    """Atoms (n, N, A) and symmetric bonds (n, N, N, B) as vectors, (n, length)."""
    i, j = torch.triu_indices(atoms.shape[1], atoms.shape[1], 1, device=atoms.device)
    return torch.cat([atoms.flatten(1), bonds[:, i, j].flatten(1)], 1)


def codes(x: Tensor, vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
    """Packed molecules (n, N, N + 1) as one-hot atoms (n, N, A) and bonds (n, N, N, B), floats."""
    x = x.long()
    atoms, bonds = one_hot(x[..., 0], vocabulary.kinds), one_hot(x[..., 1:], vocabulary.bonds)
    return atoms.float(), bonds.float()


class OneHot(Chart):
    """Between packed molecules (n, N, N + 1) and vectors (n, length).

    Decoding takes the largest coordinate of each atom and each bond.
    """

    def __init__(self, vocabulary: Vocabulary):
        super().__init__()
        self.vocabulary = vocabulary

    def encoded_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.vocabulary.length,)

    def encode(self, x: Tensor) -> Tensor:
        return vector(*codes(x, self.vocabulary))

    def decode(self, x: Tensor) -> Tensor:
        atoms, bonds = dense(x, self.vocabulary)
        return torch.cat([atoms.argmax(-1)[..., None], bonds.argmax(-1)], -1).to(torch.int8)
