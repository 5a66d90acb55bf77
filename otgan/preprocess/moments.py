"""Mean and covariance in one pass over batches, and the covariance shrunk for few samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Moments:
    """Count, mean and scatter of the points so far, in float64.

    Batches are merged by the pairwise update, which never subtracts large sums of squares.

    Args:
        count: points so far.
        mean: (d,).
        scatter: sum of (x - mean) (x - mean)^T, (d, d).

    References:
        Tony Chan, Gene Golub, Randall LeVeque, 'Updating formulae and a pairwise algorithm for
        computing sample variances', Stanford STAN-CS-79-773, 1979

    Example:
        >>> moments = Moments.none(1)
        >>> for batch in (torch.tensor([[1.0], [2.0]]), torch.tensor([[6.0]])):
        ...     moments.add(batch)
        >>> moments.mean.item(), moments.covariance().item()
        (3.0, 7.0)
    """

    count: int
    mean: Tensor
    scatter: Tensor

    @classmethod
    def none(cls, size: int) -> Moments:
        """Of no points with `size` coordinates."""
        zeros = torch.zeros(size, size, dtype=torch.float64)
        return cls(0, zeros[0].clone(), zeros)

    def add(self, x: Tensor) -> None:
        """Takes in a batch, (n, d)."""
        x = x.double()
        mean = x.mean(0)
        step, total = mean - self.mean, self.count + len(x)
        self.scatter += (x - mean).T @ (x - mean)
        self.scatter += self.count * len(x) / total * torch.outer(step, step)
        self.mean += len(x) / total * step
        self.count = total

    def covariance(self) -> Tensor:
        """The unbiased one, (d, d); zeros for a single point."""
        return self.scatter / max(1, self.count - 1)


def shrink(values: Tensor, n: int) -> Tensor:
    """Eigenvalues of a sample covariance, each moved to where its population value is expected.

    Quadratic-inverse shrinkage (Ledoit and Wolf 2022, 'Quadratic shrinkage for large covariance
    matrices', Bernoulli 28(3)): every eigenvalue is drawn towards those near it, as sampling had
    spread them, and those that are zero because there are fewer samples than columns share one
    value. With many samples for each column, little changes. Unlike the linear shrinkage of Ledoit
    and Wolf 2004 or OAS, it leaves a small eigenvalue small, however large the largest is.

    Args:
        values: ascending and positive, (d,); where d > n the first d - n are the null ones.
        n: samples less one.

    Returns:
        Shrunk values of the same sum, (d,).
    """
    d = len(values)
    ratio = d / n
    width = min(ratio**2, ratio**-2) ** 0.35 / d**0.35
    inverse = 1 / values[max(0, d - n) :]
    away = inverse[None, :] - inverse[:, None]
    kernel = away.square() + (width * inverse[None, :]).square()
    theta = (inverse * away / kernel).mean(1)
    conjugate = (width * inverse.square() / kernel).mean(1)
    amplitude = theta.square() + conjugate.square()
    if d <= n:
        part = 1 - ratio
        precision = part**2 + 2 * ratio * part * theta + ratio**2 * amplitude
        shrunk = 1 / (inverse * precision)
    else:
        null = 1 / ((ratio - 1) * inverse.mean())
        shrunk = torch.cat([null.expand(d - n), 1 / (inverse * amplitude)])
    return shrunk * values.sum() / shrunk.sum()
