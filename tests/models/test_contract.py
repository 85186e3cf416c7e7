"""What every prior promises, whatever its family."""

import pytest
import torch
from tiny import latents

from dreamsampler.models import Prior

TIMES = (0.05, 0.5, 0.97)


def close(a, b, tolerance=2e-5):
    assert a.shape == b.shape
    assert (a - b).abs().max() <= tolerance * (1 + b.abs().max())


def test_it_is_a_prior(prior):
    assert isinstance(prior, Prior)
    assert prior.multiple % prior.factor == 0
    assert prior.native_size % prior.factor == 0


@pytest.mark.parametrize("t", TIMES)
def test_the_estimate_explains_what_was_shown(prior, prompts, t):
    z, level = latents(prior, 2), prior.schedule(t)
    with torch.no_grad():
        estimates = prior.predict(z, level, [prior.condition(p) for p in prompts])
    assert len(estimates) == len(prompts)
    for estimate in estimates:
        close(level.alpha * estimate.z0 + level.sigma * estimate.eps, z)
        assert estimate.z0.dtype == estimate.eps.dtype == torch.float32


def test_a_batch_is_its_rows(prior, prompts):
    z, level = latents(prior, 2), prior.schedule(0.6)
    condition = prior.condition(prompts[1])
    with torch.no_grad():
        (both,) = prior.predict(z, level, [condition])
        rows = [prior.predict(row[None], level, [condition])[0] for row in z]
    close(both.z0, torch.cat([row.z0 for row in rows]))
    close(both.eps, torch.cat([row.eps for row in rows]))


def test_conditions_do_not_mix(prior, prompts):
    z, level = latents(prior, 2), prior.schedule(0.6)
    conditions = [prior.condition(p) for p in prompts]
    with torch.no_grad():
        together = prior.predict(z, level, conditions)
        alone = [prior.predict(z, level, [c])[0] for c in conditions]
    for one, other in zip(together, alone, strict=True):
        close(one.z0, other.z0)
    assert (together[1].z0 - together[2].z0).abs().max() > 1e-6


def test_each_condition_can_have_its_own_latent(prior, prompts):
    level = prior.schedule(0.6)
    zs = [latents(prior, 2, seed) for seed in range(len(prompts))]
    conditions = [prior.condition(p) for p in prompts]
    with torch.no_grad():
        together = prior.predict(zs, level, conditions)
        alone = [prior.predict(z, level, [c])[0] for z, c in zip(zs, conditions, strict=True)]
    for one, other in zip(together, alone, strict=True):
        close(one.eps, other.eps)


def test_latents_and_conditions_must_match_in_number(prior):
    with pytest.raises(ValueError):
        prior.predict([latents(prior, 1)], prior.schedule(0.5), [prior.condition("")] * 2)


def test_no_prompt_is_the_empty_prompt(prior, prompts):
    assert prior.condition(None) == prior.condition("")
    assert prior.condition(prompts[1]) == prior.condition(prompts[1])
    assert prior.condition(prompts[1]) != prior.condition(None)


def test_gradients_reach_the_latent(prior, prompts):
    z = latents(prior, 1).requires_grad_()
    estimates = prior.predict(z, prior.schedule(0.5), [prior.condition(p) for p in prompts])
    x = prior.decode(estimates[0].z0 + 3 * (estimates[1].z0 - estimates[0].z0))
    (gradient,) = torch.autograd.grad((x**2).mean(), z)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


def test_gradients_reach_the_picture(prior):
    size = 8 * prior.factor
    x = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    x = (2 * x - 1).requires_grad_()
    (gradient,) = torch.autograd.grad((prior.encode(x) ** 2).mean(), x)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


def test_no_graph_where_the_caller_wants_none(prior, prompts):
    with torch.no_grad():
        (estimate,) = prior.predict(
            latents(prior, 1), prior.schedule(0.5), [prior.condition(prompts[1])]
        )
    assert not estimate.z0.requires_grad


def test_pictures_and_latents_have_each_others_sizes(prior):
    x = torch.zeros(2, 3, 2 * prior.multiple, 3 * prior.multiple)
    with torch.no_grad():
        z = prior.encode(x)
        back = prior.decode(z)
    cells = prior.multiple // prior.factor
    assert z.shape == (2, prior.latent_channels, 2 * cells, 3 * cells)
    assert back.shape == x.shape
    assert z.dtype == back.dtype == torch.float32
    with torch.no_grad():
        assert torch.equal(z, prior.encode(x))  # a mean, never a sample
