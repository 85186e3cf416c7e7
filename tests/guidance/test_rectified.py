"""Rectified-CFG++ against its published update, on exact mixtures."""

import itertools

import pytest
import torch
from oracles import gaussian, mixture, normal, table

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import cfg, conditional, rectified_cfg_pp
from dreamsampler.maths import Cosine, RectifiedFlow
from dreamsampler.samplers import dream, finish, trailing

SCHEDULES = [RectifiedFlow(), RectifiedFlow(3.0), Cosine(), table()]


def sampled(denoise, levels, eps):
    return finish(dream(denoise, LatentVariable(torch.zeros_like(eps)), levels, eps)).z0


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_rectified_cfg_pp_is_the_published_update(shift):
    """In velocities: half a step under the prompt, then v = v_c + lambda (v_c - v_u) from there."""
    prior, eps = gaussian(RectifiedFlow(shift)), normal(5, 2)
    levels, scale = trailing(prior.schedule, 7), lambda level: 1 + 4.0 * (1 - level.flow) ** 0.5

    def v(z, u, component):
        (estimate,) = prior.predict(z, prior.schedule.at_flow(u), [component])
        return estimate.eps - estimate.z0

    z, times = eps.clone(), [level.sigma for level in levels] + [0.0]
    for u, end in itertools.pairwise(times):
        text, middle = v(z, u, 1), (u + end) / 2
        ahead = z + (middle - u) * text
        extra = 4.0 * (1 - u) ** 0.5 * (v(ahead, middle, 1) - v(ahead, middle, None))
        z = z + (end - u) * (text + extra)
    close(sampled(rectified_cfg_pp(prior, 1, None, scale, levels), levels, eps), z)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_at_scale_1_and_for_equal_prompts_it_is_the_posterior_mean_of_the_prompt(schedule):
    prior, z, levels = mixture(schedule), normal(6, 2), trailing(schedule, 5)
    for null, scale in ((None, 1.0), (1, 7.0)):
        for level in levels:
            ours = rectified_cfg_pp(prior, 1, null, scale, levels)(z, level)
            text = conditional(prior, 1)(z, level)
            assert torch.equal(ours.z0, text.z0) and torch.equal(ours.eps, text.eps)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_its_pair_explains_the_noisy_latent(schedule):
    prior, z, levels = mixture(schedule), normal(6, 2), trailing(schedule, 5)
    for level in levels:
        pair = rectified_cfg_pp(prior, 1, None, 6.0, levels)(z, level)
        close(level.alpha * pair.z0 + level.sigma * pair.eps, z)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_it_tends_to_cfg_with_many_steps(schedule):
    prior, eps, far = gaussian(schedule), normal(20, 2), []
    for steps in (25, 50, 100):
        levels = trailing(schedule, steps, start=0.98)
        ways = rectified_cfg_pp(prior, 1, None, 3.0, levels), cfg(prior, 1, None, 3.0)
        ours, theirs = (sampled(way, levels, eps) for way in ways)
        far.append((ours - theirs).abs().mean().item())
    assert far[1] < 0.65 * far[0] and far[2] < 0.65 * far[1]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [10, 28])
def test_at_high_scales_it_stays_nearer_to_the_component_than_cfg(schedule, steps):
    """The conditional law is one Gaussian of the mixture; guidance moves its mean away."""
    prior, eps, levels = mixture(schedule), normal(300, 2), trailing(schedule, steps, start=0.98)
    ways = rectified_cfg_pp(prior, 1, None, 9.0, levels), cfg(prior, 1, None, 9.0)
    ours, theirs = ((sampled(w, levels, eps).mean(0) - prior.means[1]).norm() for w in ways)
    assert ours < 0.97 * theirs
