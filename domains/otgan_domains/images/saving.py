"""Generated images to files."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from torch import Tensor

from otgan.config import InputError
from otgan.report.files import ARRAYS, replacing, save_array
from otgan.report.pictures import grid, to_pixels

PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def save(images: Tensor, path: Path, columns: int | None = None) -> None:
    """Values in [0, 1], (n, c, h, w): one grid to a picture file, an array file, or a PNG each
    into a folder.

    Raises:
        InputError: an ending that is none of these.
    """
    if path.suffix in ARRAYS:
        save_array(images, path)
    elif path.suffix in PICTURES:
        grid(images, path, columns)
    elif path.suffix:
        raise InputError(
            f"cannot write '{path.name}': name a folder, or a file ending in "
            f"{', '.join(PICTURES + ARRAYS)}"
        )
    else:
        path.mkdir(parents=True, exist_ok=True)
        for i, pixels in enumerate(to_pixels(images)):
            with replacing(path / f"{i:05d}.png") as part:
                Image.fromarray(pixels).save(part)
