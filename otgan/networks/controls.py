"""What is set in a network from outside: the step that training is at, how typical samples are."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Staged(nn.Module):
    """A layer that depends on how far training is: `step`, the generator steps done."""

    step: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("step", torch.zeros((), dtype=torch.long))


class Truncating(nn.Module):
    """A layer of a generator that makes samples more typical: the smaller `truncation`, the more,
    and not at all at 1."""

    truncation: float = 1.0


def set_step(network: nn.Module, step: int) -> None:
    """Tells the layers that depend on it."""
    for module in network.modules():
        if isinstance(module, Staged):
            module.step.fill_(step)


def set_truncation(network: nn.Module, truncation: float) -> bool:
    """Tells the layers that do it, and whether there are any."""
    found = [module for module in network.modules() if isinstance(module, Truncating)]
    for module in found:
        module.truncation = truncation
    return bool(found)
