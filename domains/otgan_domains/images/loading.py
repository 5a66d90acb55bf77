"""Pictures from wherever a user has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from otgan.config import InputError
from otgan_domains.images.arrays import Source, array_file, idx_folder, labels_of, named_arrays
from otgan_domains.images.opening import Form
from otgan_domains.images.tables import hub, parquet_file

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}


def read(data: Any, form: Form) -> Source:
    """Digits, an array, a path or a hub name; every picture brought to the form.

    Raises:
        InputError: nothing there, or something that cannot be read; says what to do.
    """
    if data is None or (isinstance(data, str) and data == "digits"):
        return _resized(_digits(), form)
    if isinstance(data, str) and data.startswith("hf:"):
        return hub(data[3:], form)
    if isinstance(data, Mapping):
        arrays = {name: np.asarray(value) for name, value in data.items()}
        return _resized(named_arrays(arrays, Path("data")), form)
    if not isinstance(data, str | Path):
        return _resized(Source(np.asarray(data)), form)
    path = Path(data)
    if not path.exists():
        raise InputError(f"no such data: '{data}'; give a file, a folder, digits or hf:NAME")
    if path.suffix == ".parquet":
        return parquet_file(path, form)
    if not path.is_dir():
        return _resized(array_file(path), form)
    if any(path.glob("*idx3-ubyte*")):
        return _resized(idx_folder(path), form)
    if (path / "train").is_dir() and (path / "test").is_dir():
        train = _folder(path / "train", form)
        test = _folder(path / "test", form, train.classes)
        return replace(train, x_test=test.x, y_test=test.y)
    return _folder(path, form)


def _resized(source: Source, form: Form) -> Source:
    test = source.x_test if source.x_test is None else form.resize(source.x_test)
    return replace(source, x=form.resize(source.x), x_test=test)


def _digits() -> Source:
    """1,797 handwritten digits of 8x8 in 17 grey levels (UCI; 1,400 train, 397 held out)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = np.round(digits.images * (255 / 16)).astype(np.uint8)
    y = torch.from_numpy(digits.target).long()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    train, test = order[:1400], order[1400:]
    names = tuple(map(str, digits.target_names))
    return Source(x[train.numpy()], y[train], names, x[test.numpy()], y[test])


def _folder(path: Path, form: Form, known: tuple[str, ...] = ()) -> Source:
    files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
    files = [p for p in files if not any(q.startswith(".") for q in p.relative_to(path).parts)]
    if not files:
        raise InputError(f"no images in '{path}': it needs files in {', '.join(sorted(SUFFIXES))}")
    x = form.stack((str(p), p) for p in files)
    folders = [p.relative_to(path).parts[0] if p.parent != path else "" for p in files]
    if len(set(folders)) < 2:
        return Source(x)
    if "" in folders:
        loose = files[folders.index("")]
        raise InputError(
            f"labels do not match: '{loose}' lies beside class subfolders; move it into one"
        )
    return Source(x, *labels_of(np.array(folders), len(x), path, known))
