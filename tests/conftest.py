"""Shared set-up: one thread, so that two test workers do not fight over two cores."""

import pytest
import shapes
import torch
from hypothesis import settings

shapes.install()

# a shared machine is no stopwatch: speed is measured in benchmarks/, not by deadlines
settings.register_profile("house", deadline=None)
settings.load_profile("house")
torch.set_num_threads(1)


@pytest.fixture
def rng():
    """A seeded CPU generator."""
    return torch.Generator("cpu").manual_seed(0)
