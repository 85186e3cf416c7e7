"""Method by method: the loop equals the published update, written out again.

All on the exact mixture prior, in float64.
"""

import itertools
import math

import pytest
import torch
from oracles import MEANS, mixture, normal, table

from dreamsampler.generators import GeneratorVariable, LatentVariable
from dreamsampler.guidance import cfg, cfg_pp, conditional, delta, gamma, per_step
from dreamsampler.maths import (
    Cosine,
    RectifiedFlow,
    VarianceExploding,
    ddpm,
    fresh,
    generators,
    hold,
)
from dreamsampler.methods.edit.dds import dds
from dreamsampler.methods.edit.dreamsampler import dreamsampler
from dreamsampler.methods.edit.flowedit import flow_edit
from dreamsampler.methods.edit.pds import pds, pds_weights
from dreamsampler.methods.edit.sds import sdi, sds
from dreamsampler.methods.published import paper_levels
from dreamsampler.methods.sampling import cfg_plus_plus, ddim, dpm_solver
from dreamsampler.methods.sampling import ddpm as ddpm_run
from dreamsampler.samplers import dream, finish, leading, random_levels, trailing

SCHEDULES = [Cosine(), RectifiedFlow(), RectifiedFlow(3.0), table()]
close = torch.testing.assert_close


def guided(prior, z, level, w):
    """CFG written out: (z0, eps) of the null prompt plus w times the difference."""
    null, cond = prior.predict(z, level, [None, 1])
    eps = null.eps + w * (cond.eps - null.eps)
    return (z - level.sigma * eps) / level.alpha, eps


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("w", [1.0, 3.0])
def test_ddim(schedule, w):
    prior, levels, z = mixture(schedule), trailing(schedule, 30, start=0.98), normal(16, 2)
    first = levels[0]
    scale = (first.alpha**2 + first.sigma**2) ** 0.5
    last = finish(ddim(prior, 1, None, z, levels, w))
    z = scale * z
    for level, after in zip(levels, [*levels[1:], schedule(0.0)], strict=True):
        z0, eps = guided(prior, z, level, w)
        z = after.alpha * z0 + after.sigma * eps
    close(last.z0, z)


def test_ddpm_is_ancestral_sampling():
    """DDPM's posterior mean and variance, from its own paper's formula."""
    schedule = table()
    prior, levels, z = mixture(schedule), leading(schedule, 20), normal(4, 2)
    run = list(ddpm_run(prior, 1, None, z, levels, generators(5, 4), eta=1.0))
    rng = generators(5, 4)
    for step, level, after in zip(run, levels, levels[1:], strict=False):
        close(step.z, z)
        ab, ab_after = level.alpha_bar, after.alpha_bar
        z0 = prior.predict(z, level, [1])[0].z0
        beta = 1 - ab / ab_after
        mean = ab_after**0.5 * beta / (1 - ab) * z0
        mean = mean + (1 - beta) ** 0.5 * (1 - ab_after) / (1 - ab) * z
        noise = torch.stack([torch.randn(2, generator=g, dtype=torch.float64) for g in rng])
        z = mean + (beta * (1 - ab_after) / (1 - ab)) ** 0.5 * noise


@pytest.mark.parametrize("schedule", [Cosine(), table()])
@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_the_share_of_fresh_noise_is_the_published_one(schedule, eta):
    """DDIM's eq. 16: the fresh part of the next noise has the standard deviation sigma_t(eta)."""
    for level, after in itertools.pairwise(trailing(schedule, 10, start=0.95)):
        ab, ab_after = level.alpha_bar, after.alpha_bar
        published = eta * math.sqrt((1 - ab_after) / (1 - ab)) * math.sqrt(1 - ab / ab_after)
        assert after.sigma * ddpm(eta)(level, after) ** 0.5 == pytest.approx(published)


def test_fresh_noise_keeps_unit_variance():
    prior, level = mixture(), Cosine()(0.5)
    z = normal(20000, 2)
    step = next(dream(conditional(prior, None), LatentVariable(0 * z), [level], z))
    step = type(step)(
        **{**step.__dict__, "estimate": type(step.estimate)(step.z0, normal(20000, 2, seed=1))}
    )
    for k in (0.0, 0.37, 1.0):
        noise = fresh(k, generators(0, 20000))(step, level)
        assert noise.var().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_cfg_plus_plus_is_the_published_update(schedule):
    prior, levels, z = mixture(schedule), trailing(schedule, 12, start=0.95), normal(8, 2)
    first = levels[0]
    run = list(cfg_plus_plus(prior, 1, None, z, levels, weight=0.6))
    z = (first.alpha**2 + first.sigma**2) ** 0.5 * z
    for step, level, after in zip(run, levels, levels[1:], strict=False):
        close(step.z, z)
        null, cond = prior.predict(z, level, [None, 1])
        z0 = (z - level.sigma * (null.eps + 0.6 * (cond.eps - null.eps))) / level.alpha
        z = after.alpha * z0 + after.sigma * null.eps


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_cfg_plus_plus_under_the_converted_weight_is_cfg(schedule):
    prior, levels, z = mixture(schedule), trailing(schedule, 12, start=0.95), normal(8, 2)
    ours = list(cfg_plus_plus(prior, 1, None, z, levels, guidance_scale=4.0))
    theirs = list(ddim(prior, 1, None, z, levels, guidance_scale=4.0))
    for a, b in zip(ours, theirs, strict=True):
        close(a.z, b.z)
    close(ours[-1].z0, theirs[-1].z0)


def test_an_edit_does_not_depend_on_the_number_of_steps():
    """guidance_scale is a CFG weight: 25 and 200 steps agree, a constant l does not."""
    prior, z = mixture(std=0.7), normal(8, 2)

    def end(steps, **how):
        return finish(
            cfg_plus_plus(prior, 1, None, z, trailing(Cosine(), steps, start=0.97), **how)
        ).z0

    def gap(**how):
        fine = end(200, **how)
        return (end(25, **how) - fine).norm() / fine.norm()

    steady = gap(guidance_scale=2.0)
    assert steady < 0.08
    assert gap(weight=0.05) > 5 * steady


def test_dpm_solver_is_the_published_update():
    schedule = Cosine()
    prior, levels, z = mixture(schedule), trailing(schedule, 10, start=0.9), normal(8, 2)
    run = list(dpm_solver(prior, 1, None, z, levels, 2.0))
    lam = [torch.tensor(at.alpha / at.sigma, dtype=torch.float64).log() for at in levels]
    old = None
    for i, step in enumerate(run[:-1]):
        close(step.z, z)
        level, after = levels[i], levels[i + 1]
        z0, h = guided(prior, z, level, 2.0)[0], lam[i + 1] - lam[i]
        data = z0
        if old is not None:
            r = (lam[i] - lam[i - 1]) / h
            data = (1 + 1 / (2 * r)) * z0 - 1 / (2 * r) * old
        z = after.sigma / level.sigma * z - after.alpha * torch.expm1(-h) * data
        old = z0


@pytest.mark.parametrize("schedule", [*SCHEDULES, VarianceExploding(6.0)])
def test_every_sampler_takes_levels_from_pure_noise_to_clean(schedule):
    """Where alpha or sigma is 0, and where a level comes twice, nothing is divided by nothing."""
    prior, z = mixture(schedule), normal(4, 2)
    falling = trailing(schedule, 5)
    for levels in (falling, [*falling, schedule(0.0)], [*falling[:2], *falling[1:]]):
        for method in (ddim, cfg_plus_plus, dpm_solver):
            last = finish(method(prior, 1, None, z, levels, guidance_scale=3.0))
            assert last.z0.isfinite().all()
    for method in (ddim, cfg_plus_plus, dpm_solver):
        with pytest.raises(ValueError, match="at least one"):
            method(prior, 1, None, z, [], guidance_scale=3.0)


def test_the_proximal_loss_is_the_score_distillation_loss():
    """|eps(c) - eps|^2 = |z - z0(c)|^2 / s^2, and its gradient is s (eps(c) - eps)."""
    prior, level, z0, eps = mixture(), Cosine()(0.6), normal(4, 2), normal(4, 2, seed=7)
    seen = prior.predict(level.alpha * z0 + level.sigma * eps, level, [1])[0]
    close(((seen.eps - eps) ** 2).sum(1), ((z0 - seen.z0) ** 2).sum(1) / level.s**2)
    close(z0 - seen.z0, level.s * (seen.eps - eps))


def test_sds_is_the_published_update():
    prior, z = mixture(), normal(4, 2, seed=3)
    levels = random_levels(Cosine(), 6, torch.Generator().manual_seed(1))
    variable = LatentVariable(z)
    list(sds(cfg(prior, 1, None, 5.0), variable, levels, generators(9, 4), step=0.1))
    rng = generators(9, 4)
    for level in levels:
        eps = torch.stack([torch.randn(2, generator=g, dtype=torch.float64) for g in rng])
        seen = guided(prior, level.alpha * z + level.sigma * eps, level, 5.0)[1]
        z = z - 0.1 * (seen - eps)
    close(variable.latent(), z)


class Tanh(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.psi = torch.nn.Parameter(normal(4, 2, seed=3))

    def forward(self):
        return torch.tanh(self.psi)


def test_sds_through_a_generator_is_the_published_gradient():
    prior, generator, level = mixture(), Tanh(), Cosine()(0.6)
    start = generator.psi.detach().clone().requires_grad_()
    variable = GeneratorVariable(generator, torch.optim.SGD(generator.parameters(), lr=0.1))
    list(sds(conditional(prior, None), variable, [level], generators(0, 4), step=0.5))
    eps = torch.stack([torch.randn(2, generator=g, dtype=torch.float64) for g in generators(0, 4)])
    z0 = torch.tanh(start)
    seen = prior.predict((level.alpha * z0 + level.sigma * eps).detach(), level, [None])[0]
    (gradient,) = torch.autograd.grad(z0, start, 0.5 * (seen.eps - eps))
    close(generator.psi.detach(), (start - 0.1 * gradient).detach())


def test_dds_is_the_published_update():
    prior, z_src = mixture(), normal(4, 2, seed=3)
    levels = random_levels(Cosine(), 6, torch.Generator().manual_seed(1))
    variable, target, source = (
        LatentVariable(z_src),
        cfg(prior, 1, None, 3.0),
        cfg(prior, 2, None, 3.0),
    )
    list(dds(target, source, variable, z_src, levels, generators(9, 4), step=0.1))
    rng, z = generators(9, 4), z_src
    for level in levels:
        eps = torch.stack([torch.randn(2, generator=g, dtype=torch.float64) for g in rng])
        null, tgt = prior.predict(level.alpha * z + level.sigma * eps, level, [None, 1])
        null_src, src = prior.predict(level.alpha * z_src + level.sigma * eps, level, [None, 2])
        tgt, src = (n.eps + 3.0 * (c.eps - n.eps) for n, c in ((null, tgt), (null_src, src)))
        z = z - 0.1 * (tgt - src)
    close(variable.latent(), z)


def test_pds_is_the_published_update():
    """The difference of the stochastic latents (z_prev - posterior mean) / std of two images."""
    schedule = table()
    prior, z_src, levels = mixture(schedule), normal(4, 2, seed=3), leading(schedule, 20)[::3]
    variable, target, source = LatentVariable(z_src), conditional(prior, 1), conditional(prior, 2)
    weights = pds_weights(schedule, skip=50)
    list(pds(target, source, variable, z_src, levels, generators(9, 4), 0.01, weights))
    rng, z = generators(9, 4), z_src
    table_ab = schedule.alphas_cumprod
    for level in levels:
        eps = torch.stack([torch.randn(2, generator=g, dtype=torch.float64) for g in rng])
        n = round(schedule.timestep(level.t))
        ab, ab_prev = table_ab[n], table_ab[max(n - 50, 0)]
        alpha_n = ab / (table_ab[n - 1] if n else 1.0)
        other = normal(4, 2, seed=n)  # the noise of z_prev: any, it cancels

        def latent(
            x, c, level=level, eps=eps, ab=ab, ab_prev=ab_prev, alpha_n=alpha_n, other=other
        ):
            z_t = ab**0.5 * x + (1 - ab) ** 0.5 * eps
            z_prev = ab_prev**0.5 * x + (1 - ab_prev) ** 0.5 * other
            z0 = prior.predict(z_t, level, [c])[0].z0
            mean = ab_prev**0.5 * (1 - alpha_n) / (1 - ab) * z0
            mean = mean + alpha_n**0.5 * (1 - ab_prev) / (1 - ab) * z_t
            return (z_prev - mean) / ((1 - alpha_n) * (1 - ab_prev) / (1 - ab)) ** 0.5

        z = z - 0.01 * (latent(z, 1) - latent(z_src, 2))
    close(variable.latent(), z)


def test_sdi_is_the_published_update():
    schedule = Cosine()
    prior, z = mixture(schedule, std=0.6), normal(4, 2, seed=3)
    levels, variable = trailing(schedule, 5, start=0.9), LatentVariable(normal(4, 2, seed=3))
    list(sdi(conditional(prior, 1), conditional(prior, None), variable, schedule, levels, 0.3, 4))
    for level in levels:
        at = schedule(level.t / 5)
        z_t = at.alpha * z  # inversion: DDIM upwards in five steps, the last one onto `level`
        for i in range(1, 5):
            seen = prior.predict(z_t, at, [None])[0]
            at = level if i == 4 else schedule(level.t * (i + 1) / 5)
            z_t = at.alpha * seen.z0 + at.sigma * seen.eps
        z = z + 0.3 * (prior.predict(z_t, level, [1])[0].z0 - z)
    close(variable.latent(), z)


@pytest.mark.parametrize("negligible", [0.0, 0.02])
def test_the_paper_preset_is_the_published_program(negligible):
    """Shifted table and all, written out from the facts of the reference page."""
    schedule = table()
    prior, z_src, steps, g = mixture(schedule, std=0.5), normal(3, 2), 20, 0.4
    run = list(dreamsampler(prior, z_src, 1, None, steps, g, negligible))
    assert len(run) == 2 * steps
    prefixed, skip = [1.0, *schedule.alphas_cumprod], 1000 // steps
    times = [i * skip + 1 for i in range(steps)]

    def ab(n):
        return prefixed[n] if n >= 0 else schedule.alphas_cumprod[0]

    def eps_of(z, n, rate, c):
        level = schedule(schedule.time(n))
        level = type(level)(level.t, rate**0.5, (1 - rate) ** 0.5)
        return prior.predict(z, level, [c])[0].eps

    z = z_src
    for n in times:
        below, here = ab(n - skip), ab(n)
        e = eps_of(z, n, below, None)
        z0 = (z - (1 - below) ** 0.5 * e) / below**0.5
        z = here**0.5 * z0 + (1 - here) ** 0.5 * e
    for n in reversed(times):
        here, below = ab(n), ab(n - skip)
        null, cond = eps_of(z, n, here, None), eps_of(z, n, here, 1)
        e = null + here * g * (cond - null) * (here * g > negligible)
        z0 = (z - (1 - here) ** 0.5 * e) / here**0.5
        z = below**0.5 * z0 + (1 - below) ** 0.5 * null
    close(run[-1].z0, z0)


def test_the_shift_of_the_published_table_is_one_entry():
    schedule = table()
    _, shifted, right = paper_levels(schedule, 20)
    assert [a.t for a in shifted] == [b.t for b in right]
    n = round(schedule.timestep(right[0].t))
    assert shifted[0].alpha_bar == pytest.approx(schedule.alphas_cumprod[n - 1])
    assert right[0].alpha_bar == pytest.approx(schedule.alphas_cumprod[n])


def test_the_papers_edit_is_dds_as_a_regularizer():
    """Prox of |z - z0(src)|^2 (weight 1-g) and |z - z0(tgt)|^2 (weight g): z0(src) - g s (de)."""
    prior, level, z = mixture(), Cosine()(0.5), normal(4, 2)
    g = gamma(0.3)(level)
    src, tgt = prior.predict(z, level, [2, 1])
    edit = cfg_pp(prior, 1, 2, gamma(0.3))(z, level)
    close(edit.z0, src.z0 - g * level.s * (tgt.eps - src.eps))
    close(edit.z0, (1 - g) * src.z0 + g * tgt.z0)  # the minimizer of the weighted sum


def test_flow_edit_is_the_published_update():
    schedule = RectifiedFlow()
    prior, z_src, levels = mixture(schedule), normal(4, 2, seed=3), trailing(schedule, 9, start=0.8)
    target, source = cfg(prior, 1, None, 5.0), cfg(prior, 2, None, 1.5)
    last = finish(flow_edit(target, source, z_src, levels, generators(9, 4)))
    rng, z = generators(9, 4), z_src

    def velocity(x, level, c, w):
        null, cond = prior.predict(x, level, [None, c])
        return (null.eps - null.z0) + w * ((cond.eps - cond.z0) - (null.eps - null.z0))

    for level, t_next in zip(levels, [*(at.t for at in levels[1:]), 0.0], strict=True):
        eps = torch.stack([torch.randn(2, generator=g, dtype=torch.float64) for g in rng])
        noisy_src = (1 - level.t) * z_src + level.t * eps
        noisy_tgt = z + noisy_src - z_src
        v = velocity(noisy_tgt, level, 1, 5.0) - velocity(noisy_src, level, 2, 1.5)
        z = z + (t_next - level.t) * v
    close(last.z0, z)  # the last step covers all of the remaining way


def test_flow_edit_has_an_exact_variance_preserving_twin():
    """The same path on a VP schedule, at the levels of the same noise ratio."""
    flow, vp = RectifiedFlow(), Cosine()
    z_src, times = normal(4, 2, seed=3), [0.8, 0.6, 0.45, 0.2]
    flow_levels = [flow(t) for t in times]
    vp_levels = [vp(2 / math.pi * math.atan(t / (1 - t))) for t in times]
    for a, b in zip(flow_levels, vp_levels, strict=True):
        assert a.flow == pytest.approx(b.flow, abs=1e-12)

    def edit(schedule, levels):
        prior = mixture(schedule)
        target, source = cfg(prior, 1, None, 3.0), cfg(prior, 2, None, 1.5)
        return finish(flow_edit(target, source, z_src, levels, generators(1, 4))).z0

    close(edit(flow, flow_levels), edit(vp, vp_levels), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_editing_to_the_source_prompt_returns_the_source(schedule):
    prior, z_src = mixture(schedule), normal(4, 2, seed=3)
    levels = trailing(schedule, 8, start=0.9)
    same = cfg(prior, 1, None, 4.0)
    close(finish(flow_edit(same, same, z_src, levels, generators(0, 4))).z0, z_src)
    kept = flow_edit(same, same, z_src, levels, generators(0, 4), renoise=hold)
    close(finish(kept).z0, z_src)
    variable = LatentVariable(z_src)
    run = dream(delta(same, same, variable, z_src), variable, levels, normal(4, 2))
    close(finish(run).z0, z_src)


def test_no_guidance_toward_anything_returns_the_source():
    """gamma = 0 comes back along the inversion; the error falls with the step."""
    schedule = table()
    prior, z_src = mixture(schedule, std=0.7), MEANS[:1] + 0.1
    gaps = [
        (finish(dreamsampler(prior, z_src, 1, None, n, 0.0)).z0 - z_src).norm().item()
        for n in (25, 50, 100)
    ]
    assert gaps[0] > 1.6 * gaps[1] > 2.5 * gaps[2]


def test_per_step_needs_its_own_levels():
    levels = trailing(Cosine(), 5, start=0.9)
    assert per_step(2.0, levels)(levels[-1]) == 2.0
    with pytest.raises(ValueError, match="not one of the 5 levels"):
        per_step(2.0, levels)(Cosine()(0.123))


def test_sdi_without_levels_says_so():
    prior = mixture()
    with pytest.raises(ValueError, match="at least one level"):
        sdi(
            conditional(prior, 1),
            conditional(prior, None),
            LatentVariable(normal(1, 2)),
            Cosine(),
            [],
        )
