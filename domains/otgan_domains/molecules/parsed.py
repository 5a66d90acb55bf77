"""Many molecules parsed at once, in processes that may die of one, and kept in a cache."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import rdkit
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from otgan.config import InputError
from otgan.report.files import replacing
from otgan_domains.molecules import parsing
from otgan_domains.molecules.reading import Rows

FORMAT = 1
CHUNK = 20_000
"""Rows that one process reads, at most."""


@dataclass(frozen=True)
class Parsed:
    """Molecules side by side, those of the first row first.

    Args:
        row: of the file, from 0, (n,).
        smiles: canonical, (n,) of str.
        sizes: heavy atoms, (n,).
        atoms: symbols and charges of all their atoms, ("C", 0), as codes of `kinds`, (sum sizes,).
        bonds: (molecule, atom, atom, order) of each bond, atoms from 0 in each molecule, (k, 4).
        values: RDKit's properties, in the order asked for, (n, properties).
        kinds: (symbol, charge) of a code.
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
    def of(cls, results: Sequence[Any]) -> Parsed:
        """From what `parsing.parse` gives for each row, or why it gives nothing."""
        kept = [(row, found) for row, found in enumerate(results) if not isinstance(found, str)]
        atoms = [tuple(atom) for _, found in kept for atom in found[1]]
        codes = {kind: code for code, kind in enumerate(dict.fromkeys(atoms))}
        bonds = [(k, *bond) for k, (_, found) in enumerate(kept) for bond in found[2]]
        return cls(
            np.array([row for row, _ in kept], int),
            np.array([found[0] for _, found in kept], np.str_),
            np.array([len(found[1]) for _, found in kept], int),
            np.array([codes[atom] for atom in atoms], np.uint8 if len(codes) < 256 else int),
            np.array(bonds, np.int32).reshape(-1, 4),
            np.array([found[3] for _, found in kept], float).reshape(len(kept), -1),
            tuple(codes),
            {row: found for row, found in enumerate(results) if isinstance(found, str)},
        )

    def write(self, path: Path) -> None:
        kinds, dropped = json.dumps(self.kinds), json.dumps(list(self.dropped.items()))
        with replacing(path) as part:
            np.savez_compressed(part, **{**vars(self), "kinds": kinds, "dropped": dropped})

    @classmethod
    def read(cls, path: Path) -> Parsed:
        with np.load(path, allow_pickle=False) as file:
            found = dict(file)
        kinds = tuple((symbol, charge) for symbol, charge in json.loads(str(found["kinds"])))
        dropped = dict(json.loads(str(found["dropped"])))
        return cls(**{**found, "kinds": kinds, "dropped": dropped})


def parse(rows: Rows, properties: Sequence[str]) -> Parsed:
    """The molecules of rows, from the cache where they have been parsed before.

    Raises:
        InputError: RDKit cannot be started.
    """
    path = _cache() / f"{_key(rows, properties)}.npz"
    with suppress(OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
        return Parsed.read(path)
    found = Parsed.of(_results(rows, properties))
    with suppress(OSError):  # no place to write, or none left
        found.write(path)
    return found


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "otgan", "molecules")


def _key(rows: Rows, properties: Sequence[str]) -> str:
    program = Path(parsing.__file__).read_text()
    about = json.dumps([FORMAT, rdkit.__version__, program, rows.digest(), list(properties)])
    return hashlib.sha256(about.encode()).hexdigest()[:32]


def _results(rows: Rows, properties: Sequence[str]) -> list[Any]:
    """What `parsing.parse` gives for each row, with a progress bar on stderr."""
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    size = min(CHUNK, -(-len(rows.texts) // (workers or 1)))
    chunks = [rows.texts[k : k + size] for k in range(0, len(rows.texts), size)]
    console = Console(stderr=True)
    columns = (TextColumn("molecules"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with bar, ThreadPoolExecutor(workers) as pool:
        task = bar.add_task("", total=len(rows.texts))
        arguments = [rows.kind, *properties]
        parts = pool.map(lambda chunk: _chunk(chunk, arguments, lambda: bar.advance(task)), chunks)
        return [found for part in parts for found in part]


def _chunk(texts: Sequence[str], arguments: Sequence[str], tell: Callable[[], None]) -> list[Any]:
    """Results of some rows; a row of which the process dies is dropped, and the next one starts a
    new process."""
    results: list[Any] = []
    while len(results) < len(texts):
        before = len(results)
        status, errors = _process(texts[before:], arguments, results, tell)
        if status and status > 0 and len(results) == before:
            raise InputError(f"RDKit cannot be started: {errors.strip().splitlines()[-1:]}")
        if len(results) < len(texts):
            results.append(f"crashes RDKit, or takes it more than {parsing.SECONDS} s")
            tell()
    return results


def _process(
    texts: Sequence[str], arguments: Sequence[str], results: list[Any], tell: Callable[[], None]
) -> tuple[int, str]:
    """Appends the results of rows until the process ends: its status and last words."""
    command = [sys.executable, "-P", str(Path(parsing.__file__)), *arguments]
    with tempfile.TemporaryFile("w+") as file, tempfile.TemporaryFile("w+") as errors:
        file.writelines(json.dumps(text) + "\n" for text in texts)
        file.seek(0)
        with subprocess.Popen(
            command, stdin=file, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if not line.endswith("\n"):
                    break  # it died of this one while it wrote
                results.append(json.loads(line))
                tell()
        errors.seek(0)
        return process.returncode, errors.read()
