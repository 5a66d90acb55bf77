"""What surrounds the steps of a game: rows, held-out figures, alarms, checkpoints, a budget."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from otgan.budget import Budget
from otgan.config import RunError, checked
from otgan.data import Batches
from otgan.domain import Domain
from otgan.engine import Game, Record
from otgan.model import Model
from otgan.monitors import Collapse, Monitor, Plateau, Slope, broken, memory
from otgan.randomness import random_state
from otgan.report.log import Log
from otgan.runs import Run


class Watch:
    """Called with each record of the game, it keeps the run's files and may end the run.

    Args:
        spec: of the run; its number of steps becomes what budget and plateau make of it.
        monitor: game -> held-out figures.
        run: written from the first process alone, or not at all.
        out: its folder, in every process, for messages.
    """

    def __init__(
        self,
        domain: Domain,
        spec: dict[str, Any],
        game: Game,
        batches: Batches,
        monitor: Callable[[Game], dict[str, float]],
        budget: Budget,
        log: Log,
        run: Run | None,
        out: str | Path | None,
    ):
        self.domain, self.spec, self.game, self.batches = domain, spec, game, batches
        self.monitor, self.budget, self.log, self.run, self.out = monitor, budget, log, run, out
        self.config, self.fabric = checked(spec["config"]), game.fabric
        self.alarms: list[Monitor] = [Collapse(), Slope(game.constraint)]
        self.plateau = Plateau(self.config.patience) if self.config.patience else None
        self.pending: list[Record] = []
        self.kept = self._kept() if game.step else ""
        if game.step and run:
            self._remember(run)

    def _kept(self) -> str:
        return f"'{self.out}' has the last good checkpoint, step {self.game.step}"

    def _remember(self, run: Run) -> None:
        """Gives the monitors of a resumed run the held-out figures that they have seen."""
        for row in run.metrics():
            if int(row["step"]) <= self.game.step and row.get("exact_error"):
                figures = {k: float(v) for k, v in row.items() if v}
                for monitor in (*self.alarms, self.plateau):
                    if monitor:
                        monitor(figures)

    def __call__(self, record: Record) -> None:
        """After a step.

        Raises:
            RunError: something is not finite; no good file has been replaced.
        """
        game = self.game
        self.pending.append(record)
        self.log.advance()
        if self.budget.settle(game):
            self._respecify()
        watched = game.step == game.schedule.steps or game.step % self.config.monitor_every == 0
        if not watched and game.step % self.config.log_every:
            return
        means, figures, state = self._means(), {}, {}
        if watched:
            state = self._state()
            self._refuse(broken(state), game.step)
            figures = self.monitor(game) if self.fabric.is_global_zero else {}
        used = {"step_seconds": self.budget.pace(game.step), **memory(self.fabric.device)}
        used |= game.view.figures()
        self.log.row(game.step, self.budget.elapsed(), means, figures, used)
        if watched:
            self._judge(figures)
            self._keep(state)

    def _respecify(self) -> None:
        self.spec["config"]["steps"] = self.game.schedule.steps
        if self.run:
            self.run.write_spec(self.spec)

    def _judge(self, figures: dict[str, float]) -> None:
        """Tells what the monitors say, and lets the run end on a plateau."""
        step = self.game.step
        for told in (text for alarm in self.alarms if figures and (text := alarm(figures))):
            self.log.alarm(step, told)
        flat = self.plateau(figures) if self.plateau and figures else None
        if self.fabric.broadcast(flat) and self.budget.end(self.game):
            last = self.game.schedule.steps
            self.log.alarm(step, f"{flat}: the run ends at step {last}")
            self._respecify()

    def _keep(self, state: dict[str, Any]) -> None:
        """Picture, model and checkpoint."""
        if self.run:
            model = Model(self.domain, self.spec, self.game.average, self.game.critic)
            self.log.picture(model)  # refuses NaN before good files are replaced
            model.write(self.run)
            self.run.write_checkpoint(state)
            self.kept = self._kept()

    def _state(self) -> dict[str, Any]:
        """Of all processes, for a checkpoint."""
        random = cast(Tensor, self.fabric.all_gather(random_state(self.fabric.device)))
        return {
            "game": self.game.state_dict(),
            "drawn": self.batches.drawn,
            "seconds": self.budget.elapsed(),
            "random": random.view(self.fabric.world_size, -1).cpu(),
        }

    def _means(self) -> dict[str, float]:
        """Means over the steps since the last row, with one wait for the device."""
        names = ("gap", "penalty", "critic_loss", "generator_loss")
        records = self.pending
        table = torch.stack([torch.stack([getattr(r, n) for n in names]) for r in records])
        means = dict(zip(names, table.cpu().double().mean(0).tolist(), strict=True))
        bad = next((name for name, value in means.items() if not math.isfinite(value)), None)
        self._refuse(bad, records[-1].step)
        records.clear()
        return means

    def _refuse(self, name: str | None, step: int) -> None:
        """Stops before anything that is not finite replaces a good file."""
        if name:
            raise RunError(
                f"diverged before step {step} ({name} is not finite): train again with a lower "
                "--optimiser.rate or a larger --constraint.weight; "
                f"{self.kept or 'no checkpoint is kept'}"
            )
