import pytest
import torch

from dreamsampler.maths import ddpm, draw, fresh, generators


def test_a_picture_does_not_depend_on_the_batch():
    like = torch.zeros(3, 4, 8, 8)
    whole = draw(like, generators(5, 3))
    for i in range(3):
        alone = draw(like[:1], generators(5 + i, 1))
        assert torch.equal(whole[i : i + 1], alone)


def test_noise_is_drawn_in_float32_whatever_the_latent():
    """bfloat16 latents see the same noise, rounded, as float32 ones."""
    like = torch.zeros(1, 4, 8, 8)
    wide = draw(like, generators(1, 1))
    narrow = draw(like.bfloat16(), generators(1, 1))
    assert narrow.dtype == torch.bfloat16
    assert torch.equal(narrow, wide.bfloat16())


def test_one_generator_per_image():
    with pytest.raises(ValueError, match="2 generators for 3 images"):
        draw(torch.zeros(3, 1, 1, 1), generators(0, 2))
    with pytest.raises(ValueError, match="2 seeds for 3 images"):
        generators([1, 2], 3)


def test_shares_outside_are_refused():
    with pytest.raises(ValueError, match=r"eta is 1\.5"):
        ddpm(1.5)
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        _renoise(1.5)


def _renoise(k):
    from oracles import mixture

    from dreamsampler.generators import LatentVariable
    from dreamsampler.guidance import conditional
    from dreamsampler.samplers import dream

    prior = mixture()
    levels = prior.schedule.grid(2, start=0.9)
    z = torch.zeros(1, 2, dtype=torch.float64)
    return list(
        dream(
            conditional(prior, None), LatentVariable(z), levels, z, renoise=fresh(k, generators(0))
        )
    )
