"""Min-cost flow of integers on the edges of a graph, by OR-tools (Goldberg 1997)."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csgraph

from otgan.geometry.paths import Paths

_RESOLUTION = 1 << 20
"""Integer length of the median edge, where longer ones do not overflow."""


def cheapest(paths: Paths, supply: np.ndarray) -> np.ndarray:
    """The cheapest flow from the lower to the higher node of every edge, (m,) int64.

    Cheapest for lengths that are rounded, if they are not integers already.

    Args:
        supply: what each node gives away, (nodes,) int64, of sum 0 in every component.

    Raises:
        RuntimeError: the solver stopped before the optimum.
    """
    around = np.full(paths.nodes, np.inf)
    around[np.unique(paths.components, return_index=True)[1]] = 0
    around, _ = paths.envelope(around)
    # No path needs an edge longer than the way round by a fixed node. Some lengths of 1e9 for
    # 'none' would leave few integers to the others; where that is not so, a copy costs more.
    useful = paths.lengths <= around[paths.ends].sum(1) * (1 + 1e-9)
    if paths.lengths[useful].max() * 16 > paths.lengths.max():
        return _pruned(paths, supply)
    flow = np.zeros(len(useful), np.int64)
    flow[useful] = _pruned(Paths(paths.ends[useful], paths.lengths[useful], paths.nodes), supply)
    return flow


def _pruned(paths: Paths, supply: np.ndarray) -> np.ndarray:
    flow, supply, hanging = _peel(paths, supply)
    if not hanging.any():
        return _solved(paths, supply)
    kept = ~hanging[paths.ends].any(1)
    if kept.any():
        number = np.cumsum(~hanging, dtype=np.int32) - 1
        core = Paths(number[paths.ends[kept]], paths.lengths[kept], int((~hanging).sum()))
        flow[kept] = _solved(core, supply[~hanging])
    return flow


def _peel(paths: Paths, supply: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sends the mass of nodes that hang by one edge along it, until none is left.

    Trees are solved by this alone, and the solver is slow where paths have many edges.

    Returns:
        the flow on their edges, (m,); what supply is left; which nodes were hanging.
    """
    low, high = paths.ends.T
    degree = np.diff(paths.links.indptr)
    waiting = np.flatnonzero(degree == 1).tolist()
    # The sum of the edges that are left is, at a node where one is left, that edge.
    edges = np.arange(len(low), dtype=np.float64)
    last = np.bincount(low, edges, paths.nodes) + np.bincount(high, edges, paths.nodes)
    flow, hanging = np.zeros(len(low), np.int64), np.zeros(paths.nodes, bool)
    if not waiting:
        return flow, supply, hanging
    left, last, degree = supply.tolist(), last.astype(np.int64).tolist(), degree.tolist()
    for v in waiting:  # grows
        if degree[v] != 1:
            continue
        edge = last[v]
        u = int(low[edge] + high[edge]) - v
        flow[edge] = left[v] if v < u else -left[v]
        left[u] += left[v]
        left[v], hanging[v] = 0, True
        degree[u] -= 1
        last[u] -= edge
        if degree[u] == 1:
            waiting.append(u)
    return flow, np.array(left), hanging


def _solved(paths: Paths, supply: np.ndarray) -> np.ndarray:
    scale = _scale(paths)
    while True:
        status, flow = _solve(paths, supply, np.rint(paths.lengths * scale).astype(np.int64))
        if flow is not None:
            return flow
        if status != "BAD_COST_RANGE" or paths.lengths.max() * scale < 2:
            raise RuntimeError(f"the min-cost flow did not finish: {status}")
        scale /= 32


def _scale(paths: Paths) -> float:
    """Integers per unit of length: 1 if that is exact, else as many as are of use and allowed."""
    longest = paths.lengths.max()
    allowed = 2.0**61 / (paths.nodes + 3)  # the solver multiplies lengths by its number of nodes
    if longest <= allowed and (paths.lengths == np.rint(paths.lengths)).all():
        return 1.0
    return min(_RESOLUTION / np.median(paths.lengths), allowed / longest)


def _solve(paths: Paths, supply: np.ndarray, lengths: np.ndarray) -> tuple[str, np.ndarray | None]:
    from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

    # Neighbours get near numbers, which spares the solver up to half its time: cache misses.
    number = np.empty(paths.nodes, np.int32)
    order = csgraph.reverse_cuthill_mckee(paths.links, symmetric_mode=True)
    number[order] = np.arange(paths.nodes, dtype=np.int32)
    low, high = number[paths.ends].T.copy()
    capacity = np.full(len(low), supply.clip(min=0).sum())
    solver = SimpleMinCostFlow()
    solver.add_arcs_with_capacity_and_unit_cost(low, high, capacity, lengths)
    solver.add_arcs_with_capacity_and_unit_cost(high, low, capacity, lengths)
    del low, high, capacity
    solver.set_nodes_supplies(number, supply)
    status = solver.solve()
    if status != solver.OPTIMAL:
        return status.name, None
    arcs = np.arange(len(lengths), dtype=np.int32)
    return status.name, solver.flows(arcs) - solver.flows(arcs + np.int32(len(lengths)))
