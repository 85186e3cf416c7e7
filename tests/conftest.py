"""Shared set-up: one thread, so that two test workers do not fight over two cores."""

from pathlib import Path

import pytest
import shapes
import torch
from hypothesis import settings

shapes.install()

# No deadline: a shared machine is no stopwatch, and speed is measured in benchmarks/. The same
# examples in every run; `pytest --hypothesis-profile=explore` tries others.
settings.register_profile("project", deadline=None, derandomize=True, max_examples=40)
settings.register_profile("explore", deadline=None, max_examples=500)
settings.load_profile("project")
torch.set_num_threads(1)


def pytest_ignore_collect(collection_path, config):
    """Tests in a browser and on Ray run only if named: `make test-ui`, `make test-batch`."""
    named = {part for each in config.args for part in Path(each.split("::")[0]).parts}
    return True if collection_path.name in {"ui", "ray"} - named else None


def pytest_runtest_setup():
    """Check the shapes of every function's first calls again."""
    shapes.seen.clear()


@pytest.fixture
def rng():
    """A seeded CPU generator."""
    return torch.Generator("cpu").manual_seed(0)
