"""Transport on a graph as a flow on its edges, by OR-tools, and the potentials it does not return.

Beckmann (1952, 'A continuous model of transportation'): the cheapest flow whose surplus at every
node is the mass to be moved costs W1. The solver takes integers, so its flow is only trusted to
say which edges are used; potential and cost are then computed for the true masses and lengths.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import coo_array, csgraph

from otgan.geometry.paths import Paths
from otgan.transport.integer_flow import cheapest


def beckmann(
    paths: Paths, excess: np.ndarray
) -> tuple[np.ndarray, float, Callable[[], np.ndarray]]:
    """The cheapest flow that evens out the excess, which is balanced in every component.

    Args:
        excess: mass to be moved away, (nodes,).

    Returns:
        the potential, (nodes,), infinite at nodes that the flow does not touch; what a flow for
        exactly this excess costs, an upper bound of W1; and () -> that flow, (m,), from the lower
        to the higher node of every edge.

    Raises:
        RuntimeError: the solver stopped before the optimum.
    """
    roots = _heaviest(paths.components, excess)
    supply, unit = _supplies(paths, excess, roots)
    flow = cheapest(paths, supply) * unit
    node, parent = _tree(paths, flow, roots)
    edge = paths.edge(node, parent)
    out = np.where(node < parent, 1, -1)  # flows count from the lower to the higher node

    # Complementary slackness: f falls by the length of an edge along the flow on it.
    direction = out * np.sign(flow[edge])
    rise = np.where(direction == 0, np.inf, direction * paths.lengths[edge])
    potential = np.full(paths.nodes, np.inf)
    potential[roots] = 0
    potential = _down(potential, node, parent, rise)

    # What rounding to integers has left over goes along the tree.
    low, high = paths.ends.T
    left = excess - np.bincount(low, flow, paths.nodes) + np.bincount(high, flow, paths.nodes)
    flow[edge] += out * _up(left, node, parent)[node]
    return potential, float(np.abs(flow) @ paths.lengths), lambda: flow


def _heaviest(labels: np.ndarray, excess: np.ndarray) -> np.ndarray:
    """The node with the largest excess or lack in each component."""
    order = np.lexsort((np.abs(excess), labels))
    return order[np.append(np.diff(labels[order]) > 0, True)]


def _supplies(paths: Paths, excess: np.ndarray, roots: np.ndarray) -> tuple[np.ndarray, float]:
    """Masses as integers that sum to zero in every component, (nodes,), and the mass of 1.

    Every node with mass gets 1 more, at the expense of the root of its component. No part without
    the root is balanced then, so the edges with flow connect all that has mass, and their lengths
    determine the potential there (Charnes 1952, 'Optimality and degeneracy in linear programming').
    """
    degree = int(np.diff(paths.links.indptr).max())
    bits = min(46, 61 - (degree + 2).bit_length())  # finer than that is rounding of the masses
    unit = excess.clip(min=0).sum() / 2.0**bits
    supply = np.rint(excess / unit).astype(np.int64) + (excess != 0)
    total = np.zeros(len(roots), np.int64)
    np.add.at(total, paths.components, supply)
    supply[roots] -= total[paths.components[roots]]
    return supply, unit


def _tree(paths: Paths, flow: np.ndarray, roots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes but the roots, parents first, and the parent of each, in a forest that spans the graph.

    Edges with flow come first, so a part that they connect is connected by them in the forest.
    """
    n = paths.nodes
    weights = np.where(flow != 0, 1.0, 2.0)
    forest = csgraph.minimum_spanning_tree(coo_array((weights, tuple(paths.ends.T)), (n, n)))
    forest = forest.tocoo()
    above = np.full(len(roots), n, np.int32)  # one node above all roots makes it a tree
    row, column = np.append(forest.row, above), np.append(forest.col, roots.astype(np.int32))
    tree = coo_array((np.ones(len(row)), (row, column)), (n + 1, n + 1)).tocsr()
    order, parent = csgraph.breadth_first_order(tree, n, directed=False)
    node = order[parent[order] >= 0]
    node = node[parent[node] < n]
    return node, parent[node]


def _down(values: np.ndarray, node: np.ndarray, parent: np.ndarray, rise: np.ndarray) -> np.ndarray:
    """Values of the roots carried to all nodes, each the parent's plus its rise."""
    result = values.tolist()
    for v, above, step in zip(node.tolist(), parent.tolist(), rise.tolist(), strict=True):
        result[v] = result[above] + step
    return np.array(result)


def _up(values: np.ndarray, node: np.ndarray, parent: np.ndarray) -> np.ndarray:
    """The sum of the values below each node and at it."""
    result = values.tolist()
    for v, above in zip(node[::-1].tolist(), parent[::-1].tolist(), strict=True):
        result[above] += result[v]
    return np.array(result)
