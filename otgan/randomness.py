"""The random generators of the CPU and of one device: kept, put back, set aside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def random_state(device: torch.device) -> Tensor:
    """The state of the CPU's generator and of the device's, as bytes."""
    states = [torch.get_rng_state()]
    if device.type != "cpu":
        states.append(torch.get_device_module(device).get_rng_state(device).cpu())
    return torch.cat(states)


def set_random_state(state: Tensor, device: torch.device) -> None:
    """Puts back what `random_state` gave."""
    size = len(torch.get_rng_state())
    torch.set_rng_state(state[:size].clone())
    if device.type != "cpu" and len(state) > size:
        torch.get_device_module(device).set_rng_state(state[size:].clone(), device)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Random numbers from a seed; afterwards the generators go on as if nothing had been."""
    before = random_state(device)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        set_random_state(before, device)
