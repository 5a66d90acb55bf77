"""Morgan fingerprints, and the Tanimoto distance between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator
from torch import Tensor

from otgan.geometry import MetricSpace

_MOST = 100


def morgan(
    molecules: Sequence[Chem.Mol], bits: int = 1024, radius: int = 2, counts: bool = False
) -> Tensor:
    """Which circular neighbourhoods of atoms a molecule has, hashed, (n, bits) floats.

    Morgan fingerprints (Rogers and Hahn 2010, 'Extended-Connectivity Fingerprints'): radius 2 is
    ECFP4, with 1,024 bits as in MOSES.

    Args:
        counts: how often each occurs, instead of 0 or 1.

    Example:
        >>> ethane, octane = map(Chem.MolFromSmiles, ("CC", "CCCCCCCC"))
        >>> morgan([ethane, octane]).sum(1), morgan([ethane, octane], counts=True).sum(1)
        (tensor([2., 8.]), tensor([ 3., 22.]))
    """
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=bits)
    one = generator.GetCountFingerprintAsNumPy if counts else generator.GetFingerprintAsNumPy
    rows = np.zeros((len(molecules), bits), np.float32)
    for row, molecule in zip(rows, molecules, strict=True):
        row[:] = one(molecule)
    return torch.from_numpy(rows)


class Tanimoto(MetricSpace):
    """1 - sum_i min(x_i, y_i) / sum_i max(x_i, y_i) on vectors of numbers at least 0; at most 1.

    On bits it is 1 - |x and y| / |x or y| (Jaccard), on counts the min/max form. Both are
    2 |x - y| / (|x| + |y| + |x - y|) in l1, the transform of l1 at 0 by which a metric stays one
    (Marczewski and Steinhaus 1958, 'On a certain distance of sets'; for bits also Lipkus 1999, 'A
    proof of the triangle inequality for the Tanimoto distance'). The form with dot products,
    1 - <x, y> / (<x, x> + <y, y> - <x, y>), is the same on bits and no metric on counts: from 1 to
    4 it is 9/13, by way of 2 only 1/3 + 1/3.

    Molecules with equal fingerprints are 0 apart: a metric on fingerprints, not on molecules. Two
    vectors of zeros are 0 apart as well.

    Raises:
        ValueError: a number below 0.

    Example:
        >>> Tanimoto().distance(torch.tensor([[1.0, 1, 0]]), torch.tensor([[0.0, 1, 2]]))
        tensor([0.7500])
    """

    def __repr__(self) -> str:
        return "Tanimoto"

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        _check(x, y)
        apart = (x - y).abs().sum(1)
        return _transformed(x.sum(1) + y.sum(1), apart)

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        """All distances, (n, k), (m, k) -> (n, m): of whole numbers as one matrix product for
        every number that occurs, which is fast as long as few coordinates are above 1."""
        if not (x.numel() and y.numel() and _whole(x) and _whole(y)):
            return super().pairwise(x, y)
        _check(x, y)
        total = x.sum(1)[:, None] + y.sum(1)
        shared = x.clamp(max=1).to(total) @ y.clamp(max=1).to(total).T
        for level in range(2, int(min(x.amax(), y.amax())) + 1):
            a, b = x >= level, y >= level
            there = a.any(0) & b.any(0)
            shared += a[:, there].to(total) @ b[:, there].to(total).T
        return _transformed(total, total - 2 * shared)


def _transformed(total: Tensor, apart: Tensor) -> Tensor:
    """2 |x - y| / (|x| + |y| + |x - y|), 0 where both are 0."""
    both = total + apart
    return torch.where(both > 0, 2 * apart / torch.where(both > 0, both, 1), 0)


def _whole(x: Tensor) -> bool:
    """Whether the numbers are whole, and small enough for a matrix product for each."""
    return bool(x.amax() <= _MOST) and bool((x == x.round()).all())


def _check(*points: Tensor) -> None:
    for x in points:
        if x.numel() and (least := x.amin().item()) < 0:
            raise ValueError(f"the Tanimoto distance is of numbers at least 0, got {least:g}")
