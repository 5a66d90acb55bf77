"""Training molecules, kept as checksums, so that samples can be told from them without data."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterable, Sequence

import numpy as np

BYTES = 6
"""Of a checksum: one new molecule in 3e8 passes for one of a million."""


class Known:
    """A set of canonical SMILES.

    Args:
        sums: their checksums, sorted, (n,) of int64.

    Example:
        >>> known = Known.of(["CCO", "CC"])
        >>> Known.restore(known.state()).has(["CC", "CCC", None])
        array([ True, False, False])
    """

    def __init__(self, sums: np.ndarray):
        self.sums = sums

    def __len__(self) -> int:
        return len(self.sums)

    @classmethod
    def of(cls, smiles: Iterable[str]) -> Known:
        return cls(np.unique(_sums(smiles)))

    def has(self, smiles: Sequence[str | None]) -> np.ndarray:
        """Which of them are in the set, (n,) of bool; None is not."""
        there = np.array([one is not None for one in smiles], bool)
        there[there] = np.isin(_sums(one for one in smiles if one is not None), self.sums)
        return there

    def state(self) -> str:
        """Text for JSON, 6 characters a molecule, which `restore` reads."""
        steps = np.diff(self.sums, prepend=0).astype("<i8")  # small, so their high bytes are 0
        return base64.b64encode(zlib.compress(steps.view("u1").reshape(-1, 8).T.tobytes())).decode()

    @classmethod
    def restore(cls, text: str) -> Known:
        """From `state`."""
        columns = np.frombuffer(zlib.decompress(base64.b64decode(text)), "u1").reshape(8, -1)
        return cls(np.cumsum(np.ascontiguousarray(columns.T).view("<i8")[:, 0]))


def _sums(smiles: Iterable[str]) -> np.ndarray:
    digests = (hashlib.blake2b(one.encode(), digest_size=BYTES).digest() for one in smiles)
    return np.array([int.from_bytes(digest, "big") for digest in digests], np.int64)
