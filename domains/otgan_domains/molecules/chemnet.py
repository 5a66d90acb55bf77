"""ChemNet features of molecules, for the Frechet ChemNet distance."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from otgan.config import InputError


def chemnet(smiles: Sequence[str]) -> Tensor:
    """Activations of ChemNet's last layer but one, (n, 512) in double precision.

    With `otgan.metrics.frechet` on two samples they give FCD (Preuer et al. 2018, 'Frechet ChemNet
    Distance'), here by the weights and the network of fcd_torch, as in MOSES. About 5 s for 1,000
    molecules on one core.

    Args:
        smiles: valid ones.

    Raises:
        InputError: fcd_torch is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy functions that fcd_torch calls by old names
        return torch.from_numpy(_network().get_predictions(list(smiles))).double()


@cache
def _network() -> Any:
    try:
        from fcd_torch import FCD
    except ImportError:
        raise InputError("FCD needs fcd_torch: pip install 'otgan[molecules]'") from None
    return FCD()
