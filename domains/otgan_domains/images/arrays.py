"""Arrays on disk: .npy, .npz, and MNIST's IDX; labels as integers."""

from __future__ import annotations

import gzip
import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otgan.config import InputError


@dataclass
class Source:
    """Arrays as found, labels as integers (n,), and the names of the classes."""

    x: np.ndarray
    y: Tensor | None = None
    classes: tuple[str, ...] = ()
    x_test: np.ndarray | None = None
    y_test: Tensor | None = None


def array_file(path: Path) -> Source:
    if ".npy" in path.suffixes or ".npz" in path.suffixes:
        try:
            found = np.load(path, allow_pickle=False)
            arrays = {"x": found} if isinstance(found, np.ndarray) else dict(found)
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(f"cannot read '{path}': {error}") from None
        return _named_arrays(arrays, path)
    if "ubyte" in path.name or ".idx" in path.suffixes:
        return Source(_idx(path))
    raise InputError(
        f"cannot read '{path.name}': images come as a folder of pictures, .npy, .npz, .parquet, "
        "or MNIST-type IDX(.gz)"
    )


def idx_folder(path: Path) -> Source:
    def find(pattern: str) -> Path | None:
        return next(iter(sorted(path.glob(pattern))), None)

    parts: dict[str, Any] = {}
    for key, stem in (("", "train"), ("_test", "t10k")):
        images, labels = find(f"{stem}-images*"), find(f"{stem}-labels*")
        if images is not None:
            parts[f"x{key}"] = _idx(images)
            if labels is not None:
                parts[f"y{key}"] = _idx(labels)
    if "x" not in parts:
        raise InputError(f"'{path}' holds IDX files, but no train-images-idx3-ubyte(.gz)")
    return _named_arrays(parts, path)


def labels_of(
    labels: np.ndarray | None, n: int, path: Path, known: tuple[str, ...] = ()
) -> tuple[Tensor | None, tuple[str, ...]]:
    """Labels as integers and the names of the classes: `known`, where that is given."""
    if labels is None:
        return None, ()
    labels = np.asarray(labels)
    if labels.shape not in ((n,), (n, 1)):
        raise InputError(f"'{path}': {n} images and labels of shape {labels.shape} do not match")
    values, index = np.unique(labels.reshape(n), return_inverse=True)
    names = tuple(map(str, values))
    if known:
        if strange := set(names) - set(known):
            raise InputError(
                f"'{path}': labels do not match: no training image has the test label "
                f"'{min(strange)}'"
            )
        index = np.array([known.index(name) for name in names])[index]
    return torch.from_numpy(index).long(), known or names


def _named_arrays(arrays: dict[str, np.ndarray], path: Path) -> Source:
    """x, y, x_test, y_test under the names people give them."""

    def pick(*names: str) -> np.ndarray | None:
        return next((arrays[n] for n in names if n in arrays), None)

    x = pick("x", "x_train", "images", "train_images", "data", "arr_0")
    if x is None:
        raise InputError(f"'{path}' holds {', '.join(arrays)}: name the images x (and labels y)")
    if not x.ndim:
        raise InputError(f"'{path}' holds a single value, no images")
    y, classes = labels_of(pick("y", "y_train", "labels", "train_labels"), len(x), path)
    x_test = pick("x_test", "test_images")
    y_test = None
    if x_test is not None:
        y_test, _ = labels_of(pick("y_test", "test_labels"), len(x_test), path, classes)
    return Source(x, y, classes, x_test, y_test)


def _idx(path: Path) -> np.ndarray:
    """The IDX format of MNIST: two zero bytes, type 8 (uint8), dimensions, sizes, values."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"'{path}' is broken: {error}") from None
    if len(raw) < 8 or raw[:3] != b"\0\0\x08":
        raise InputError(f"'{path}' is not an IDX file of bytes")
    start = 4 + 4 * raw[3]
    if len(raw) < start:
        raise InputError(f"'{path}' is truncated: it ends within its header")
    shape = [int(size) for size in np.frombuffer(raw, ">u4", raw[3], 4)]
    if len(raw) - start != math.prod(shape):
        raise InputError(
            f"'{path}' is broken: its header says {math.prod(shape)} bytes and it holds "
            f"{len(raw) - start}: get it again"
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)
