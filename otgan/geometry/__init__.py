"""Metric spaces that can measure slopes: the ground cost of a Wasserstein distance.

For a metric d, Kantorovich and Rubinstein say

    W(mu, nu) = sup { E_mu f - E_nu f  :  |f(x) - f(y)| <= d(x, y) for all x, y }.

A geometry therefore knows two things: `distance`, and `slope`, how steeply a critic climbs
between two points per unit of ground cost. A critic is 1-Lipschitz if and only if no slope
exceeds 1. Write one method of the base class that fits what you know; the rest is derived.
"""

from otgan.geometry.base import Geometry, MetricSpace, NormedSpace, Potential
from otgan.geometry.graphs import GraphMetric
from otgan.geometry.leading import Leading
from otgan.geometry.norms import Lp, Mahalanobis, Sobolev
from otgan.geometry.products import Product
from otgan.geometry.spaces import Angles, Discrete, GreatCircle, Power, Pullback

__all__ = [
    "Angles",
    "Discrete",
    "Geometry",
    "GraphMetric",
    "GreatCircle",
    "Leading",
    "Lp",
    "Mahalanobis",
    "MetricSpace",
    "NormedSpace",
    "Potential",
    "Power",
    "Product",
    "Pullback",
    "Sobolev",
]
