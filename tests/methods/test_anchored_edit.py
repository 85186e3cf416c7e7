"""The default edit: replayed noise under a mask of where two prompts differ."""

import itertools

import pytest
import torch
from oracles import normal, table

from dreamsampler.guidance import cfg, conditional, difference_mask, predict_batch
from dreamsampler.maths import Cosine, RectifiedFlow, generators
from dreamsampler.methods.edit.anchored import anchored_edit
from dreamsampler.methods.edit.ddpm_inversion import replayed
from dreamsampler.models import GaussianMixture
from dreamsampler.regularizers import inside
from dreamsampler.samplers import finish, flow_shifted

SCHEDULES = [Cosine(), RectifiedFlow(), table()]


def setup(schedule):
    """Two pictures that differ in one corner, and a source near the first."""
    means = torch.zeros(2, 4, 8, 8, dtype=torch.float64)
    means[1, :, :4, :4] = 2
    prior = GaussianMixture(means, 0.3, schedule)
    return prior, means[:1] + 0.1 * normal(2, 4, 8, 8)


def drawn(rng, shape):
    return torch.stack([torch.randn(shape[1:], generator=g, dtype=torch.float64) for g in rng])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_it_is_the_replayed_noise_under_the_mask(schedule):
    prior, z_src = setup(schedule)
    levels = flow_shifted(schedule, 8, start=0.75)
    target, by, source = cfg(prior, 1, None, 3.0), conditional(prior, 1), conditional(prior, 0)
    run = list(anchored_edit(target, source, z_src, levels, generators(5, 2), by=by))
    rng = generators(5, 2)
    n = drawn(rng, z_src.shape)
    z = levels[0].alpha * z_src + levels[0].sigma * n
    for step, (level, after) in zip(run, itertools.pairwise([*levels, None]), strict=True):
        torch.testing.assert_close(step.z, z)
        x, u = level.alpha * z_src + level.sigma * n, level.flow
        tgt, seen, src = predict_batch([(target, z), (by, z), (source, x)], level)
        m = difference_mask(seen.z0 - src.z0, max(0, u - 0.2), max(0.1, u))
        z0, eps = z_src + m * (tgt.z0 - src.z0), m * (tgt.eps - src.eps)
        torch.testing.assert_close(step.z0, z0)
        if after is not None:
            n = drawn(rng, z_src.shape)
            z = after.alpha * z0 + after.sigma * (n + after.s / level.s * eps)


def test_it_changes_where_the_prompts_differ_and_nowhere_else():
    prior, z_src = setup(Cosine())
    levels = flow_shifted(Cosine(), 8, start=0.75)
    edit = anchored_edit(
        cfg(prior, 1, None, 3.0), conditional(prior, 0), z_src, levels, generators(0, 2)
    )
    z0 = finish(edit).z0
    assert torch.equal(z0[..., 6:, 6:], z_src[..., 6:, 6:])
    assert (z0 - z_src)[..., :3, :3].min() > 1


def test_what_a_drawn_mask_keeps_is_the_source_in_its_noise_at_every_level():
    """The difference of the noises is taken back with the estimate, or it would leak."""
    prior, z_src = setup(Cosine())
    levels, mask = flow_shifted(Cosine(), 8, start=0.75), torch.zeros(1, 1, 8, 8)
    mask[..., :2] = 1
    target, source, inputs = cfg(prior, 1, None, 3.0), conditional(prior, 0), []

    def pair(z, x_t, level):
        inputs.append((z, x_t))
        tgt, src = predict_batch([(target, z), (source, x_t)], level)
        return tgt, src

    run = replayed(pair, z_src, levels, generators(0, 2), regularize=inside(mask, z_src))
    z0 = finish(run).z0
    assert torch.equal(z0[..., 2:], z_src[..., 2:])
    for z, x_t in inputs:
        torch.testing.assert_close(z[..., 2:], x_t[..., 2:])
    assert (inputs[-1][0] - inputs[-1][1])[..., :4, :2].abs().min() > 0.5


@pytest.mark.parametrize("scale", [0.0, 1.0, 7.0])
def test_equal_prompts_return_the_source_at_any_scale(scale):
    prior, z_src = setup(Cosine())
    levels, x_t = flow_shifted(Cosine(), 8, start=0.75), conditional(prior, 1)
    target = cfg(prior, 1, None, scale)
    edit = anchored_edit(target, x_t, z_src, levels, generators(0, 2), by=x_t)
    assert torch.equal(finish(edit).z0, z_src)
