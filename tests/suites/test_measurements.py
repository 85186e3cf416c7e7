"""The programs of benchmarks/ that no other test runs."""

from importlib import import_module
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("name", sorted(path.stem for path in HERE.glob("[a-z]*.py")))
def test_every_measurement_finds_what_it_is_made_of(name):
    """Two of them named functions of another one that had been renamed: nobody saw it."""
    assert import_module(f"benchmarks.{name}").__doc__
