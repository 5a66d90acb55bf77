"""How good samples are, in the domain's own ground cost, beside what real data would score."""

from otgan.metrics.estimate import LEVEL, RESAMPLES, Estimate, Score, interval
from otgan.metrics.evaluation import TRAINING, compare, evaluate, left_out
from otgan.metrics.moments import frechet, kernel
from otgan.metrics.neighbours import neighbours
from otgan.metrics.training_data import memorisation, nearest, nearest_classes
from otgan.metrics.transported import sliced_w1, w1
from otgan.metrics.whole import Scores, whole

__all__ = [
    "LEVEL",
    "RESAMPLES",
    "TRAINING",
    "Estimate",
    "Score",
    "Scores",
    "compare",
    "evaluate",
    "frechet",
    "interval",
    "kernel",
    "left_out",
    "memorisation",
    "nearest",
    "nearest_classes",
    "neighbours",
    "sliced_w1",
    "w1",
    "whole",
]
