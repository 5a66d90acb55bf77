"""W1 between Gaussians, where a closed form is known."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from otgan.geometry import Lp, NormedSpace

_L2 = Lp(2)


def gaussian(
    mean_x: Tensor,
    covariance_x: Tensor,
    mean_y: Tensor,
    covariance_y: Tensor,
    geometry: NormedSpace = _L2,
) -> Tensor:
    """W1 between two Gaussians; means (d,), covariances (d, d), singular ones allowed.

    The closed forms, with s the standard deviations:

    - equal covariances, any norm: the norm of the difference of means (a translation is optimal).
    - d = 1, any norm: E |m_y - m_x + (s_y - s_x) Z| (monotone maps are optimal).
    - l1, equal correlations: the sum of that over coordinates, since the coordinates' optimal maps
      together are one map.
    - l2, equal means, both covariances multiples of the identity: |s_y - s_x| E ||Z||, moving along
      rays.

    Returns:
        ().

    Raises:
        ValueError: no closed form is known; or shapes disagree, or a covariance is not symmetric
            positive semidefinite.

    Example:
        >>> m, eye = torch.zeros(3), torch.eye(3)
        >>> gaussian(m, eye, m + 1, eye, Lp(1))
        tensor(3.)
    """
    for mean, covariance in ((mean_x, covariance_x), (mean_y, covariance_y)):
        _check(mean, covariance, len(mean_x))
    shift = mean_y - mean_x
    var_x, var_y = covariance_x.diagonal(), covariance_y.diagonal()
    sd_x, sd_y = var_x.clamp(min=0).sqrt(), var_y.clamp(min=0).sqrt()
    d, summed = len(shift), isinstance(geometry, Lp) and geometry.p == 1

    if _same(covariance_x, covariance_y):
        return geometry.norm(shift[None])[0]
    if d == 1 or (
        summed
        and _same(covariance_x * torch.outer(sd_y, sd_y), covariance_y * torch.outer(sd_x, sd_x))
    ):
        unit = geometry.norm(torch.ones_like(shift[None, :1])) if d == 1 else 1
        return (unit * _folded(shift, sd_y - sd_x)).sum()
    if isinstance(geometry, Lp) and geometry.p == 2 and _same(mean_x, mean_y):
        eye = torch.eye(d).to(shift)
        if _same(covariance_x, var_x[0] * eye) and _same(covariance_y, var_y[0] * eye):
            chi = math.sqrt(2) * math.exp(math.lgamma((d + 1) / 2) - math.lgamma(d / 2))
            return (sd_y[0] - sd_x[0]).abs() * chi
    raise ValueError(
        f"no closed form of W1 under {geometry} is known for these Gaussians (the Bures formula "
        "gives W2, which W1 under l2 cannot exceed): draw samples and use `exact`"
    )


def _check(mean: Tensor, covariance: Tensor, d: int) -> None:
    if mean.shape != (d,) or covariance.shape != (d, d):
        raise ValueError(
            f"means have shape ({d},) and covariances ({d}, {d}), "
            f"got {tuple(mean.shape)} and {tuple(covariance.shape)}"
        )
    if not (torch.isfinite(mean).all() and torch.isfinite(covariance).all()):
        raise ValueError("a mean or covariance holds NaN or infinity")
    if not _same(covariance, covariance.T):
        raise ValueError(
            "a covariance is not symmetric: pass (c + c.T) / 2 if only rounding is off"
        )
    spectrum = torch.linalg.eigvalsh(covariance.detach())
    if spectrum[0] < -_tolerance(spectrum) * spectrum.abs().max():
        raise ValueError(f"a covariance has the negative eigenvalue {spectrum[0].item():.6g}")


def _tolerance(v: Tensor) -> float:
    return torch.finfo(v.dtype).eps ** 0.75


def _same(p: Tensor, q: Tensor) -> bool:
    size = torch.maximum(p.abs(), q.abs()).max()
    return bool((p - q).abs().max() <= _tolerance(p) * size)


def _folded(m: Tensor, s: Tensor) -> Tensor:
    """E |m + s Z| of a standard normal Z (Leone et al. 1961)."""
    t = m / torch.where(s == 0, 1, s.abs()) / math.sqrt(2)
    folded = s.abs() * math.sqrt(2 / math.pi) * torch.exp(-(t**2)) + m * torch.erf(t)
    return torch.where(s == 0, m.abs(), folded)
