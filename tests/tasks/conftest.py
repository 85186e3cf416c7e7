"""What the tests of tasks share."""

import pytest
from tiny import TINY

from dreamsampler.models.load import from_pretrained


@pytest.fixture(scope="session")
def prior():
    """The tiny model, loaded once; it is frozen, so that tests may share it."""
    return from_pretrained(TINY, device="cpu", dtype="float32")
