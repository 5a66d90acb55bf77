"""Distances between samples and measures under a ground cost."""

from otgan.transport.entropic import sinkhorn
from otgan.transport.gaussians import gaussian
from otgan.transport.line import one_dimensional
from otgan.transport.projections import sliced
from otgan.transport.samples import exact, solve
from otgan.transport.solution import Extension, Solution

__all__ = [
    "Extension",
    "Solution",
    "exact",
    "gaussian",
    "one_dimensional",
    "sinkhorn",
    "sliced",
    "solve",
]
