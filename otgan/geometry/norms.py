"""Norms as ground costs, each with its dual."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor

from otgan.geometry.base import NormedSpace, flat, positive


class Lp(NormedSpace):
    """The lp norm of all coordinates of a point, 1 <= p <= inf; the dual exponent is p / (p - 1).

    Args:
        p: the exponent; `float("inf")` for the largest coordinate.

    Raises:
        ValueError: p is below 1, where the triangle inequality fails.

    Example:
        >>> x, y = torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])
        >>> [Lp(p).distance(x, y).item() for p in (1, 2, float("inf"))]
        [7.0, 5.0, 4.0]
    """

    def __init__(self, p: float = 2):
        super().__init__()
        if not p >= 1:
            raise ValueError(f"Lp needs p >= 1, got {p}: below 1 the triangle inequality fails")
        self.p = float(p)
        self.q = 1.0 if math.isinf(p) else math.inf if p == 1 else p / (p - 1)

    def __repr__(self) -> str:
        return f"l{self.p:g}"

    def norm(self, v: Tensor) -> Tensor:
        return _lp_norm(v, self.p)

    def dual_norm(self, g: Tensor) -> Tensor:
        return _lp_norm(g, self.q)

    def whiten(self, v: Tensor) -> Tensor | None:
        return flat(v) if self.p == 2 else None

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        if self.p not in (1, 2, math.inf):  # |v| ** p underflows in cdist when p is large
            return super().pairwise(x, y)
        return _cdist(flat(x), flat(y), self.p)


class _Quadratic(NormedSpace):
    """|A v| for an invertible linear map A and l2; the dual is |A^-T g|."""

    @abstractmethod
    def whiten(self, v: Tensor) -> Tensor:
        """A v, (n, *E) -> (n, k)."""

    @abstractmethod
    def dual_whiten(self, g: Tensor) -> Tensor:
        """A^-T g up to a rotation, (n, *E) -> (n, k)."""

    def norm(self, v: Tensor) -> Tensor:
        return torch.linalg.vector_norm(self.whiten(_at_least_single(v)), dim=1).to(v.dtype)

    def dual_norm(self, g: Tensor) -> Tensor:
        return torch.linalg.vector_norm(self.dual_whiten(_at_least_single(g)), dim=1).to(g.dtype)

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        a, b = _at_least_single(x), _at_least_single(y)
        centre = b.detach().mean(0)  # far from 0, differences of images would lose digits
        return _cdist(self.whiten(a - centre), self.whiten(b - centre)).to(x.dtype)


class Mahalanobis(_Quadratic):
    """d(x, y) = sqrt((x - y)^T S^-1 (x - y)): l2 after whitening.

    With S = L L^T (Cholesky) the norm is |L^-1 v| and its dual |L^T g|. Points of any shape are
    flattened (Mahalanobis 1936, 'On the generalised distance in statistics').

    Args:
        covariance: S, (size of a point, size of a point); its precision is that of the ruler.

    Raises:
        ValueError: S is not a symmetric, positive definite matrix; points of another size.

    Example:
        >>> ruler = Mahalanobis(torch.diag(torch.tensor([4.0, 1.0])))
        >>> ruler.distance(torch.zeros(2, 2), torch.tensor([[2.0, 0.0], [0.0, 2.0]]))
        tensor([1., 2.])
    """

    factor: Tensor

    def __init__(self, covariance: Tensor):
        super().__init__()
        self.register_buffer("factor", _cholesky(torch.as_tensor(covariance).detach()))

    def __repr__(self) -> str:
        return f"Mahalanobis({len(self.factor)} dimensions)"

    def whiten(self, v: Tensor) -> Tensor:
        v = self._flat(v)
        factor = self.factor.to(v.dtype).mT
        return torch.linalg.solve_triangular(factor, v, upper=True, left=False)

    def dual_whiten(self, g: Tensor) -> Tensor:
        g = self._flat(g)
        with torch.autocast(g.device.type, enabled=False):  # a ruler in bfloat16 is none
            return g @ self.factor.to(g.dtype)

    def _flat(self, v: Tensor) -> Tensor:
        v, size = flat(v), len(self.factor)
        if v.shape[1] != size:
            raise ValueError(
                f"points of {v.shape[1]} coordinates do not fit a covariance of {size} x {size}"
            )
        return v


class Sobolev(_Quadratic):
    """The Sobolev norm W^{s,2} of images; its dual is that of -s (Adler and Lunz 2018).

    ||v||^2 = sum over frequencies xi of (1 + |2 pi length xi|^2)^s |v^(xi)|^2, the orthonormal
    Fourier transform being over the last two axes and xi in cycles per pixel. s = 0 is l2, s > 0
    weighs detail and edges up, s < 0 weighs them down. Images are taken as periodic.

    Args:
        s: order, any real number.
        length: in pixels; waves shorter than 2 pi length count as detail.

    Raises:
        ValueError: s is not finite, length is not positive, points without two axes.

    References:
        Jonas Adler and Sebastian Lunz, 'Banach Wasserstein GAN', NeurIPS 2018,
        https://arxiv.org/abs/1806.06621

    Example:
        >>> stripes = torch.tensor([1.0, -1.0]).repeat(1, 4, 2)
        >>> Sobolev(1).norm(stripes) / Lp(2).norm(stripes)  # sqrt(1 + pi^2): xi = 1/2
        tensor([3.2969])
    """

    def __init__(self, s: float, length: float = 1.0):
        super().__init__()
        if not math.isfinite(s):
            raise ValueError(f"the order of a Sobolev norm is {s}: it must be a finite number")
        self.s, self.length = float(s), positive(length, "the length of a Sobolev norm")

    def __repr__(self) -> str:
        return f"Sobolev({self.s:g}, length={self.length:g})"

    def whiten(self, v: Tensor) -> Tensor:
        return self._spectrum(v, self.s)

    def dual_whiten(self, g: Tensor) -> Tensor:
        return self._spectrum(g, -self.s)

    def _spectrum(self, v: Tensor, s: float) -> Tensor:
        if v.dim() < 3:
            raise ValueError(f"Sobolev needs images (n, ..., h, w), got shape {tuple(v.shape)}")
        rows, columns = (
            torch.fft.fftfreq(k, dtype=v.dtype, device=v.device).square() for k in v.shape[-2:]
        )
        weight = 1 + (2 * math.pi * self.length) ** 2 * (rows[:, None] + columns)
        spectrum = torch.fft.fft2(v, norm="ortho") if len(v) else v + 0j  # MKL refuses no images
        return torch.view_as_real(weight ** (s / 2) * spectrum).flatten(1)


def _lp_norm(v: Tensor, p: float) -> Tensor:
    v = flat(v)
    if p in (1, 2, math.inf):
        return torch.linalg.vector_norm(v, p, dim=1)
    largest = v.detach().abs().amax(1, keepdim=True)
    largest = torch.where(largest > 0, largest, 1)
    return largest[:, 0] * torch.linalg.vector_norm(v / largest, p, dim=1)


def _cdist(x: Tensor, y: Tensor, p: float = 2) -> Tensor:
    return torch.cdist(x, y, p, compute_mode="donot_use_mm_for_euclid_dist")


def _at_least_single(v: Tensor) -> Tensor:
    return v.to(torch.promote_types(v.dtype, torch.float32))


def _cholesky(covariance: Tensor) -> Tensor:
    """The lower factor of a covariance, in its precision.

    Raises:
        ValueError: it is not a symmetric, positive definite matrix.
    """
    if covariance.dim() != 2 or len(covariance) != covariance.shape[1]:
        raise ValueError(
            f"a covariance is a square matrix, got shape {tuple(covariance.shape)}: give "
            "torch.cov(x.T) of samples x (n, d), or the like"
        )
    dtype = torch.promote_types(covariance.dtype, torch.float32)
    matrix, eps = covariance.double(), torch.finfo(dtype).eps
    if not matrix.isfinite().all():
        raise ValueError("the covariance has NaN or infinite entries: clean the data it is from")
    asymmetry = (matrix - matrix.mT).abs().max()
    if asymmetry > math.sqrt(eps) * matrix.abs().max():
        raise ValueError(f"the covariance is not symmetric, by {asymmetry:.3g}: use (S + S.T) / 2")
    matrix = (matrix + matrix.mT) / 2
    floor = eps * matrix.trace() * torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    if torch.linalg.cholesky_ex(matrix - floor).info:
        raise ValueError(
            "the covariance is not positive definite, to its precision: shrink it, S -> "
            "(1 - a) * S + a * S.trace() / len(S) * torch.eye(len(S)) for a small a such as .01"
        )
    return torch.linalg.cholesky(matrix).to(dtype)
