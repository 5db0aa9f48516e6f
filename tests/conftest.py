"""Shared by all tests: one thread each (the suite runs in parallel processes) and small made-up inputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """pytest-xdist runs one worker per core; their torch threads must not fight."""
    torch.set_num_threads(1)


@pytest.fixture
def rng() -> np.random.Generator:
    """Seeded random numbers."""
    return np.random.default_rng(0)
