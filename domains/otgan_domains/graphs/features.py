"""What networks are told of each node: where it is, how it is linked, what the user knows of it."""

from __future__ import annotations

import networkx as nx
import numpy as np
import torch
from scipy.sparse import csgraph
from torch import Tensor

from otgan.geometry import GraphMetric

LANDMARKS = 32


def landmarks(metric: GraphMetric, count: int = LANDMARKS) -> tuple[np.ndarray, np.ndarray]:
    """Nodes far from each other (k,), and the distances of all nodes from them (k, nodes).

    Each is the farthest from those before (Gonzalez 1985, 'Clustering to minimize the maximum
    intercluster distance'), the first the farthest from node 0.
    """

    def distances(node: int) -> np.ndarray:
        return csgraph.dijkstra(metric.paths.links, indices=node)

    chosen = [int(np.argmax(distances(0)))]
    table = [distances(chosen[0])]
    while len(chosen) < min(count, metric.nodes):
        chosen.append(int(np.argmax(np.min(table, 0))))
        table.append(distances(chosen[-1]))
    return np.array(chosen), np.stack(table)


def structural(metric: GraphMetric) -> Tensor:
    """Distances to landmarks, degree, core number and mean length of links, (nodes, k), each column
    at mean 0 and deviation 1."""
    ends = metric.paths.ends.ravel()
    degree = np.bincount(ends, minlength=metric.nodes)
    reach = np.bincount(ends, np.repeat(metric.paths.lengths, 2), metric.nodes) / degree
    graph = nx.from_edgelist(metric.paths.ends.tolist())
    core = nx.core_number(graph)
    cores = np.array([core[v] for v in range(metric.nodes)])
    logs = [np.log(values)[:, None] for values in (degree, cores, reach)]
    return standard(np.concatenate([landmarks(metric)[1].T, *logs], 1))


def standard(columns: np.ndarray) -> Tensor:
    """Columns (n, k) at mean 0 and deviation 1, without those that are constant."""
    deviation = columns.std(0)
    kept = deviation > 1e-9 * (1 + np.abs(columns).max(0))
    scaled = (columns[:, kept] - columns[:, kept].mean(0)) / deviation[kept]
    return torch.from_numpy(scaled).float()
