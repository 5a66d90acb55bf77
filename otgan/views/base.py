"""What a view is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from otgan.geometry import Geometry

if TYPE_CHECKING:
    from otgan.engine import Game


class View(nn.Module):
    """The identity, and the base of the others: what the critic sees in place of a point.

    Real and generated points are seen through one random map, drawn anew for every look, in the
    critic's steps and in the generator's. Monitors and metrics look at the points themselves. What
    a view adapts is in its buffers, and so in every checkpoint.
    """

    def check(self, geometry: Geometry) -> None:
        """That points of this space can be seen so.

        Raises:
            ValueError: they cannot.
        """

    def forward(self, x: Tensor) -> Tensor:
        """Points in chart coordinates to what the critic sees, (n, *E) -> (n, *E)."""
        return x

    def adapt(self, game: Game, gap: Tensor, fake: Tensor, y: Tensor | None) -> None:
        """Called after every generator step.

        Args:
            gap: the critic's mean difference on views of this step's training batches, ().
            fake: generated points, (n, *E).
            y: their conditions.
        """

    def figures(self) -> dict[str, float]:
        """What it has come to, for metrics.csv."""
        return {}
