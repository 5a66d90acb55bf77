"""What watches a run: held-out figures, alarms on them, a guard against NaN, time and memory."""

from otgan.monitors.alarms import Collapse, Monitor, Plateau, Slope
from otgan.monitors.guards import broken, memory
from otgan.monitors.held_out import Given, HeldOut, largest_slope

__all__ = [
    "Collapse",
    "Given",
    "HeldOut",
    "Monitor",
    "Plateau",
    "Slope",
    "broken",
    "largest_slope",
    "memory",
]
