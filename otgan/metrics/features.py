"""Feature maps: samples in data units to vectors, and FID and KID on those of networks."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from otgan.config import InputError
from otgan.metrics.moments import BLOCK

Features = Mapping[str, Callable[[Tensor], Tensor]]
"""Named maps from samples in data units to vectors, (n, *E) -> (n, d)."""

_BATCH = 100


@torch.no_grad()
def vectors(name: str, features: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Features of x, (n, *E) -> (n, d), in double precision.

    Raises:
        InputError: they are no finite vectors.
    """
    parts = []
    for part in x.split(_BATCH):
        parts.append(features(part))
        if parts[-1].dim() != 2 or len(parts[-1]) != len(part):
            raise InputError(
                f"the feature map '{name}' gives shape {tuple(parts[-1].shape)} for {len(part)} "
                f"samples: it must be ({len(part)}, d)"
            )
    found = torch.cat(parts)
    if not found.isfinite().all():
        raise InputError(f"the feature map '{name}' gives NaN or infinity: mend it, or drop it")
    return found.cpu().double()


def described(features: Callable[[Tensor], Tensor]) -> str:
    """What a feature map is, on one line."""
    if inspect.isfunction(features):
        return f"{features.__module__}.{features.__qualname__}"
    return " ".join(repr(features).split())


def by_torchmetrics(x: Tensor, y: Tensor) -> dict[str, float]:
    """FID and KID of features of generated x (n, d) and real y (m, d), as torchmetrics has them.

    KID is taken over all points up to 1,000 and over 100 random subsets of 1,000 beyond.

    Raises:
        InputError: torchmetrics is not installed.
    """
    try:
        from torchmetrics.image.fid import FrechetInceptionDistance
        from torchmetrics.image.kid import KernelInceptionDistance
    except (ImportError, RuntimeError) as error:  # a torchvision of another torch gives the latter
        raise InputError(
            f"features of a network are compared by torchmetrics, and it fails ({error}): pip "
            "install 'otgan[images]', or give a plain function as feature map"
        ) from None
    given, size = nn.Identity(), min(len(x), len(y))
    subsets = {"subsets": 1, "subset_size": size} if size <= BLOCK else {"subset_size": BLOCK}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of memory, where features are computed batch by batch
        fid = FrechetInceptionDistance(given, input_img_size=(x.shape[1],))
        kid = KernelInceptionDistance(given, **subsets)
    for metric in (fid, kid):
        metric.update(y, real=True)
        metric.update(x, real=False)
    return {"Frechet": fid.compute().item(), "KID": kid.compute()[0].item()}
