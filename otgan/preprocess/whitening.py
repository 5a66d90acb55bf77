"""Whitening: a chart in which the data have unit covariance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import torch
from torch import Tensor

from otgan.preprocess.charts import Chart
from otgan.preprocess.moments import Moments, shrink

Method = Literal["pca", "zca", "cholesky"]

_ROWS = 8192
_ROUNDING = torch.finfo(torch.float32).eps
"""Of data and networks: spread below it is none."""


class Whitening(Chart):
    """Coordinates of zero mean and unit covariance: l2 in them is the Mahalanobis distance.

    With the covariance S = B diag(s)^2 B^T, z = diag(s)^-1 B^-1 (x - mean): "pca" has the principal
    axes in B, by falling variance; "zca" turns z back by B, staying closest to the data (Bell and
    Sejnowski 1997); "cholesky" has a unit triangular B, so that z_k depends on x_1 .. x_k alone.
    Kessy, Lewin, Strimmer 2018, 'Optimal whitening and decorrelation', compare them.

    No direction is dropped, so decode inverts encode to the rounding of its dtype. A direction
    without variance of its own, as between duplicate columns or for want of samples, gets what
    shrinkage gives it, at the least d * 1.2e-7 of the largest eigenvalue of the correlations.

    Args:
        shape: E, the shape of one sample.
        method: "pca", "zca" or "cholesky".
        shrinkage: shrink the data's correlations as their number asks for (`moments.shrink`), so
            that new data have nearly unit covariance. Without, the data fitted have it exactly,
            and there must be more of them than columns.

    Raises:
        ValueError: an unknown method.

    Example:
        >>> x = torch.randn(1000, 3) @ torch.diag(torch.tensor([1.0, 10.0, 100.0]))
        >>> chart = Whitening(x.shape[1:], shrinkage=False).fit(x)
        >>> torch.allclose(chart.encode(x).T.cov(), torch.eye(3), atol=1e-3)
        True
    """

    unit = None
    mean: Tensor
    basis: Tensor
    scale: Tensor

    def __init__(self, shape: tuple[int, ...], method: Method = "pca", shrinkage: bool = True):
        super().__init__()
        if method not in get_args(Method):
            raise ValueError(f"whitening by '{method}': there are {', '.join(get_args(Method))}")
        self.shape, self.method, self.shrinkage = torch.Size(shape), method, shrinkage
        size = self.shape.numel()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("basis", torch.eye(size))
        self.register_buffer("scale", torch.ones(size))

    def fit(self, x: Tensor | Iterable[Tensor]) -> Whitening:
        """Fits to points, (n, *E), or to batches of them, seen once and never kept; in float64.

        Raises:
            ValueError: a column that is constant, values that are not finite, points of another
                shape; without shrinkage, also other directions without variance.

        Example:
            >>> batches = (torch.rand(100, 2) for _ in range(3))
            >>> Whitening((2,)).fit(batches).scale.shape
            torch.Size([2])
        """
        moments = Moments.none(len(self.mean))
        for batch in x.split(_ROWS) if isinstance(x, Tensor) else x:
            if batch.shape[1:] != self.shape or not len(batch):
                raise ValueError(
                    f"whitening of points of shape {tuple(self.shape)} cannot be fitted to a "
                    f"batch of shape {tuple(batch.shape)}"
                )
            moments.add(batch.flatten(1).cpu())
        self._refuse(moments)
        root = self._root(moments)
        if self.method == "cholesky":
            factor = torch.linalg.qr(root.T).R.T
            scale = factor.diagonal().abs()
            basis = factor / factor.diagonal()
        else:
            basis, scale, _ = torch.linalg.svd(root)
            basis = basis * basis.gather(0, basis.abs().argmax(0, keepdim=True)).sign()
        self.mean.copy_(moments.mean), self.basis.copy_(basis), self.scale.copy_(scale)
        return self

    @property
    def covariance(self) -> Tensor:
        """The covariance of the ruler, shrunk: l2 in the chart is Mahalanobis under it, (d, d)."""
        return self.basis * self.scale.square() @ self.basis.T

    def encode(self, x: Tensor) -> Tensor:
        v = x.flatten(1) - self.mean
        if self.method == "cholesky":
            v = torch.linalg.solve_triangular(
                self.basis.T, v, upper=True, left=False, unitriangular=True
            )
        else:
            v = v @ self.basis
        z = v / self.scale
        return (z @ self.basis.T if self.method == "zca" else z).view(x.shape)

    def decode(self, x: Tensor) -> Tensor:
        z = x.flatten(1)
        if self.method == "zca":
            z = z @ self.basis
        return (z * self.scale @ self.basis.T + self.mean).view(x.shape)

    def _root(self, moments: Moments) -> Tensor:
        """A matrix R with R R^T the covariance to use.

        Units of the columns must not matter, so it is the correlations that are shrunk.
        """
        deviation = moments.covariance().diagonal().sqrt()
        correlation = moments.covariance() / torch.outer(deviation, deviation)
        values, axes = torch.linalg.eigh(correlation)
        # Below this a direction is rounding, and its inverse would lose the others' digits.
        least = len(values) * _ROUNDING * values[-1]
        if self.shrinkage:
            values = shrink(values.clamp(min=least), moments.count - 1).clamp(min=least)
        elif dead := int((values <= least).sum()):
            raise ValueError(
                f"{dead} of {len(values)} directions have no variance in {moments.count} samples, "
                "and whitening divides by it: leave shrinkage on, or get more samples"
            )
        return deviation[:, None] * axes * values.sqrt()

    def _refuse(self, moments: Moments) -> None:
        """That nothing can be divided by.

        Raises:
            ValueError: no points, values that are not finite, constant columns.
        """
        if not moments.count:
            raise ValueError("whitening needs data to be fitted to, and there are no points")
        deviation = moments.covariance().diagonal().sqrt()
        if broken := self._columns(~deviation.isfinite()):
            raise ValueError(f"NaN or infinite values in {broken}: clean the data")
        if constant := self._columns(deviation <= 8 * _ROUNDING * moments.mean.abs()):
            raise ValueError(
                f"no variance in {constant} of {moments.count} samples, and whitening divides by "
                "it: drop constant columns, or use chart 'scaling'"
            )

    def _columns(self, chosen: Tensor) -> str:
        """'column 3', or with more axes 'columns (0, 3), (1, 0)', of a mask (d,); '' for none."""
        found = chosen.view(self.shape).nonzero().tolist()
        names = [str(where[0] if len(where) == 1 else tuple(where)) for where in found[:3]]
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        return f"column{'s' * (len(found) > 1)} {', '.join(names)}{more}" if found else ""
