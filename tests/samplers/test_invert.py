import pytest
import torch
from oracles import gaussian, normal

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import cfg, conditional
from dreamsampler.maths import Cosine
from dreamsampler.samplers import (
    clean_pair,
    dream,
    finish,
    invert,
    invert_exactly,
    leapfrog,
    retrace,
    trailing,
)

Z_SRC = 0.7 * normal(8, 2)


def levels(steps):
    return trailing(Cosine(), steps, start=0.95)


def ddim_gap(steps):
    falling, denoise = levels(steps), conditional(gaussian(), None)
    end = finish(invert(denoise, Z_SRC, falling[::-1])).estimate
    back = finish(dream(denoise, LatentVariable(end.z0), falling, end.eps))
    return (back.z0 - Z_SRC).norm().item()


def test_ddim_inversion_comes_back_to_first_order():
    gaps = [ddim_gap(n) for n in (40, 80, 160)]
    assert gaps[0] / gaps[1] == pytest.approx(2, abs=0.5)
    assert gaps[1] / gaps[2] == pytest.approx(2, abs=0.4)


@pytest.mark.parametrize("steps", [3, 10, 40])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_the_exact_inversion_comes_back_to_rounding_error(steps, scale):
    """Even in three steps and under guidance, where DDIM inversion is far off."""
    falling, denoise = levels(steps), cfg(gaussian(), 1, None, scale)
    end = invert_exactly(denoise, Z_SRC, falling[::-1])
    last = finish(retrace(denoise, end, falling[1:]))
    torch.testing.assert_close(last.z / last.level.alpha, Z_SRC, rtol=1e-9, atol=1e-9)


def test_the_exact_inversion_edits_under_another_prompt():
    falling, prior = levels(40), gaussian(std=0.3)
    end = invert_exactly(conditional(prior, 1), prior.means[1:] + 0.1, falling[::-1])
    edited = finish(retrace(conditional(prior, 0), end, falling[1:])).z0
    assert (edited - prior.means[0]).norm() < (edited - prior.means[1]).norm()


def test_leapfrog_is_its_published_update():
    prior, falling = gaussian(), levels(8)
    denoise = conditional(prior, None)
    run = list(dream(leapfrog(denoise, falling), LatentVariable(0 * Z_SRC), falling, Z_SRC))

    def ddim(current, level):
        seen = denoise(current.z, current.level)
        return level.alpha * seen.z0 + level.sigma * seen.eps

    for i in range(1, len(falling) - 1):
        before, current, after = run[i - 1], run[i], run[i + 1]
        step = before.z + ddim(current, after.level) - ddim(current, before.level)
        torch.testing.assert_close(after.z, step)


@pytest.mark.parametrize("t", [0.1, 0.5, 0.99, 1.0])
def test_split_shows_the_latent_again(t):
    level = Cosine()(t)
    z0, eps = clean_pair(Z_SRC, level)
    torch.testing.assert_close(level.alpha * z0 + level.sigma * eps, Z_SRC)


def test_falling_levels_are_no_inversion():
    with pytest.raises(ValueError, match="rising"):
        invert(conditional(gaussian(), None), Z_SRC, levels(5))
    with pytest.raises(ValueError, match="rising"):
        invert_exactly(conditional(gaussian(), None), Z_SRC, levels(5))
    with pytest.raises(ValueError, match="two rising"):
        invert_exactly(conditional(gaussian(), None), Z_SRC, levels(1))


def test_an_exact_inversion_is_retraced_from_its_end():
    rising = levels(6)[::-1]
    end = invert_exactly(conditional(gaussian(), None), Z_SRC, rising)
    for elsewhere in (levels(6), []):
        with pytest.raises(ValueError, match="the inversion ends at"):
            retrace(conditional(gaussian(), None), end, elsewhere)
