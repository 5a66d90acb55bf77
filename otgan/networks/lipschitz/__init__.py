"""Critics that are 1-Lipschitz by construction: no penalty, and a bound that holds."""

from otgan.networks.lipschitz.convert import LipschitzCritic, lipschitz
from otgan.networks.lipschitz.convolutions import OrthogonalConv
from otgan.networks.lipschitz.projected import Projected, shown
from otgan.networks.lipschitz.rows import DualRows, L1Rows, MaxMin, Measured, Orthogonal

__all__ = [
    "DualRows",
    "L1Rows",
    "LipschitzCritic",
    "MaxMin",
    "Measured",
    "Orthogonal",
    "OrthogonalConv",
    "Projected",
    "lipschitz",
    "shown",
]
