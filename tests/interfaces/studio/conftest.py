"""One tiny model and one small picture for all tests of the studio."""

import numpy as np
import pytest
from PIL import Image
from tiny import TINY


@pytest.fixture(scope="session")
def model():
    from dreamsampler import from_pretrained

    return from_pretrained(TINY)


@pytest.fixture(scope="session")
def picture(tmp_path_factory):
    """A file of 48 x 40 pixels, every one different."""
    y, x = np.mgrid[:40, :48]
    path = tmp_path_factory.mktemp("pictures") / "cat.png"
    Image.fromarray(np.stack([x * 5, y * 6, (x * y) % 256], -1).astype(np.uint8)).save(path)
    return path
