"""Arrays of any common layout to (n, c, h, w), checked; and the split into two sets."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from otgan.config import InputError

_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601, as Pillow's mode L


def to_tensor(
    array: np.ndarray, value_range: tuple[float, float] | None, channels: int | None
) -> Tensor:
    """(n, h, w), (n, h, w, c) or (n, c, h, w), integers 0..255 or floats, as (n, c, h, w).

    uint8 stays uint8; floats come out in [0, 1].

    Raises:
        InputError: another layout, NaN, values out of range.
    """
    array = np.asarray(array)
    if array.dtype == object or array.ndim not in (3, 4) or 0 in array.shape:
        raise InputError(
            f"images must be (n, h, w), (n, h, w, c) or (n, c, h, w), got {array.shape} of "
            f"{array.dtype}"
        )
    if array.ndim == 3:
        array = array[:, None]
    elif array.shape[3] <= 4 < array.shape[1]:
        array = array.transpose(0, 3, 1, 2)
    if array.shape[1] > 4:
        raise InputError(
            f"images have 1 to 4 channels, first or last, got an array of shape {array.shape}"
        )
    array = _recolour(_to_range(array, value_range), channels)
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def _to_range(array: np.ndarray, value_range: tuple[float, float] | None) -> np.ndarray:
    if array.dtype == np.uint8 and value_range is None:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    if array.dtype.kind not in "iuf":
        raise InputError(f"images of type {array.dtype} are not numbers")
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise InputError(f"{bad} of {array.size} values are NaN or infinite: clean the data")
    integers = np.issubdtype(array.dtype, np.integer)
    low, high = value_range or ((0, 255) if integers else (0, 1))
    if not low < high:
        raise InputError(f"--value-range needs LOW below HIGH, got {low} and {high}")
    if array.min() < low or array.max() > high:
        raise InputError(
            f"values from {array.min():g} to {array.max():g} are outside {low:g} to {high:g}: give "
            "--value-range LOW HIGH, the values that mean black and white"
        )
    if integers and (low, high) == (0, 255):
        return array.astype(np.uint8)
    return ((array - np.float32(low)) / np.float32(high - low)).astype(np.float32)


def _recolour(array: np.ndarray, channels: int | None) -> np.ndarray:
    """(n, c, h, w) with the channels asked for."""
    if array.shape[1] == 4 and channels in (1, 3):  # without its transparency, as Pillow does it
        array = array[:, :3]
    have = array.shape[1]
    if channels is None or channels == have:
        return array
    if (have, channels) == (1, 3):
        return array.repeat(3, 1)
    if (have, channels) == (3, 1):
        grey = np.einsum("nchw,c->nhw", array.astype(np.float32), _GREY)[:, None]
        return grey.round().astype(np.uint8) if array.dtype == np.uint8 else grey
    raise InputError(f"cannot make {channels} channels of {have}: --channels is 1 or 3")
