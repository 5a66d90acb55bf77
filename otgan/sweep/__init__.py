"""Settings compared by the certified W of the generators they give."""

from otgan.sweep.grid import lists, points
from otgan.sweep.study import Trial
from otgan.sweep.trials import certificate, sweep

__all__ = ["Trial", "certificate", "lists", "points", "sweep"]
