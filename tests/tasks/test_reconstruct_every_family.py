"""The task Reconstruct on every family: a fit of a few steps, then two levels."""

import families
import pytest
from conformance import prior_of

from dreamsampler.tasks import Reconstruct
from dreamsampler.tasks.make_scene import MakeScene

NAMES = list(families.FAMILIES)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("duck")
    MakeScene("duck", "blur(sigma=1)", 0.01, views=2, held_out=1, size=32)().save(folder)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_it_reconstructs(name, scene):
    prior = prior_of(name)
    task = Reconstruct(
        scene,
        "blur(sigma=1)",
        prompt="a toy duck",
        beta=1.0,
        num_inference_steps=2,
        guidance_scale=prior.usual_scale(1.0),
        strength=0.9,
        fit_steps=3,
        update_steps=1,
        resolution=8,
        size=64,
        turntable=0,
    )
    run = task.start(prior)
    moments = list(run)
    assert len(moments) == run.total == 2
    assert moments[0].level.s > moments[1].level.s
    assert all(step.z0.isfinite().all() and len(step.z0) == 2 for step in moments)
    assert run.evaluations >= 2 * 2
    (made,) = run.pictures()
    assert made.shape == (3, 32, 32)
    assert made.isfinite().all() and made.min() >= 0 and made.max() <= 1
    assert run.preview(moments[-1]).shape[:2] == (1, 3)
