"""What a network prior adds to its family: levels of other schedules, sizes, known pixels, pins."""

import pytest
import torch
from conformance import distance, loaded, noise, plain, prior_of

from dreamsampler.maths import Level, VariancePreserving
from dreamsampler.models.errors import ModelError
from dreamsampler.models.load import from_pretrained


@pytest.mark.parametrize("name", ["sd3", "flux-dev", "z-image"])
def test_a_flow_network_runs_at_levels_of_a_table(name):
    """z / (alpha + sigma) at u = sigma / (alpha + sigma) is the same latent."""
    prior, level = prior_of(name), VariancePreserving((0.9, 0.36, 0.04))(2 / 3)
    z, cat = noise(prior, 1), prior.condition("a cat")
    whole = level.alpha + level.sigma
    same = Level(0.3, level.alpha / whole, level.sigma / whole)
    with torch.no_grad():
        (one,) = prior.predict(z, level, [cat])
        (two,) = prior.predict(z / whole, same, [cat])
    assert distance(one.z0, two.z0) < 1e-6
    assert distance(level.alpha * one.z0 + level.sigma * one.eps, z) < 1e-6


def test_sdxl_gets_the_size_of_the_latents_or_the_framing_it_is_given():
    prior, sizes = prior_of("sdxl"), []
    handle = prior.network.register_forward_pre_hook(
        lambda _, args, kwargs: sizes.append(kwargs["added_cond_kwargs"]["time_ids"].tolist()),
        with_kwargs=True,
    )
    z, conditions = noise(prior, 2, 8, 16), [prior.condition("a cat")]
    try:
        with torch.no_grad():
            prior.predict(z, prior.schedule(0.5), conditions)
            prior.family.framing = (300, 400, 20, 30)
            prior.predict(z, prior.schedule(0.5), conditions)
    finally:
        handle.remove()
        prior.family.framing = None
    assert sizes == [[[64, 128, 0, 0, 64, 128]] * 2, [[300, 400, 20, 30, 64, 128]] * 2]


def test_sdxls_null_prompt_is_zeros():
    null = prior_of("sdxl").condition(None)
    assert not null.embeddings.any() and not null.pooled.any()


def test_an_inpainting_network_gets_the_known_part():
    prior = prior_of("sd15-inpaint")
    x, mask = torch.full((1, 3, 64, 64), 0.5), torch.zeros(1, 1, 64, 64)
    mask[..., :32] = 1
    z, cat = noise(prior, 2), prior.condition("a cat")
    with torch.no_grad():
        shown = prior.inpainting_condition(cat, x, mask)
        one, two = prior.predict(
            z, prior.schedule(0.5), [shown, prior.inpainting_condition(cat, -x, mask)]
        )
        assert shown.extra_channels.shape == (1, 5, 8, 8)
        assert torch.equal(shown.extra_channels[0, 0, 0], torch.tensor([1.0] * 4 + [0.0] * 4))
    assert distance(one.z0, two.z0) > 1e-4
    with pytest.raises(ModelError, match="no inpainting network"):
        prior_of("sd15").inpainting_condition(cat, x, mask)


def test_latents_of_odd_sides_are_refused_where_tokens_are_of_two_cells():
    prior = prior_of("flux-dev")
    with pytest.raises(ValueError, match="multiples of 2: pad the picture to multiples of 16"):
        prior.predict(noise(prior, 1, 7, 8), prior.schedule(0.5), [prior.condition("a cat")])


def test_two_versions_at_once_are_refused():
    with pytest.raises(ModelError, match="leave one out"):
        from_pretrained("sdxl@abc", revision="def", device="cpu", local_files_only=True)


def test_it_moves_to_a_precision_and_back():
    prior, z = loaded("sd15"), noise(plain("sd15"), 1)
    level = prior.schedule(0.5)
    assert prior.to(torch.bfloat16) is prior
    assert prior.dtype == prior.vae.dtype == torch.bfloat16
    with torch.no_grad():
        (low,) = prior.predict(z, level, [prior.condition("a cat")])
        prior.to("cpu", torch.float32)
        (full,) = prior.predict(z, level, [prior.condition("a cat")])
    assert 0 < distance(low.z0, full.z0) < 0.05
    assert prior.to(dtype="bf16").to(device="cpu").dtype == torch.bfloat16
    with pytest.raises(ModelError, match="which a CPU is slow and inexact at"):
        prior.to(torch.float16)
    with pytest.raises(ModelError, match="leave them there"):
        loaded("sd15", offload="model").to(torch.float32)
