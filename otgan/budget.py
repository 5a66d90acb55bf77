"""A time budget of training."""

from __future__ import annotations

import math
import time

from otgan.config import Config
from otgan.engine import Game


class Budget:
    """Turns a time budget, counted from here, into a step count once a tenth of it has passed.

    Args:
        seconds: what the run had taken before it was resumed.
        spent: of this time, before the game.
    """

    def __init__(self, config: Config, game: Game, seconds: float, spent: float = 0.0):
        self.seconds = None if config.steps else max(60 * (config.minutes or 0) - spent, 1e-3)
        self.fabric, self.first = game.fabric, game.step
        seconds += spent
        self.before, self.start = seconds, time.monotonic()
        self.row = self.first, self.start

    def elapsed(self) -> float:
        return self.before + time.monotonic() - self.start

    def pace(self, step: int) -> float:
        """Seconds per step since the last call."""
        (before, start), self.row = self.row, (step, time.monotonic())
        return (self.row[1] - start) / max(1, step - before)

    def end(self, game: Game) -> bool:
        """Lets rates fall from here, where they are constant yet: a repeat has the same steps."""
        steps = math.ceil((game.step + 1) / (1 - game.schedule.decay))
        if game.schedule.rate(game.step) < 1 or steps >= game.schedule.steps:
            return False
        game.schedule.steps, self.seconds = steps, None
        return True

    def settle(self, game: Game) -> bool:
        """Sets the schedule's steps if it is time to; all processes settle at the same step."""
        if self.seconds is None:
            return False
        share = (time.monotonic() - self.start) / self.seconds
        more = math.ceil((game.step - self.first) / share) if share > 0.1 else 0
        more = self.fabric.broadcast(more)
        if more:
            # Never so few steps that rates should have fallen already.
            flat = 0 if self.first else math.ceil((game.step + 1) / (1 - game.schedule.decay))
            game.schedule.steps = max(self.first + more, game.step + 1, flat)
            self.seconds = None
        return bool(more)
