"""A critic of the first coordinates of a point."""

from __future__ import annotations

from torch import Tensor, nn


class LeadingCritic(nn.Module):
    """A critic that looks at the first coordinates (`geometry.leading.Leading`).

    Args:
        size: how many.
        critic: (n, size), conditions or None -> (n,).
    """

    def __init__(self, size: int, critic: nn.Module):
        super().__init__()
        self.size, self.critic = size, critic

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(n, size or more) -> (n,)."""
        return self.critic(x[:, : self.size], y)
