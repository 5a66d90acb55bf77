"""Many parsed molecules side by side, and their cache."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import rdkit

from otgan.report.files import replacing
from otgan_domains.molecules import parsing, processes
from otgan_domains.molecules.reading import Rows

FORMAT = 1


@dataclass(frozen=True)
class Parsed:
    """Molecules in the order of their rows.

    Args:
        row: of the file, from 0, (n,).
        smiles: canonical, (n,) of str.
        sizes: heavy atoms, (n,).
        atoms: all their atoms, as numbers of `kinds`, (sum of sizes,).
        bonds: (molecule, atom, atom, order) of each bond, atoms from 0 in each molecule, (k, 4).
        values: RDKit's properties, in the order asked for, (n, properties).
        kinds: (symbol, charge) of an atom.
        dropped: rows and why each gives no molecule.
    """

    row: np.ndarray
    smiles: np.ndarray
    sizes: np.ndarray
    atoms: np.ndarray
    bonds: np.ndarray
    values: np.ndarray
    kinds: tuple[tuple[str, int], ...]
    dropped: dict[int, str]

    @classmethod
    def of(cls, results: Sequence[Any], first: int, properties: int) -> Parsed:
        """From what `parsing.parse` gives for rows, the first of which has this number."""
        kept = [(row, found) for row, found in enumerate(results, first) if isinstance(found, list)]
        atoms = [tuple(atom) for _, found in kept for atom in found[1]]
        codes = {kind: code for code, kind in enumerate(dict.fromkeys(atoms))}
        bonds = [(k, *bond) for k, (_, found) in enumerate(kept) for bond in found[2]]
        return cls(
            np.array([row for row, _ in kept], np.int64),
            np.array([found[0] for _, found in kept], object),
            np.array([len(found[1]) for _, found in kept], np.int32),
            np.array([codes[atom] for atom in atoms], np.int16),
            np.array(bonds, np.int32).reshape(-1, 4),
            np.array([found[3] for _, found in kept], float).reshape(len(kept), properties),
            tuple(codes),
            {row: found for row, found in enumerate(results, first) if isinstance(found, str)},
        )

    @classmethod
    def join(cls, parts: Sequence[Parsed]) -> Parsed:
        """One after another."""
        kinds = tuple(dict.fromkeys(kind for part in parts for kind in part.kinds))
        codes = [np.array([kinds.index(k) for k in part.kinds], np.int16) for part in parts]
        before = np.cumsum([0, *(len(part.row) for part in parts)])
        shifted = [
            part.bonds + np.array([n, 0, 0, 0]) for n, part in zip(before, parts, strict=False)
        ]
        return cls(
            np.concatenate([part.row for part in parts]),
            np.concatenate([part.smiles for part in parts]),
            np.concatenate([part.sizes for part in parts]),
            np.concatenate([code[part.atoms] for code, part in zip(codes, parts, strict=True)]),
            np.concatenate(shifted),
            np.concatenate([part.values for part in parts]),
            kinds,
            {row: why for part in parts for row, why in part.dropped.items()},
        )

    def write(self, path: Path) -> None:
        texts = {
            "smiles": "\n".join(self.smiles),
            "kinds": json.dumps(self.kinds),
            "dropped": json.dumps(list(self.dropped.items())),
        }
        coded = {name: np.frombuffer(text.encode(), np.uint8) for name, text in texts.items()}
        with replacing(path) as part:
            np.savez_compressed(part, **{**vars(self), **coded})

    @classmethod
    def read(cls, path: Path) -> Parsed:
        with np.load(path, allow_pickle=False) as file:
            found = dict(file)
        smiles, kinds, dropped = (
            found.pop(name).tobytes().decode() for name in ("smiles", "kinds", "dropped")
        )
        return cls(
            **found,
            smiles=np.array(smiles.split("\n") if smiles else [], object),
            kinds=tuple((symbol, charge) for symbol, charge in json.loads(kinds)),
            dropped=dict(json.loads(dropped)),
        )


def parse(rows: Rows, properties: Sequence[str]) -> Parsed:
    """The molecules of rows, from the cache where they have been parsed before.

    Raises:
        InputError: RDKit cannot be started.
    """
    path = _cache() / f"{_key(rows, properties)}.npz"
    with suppress(OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
        return Parsed.read(path)
    parts: list[Parsed] = []
    first = 0
    for results in processes.parsed(rows, properties):
        parts.append(Parsed.of(results, first, len(properties)))
        first += len(results)
    found = Parsed.join(parts)
    with suppress(OSError):  # no place to write, or none left
        found.write(path)
    return found


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "otgan", "molecules")


def _key(rows: Rows, properties: Sequence[str]) -> str:
    """Of what decides the result: rows, properties, the program and RDKit."""
    program = Path(parsing.__file__).read_text()
    about = [FORMAT, rdkit.__version__, program, rows.digest(), *properties]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]
