"""Swapping edges of a graph until it has as many triangles as asked, every degree kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from otgan.config import InputError

CLOSING = 1.0
"""Log odds of a triangle more."""


def close(
    edges: np.ndarray,
    odds: np.ndarray,
    triangles: int,
    rng: np.random.Generator,
    proposals: int = 5_000_000,
) -> np.ndarray:
    """The graph after a walk over graphs of its degrees, stopped at a number of triangles, (m, 2).

    Independent edges close few triangles (Chanpuriya et al. 2021, 'On the Power of Edge Independent
    Graph Models'). Two random edges a-b, c-d become a-d, c-b by Metropolis' rule for graphs
    weighted by the product of their edges' odds times e for every triangle, until there are enough.

    Args:
        edges: (m, 2).
        odds: positive, symmetric, (nodes, nodes).
        triangles: a graph that has as many to begin with stays as it is.

    Raises:
        InputError: too few triangles after so many proposals.
    """
    links = [(int(u), int(v)) for u, v in edges]
    near: list[set[int]] = [set() for _ in odds]
    for u, v in links:
        near[u].add(v)
        near[v].add(u)
    missing = triangles - sum(len(near[u] & near[v]) for u, v in links) // 3
    utility = np.log(np.maximum(odds, np.finfo(float).tiny))
    for _ in range(0, proposals, 1 << 14):
        first, second = rng.integers(len(links), size=(2, 1 << 14)).tolist()
        turned, luck = rng.random(1 << 14) < 0.5, np.log(rng.random(1 << 14)).tolist()
        for i, j, turn, bar in zip(first, second, turned, luck, strict=True):
            if missing <= 0:
                return np.sort(links, 1)
            (a, b), (c, d) = links[i], links[j][::-1] if turn else links[j]
            if len({a, b, c, d}) < 4 or d in near[a] or b in near[c]:
                continue
            gain = utility[a, d] + utility[c, b] - utility[a, b] - utility[c, d]
            most = min(len(near[a]), len(near[d])) + min(len(near[b]), len(near[c]))
            if bar >= gain + CLOSING * most:
                continue
            closed = _swap(near, a, b, c, d)
            if bar < gain + CLOSING * closed:
                links[i], links[j] = (a, d), (c, b)
                missing -= closed
            else:
                _swap(near, a, d, c, b)
    raise InputError(
        f"after {proposals:,} proposals the graph is {missing} short of {triangles} triangles: "
        "ask for fewer"
    )


def _swap(near: list[set[int]], a: int, b: int, c: int, d: int) -> int:
    """Turns a-b, c-d into a-d, c-b; how many triangles more there are."""
    gained = -_join(near, a, b, set.remove) - _join(near, c, d, set.remove)
    return gained + _join(near, a, d, set.add) + _join(near, c, b, set.add)


def _join(near: list[set[int]], u: int, v: int, change: Callable[[set[int], int], None]) -> int:
    """Adds or removes the edge u-v; how many triangles it is in."""
    change(near[u], v)
    change(near[v], u)
    return len(near[u] & near[v])
