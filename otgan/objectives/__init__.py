"""What critic and generator minimise, given the critic, real and generated points."""

from otgan.objectives.base import CriticAt, Head, Objective, OfValues, Pointwise
from otgan.objectives.classic import (
    Hinge,
    Kantorovich,
    LeastSquares,
    Margin,
    Minimax,
    NonSaturating,
    Relativistic,
    RelativisticAverage,
)
from otgan.objectives.divergences import DIVERGENCES, Divergence, FDivergence
from otgan.objectives.moved import Moved
from otgan.objectives.quadratic import Quadratic
from otgan.objectives.transported import EnergyDistance, Sinkhorn, Sliced
from otgan.objectives.unrolled import Unrolled

OBJECTIVES: dict[str, type[Objective]] = {
    "kantorovich": Kantorovich,
    "minimax": Minimax,
    "non-saturating": NonSaturating,
    "f-divergence": FDivergence,
    "least-squares": LeastSquares,
    "hinge": Hinge,
    "margin": Margin,
    "relativistic": Relativistic,
    "relativistic-average": RelativisticAverage,
    "unrolled": Unrolled,
    "quadratic": Quadratic,
    "sinkhorn": Sinkhorn,
    "sliced": Sliced,
    "energy-distance": EnergyDistance,
}

__all__ = [
    "DIVERGENCES",
    "OBJECTIVES",
    "CriticAt",
    "Divergence",
    "EnergyDistance",
    "FDivergence",
    "Head",
    "Hinge",
    "Kantorovich",
    "LeastSquares",
    "Margin",
    "Minimax",
    "Moved",
    "NonSaturating",
    "Objective",
    "OfValues",
    "Pointwise",
    "Quadratic",
    "Relativistic",
    "RelativisticAverage",
    "Sinkhorn",
    "Sliced",
    "Unrolled",
]
