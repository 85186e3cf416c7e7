"""Baselines: each method equals its published update, on the exact prior, in float64."""

import itertools

import pytest
import torch
from oracles import mixture, normal, table

from dreamsampler.guidance import cfg, conditional
from dreamsampler.maths import Cosine, RectifiedFlow, ddpm, fresh, generators
from dreamsampler.methods.edit.ddim_inversion import ddim_inversion
from dreamsampler.methods.edit.ddpm_inversion import ddpm_inversion
from dreamsampler.methods.edit.ledits import ledits
from dreamsampler.methods.edit.negative_prompt_inversion import negative_prompt_inversion
from dreamsampler.methods.edit.sdedit import sdedit
from dreamsampler.methods.inpaint.blended_diffusion import blended_diffusion
from dreamsampler.methods.inpaint.repaint import repaint
from dreamsampler.models import GaussianMixture
from dreamsampler.samplers import finish, trailing

SCHEDULES = [Cosine(), RectifiedFlow(), table()]
close = torch.testing.assert_close


def pictures(schedule=None):
    """Three pictures of one channel, 4 x 4, as components."""
    return GaussianMixture(2 * normal(3, 1, 4, 4, seed=3), 0.3, schedule or Cosine())


def drawn(rng, shape):
    return torch.stack([torch.randn(shape[1:], generator=g, dtype=torch.float64) for g in rng])


def guided(prior, z, level, w, condition=1, null=None):
    empty, cond = prior.predict(z, level, [null, condition])
    z0 = empty.z0 + w * (cond.z0 - empty.z0)
    return z0, empty.eps + w * (cond.eps - empty.eps)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("stochastic", [False, True])
def test_sdedit(schedule, stochastic):
    prior, z_src = mixture(schedule), normal(4, 2)
    levels, rng = trailing(schedule, 12, start=0.6), generators(1, 4)
    how = {"renoise": fresh(ddpm(), rng)} if stochastic else {}
    last = finish(sdedit(cfg(prior, 1, None, 3.0), z_src, levels, rng, **how))
    rng = generators(1, 4)
    z = levels[0].alpha * z_src + levels[0].sigma * drawn(rng, z_src.shape)
    for level, after in zip(levels, [*levels[1:], schedule(0.0)], strict=True):
        z0, eps = guided(prior, z, level, 3.0)
        sd = after.sigma * (1 - (after.s / level.s) ** 2) ** 0.5 if stochastic else 0.0
        z = after.alpha * z0 + (after.sigma**2 - sd**2) ** 0.5 * eps
        if sd:
            z = z + sd * drawn(rng, z_src.shape)
    close(last.z0, z)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_ddim_inversion_with_a_swapped_prompt(schedule):
    prior, z_src = mixture(schedule), normal(4, 2)
    levels = trailing(schedule, 15, start=0.9)
    run = list(ddim_inversion(cfg(prior, 1, None, 3.0), conditional(prior, 0), z_src, levels))
    assert len(run) == 2 * len(levels)
    up = levels[::-1]
    z = up[0].alpha * z_src
    for level, after in itertools.pairwise(up):
        est = prior.predict(z, level, [0])[0]
        z = after.alpha * est.z0 + after.sigma * est.eps
    close(run[len(levels)].z, z)
    for level, after in zip(levels, [*levels[1:], schedule(0.0)], strict=True):
        z0, eps = guided(prior, z, level, 3.0)
        z = after.alpha * z0 + after.sigma * eps
    close(run[-1].z0, z)


def test_negative_prompt_inversion_forgets_the_scale_where_prompts_are_equal():
    """Its point: any guidance scale retraces the inversion, as an optimized null prompt would."""
    prior, z_src = mixture(std=0.7), normal(8, 2)
    levels = trailing(Cosine(), 100, start=0.9)
    weak, strong = (
        finish(negative_prompt_inversion(prior, z_src, 0, 0, levels, w)).z0 for w in (1.0, 20.0)
    )
    close(weak, strong)
    assert (weak - z_src).norm() / z_src.norm() < 0.1
    blown = finish(
        ddim_inversion(cfg(prior, 0, None, 20.0), conditional(prior, 0), z_src, levels)
    ).z0
    assert (blown - z_src).norm() / z_src.norm() > 0.5
    other = finish(negative_prompt_inversion(prior, z_src, 1, 0, levels, 3.0)).z0
    ours = ddim_inversion(cfg(prior, 1, 0, 3.0), conditional(prior, 0), z_src, levels)
    close(other, finish(ours).z0)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("eta", [1.0, 0.6])
def test_ddpm_inversion_replays_the_maps(schedule, eta):
    """Written out as published: all noisy latents first, then the maps, then the way back."""
    prior, z_src = mixture(schedule), normal(4, 2)
    levels = trailing(schedule, 10, start=0.7)
    target, source = cfg(prior, 1, None, 4.0), cfg(prior, 0, None, 1.5)
    run = list(ddpm_inversion(target, source, z_src, levels, generators(2, 4), eta))
    rng = generators(2, 4)
    x = [level.alpha * z_src + level.sigma * drawn(rng, z_src.shape) for level in levels]

    def mean(z, level, after, w, condition):
        z0, eps = guided(prior, z, level, w, condition)
        sd = eta * after.sigma * (1 - (after.s / level.s) ** 2) ** 0.5
        return after.alpha * z0 + (after.sigma**2 - sd**2) ** 0.5 * eps, sd

    maps = []
    for i, (level, after) in enumerate(itertools.pairwise(levels)):
        mu, sd = mean(x[i], level, after, 1.5, 0)
        maps.append((x[i + 1] - mu) / sd)
    z = x[0]
    for i, (level, after) in enumerate(itertools.pairwise(levels)):
        close(run[i].z, z)
        mu, sd = mean(z, level, after, 4.0, 1)
        z = mu + sd * maps[i]
    last = levels[-1]
    tgt, src = guided(prior, z, last, 4.0, 1)[0], guided(prior, x[-1], last, 1.5, 0)[0]
    close(run[-1].z0, z_src + tgt - src)


def test_replayed_noise_under_equal_prompts_is_the_source():
    prior, z_src = pictures(), normal(2, 1, 4, 4)
    levels, same = trailing(Cosine(), 8, start=0.8), conditional(prior, 1)
    run = ddpm_inversion(same, same, z_src, levels, generators(0, 2))
    assert torch.equal(finish(run).z0, z_src)


def test_ledits_guides_where_the_two_prompts_differ_most():
    prior, z_src = pictures(), normal(2, 1, 4, 4)
    levels = trailing(Cosine(), 6, start=0.7)
    run = list(ledits(prior, z_src, 1, None, levels, generators(0, 2), 4.0, 0.75))
    rng = generators(0, 2)
    n = drawn(rng, z_src.shape)
    z = levels[0].alpha * z_src + levels[0].sigma * n
    for step, level, after in zip(run, levels, [*levels[1:], None], strict=True):
        close(step.z, z)
        x = level.alpha * z_src + level.sigma * n
        word, empty = prior.predict(z, level, [1, None])
        psi = word.eps - empty.eps
        size = psi.abs().mean(1, keepdim=True)
        ranks = size.flatten(1).sort(1, descending=True).values
        mask = (size >= ranks[:, 3].view(-1, 1, 1, 1)).double()  # the largest quarter of 16
        z0, eps = empty.z0 + 4 * mask * (word.z0 - empty.z0), empty.eps + 4 * mask * psi
        src = prior.predict(x, level, [None])[0]
        if after is not None:
            sd = after.sigma * (1 - (after.s / level.s) ** 2) ** 0.5
            n = drawn(rng, z_src.shape)
            mu = after.alpha * src.z0 + (after.sigma**2 - sd**2) ** 0.5 * src.eps
            drew = after.alpha * z_src + after.sigma * n - mu
            z = after.alpha * z0 + (after.sigma**2 - sd**2) ** 0.5 * eps + drew
    with pytest.raises(ValueError, match="threshold is 1"):
        ledits(prior, z_src, 1, None, levels, generators(0, 2), threshold=1.0)


def hole():
    mask = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    mask[..., 1:3, 1:3] = 1
    return mask


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_blended_diffusion(schedule):
    prior, z_src, m = pictures(schedule), normal(2, 1, 4, 4), hole()
    levels = trailing(schedule, 6, start=0.9)
    run = list(blended_diffusion(cfg(prior, 1, None, 2.0), z_src, m, levels, generators(3, 2)))
    rng = generators(3, 2)
    z = levels[0].alpha * z_src + levels[0].sigma * drawn(rng, z_src.shape)
    for step, level, after in zip(run, levels, levels[1:], strict=False):
        close(step.z, z)
        z0, eps = guided(prior, z, level, 2.0)
        known = after.alpha * z_src + after.sigma * drawn(rng, z_src.shape)
        z = m * (after.alpha * z0 + after.sigma * eps) + (1 - m) * known
    assert torch.equal(run[-1].z0 * (1 - m), z_src * (1 - m))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_repaint(schedule):
    prior, z_src, m = pictures(schedule), normal(2, 1, 4, 4), hole()
    levels = trailing(schedule, 4, start=0.9)
    run = repaint(conditional(prior, 1), z_src, m, levels, generators(3, 2), resample=2)
    seen = [step.z for step in run]
    assert len(seen) == 7
    rng = generators(3, 2)
    z = levels[0].alpha * z_src + levels[0].sigma * drawn(rng, z_src.shape)
    for level, after in itertools.pairwise(levels):
        for visit in range(2):
            close(seen.pop(0), z)
            est = prior.predict(z, level, [1])[0]
            sd = after.sigma * (1 - (after.s / level.s) ** 2) ** 0.5
            inner = after.alpha * est.z0 + (after.sigma**2 - sd**2) ** 0.5 * est.eps
            inner = inner + sd * drawn(rng, z_src.shape)
            known = after.alpha * z_src + after.sigma * drawn(rng, z_src.shape)
            z = m * inner + (1 - m) * known
            if visit == 0:
                up = level.alpha / after.alpha
                sd = (level.sigma**2 - (up * after.sigma) ** 2) ** 0.5
                z = up * z + sd * drawn(rng, z_src.shape)
    with pytest.raises(ValueError, match="at least once"):
        repaint(conditional(prior, 1), z_src, m, levels, generators(3, 2), resample=0)
