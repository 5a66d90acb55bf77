"""Pictures opened, brought to one size and mode, and stacked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageOps

from otgan.config import InputError


@dataclass(frozen=True)
class Form:
    """What every picture is brought to: height and width, how, and channels; None leaves it."""

    size: tuple[int, int] | None = None
    how: Literal["stretch", "crop"] = "stretch"
    channels: int | None = None

    def __post_init__(self) -> None:
        if self.size and min(self.size) < 1:
            height, width = self.size
            raise InputError(f"--size is HEIGHT WIDTH, at least 1 each, got {height} {width}")

    def said(self) -> str:
        """What happens to the size, in words."""
        if self.size is None:
            return "none"
        height, width = self.size
        how = "cropped to the aspect ratio, then" if self.how == "crop" else "stretched"
        return f"{how} to {height} x {width}, Lanczos"

    def stack(self, pictures: Iterable[tuple[str, Any]]) -> np.ndarray:
        """Opens named pictures (path, file or nested list) and stacks them.

        Raises:
            InputError: a broken picture, or different sizes or modes.
        """
        arrays: list[np.ndarray] = []
        first = ""
        for name, picture in pictures:
            array = self._open(name, picture)
            first = first or name
            if arrays and array.shape != arrays[0].shape:
                raise InputError(
                    f"mixed images: '{first}' is {_say(arrays[0])} and '{name}' is {_say(array)}: "
                    "give --size HEIGHT WIDTH, and --channels 1 or 3"
                )
            arrays.append(array)
        return np.stack(arrays)

    def resize(self, array: np.ndarray) -> np.ndarray:
        """Images already in an array, (n, h, w), (n, h, w, c) or (n, c, h, w), to the size.

        Raises:
            InputError: values that are not 0..255.
        """
        if self.size is None:
            return array
        if array.size and array.dtype.kind in "iu" and array.min() >= 0 and array.max() < 256:
            array = array.astype(np.uint8)
        if array.ndim == 4 and array.shape[1] <= 4 < array.shape[3]:
            array = array.transpose(0, 2, 3, 1)
        pictures = array.ndim == 3 or (array.ndim == 4 and array.shape[3] <= 4)
        if array.dtype != np.uint8 or not array.size or not pictures:
            raise InputError(
                f"--size resizes uint8 images, not {array.dtype} of shape {array.shape}"
            )
        squeeze = array.ndim == 4 and array.shape[3] == 1
        array = array[..., 0] if squeeze else array
        return np.stack([np.asarray(self._resized(Image.fromarray(a))) for a in array])

    def _open(self, name: str, picture: Any) -> np.ndarray:
        try:
            if isinstance(picture, list):
                return self.resize(np.array(picture)[None])[0]
            image: Image.Image = ImageOps.exif_transpose(Image.open(picture))
        except InputError:
            raise
        except Exception as error:  # Pillow's decoders raise nearly anything
            raise InputError(f"broken image '{name}': {error}; repair or remove it") from None
        if image.mode == "F":
            raise InputError(
                f"'{name}' holds floats: make it a .npy and give --value-range LOW HIGH"
            )
        if image.mode.startswith("I"):  # Pillow's own conversion cuts 16 bits off at 255
            pixels = np.asarray(image).clip(0, 65535) / 257
            image = Image.fromarray(pixels.round().astype(np.uint8))
        if self.channels is not None:
            image = image.convert({1: "L", 3: "RGB", 4: "RGBA"}.get(self.channels, "RGB"))
        elif image.mode not in ("L", "RGB", "RGBA"):
            image = image.convert("L" if image.mode in ("1", "LA") else "RGB")
        return np.asarray(self._resized(image))

    def _resized(self, image: Image.Image) -> Image.Image:
        if self.size is None:
            return image
        height, width = self.size
        if self.how == "crop":
            return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
        return image.resize((width, height), Image.Resampling.LANCZOS)


def _say(array: np.ndarray) -> str:
    channels = array.shape[2] if array.ndim == 3 else 1
    return f"{array.shape[0]}x{array.shape[1]} with {channels} channel{'s' * (channels > 1)}"
