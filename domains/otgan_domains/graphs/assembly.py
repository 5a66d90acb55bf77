"""From scores of pairs of nodes to a graph: which pairs become edges."""

from __future__ import annotations

import numpy as np

from otgan.config import InputError


def with_degrees(
    scores: np.ndarray, degrees: np.ndarray, tolerance: float = 1e-6, rounds: int = 1000
) -> np.ndarray:
    """Probabilities of edges, nearest to the scores, under which every node has its degree.

    Independent edges of odds scores_uv are projected onto those with expected degrees d in
    Kullback-Leibler divergence. The odds become x_u x_v scores_uv; x by the fixed point of
    Chatterjee, Diaconis, Sly 2011, 'Random graphs with a given degree sequence', section 1.2. A
    node whose scores are all but on its own neighbours keeps them, and no node loses edges because
    a pair cannot be drawn twice.

    Args:
        scores: symmetric, not negative, (n, n); the diagonal does not count.
        degrees: expected degrees, (n,), each at least 0.

    Returns:
        (n, n), symmetric, 0 on the diagonal.

    Raises:
        InputError: scores that cannot give these degrees.
    """
    s = checked(scores).copy()
    np.fill_diagonal(s, 0)
    s /= s.sum()
    x = np.sqrt(degrees.sum()) * np.ones(len(s))
    for _ in range(rounds):
        odds = s * np.outer(x, x)
        q = odds / (1 + odds)
        reached = q.sum(1)
        if np.abs(reached - degrees).max() <= tolerance * degrees.max():
            return q
        x = x * degrees / np.where(reached > 0, reached, 1)
    u = int(np.abs(reached - degrees).argmax())
    raise InputError(
        f"after {rounds} rounds node {u} is expected {reached[u]:.3g} edges, not {degrees[u]:g}: "
        "its scores are zero on too many nodes"
    )


def draw(q: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A graph in which pair (u, v) is an edge with probability q_uv, (m, 2).

    Systematic sampling (Madow 1949): pairs in a row, each as long as its probability, and every
    point at a whole distance from a random start takes its pair. Their number is the sum of q,
    rounded, and exactly that every time. Pairs stand together by their end of smaller degree, so
    that such a node gets its expected number of them but for less than 1, and a node of degree 1
    its only edge.

    Args:
        q: symmetric, within [0, 1], 0 on the diagonal, (n, n).
    """
    u, v = np.triu_indices(len(q), 1)
    p = q[u, v]
    possible = p > 0
    u, v, p = u[possible], v[possible], p[possible]
    d = q.sum(1)
    owner = np.where(d[u] < d[v], u, v)
    order = np.argsort(rng.permutation(len(q))[owner] + rng.random(len(p)))
    ends = np.cumsum(p[order])
    m = round(ends[-1])
    taken = np.searchsorted(ends * m / ends[-1], rng.random() + np.arange(m))
    chosen = order[np.unique(taken.clip(max=len(order) - 1))]
    return np.stack([u[chosen], v[chosen]], 1)


def cover(edges: np.ndarray, q: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same number of edges, none of the nodes without one, (m, 2) -> (m, 2).

    A lonely node u takes over an edge of v, v drawn by q_uv, from a neighbour of v that has others.

    Raises:
        InputError: too few edges, or none that q allows.
    """
    edges, d = edges.copy(), np.bincount(edges.ravel(), minlength=len(q))
    for u in np.flatnonzero(d == 0):
        v, x = np.concatenate([edges, edges[:, ::-1]]).T
        weights = np.where(d[x] > 1, q[u, v] / d[v], 0)
        if not weights.any():
            raise InputError(f"{len(edges)} edges cannot reach node {u}: ask for more of them")
        k = rng.choice(len(v), p=weights / weights.sum())
        d[u], d[x[k]] = 1, d[x[k]] - 1
        edges[k % len(edges)] = sorted((u, v[k]))
    return edges


def cover_then_fill(scores: np.ndarray, edges: int, rng: np.random.Generator) -> np.ndarray:
    """NetGAN's assembly: an edge for every node, the rest by score without replacement, (m, 2).

    Bojchevski et al. 2018, 'NetGAN: Generating Graphs via Random Walks', section 3.3.

    Raises:
        InputError: a node without scores, or more edges than pairs that have any.
    """
    s = checked(scores).copy()
    np.fill_diagonal(s, 0)
    n, totals = len(s), s.sum(1)
    if not totals.all():
        raise InputError(f"node {int(totals.argmin())} has no score with any other node")
    taken = np.zeros_like(s, dtype=bool)
    for u in range(n):
        v = rng.choice(n, p=s[u] / totals[u])
        taken[min(u, v), max(u, v)] = True
    left = np.triu(np.where(taken, 0, s)).ravel()
    more = max(0, edges - int(taken.sum()))
    if more > np.count_nonzero(left):
        raise InputError(f"{edges} edges are more than there are pairs with a score: ask for fewer")
    # the largest of log s + Gumbel noise are draws without replacement
    with np.errstate(divide="ignore"):
        keys = np.log(left) + rng.gumbel(size=left.shape)
    taken.ravel()[np.argpartition(keys, -more)[-more:] if more else []] = True
    return np.argwhere(taken)


def checked(scores: np.ndarray) -> np.ndarray:
    """The scores, if they are symmetric, finite and not negative.

    Raises:
        InputError: they are not.
    """
    if scores.ndim != 2 or not np.allclose(scores, scores.T, rtol=1e-5, atol=1e-12):
        raise InputError(f"scores of shape {scores.shape} are not symmetric: add the transpose")
    if not (np.isfinite(scores).all() and (scores >= 0).all()):
        raise InputError("scores of pairs are finite and at least 0, and some are not")
    return scores.astype(np.float64)
