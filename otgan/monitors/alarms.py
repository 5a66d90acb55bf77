"""Alarms on the held-out figures: called with those of a check, they answer with a line or None.

What a monitor remembers is a function of the figures it has seen; a resumed run hands it those of
metrics.csv again, so nothing of it is in a checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from otgan.constraints import Certified, Constraint, SlopePenalty

Monitor = Callable[[Mapping[str, float]], str | None]
"""The figures of `HeldOut` -> what is wrong, or None."""


class Plateau:
    """Speaks when exact W1 has not improved on the best by its standard error for some checks.

    Exact W1 and not the critic's estimate, which begins at 0 with the critic and first rises.

    Args:
        patience: checks without an improvement.
    """

    def __init__(self, patience: int):
        self.patience, self.best, self.waited = patience, math.inf, 0

    def __call__(self, figures: Mapping[str, float]) -> str | None:
        if figures["exact"] < self.best - figures["exact_error"]:
            self.best, self.waited = figures["exact"], 0
            return None
        self.waited += 1
        if self.waited < self.patience:
            return None
        self.waited = 0
        return f"plateau: exact W1 has not fallen below {self.best:.3g} for {self.patience} checks"


class Collapse:
    """Speaks once when samples are far worse than the best so far, and again after a recovery.

    Either exact W1 is twice the best and above it by 6 standard errors of the difference, or recall
    is a quarter of the best and below it by 6. Six, because the error is of one check and a
    long run has thousands; the factors, because a live generator circles by more than chance.
    The critic's own estimate is no witness: it also rises when the critic catches up, and exact W1
    between the same points is never below it by more than the slope explains.
    """

    errors = 6.0

    def __init__(self) -> None:
        self.best, self.error, self.recall, self.silent = math.inf, 0.0, 0.0, False

    def __call__(self, figures: Mapping[str, float]) -> str | None:
        w, error = figures["exact"], figures["exact_error"]
        recall, n = figures.get("recall", 0.0), figures["points"]
        drop = self.errors * math.sqrt(2 * 0.25 / n)  # a share varies most at one half
        told = None
        if w > max(2 * self.best, self.best + self.errors * math.hypot(error, self.error)):
            told = f"collapse: exact W1 is {w:.3g} and has been {self.best:.3g}"
        elif recall < min(self.recall / 4, self.recall - drop):
            told = f"collapse: recall is {recall:.3g} and has been {self.recall:.3g}"
        if w < self.best:
            self.best, self.error = w, error
        self.recall = max(self.recall, recall)
        told, self.silent = (None if self.silent else told), told is not None
        return told


class Slope:
    """Speaks once when the largest slope is above what the constraint should hold, twice running.

    The limit is 1.01 for certified critics, whose slopes exceed 1 by rounding only, and 5 for
    penalties around or above 1: below it an overstatement is for `w_over_slope` to correct. Other
    constraints promise no slope.
    """

    def __init__(self, constraint: Constraint):
        self.limit, self.above = math.inf, 0
        if isinstance(constraint, Certified):
            self.limit = 1.01
        elif isinstance(constraint, SlopePenalty) and constraint.sided != "zero":
            self.limit = 5.0

    def __call__(self, figures: Mapping[str, float]) -> str | None:
        self.above = self.above + 1 if figures.get("slope", 0.0) > self.limit else 0
        if self.above != 2:
            return None
        return f"slope: the largest is {figures['slope']:.3g}, and should stay below {self.limit:g}"
