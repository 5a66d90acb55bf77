"""Pictures from wherever a user has them."""

from __future__ import annotations

import gzip
import io
import math
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from otgan.config import InputError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
Size = tuple[int, int] | None


@dataclass
class Source:
    """Arrays as found, labels as integers (n,), and the names of the classes."""

    x: np.ndarray
    y: Tensor | None = None
    classes: tuple[str, ...] = ()
    x_test: np.ndarray | None = None
    y_test: Tensor | None = None


def read(data: Any, size: Size, resize: str, channels: int | None) -> Source:
    """Digits, an array, a path or a hub name; every picture brought to one size if asked.

    Raises:
        InputError: nothing there, or something that cannot be read; says what to do.
    """
    if size and min(size) < 1:
        raise InputError(f"--size is HEIGHT WIDTH, at least 1 each, got {size[0]} {size[1]}")
    if data is None or (isinstance(data, str) and data == "digits"):
        source = _digits()
    elif isinstance(data, str) and data.startswith("hf:"):
        return _hub(data[3:], size, resize, channels)
    elif isinstance(data, str | Path):
        path = Path(data)
        if not path.exists():
            raise InputError(f"no such data: '{data}'; give a file, a folder, digits or hf:NAME")
        if path.is_dir():
            if (path / "train").is_dir() and (path / "test").is_dir():
                train = _folder(path / "train", size, resize, channels)
                test = _folder(path / "test", size, resize, channels, train.classes)
                return replace(train, x_test=test.x, y_test=test.y)
            if not any(path.glob("*idx3-ubyte*")):
                return _folder(path, size, resize, channels)
            source = _idx_folder(path)
        elif path.suffix == ".parquet":
            return _parquet(path, size, resize, channels)
        else:
            source = _array_file(path)
    else:
        source = Source(np.asarray(data))
    if size:
        source.x = _resize_array(source.x, size, resize)
        if source.x_test is not None:
            source.x_test = _resize_array(source.x_test, size, resize)
    return source


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


def _array_file(path: Path) -> Source:
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


def _named_arrays(arrays: dict[str, np.ndarray], path: Path) -> Source:
    """x, y, x_test, y_test under the names people give them."""

    def pick(*names: str) -> np.ndarray | None:
        return next((arrays[n] for n in names if n in arrays), None)

    x = pick("x", "x_train", "images", "train_images", "data", "arr_0")
    if x is None:
        raise InputError(f"'{path}' holds {', '.join(arrays)}: name the images x (and labels y)")
    y, classes = _labels(pick("y", "y_train", "labels", "train_labels"), len(x), path)
    x_test = pick("x_test", "test_images")
    y_test = None
    if x_test is not None:
        y_test, _ = _labels(pick("y_test", "test_labels"), len(x_test), path, classes)
    return Source(x, y, classes, x_test, y_test)


def _labels(
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


def _idx_folder(path: Path) -> Source:
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


def _folder(
    path: Path, size: Size, resize: str, channels: int | None, known: tuple[str, ...] = ()
) -> Source:
    files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
    files = [p for p in files if not any(q.startswith(".") for q in p.relative_to(path).parts)]
    if not files:
        raise InputError(f"no images in '{path}': it needs files in {', '.join(sorted(SUFFIXES))}")
    x = _stack(((str(p), p) for p in files), size, resize, channels)
    folders = [p.relative_to(path).parts[0] if p.parent != path else "" for p in files]
    if len(set(folders)) < 2:
        return Source(x)
    if "" in folders:
        loose = files[folders.index("")]
        raise InputError(
            f"labels do not match: '{loose}' lies beside class subfolders; move it into one"
        )
    return Source(x, *_labels(np.array(folders), len(x), path, known))


def _parquet(path: Path, size: Size, resize: str, channels: int | None) -> Source:
    datasets = _datasets()
    try:
        from pyarrow import parquet

        table = datasets.Dataset(parquet.read_table(path))
    except Exception as error:
        raise InputError(f"cannot read '{path}': {error}") from None
    return Source(*_table(table, size, resize, channels, str(path)))


def _hub(name: str, size: Size, resize: str, channels: int | None) -> Source:
    datasets = _datasets()
    try:
        found = datasets.load_dataset(name)
    except Exception as error:
        raise InputError(f"cannot load '{name}' from the hub: {error}") from None
    if "train" not in found:
        raise InputError(f"'{name}' has no split 'train', it has {', '.join(found)}")
    train = _table(found["train"], size, resize, channels, name)
    if "test" not in found:
        return Source(*train)
    x_test, y_test, _ = _table(found["test"], size, resize, channels, name, train[2])
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
    table: Any,
    size: Size,
    resize: str,
    channels: int | None,
    name: str,
    known: tuple[str, ...] = (),
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
    x = _stack(pictures, size, resize, channels)
    labels = list(table[label]) if label else [None]
    names = getattr(table.features.get(label), "names", None)
    if None in labels or (names and -1 in labels):  # -1 among named classes is a hidden label
        return x, None, ()
    if names:
        known = tuple(str(names.index(k)) for k in known)
    y, classes = _labels(np.array(labels), len(x), Path(name), known)
    return x, y, tuple(names[int(c)] for c in classes) if names else classes


def _stack(
    pictures: Iterable[tuple[str, Any]], size: Size, resize: str, channels: int | None
) -> np.ndarray:
    """Opens pictures (path, file or Pillow image) and stacks them, all of one size and mode."""
    arrays: list[np.ndarray] = []
    first = ""
    for name, picture in pictures:
        array = _open(name, picture, size, resize, channels)
        first = first or name
        if array.shape != arrays[0].shape if arrays else False:
            one, other = (f"{_say(a)}" for a in (arrays[0], array))
            raise InputError(
                f"mixed images: '{first}' is {one} and '{name}' is {other}: "
                "give --size HEIGHT WIDTH, and --channels 1 or 3"
            )
        arrays.append(array)
    return np.stack(arrays)


def _open(name: str, picture: Any, size: Size, resize: str, channels: int | None) -> np.ndarray:
    try:
        if isinstance(picture, list):
            array = np.array(picture)
        else:
            image: Image.Image = ImageOps.exif_transpose(Image.open(picture))
    except Exception as error:  # Pillow's decoders raise nearly anything
        raise InputError(f"broken image '{name}': {error}; repair or remove it") from None
    if isinstance(picture, list):
        return _resize_array(array[None], size, resize)[0] if size else array
    if image.mode == "F":
        raise InputError(f"'{name}' holds floats: make it a .npy and give --value-range LOW HIGH")
    if image.mode.startswith("I"):  # Pillow's own conversion cuts 16 bits off at 255
        image = Image.fromarray((np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8))
    if channels is not None:
        image = image.convert({1: "L", 3: "RGB", 4: "RGBA"}.get(channels, "RGB"))
    elif image.mode not in ("L", "RGB", "RGBA"):
        image = image.convert("L" if image.mode in ("1", "LA") else "RGB")
    if size:
        image = _resize(image, size, resize)
    return np.asarray(image)


def _resize(image: Image.Image, size: tuple[int, int], how: str) -> Image.Image:
    height, width = size
    if how == "crop":
        return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _resize_array(array: np.ndarray, size: tuple[int, int], how: str) -> np.ndarray:
    if array.size and array.dtype.kind in "iu" and array.min() >= 0 and array.max() < 256:
        array = array.astype(np.uint8)
    if array.ndim == 4 and array.shape[1] <= 4 < array.shape[3]:
        array = array.transpose(0, 2, 3, 1)
    pictures = array.ndim == 3 or (array.ndim == 4 and array.shape[3] <= 4)
    if array.dtype != np.uint8 or not array.size or not pictures:
        raise InputError(f"--size resizes uint8 images, not {array.dtype} of shape {array.shape}")
    squeeze = array.ndim == 4 and array.shape[3] == 1
    array = array[..., 0] if squeeze else array
    return np.stack([np.asarray(_resize(Image.fromarray(a), size, how)) for a in array])


def _say(array: np.ndarray) -> str:
    channels = array.shape[2] if array.ndim == 3 else 1
    return f"{array.shape[0]}x{array.shape[1]} with {channels} channel{'s' * (channels > 1)}"
