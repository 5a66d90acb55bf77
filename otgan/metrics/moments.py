"""Distances between vectors by their moments: Frechet and kernel distance."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from otgan.metrics.estimate import Estimate

BLOCK = 1000


def frechet(x: Tensor, y: Tensor) -> Estimate:
    """Squared W2 between the Gaussians of equal moments, of vectors (n, d) and (m, d).

    |mean_x - mean_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2)) with unbiased covariances S (Dowson and
    Landau 1982; as 'FID' on Inception features, Heusel et al. 2017). Biased upwards, by more the
    fewer the points: compare with the floor at the same n only. Covariances may be singular.

    Raises:
        ValueError: fewer than 2 points on a side.

    Example:
        >>> x = torch.tensor([[-1.0], [1.0]])
        >>> frechet(x, 3 * x + 5).value  # 5^2 + (3 - 1)^2 * 2
        33.0
    """
    if min(len(x), len(y)) < 2:
        raise ValueError(f"covariances need 2 points a side, got {len(x)} and {len(y)}")
    x, y = x.double(), y.double()
    gap, n, m = x.mean(0) - y.mean(0), len(x), len(y)
    dx, dy = x - x.mean(0), y - y.mean(0)
    # tr (S_x S_y)^(1/2) is the sum of the singular values of A B^T, where A^T A = S_x, B^T B = S_y.
    qx, rx = torch.linalg.qr(dx / math.sqrt(n - 1))
    qy, ry = torch.linalg.qr(dy / math.sqrt(m - 1))
    u, s, vh = torch.linalg.svd(rx @ ry.T, full_matrices=False)
    value = gap @ gap + rx.square().sum() + ry.square().sum() - 2 * s.sum()
    map_x, map_y = qx @ (u @ (vh @ ry)), qy @ (vh.T @ (u.T @ rx))
    on_x = 2 * dx @ gap + _times(dx, n / (n - 1) * dx - n / math.sqrt(n - 1) * map_x)
    on_y = -2 * dy @ gap + _times(dy, m / (m - 1) * dy - m / math.sqrt(m - 1) * map_y)
    return Estimate(value.item(), on_x, on_y)


def kernel(x: Tensor, y: Tensor, block: int = BLOCK) -> Estimate:
    """Unbiased squared MMD under (<x, y> / d + 1)^3, of vectors (n, d) and (m, d).

    0 in expectation for equal distributions, so that it may be negative (Binkowski et al. 2018,
    'Demystifying MMD GANs', as 'KID' on Inception features). Beyond `block` points it is the mean
    over disjoint blocks of nearly equal size.

    Raises:
        ValueError: fewer than 2 points in a block.
    """
    parts = math.ceil(max(len(x), len(y)) / block)
    if min(len(x), len(y)) < 2 * parts:
        raise ValueError(f"each of {parts} blocks needs 2 points a side: {len(x)} and {len(y)}")
    pairs = zip(x.double().tensor_split(parts), y.double().tensor_split(parts), strict=True)
    blocks = [_mmd(a, b) for a, b in pairs]
    value = sum(e.value for e in blocks) / parts
    return Estimate(value, torch.cat([e.x for e in blocks]), torch.cat([e.y for e in blocks]))


def _mmd(x: Tensor, y: Tensor) -> Estimate:
    (n, d), m = x.shape, len(y)
    xx, yy, xy = ((a @ b.T / d + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    within_x = (xx.sum(1) - xx.diagonal()) / (n - 1)
    within_y = (yy.sum(1) - yy.diagonal()) / (m - 1)
    value = within_x.mean() + within_y.mean() - 2 * xy.mean()
    return Estimate(value.item(), 2 * (within_x - xy.mean(1)), 2 * (within_y - xy.mean(0)))


def _times(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(1)
