"""Arrays as text, for JSON."""

from __future__ import annotations

import base64
import io
import zlib

import numpy as np


def pack(array: np.ndarray) -> str:
    """An array as text, for JSON."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return base64.b64encode(zlib.compress(buffer.getvalue())).decode()


def unpack(text: str) -> np.ndarray:
    """What `pack` packed."""
    return np.load(io.BytesIO(zlib.decompress(base64.b64decode(text))), allow_pickle=False)
