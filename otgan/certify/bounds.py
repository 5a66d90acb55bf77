"""What a mean says about an expectation, and transport that fits into memory."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from otgan.geometry import Geometry, GraphMetric, Potential
from otgan.transport import solve
from otgan.transport.flow import flow, histogram


def mean_error(x: Tensor, y: Tensor, level: float, diameter: float | None = None) -> float:
    """How far mean(x) - mean(y) may exceed its expectation, but with probability `level`.

    Without a diameter: Student's t with the smaller sample's degrees of freedom, right as samples
    grow. With one, for values within an interval of that length: the empirical Bernstein bound
    (Maurer and Pontil 2009, theorem 4), half the level each, right for every sample size.

    Args:
        x, y: independent values of a function on either sample, (n,) and (m,).
    """
    if diameter is None:
        spread = math.sqrt(x.var().item() / len(x) + y.var().item() / len(y))
        return spread * float(stats.t.ppf(1 - level, min(len(x), len(y)) - 1))
    log = math.log(4 / level)  # Bernstein's 2 / level, at half the level
    return sum(
        math.sqrt(2 * v.var().item() * log / len(v)) + 7 * diameter * log / (3 * (len(v) - 1))
        for v in (x, y)
    )


def plug_in_error(x: Tensor, y: Tensor, level: float, diameter: float | None = None) -> float:
    """How far W1 between samples may fall below its expectation, but with probability `level`.

    Without a diameter: normal, with the variance of the optimal potential's values (del Barrio and
    Loubes 2019, 'Central limit theorems for empirical transportation cost in general dimension').
    With one: one point changes the distance by at most diameter / n (McDiarmid 1989).

    Args:
        x, y: the optimal potential on either sample, (n,) and (m,).
    """
    if diameter is None:
        spread = math.sqrt(x.var().item() / len(x) + y.var().item() / len(y))
        return spread * float(stats.norm.ppf(1 - level))
    return diameter * math.sqrt(math.log(1 / level) / 2 * (1 / len(x) + 1 / len(y)))


def permutation_p_value(x: Tensor, y: Tensor, draws: int = 9999, seed: int = 0) -> float:
    """P-value of 'both samples are from one distribution', by mean(x) - mean(y) of a function that
    saw neither: the share of relabellings whose difference is at least as large, at every sample
    size (Phipson and Smyth 2010)."""
    values = torch.cat([x, y]).double().cpu().numpy()
    rng, n = np.random.default_rng(seed), len(x)
    observed = values[:n].sum()
    slack = 1e-9 * np.abs(values).sum()
    larger = sum(rng.permutation(values)[:n].sum() >= observed - slack for _ in range(draws))
    return float((1 + larger) / (1 + draws))


def transported(
    x: Tensor,
    y: Tensor,
    geometry: Geometry,
    a: Tensor | None = None,
    b: Tensor | None = None,
) -> tuple[float, Potential]:
    """Exact W1 between two samples, and the 1-Lipschitz potential that attains it."""
    if isinstance(geometry, GraphMetric):
        found = flow(histogram(x, geometry, a), histogram(y, geometry, b), geometry)
        return float(found.upper), lambda z: found.potential[z]
    found_solution = solve(x, y, geometry, a, b)
    return found_solution.cost.item(), found_solution.potential


def coupled_in_blocks(
    x: Tensor, y: Tensor, geometry: Geometry, block: int, generator: torch.Generator
) -> tuple[float, Tensor, Tensor]:
    """The cost of a coupling that is optimal within random blocks: at least W1 of the samples.

    Returns:
        The cost, and the blocks' potentials at each point, (n,) and (m,).
    """
    x = x[torch.randperm(len(x), generator=generator)]
    y = y[torch.randperm(len(y), generator=generator)]
    blocks = math.ceil(max(len(x), len(y)) / block)
    cuts = [_cuts(len(v), blocks) for v in (x, y)]
    total, values_x, values_y = 0.0, [], []
    for (i, a), (j, b) in zip(*cuts, strict=True):
        cost, potential = transported(x[i], y[j], geometry, a, b)
        centre = (potential(x[i]).mean() + potential(y[j]).mean()) / 2
        total += cost
        values_x.append(potential(x[i]) - centre)
        values_y.append(potential(y[j]) - centre)
    return total, torch.cat(values_x), torch.cat(values_y)


def _cuts(n: int, blocks: int) -> list[tuple[slice, Tensor]]:
    """Slices of n equal masses into blocks of mass 1 / blocks, cutting the masses between them."""
    edges = np.arange(n + 1) / n
    cuts = []
    for k in range(blocks):
        low, high = k / blocks, (k + 1) / blocks
        i = int(np.searchsorted(edges, low, "right")) - 1
        j = int(np.searchsorted(edges, high, "left"))
        mass = np.minimum(edges[i + 1 : j + 1], high) - np.maximum(edges[i:j], low)
        cuts.append((slice(i, j), torch.from_numpy(mass / mass.sum() / blocks)))
    return cuts
