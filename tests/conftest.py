"""What several test files share."""

import numpy as np
import pytest
import torch

torch.set_num_threads(1)  # on tensors this small, threads cost more than they give

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
QUICK = ["--steps", "2", "--batch-size", "8", "--network.width", "4"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
