"""Parquet files and data sets of the Hugging Face hub."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from otgan.config import InputError
from otgan_domains.images.arrays import Source, labels_of
from otgan_domains.images.opening import Form


def parquet_file(path: Path, form: Form) -> Source:
    datasets = _datasets()
    try:
        from pyarrow import parquet

        table = datasets.Dataset(parquet.read_table(path))
    except Exception as error:
        raise InputError(f"cannot read '{path}': {error}") from None
    return Source(*_table(table, form, str(path)))


def hub(name: str, form: Form) -> Source:
    datasets = _datasets()
    try:
        found = datasets.load_dataset(name)
    except Exception as error:
        raise InputError(f"cannot load '{name}' from the hub: {error}") from None
    if "train" not in found:
        raise InputError(f"'{name}' has no split 'train', it has {', '.join(found)}")
    train = _table(found["train"], form, name)
    if "test" not in found:
        return Source(*train)
    x_test, y_test, _ = _table(found["test"], form, name, train[2])
    return Source(*train, x_test, y_test)


def _datasets() -> Any:
    try:
        import datasets
    except ModuleNotFoundError:
        raise InputError(
            "Parquet and hub data need Hugging Face datasets: pip install 'otgan[images]'"
        ) from None
    datasets.disable_progress_bars()
    return datasets


def _table(
    table: Any, form: Form, name: str, known: tuple[str, ...] = ()
) -> tuple[np.ndarray, Tensor | None, tuple[str, ...]]:
    columns = table.column_names
    image = next((c for c in ("image", "img", "images", "x") if c in columns), None)
    label = next((c for c in ("label", "labels", "class", "y") if c in columns), None)
    if image is None:
        raise InputError(f"'{name}' has columns {', '.join(columns)}: name the pictures 'image'")

    undecoded = _datasets().Image(decode=False)
    if isinstance(table.features[image], type(undecoded)):
        table = table.cast_column(image, undecoded)

    def file_or_values(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return io.BytesIO(value["bytes"]) if value.get("bytes") else value.get("path")

    pictures = ((f"{name}, row {i}", file_or_values(v)) for i, v in enumerate(table[image]))
    x = form.stack(pictures)
    labels = list(table[label]) if label else [None]
    names = getattr(table.features.get(label), "names", None)
    if None in labels or (names and -1 in labels):  # -1 among named classes is a hidden label
        return x, None, ()
    if names:
        known = tuple(str(names.index(k)) for k in known)
    y, classes = labels_of(np.array(labels), len(x), Path(name), known)
    return x, y, tuple(names[int(c)] for c in classes) if names else classes
