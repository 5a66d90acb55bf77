"""Files that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
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


def save_array(samples: Tensor, path: Path, columns: int | None = None) -> None:
    """(n, *E) as .npy, .npz (array `x`) or .csv (a row a sample)."""
    if path.suffix not in ARRAYS:
        raise InputError(f"cannot write '{path.name}'{suggest(path.suffix, ARRAYS)}")
    array = samples.numpy()
    with replacing(path) as part:
        if path.suffix == ".npy":
            np.save(part, array)
        elif path.suffix == ".npz":
            np.savez_compressed(part, x=array)
        else:
            np.savetxt(part, array.reshape(len(array), -1), delimiter=",", fmt="%.7g")
