"""The task Vectorize on every family: two levels."""

import families
import numpy as np
import pytest
from conformance import prior_of
from PIL import Image

from dreamsampler.tasks import Vectorize

NAMES = list(families.FAMILIES)


@pytest.mark.parametrize("name", NAMES)
def test_it_vectorizes(name, tmp_path):
    """A disk whose sides are no multiples of anything."""
    y, x = np.mgrid[:40, :52]
    inside = ((x - 26) ** 2 + (y - 20) ** 2 < 150)[..., None]
    pixels = np.where(inside, [200, 40, 40], [250, 250, 250]).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    task = Vectorize(
        tmp_path / "in.png",
        prompt="a cat",
        paths=3,
        fit_steps=6,
        update_steps=1,
        num_inference_steps=2,
        loss=0.0,
        size=64,
    )
    run = task.start(prior_of(name)).run()
    (made,) = run.pictures()
    assert made.shape == (3, 40, 52) and made.isfinite().all()
    assert run.total == 2 and run.evaluations > 0
    assert run.save(tmp_path / "out.svg")[0].read_text().startswith("<svg")
