"""Pairs of distributions whose W1 and optimal critic are known exactly.

On a geodesic space let S_1, ..., S_k be closed sets and u(x) = min_k d(x, S_k) + b_k. Move each
point y towards the nearest point of its active set and keep any share of the way: with x the moved
point, W1 = E d(x, y) = E u(y) - E u(x), and -u is an optimal critic.

`otgan.pairs.modes` are distributions whose modes can be counted.
"""

from otgan.pairs import modes
from otgan.pairs.closed import dilation, point_masses, product_of_lines, translation
from otgan.pairs.funnels import Sets, funnels
from otgan.pairs.others import ConditionalPair, NodePair, node_funnels
from otgan.pairs.pair import Pair

__all__ = [
    "ConditionalPair",
    "NodePair",
    "Pair",
    "Sets",
    "dilation",
    "funnels",
    "modes",
    "node_funnels",
    "point_masses",
    "product_of_lines",
    "translation",
]
