"""A whole job, from noise to pictures, holds no more memory than the pipeline's own."""

import families
import pytest
import torch
from conformance import SCALE, noise, packed, pipeline, prior_of

from dreamsampler import finish
from dreamsampler.methods.sampling import ddim
from dreamsampler.models.memory_count import count_memory
from dreamsampler.samplers import trailing


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_it_holds_at_most_what_the_pipeline_holds(name):
    pipe, prior, case = pipeline(name), prior_of(name), families.FAMILIES[name]
    z = noise(prior, 2, 16, 16)
    side = 16 * prior.factor
    words = {"prompt": ["a cat"] * 2, "height": side, "width": side, "num_inference_steps": 2}
    words |= {"negative_prompt": ["dog"] * 2, case.scale: SCALE}
    with count_memory(meta=False) as theirs:
        pipe(**words, latents=packed(name, pipe, z.clone()), output_type="pt")
    with count_memory(meta=False) as ours, torch.no_grad():
        cat, dog = prior.condition("a cat"), prior.condition("dog")
        levels = trailing(prior.schedule, 2, start=0.97)
        prior.decode(finish(ddim(prior, cat, dog, z, levels, SCALE)).z0)
    assert ours.peak <= 1.01 * theirs.peak, f"{ours.peak} bytes, the pipeline {theirs.peak}"
