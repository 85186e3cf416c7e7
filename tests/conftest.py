"""Shared set-up: one thread, so that two test workers do not fight over two cores."""

from pathlib import Path

import pytest
import shapes
import torch
from hypothesis import settings

shapes.install()

# a shared machine is no stopwatch: speed is measured in benchmarks/, not by deadlines
# The same examples every time, so that a run says what the last one said; other examples are
# looked for with `pytest --hypothesis-profile=explore`.
settings.register_profile("house", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=500)
settings.load_profile("house")
torch.set_num_threads(1)


def pytest_ignore_collect(collection_path, config):
    """Tests in a browser and on Ray run where they are asked for: `make test-ui`, `test-batch`."""
    asked = {part for each in config.args for part in Path(each.split("::")[0]).parts}
    return True if collection_path.name in {"ui", "ray"} - asked else None


@pytest.fixture
def rng():
    """A seeded CPU generator."""
    return torch.Generator("cpu").manual_seed(0)
