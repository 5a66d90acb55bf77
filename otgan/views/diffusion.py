"""A diffusion of adaptive length."""

from __future__ import annotations

import torch
from torch import Tensor

from otgan.geometry import Geometry, NormedSpace
from otgan.geometry.base import positive
from otgan.views.base import View

EVERY = 4
"""Generator steps between two looks at how far the critic overfits."""

TRAVEL = 100_000
"""Real points that the critic sees while the length goes from shortest to longest."""

_FIRST, _LAST = 1e-4, 0.02
_MEMORY = 0.9


class Diffusion(View):
    """Points after t steps of a diffusion, t at most a length that grows while the critic overfits.

        view = sqrt(a_t) x + sqrt(1 - a_t) std e,    a_t = (1 - beta_1) ... (1 - beta_t)

    Half of the points are seen at t = 0, as they are, the others at t in 1 .. T with probability
    in proportion to t; beta goes evenly from 1e-4 to .02 over the T steps (Wang et al. 2023,
    'Diffusion-GAN: Training GANs with Diffusion', with the values of the authors' code). Two
    deviations:

    - The critic is not told t. For norms W1 between two mixtures over t is at most the mean over t
      of W1 between their parts, and each is at most W1 of the points themselves; the critic remains
      a function of points.
    - The paper follows the sign of the critic's value, which means nothing for a Wasserstein
      critic. Here the length follows the share of the mean difference that the critic owes to
      having seen its data before,

        overfitting = (E f(seen) - E f(held back)) / (E f(seen) - E f(generated)),

      as Karras et al. 2020 do ('Training Generative Adversarial Networks with Limited Data',
      equation 1). The length grows while it is above `target`, and else falls.

    Args:
        held_back: training points in chart coordinates that the critic never learns from, (n, *E).
        conditions: theirs, (n, k).
        std: of the noise at the end of a long diffusion, in chart units.
        shortest, longest: bounds of the length.
        target: overfitting, in (0, 1), to which the length is steered.

    Raises:
        ValueError: std is not positive, bounds in the wrong order, nothing held back.
    """

    length: Tensor
    gaps: Tensor

    def __init__(
        self,
        held_back: Tensor,
        conditions: Tensor | None = None,
        std: float = 0.05,
        shortest: int = 10,
        longest: int = 1000,
        target: float = 0.2,
    ):
        super().__init__()
        if not 1 <= shortest <= longest:
            raise ValueError(
                f"a diffusion of {shortest} to {longest} steps: shortest must be 1 or more, and "
                "longest no less"
            )
        if not len(held_back):
            raise ValueError("no points are held back: nothing tells how far the critic overfits")
        self.std = positive(std, "the noise of a view")
        self.shortest, self.longest, self.target = shortest, longest, target
        # no buffers: distributed wrappers send those to every process at every step
        self.held_back, self.conditions = held_back, conditions
        self.register_buffer("length", torch.tensor(float(shortest)))
        self.register_buffer("gaps", torch.zeros(2))  # on seen and on held-back points

    def check(self, geometry: Geometry) -> None:
        if not isinstance(geometry, NormedSpace):
            raise ValueError(
                f"points of {geometry!r} cannot be diffused: that shrinks them towards 0, which "
                "only norms follow. Leave --smoothing out, or try --smoothing noise"
            )

    def forward(self, x: Tensor) -> Tensor:
        kept = self.kept()[self.times(len(x))].view(-1, *[1] * (x.dim() - 1))
        return kept.sqrt() * x + (1 - kept).sqrt() * self.std * torch.randn_like(x)

    def times(self, n: int) -> Tensor:
        """t of n points, (n,): 0 for half of them, else in proportion to t."""
        last = self.length.round()
        u = 2 * torch.rand(n, device=last.device) - 1
        t = ((1 + 4 * u.relu() * last * (last + 1)).sqrt() - 1) / 2  # P(<= t) = t(t+1) / T(T+1)
        return t.ceil().clamp(max=last).long()

    def kept(self) -> Tensor:
        """a_t of t = 0 .. longest, the share of a point's square that is left after t steps; beyond
        the present length it means nothing."""
        steps = torch.arange(self.longest, device=self.length.device)
        beta = _FIRST + (_LAST - _FIRST) * steps / (self.length.round() - 1).clamp(min=1)
        return torch.cat([beta.new_ones(1), (1 - beta).cumprod(0)])

    @torch.no_grad()
    def adapt(self, game, gap, fake, y) -> None:
        if game.step % EVERY:
            return
        index = torch.randint(len(self.held_back), (len(fake),))
        real = self.held_back[index].to(fake.device)
        given = None if self.conditions is None else self.conditions[index].to(fake.device)
        with game.fabric.autocast():
            values = game.critic(self(real), given), game.critic(self(fake), y)
        found = torch.stack([gap, values[0].float().mean() - values[1].float().mean()])
        self.gaps.lerp_(game.fabric.all_reduce(found, reduce_op="mean"), 1 - _MEMORY)
        seen, new = self.gaps
        way = torch.where(seen - new > self.target * seen.abs(), 1, -1)
        points = EVERY * game.critic_steps * len(fake) * game.fabric.world_size
        step = (self.longest - self.shortest) * points / TRAVEL
        self.length.add_(step * way).clamp_(self.shortest, self.longest)

    def figures(self) -> dict[str, float]:
        seen, new = self.gaps.tolist()
        share = (seen - new) / abs(seen) if seen else 0.0
        return {"length": self.length.item(), "overfitting": share}
