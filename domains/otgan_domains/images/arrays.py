"""Arrays on disk: .npy, .npz, and MNIST's IDX; labels as integers."""

from __future__ import annotations

import gzip
import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otgan.config import InputError

_IMAGES = ("x", "x_train", "images", "train_images", "data", "arr_0")
_LABELS = ("y", "y_train", "labels", "train_labels")
_KNOWN = {*_IMAGES, *_LABELS, "x_test", "test_images", "y_test", "test_labels"}


@dataclass
class Source:
    """Arrays as found, labels as integers (n,), and the names of the classes.

    Args:
        more: other values of each image by name, of training and of test images, numbers or names.
    """

    x: np.ndarray
    y: Tensor | None = None
    classes: tuple[str, ...] = ()
    x_test: np.ndarray | None = None
    y_test: Tensor | None = None
    more: dict[str, tuple[np.ndarray, np.ndarray | None]] = field(default_factory=dict)

    def known(self) -> tuple[Tensor | None, Tensor | None, dict[str, tuple[str, ...]]]:
        """All that is known of training and test images, (n,) or (n, k), and names of classes by
        attribute, none for numbers."""
        train, test, names = [self.y], [self.y_test], {"label": self.classes}
        for name, (array, other) in self.more.items():
            if array.dtype.kind == "f":
                names[name] = ()
                train.append(torch.from_numpy(array))
                test.append(None if other is None else torch.from_numpy(other))
            else:
                y, names[name] = labels_of(array, len(array), Path(name))
                train.append(y)
                n = 0 if other is None else len(other)
                test.append(labels_of(other, n, Path(name), names[name])[0])
        if self.y is None:
            del train[0], test[0], names["label"]
        return _side_by_side(train), _side_by_side(test), names


def array_file(path: Path) -> Source:
    if ".npy" in path.suffixes or ".npz" in path.suffixes:
        try:
            found = np.load(path, allow_pickle=False)
            arrays = {"x": found} if isinstance(found, np.ndarray) else dict(found)
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(f"cannot read '{path}': {error}") from None
        return named_arrays(arrays, path)
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
    return named_arrays(parts, path)


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


def named_arrays(arrays: dict[str, np.ndarray], path: Path) -> Source:
    """x, y, x_test, y_test under the names people give them."""

    def pick(*names: str) -> np.ndarray | None:
        return next((arrays[n] for n in names if n in arrays), None)

    x = pick(*_IMAGES)
    if x is None:
        raise InputError(f"'{path}' holds {', '.join(arrays)}: name the images x (and labels y)")
    if not x.ndim:
        raise InputError(f"'{path}' holds a single value, no images")
    y, classes = labels_of(pick(*_LABELS), len(x), path)
    x_test = pick("x_test", "test_images")
    y_test = None
    if x_test is not None:
        y_test, _ = labels_of(pick("y_test", "test_labels"), len(x_test), path, classes)
    more = {
        name: (array, arrays.get(f"{name}_test"))
        for name, array in arrays.items()
        if name not in _KNOWN and not name.endswith("_test") and array.shape == (len(x),)
    }
    return Source(x, y, classes, x_test, y_test, more)


def _side_by_side(columns: Sequence[Tensor | None]) -> Tensor | None:
    """Columns (n,) as (n, k), one as it is; None where any is missing, or all."""
    found = [column for column in columns if column is not None]
    if not columns or len(found) < len(columns):
        return None
    return found[0] if len(found) == 1 else torch.stack([column.float() for column in found], 1)


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
