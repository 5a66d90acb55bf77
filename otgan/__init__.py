"""otgan: Wasserstein GANs whose ground cost is yours to choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otgan.alignment import Alignment
    from otgan.model import Model
    from otgan.training import fit, resume

__version__ = "0.1.0"
__all__ = ["Alignment", "Model", "__version__", "fit", "resume"]

_HOMES = {
    "Alignment": "otgan.alignment",
    "Model": "otgan.model",
    "fit": "otgan.training",
    "resume": "otgan.training",
}


def __getattr__(name: str) -> Any:
    """Imports torch and the rest when first used, so that `otgan --help` answers at once."""
    if name not in _HOMES:
        raise AttributeError(f"module 'otgan' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
