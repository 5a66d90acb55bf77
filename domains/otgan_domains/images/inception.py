"""Inception features of images, as torchmetrics computes them, with weights from a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn

from otgan.config import InputError


class Inception(nn.Module):
    """Images (n, c, h, w) in [0, 1] to the 2048 pool features of Inception v3, (n, 2048).

    Grey images become three equal channels, transparency is dropped, values are rounded to 8 bits
    and images brought to 299 x 299 by torchmetrics. The weights are read when first needed, so that
    a run can be sampled without them.

    Args:
        weights: torch-fidelity's weights-inception-2015-12-05-6726825d.pth.
    """

    def __init__(self, weights: Path):
        super().__init__()
        self.weights = weights
        self.network: nn.Module | None = None

    def __repr__(self) -> str:
        known = hashlib.sha256(self.weights.read_bytes()).hexdigest()[:8]
        return (
            f"Inception v3, 2048 pool features, weights '{self.weights.name}' ({known}), images "
            "resized to 299 x 299, bilinear with antialiasing"
        )

    def forward(self, x: Tensor) -> Tensor:
        """Features of images.

        Raises:
            InputError: no weights, other weights, or packages that are not there.
        """
        if self.network is None:
            self.network = _load(self.weights)
        if x.shape[1] not in (1, 3, 4):
            raise InputError(f"Inception takes images of 1, 3 or 4 channels, got {x.shape[1]}")
        colours = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x[:, :3]
        return self.network((colours.clamp(0, 1) * 255).round().byte())


def _load(weights: Path) -> nn.Module:
    try:  # torchmetrics would unpickle anything; a file that holds more than tensors stops here
        torch.load(weights, weights_only=True)
    except Exception as error:  # unpickling raises nearly anything
        raise _other(weights, error) from None
    try:
        from torchmetrics.image.fid import NoTrainInceptionV3
    except (ImportError, RuntimeError) as error:  # a torchvision of another torch gives the latter
        raise _missing(error) from None
    try:
        return NoTrainInceptionV3("inception-v3-compat", ["2048"], str(weights))
    except ImportError as error:
        raise _missing(error) from None
    except RuntimeError as error:
        raise _other(weights, error) from None


def _missing(error: Exception) -> InputError:
    return InputError(
        f"Inception features need torchmetrics and torch-fidelity ({error}): pip install "
        "'otgan[inception]', with the torchvision that belongs to your torch"
    )


def _other(weights: Path, error: Exception) -> InputError:
    reason = str(error).partition("\n")[0]
    return InputError(
        f"'{weights}' holds no Inception weights ({reason}): take "
        "weights-inception-2015-12-05-6726825d.pth of torch-fidelity's releases"
    )
