"""What a run must not keep, and what it uses."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def broken(state: Any, name: str = "") -> str | None:
    """The name of the first tensor in a nesting of dicts and lists that is not finite, if any."""
    if isinstance(state, Tensor):
        return None if state.isfinite().all() else name
    items: Any = ()
    if isinstance(state, Mapping):
        items = state.items()
    elif isinstance(state, list | tuple):
        items = enumerate(state)
    return next((found for k, v in items if (found := broken(v, f"{name}/{k}".strip("/")))), None)


def memory(device: torch.device) -> dict[str, float]:
    """Peaks of this process so far, in MB: resident memory, which Windows does not say, and, on a
    CUDA device, allocated."""
    used = {}
    if sys.platform != "win32":
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        used["memory_mb"] = round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)
    if device.type == "cuda":
        used["cuda_mb"] = round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    return used
