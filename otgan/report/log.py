"""What a run tells while it goes on: progress bar, metrics.csv, TensorBoard, pictures."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from otgan.build import UNKNOWN_STEPS
from otgan.domain import Domain
from otgan.engine import Game
from otgan.report.files import replacing
from otgan.report.pictures import curves
from otgan.runs import Run

if TYPE_CHECKING:
    from otgan.model import Model

COLUMNS = (
    *("step", "seconds", "gap", "penalty", "critic_loss", "generator_loss"),
    *("w", "w_error", "slope", "w_over_slope", "exact", "exact_error", "floor"),
    *("recall", "points", "step_seconds", "memory_mb", "cuda_mb", "length", "overfitting"),
)
GRID = 64


class Log:
    """Writes rows and pictures; without a run it shows progress only."""

    def __init__(self, run: Run | None, domain: Domain, game: Game, *, quiet: bool):
        self.run, self.domain, self.game = run, domain, game
        self.claim = game.constraint.claim
        self.figures: dict[str, float] = {}
        self.progress = _Bar(
            TextColumn("step {task.completed}"),
            BarColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=Console(stderr=True),
            disable=quiet,
        )
        self.task = self.progress.add_task("", total=None, speed="")

    def __enter__(self) -> Log:
        if self.run:
            from torch.utils.tensorboard import SummaryWriter

            kept = [r for r in self.run.metrics() if int(r["step"]) <= self.game.step]
            with (
                replacing(self.run.path / "metrics.csv") as part,
                part.open("w", newline="") as new,
            ):
                table = csv.DictWriter(new, COLUMNS)
                table.writeheader()
                table.writerows(kept)
            self._keep_alarms()
            assert self.domain.held_out is not None
            self.domain.show(self.domain.held_out.draw(GRID, 0), self.run.path / "real.png", None)
            self.board = SummaryWriter(str(self.run.path), purge_step=self.game.step + 1)
        self.progress.start()
        self.advance()
        return self

    def __exit__(self, *_: Any) -> None:
        self.progress.stop()
        if self.run:
            self.board.close()

    def row(
        self,
        step: int,
        seconds: float,
        means: dict[str, float],
        figures: dict[str, float],
        used: dict[str, float],
    ) -> None:
        """One row: means of the training losses since the last, held-out figures if measured."""
        values = {"step": step, "seconds": round(seconds, 2), **means, **figures, **used}
        self.figures = figures or self.figures
        self.progress.update(self.task, speed=f"{step / seconds:.1f} steps/s")
        self.progress.figures = self._line()
        if self.run:
            with (self.run.path / "metrics.csv").open("a", newline="") as file:
                csv.DictWriter(file, COLUMNS).writerow(values)
            for name in COLUMNS[2:]:
                if name in values:
                    self.board.add_scalar(name, values[name], step)

    def alarm(self, step: int, text: str) -> None:
        """A line on stderr, and a row of alarms.csv."""
        if not self.progress.disable:
            print(f"otgan: step {step}: {text}", file=sys.stderr)
        if self.run:
            with (self.run.path / "alarms.csv").open("a", newline="") as file:
                csv.writer(file).writerow([step, text])

    def _keep_alarms(self) -> None:
        """Those up to where the game is; it will come to the others again."""
        assert self.run is not None
        path = self.run.path / "alarms.csv"
        if path.exists():
            with path.open(newline="") as file:
                kept = [row for row in csv.reader(file) if int(row[0]) <= self.game.step]
            with replacing(path) as part, part.open("w", newline="") as new:
                csv.writer(new).writerows(kept)

    def picture(self, model: Model) -> None:
        """Samples of the moving average from the same noise every time, and the curves so far."""
        assert self.run is not None
        samples, columns = model.rows(GRID)
        path = self.run.path / "samples" / f"{self.game.step:07d}.png"
        self.domain.show(samples, path, columns)
        unit = "data units" if self.domain.chart.unit is not None else "chart units"
        label = f"{self.domain.geometry!r}, {unit}"
        curves(self.run.path / "metrics.csv", self.run.path / "curves.png", label, self.claim)

    def advance(self) -> None:
        """Moves the bar to where the game is."""
        steps = self.game.schedule.steps
        total = None if steps == UNKNOWN_STEPS else steps
        self.progress.update(self.task, completed=self.game.step, total=total)

    def _line(self) -> str:
        shown, parts = self.figures, []
        if "w" in shown:
            claim = self.claim.partition(",")[0]
            parts.append(f"live W {shown['w']:.3g} ({claim}, slope {shown['slope']:.2f})")
        if "exact" in shown:
            parts.append(f"exact {shown['exact']:.3g}, floor {shown['floor']:.3g}")
        return "  ".join(parts)


class _Bar(Progress):
    """A progress bar with a line of figures below it."""

    figures = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        yield Text(self.figures)
