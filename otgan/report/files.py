"""Files that are whole or not there."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from torch import Tensor

from otgan.config import InputError, suggest

ARRAYS = (".npy", ".npz", ".csv")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary neighbour of path that takes its place once written in full."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        os.chmod(part, 0o666 & ~_umask())  # safetensors makes files that nobody else can read
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


Writers = Mapping[str, Callable[[Path], None]]
"""How to write a file, by its ending."""


def write(path: Path, writers: Writers) -> None:
    """A file in the format that its ending names, whole or not at all.

    Raises:
        InputError: an ending that is none of these.
    """
    if path.suffix not in writers:
        raise InputError(f"cannot write '{path.name}'{suggest(path.suffix, writers)}")
    with replacing(path) as part:
        writers[path.suffix](part)


def write_table(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """A .csv file, a line a row."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def arrays(samples: Tensor) -> Writers:
    """.npy, and .npz with an array `x`, of (n, *E)."""
    return {
        ".npy": lambda path: np.save(path, samples.numpy()),
        ".npz": lambda path: np.savez_compressed(path, x=samples.numpy()),
    }


def save_array(samples: Tensor, path: Path, columns: int | None = None) -> None:
    """(n, *E) as .npy, .npz (array `x`) or .csv (a row a sample)."""

    def table(part: Path) -> None:
        rows = samples.numpy().reshape(len(samples), math.prod(samples.shape[1:]))
        np.savetxt(part, rows, delimiter=",", fmt="%.7g")

    write(path, {**arrays(samples), ".csv": table})
