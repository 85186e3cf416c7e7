"""One model of random weights for all tests of methods."""

import pytest
from tiny import TINY

from dreamsampler.models.load import from_pretrained


@pytest.fixture(scope="session")
def prior():
    """A Stable Diffusion of random weights; no test changes it."""
    return from_pretrained(TINY, device="cpu", dtype="float32")
