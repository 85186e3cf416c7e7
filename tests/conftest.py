"""Shared set-up: one thread, so that two test workers do not fight over two cores."""

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture
def rng():
    """A seeded CPU generator."""
    return torch.Generator("cpu").manual_seed(0)
