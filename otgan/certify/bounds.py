"""What the mean of a sample says about an expectation, at every sample size or as samples grow."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy import stats
from torch import Tensor


def mean_error(
    x: Tensor,
    y: Tensor,
    level: float,
    diameter: float | None = None,
    before: tuple[Tensor, Tensor] | None = None,
) -> float:
    """How far mean(x) - mean(y) may exceed its expectation, but with probability `level`.

    Without a diameter: Student's t with the smaller sample's degrees of freedom, right as samples
    grow. With one, for values within an interval of that length: the empirical Bernstein bound
    (Maurer and Pontil 2009, 'Empirical Bernstein bounds and sample variance penalization', theorem
    4) or Hoeffding's, right at every sample size. Which one may not depend on the data it is for.

    Args:
        x, y: independent values of a function on either sample, (n,) and (m,).
        before: its values on other points, to tell which bound will be the shorter; Bernstein's
            if not given.
    """
    n, m = len(x), len(y)
    if diameter is None:
        return _deviation(x, y, (n, m)) * float(stats.t.ppf(1 - level, min(n, m) - 1))
    fixed = plug_in_error(x, y, level, diameter)
    if before is not None and _bernstein(before, (n, m), level, diameter) > fixed:
        return fixed
    return _bernstein((x, y), (n, m), level, diameter)


def plug_in_error(
    x: Tensor,
    y: Tensor,
    level: float,
    diameter: float | None = None,
    sizes: tuple[int, int] | None = None,
) -> float:
    """How far W1 between samples may fall below its expectation, but with probability `level`.

    With a diameter: one point changes W1 by at most diameter / n (McDiarmid 1989, 'On the method of
    bounded differences'), right at every sample size. Without, as samples grow: sqrt(n) (W1 - E W1)
    tends to the largest of the centred Gaussians that optimal potentials make (Hundrieser, Klatt,
    Munk, Staudt 2024, 'A unifying approach to distributional limits for empirical optimal
    transport'). That is a convex function of a Gaussian with slope at most s, their largest
    deviation, so it is distributed as h(Z) with h convex and 0 <= h' <= s (Ehrhard's and the
    Gaussian isoperimetric inequality), and E h(Z) - h(-q) <= s E max(Z + q, 0). Where the potential
    is unique, s q would do.

    Args:
        x, y: an optimal potential on either sample, (n,) and (m,).
        sizes: of the samples, where the potential is on some of their points only.
    """
    sizes = sizes or (len(x), len(y))
    if diameter is not None:
        return diameter * math.sqrt(math.log(1 / level) / 2 * sum(1 / k for k in sizes))
    q = float(stats.t.ppf(1 - level, min(len(x), len(y)) - 1))
    beyond = q * float(stats.norm.cdf(q)) + float(stats.norm.pdf(q))
    return _deviation(x, y, sizes) * beyond


def heavy(x: Tensor) -> bool:
    """Whether one of the values (n,) makes so much of their variance that normal limits are far."""
    square = (x - x.mean()).square()
    return bool(square.max() > max(0.15, 12 / len(x)) * square.sum())


def _deviation(x: Tensor, y: Tensor, sizes: tuple[int, int]) -> float:
    """Of the difference of means of so many values each, distributed as x and as y."""
    return math.sqrt(x.var().item() / sizes[0] + y.var().item() / sizes[1])


def _bernstein(
    values: tuple[Tensor, Tensor], sizes: tuple[int, int], level: float, diameter: float
) -> float:
    """Half the level for each mean, of so many values with the variances of those given."""
    log = math.log(2 / (level / 2))
    return sum(
        math.sqrt(2 * v.var().item() * log / n) + 7 * diameter * log / (3 * (n - 1))
        for v, n in zip(values, sizes, strict=True)
    )


def permutation_p_value(x: Tensor, y: Tensor, seed: int = 0, draws: int | None = None) -> float:
    """P-value of 'both samples are from one distribution', by mean(x) - mean(y) of a function that
    saw neither: the share of relabellings whose difference is at least as large. Its probability of
    being at most p is at most p, at every sample size (Phipson and Smyth 2010, 'Permutation
    p-values should never be zero').

    Args:
        draws: of relabellings; 9,999, fewer where there are more than 20,000 points.
    """
    values = torch.cat([x, y]).double().cpu().numpy()
    draws = draws or max(999, min(9999, 200_000_000 // len(values)))
    rng, n = np.random.default_rng(seed), len(x)
    values -= values.mean()  # so that the slack for ties is that of differences
    observed = values[:n].sum() - 1e-9 * np.abs(values).sum()
    larger = sum(rng.permutation(values)[:n].sum() >= observed for _ in range(draws))
    return float((1 + larger) / (1 + draws))
