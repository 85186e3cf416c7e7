"""Restoration against the exact posterior of a Gaussian prior, and its published formulas."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from oracles import normal, table

from dreamsampler import GaussianMixture, LatentVariable, dream, finish
from dreamsampler.guidance import conditional
from dreamsampler.maths import (
    Cosine,
    Estimate,
    Level,
    Step,
    ddpm,
    draw,
    fresh,
    generators,
)
from dreamsampler.methods.inpaint.dreamsampler import dreamsampler_inpainting
from dreamsampler.methods.inputs import RunningMean
from dreamsampler.methods.restore.default import (
    anchored_restoration,
    averaged_restoration,
    restarts,
)
from dreamsampler.methods.restore.dps import dps
from dreamsampler.methods.restore.dreamsampler import dreamsampler_restoration
from dreamsampler.methods.restore.flowdps import flowdps
from dreamsampler.methods.restore.treg import treg
from dreamsampler.operators import Downsample, GaussianBlur, Jpeg, Mask
from dreamsampler.regularizers.measurement import (
    Measurement,
    data_step,
    descend_residual,
    expected_residual,
    two_stages,
)
from dreamsampler.regularizers.total_variation import tv_reconstruction
from dreamsampler.samplers import trailing

SIDE, STD, NOISE = 6, 0.3, 0.05
MU = 0.5 + 0.1 * normal(1, 3, SIDE, SIDE, seed=4)
PRIOR = GaussianMixture(MU, STD, Cosine())
KNOWN = (normal(1, 1, SIDE, SIDE, seed=5) > 0).double()
OPERATORS = {"blur": GaussianBlur(1.0), "downsample": Downsample(2), "mask": Mask(KNOWN)}


def same(x):
    return x


def measured(op, rows=1):
    """A draw from the prior, measured; of so many rows."""
    y = op.A(MU + STD * normal(1, 3, SIDE, SIDE, seed=6))
    y = y + NOISE * normal(*y.shape, seed=7)
    y = op.A(y) if isinstance(op, Mask) else y  # nothing is measured in the holes
    return Measurement(op, y.expand(rows, -1, -1, -1), NOISE, same, same)


def posterior(op, y, mean, std):
    """Mean and deviation of x ~ N(mean, std^2) given y, by a dense solve."""
    unit = torch.eye(MU.numel(), dtype=MU.dtype).view(-1, *MU.shape[1:])
    matrix = op.A(unit).flatten(1).T
    precision = matrix.T @ matrix / NOISE**2 + torch.eye(MU.numel()) / std**2
    prompt = matrix.T @ y.flatten() / NOISE**2 + mean.flatten() / std**2
    return torch.linalg.solve(precision, prompt).view_as(mean), torch.linalg.inv(precision)


def spread_of(level):
    """Deviation of z0 given z_t under the prior."""
    return STD * level.sigma / (level.alpha**2 * STD**2 + level.sigma**2) ** 0.5


def step_at(z0, level):
    return Step(0, level, 0 * z0, z0, z0, Estimate(z0, z0), z0)


@pytest.mark.parametrize("op", OPERATORS.values(), ids=OPERATORS)
@pytest.mark.parametrize("t", [0.3, 0.9])
def test_the_data_step_is_the_exact_conditional_mean(op, t):
    """E[x | z_t, y] of a Gaussian prior; to the tolerance of the conjugate gradients."""
    data, level = measured(op), PRIOR.schedule(t)
    z0 = conditional(PRIOR, None)(level.alpha * MU + level.sigma * normal(*MU.shape), level).z0
    exact, _ = posterior(op, data.y, z0, spread_of(level))
    for step in (data_step(data, spread_of), two_stages(data, spread_of, 1.0)):
        torch.testing.assert_close(step(z0, step_at(z0, level)), exact, rtol=0, atol=2e-4)


@pytest.mark.parametrize("op", OPERATORS.values(), ids=OPERATORS)
def test_the_exact_sampler_draws_from_the_posterior(op):
    """The data step as a denoiser, with the noise that belongs to it: mean and variance come out.

    Of 64 draws the mean is off by std / 8, root mean square over 108 values that scatter by 7 %;
    the mean variance scatters by sqrt(2 / 63 / 108) = 2 %. The first-order error of 300 steps, on
    top of both, is below 2 % (the table of `python -m benchmarks posterior`).
    """
    rows = 64
    data, denoise = measured(op, rows), conditional(PRIOR, None)

    def given_data(z, level):
        z0 = data.prox(denoise(z, level).z0, spread_of(level))
        return Estimate(z0, (z - level.alpha * z0) / level.sigma)

    rng = generators(0, rows)
    start = MU.expand(rows, -1, -1, -1)
    levels = trailing(PRIOR.schedule, 300, start=0.999)
    run = dream(
        given_data, LatentVariable(start), levels, draw(start, rng), renoise=fresh(ddpm(), rng)
    )
    last = finish(run).z0
    mean, covariance = posterior(op, data.y[:1], MU, STD)
    std = covariance.diagonal().sqrt().view_as(MU)
    off = (last.mean(0, keepdim=True) - mean) / std
    assert off.square().mean().sqrt() < 1.3 / 8
    assert last.var(0).mean() / (std**2).mean() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", ["default", "treg", "flowdps", "dps", "psld"])
def test_every_method_comes_nearer_to_the_posterior_mean(name):
    """Half of the pixels are lost: the known ones must be off by less than half of what the prior's
    mean is off by. FlowDPS trusts its last steps to the prior alone, and gets nearer by less."""
    rows, op = 16, OPERATORS["mask"]
    data, denoise, rng = measured(op, rows), conditional(PRIOR, None), generators(1, rows)
    start = MU.expand(rows, -1, -1, -1)
    levels = trailing(PRIOR.schedule, 60, start=0.999)
    run = {
        "default": lambda: anchored_restoration(
            denoise, data, start, levels, rng, spread=spread_of
        ),
        "treg": lambda: treg(denoise, data, start, levels, rng),
        "flowdps": lambda: flowdps(denoise, data, start, levels, rng, step=0.02),
        "dps": lambda: dps(denoise, data, start, levels, rng),
        "psld": lambda: dps(denoise, data, start, levels, rng, gluing=0.1),
    }[name]()
    mean = finish(run).z0.mean(0, keepdim=True)
    exact, _ = posterior(op, data.y[:1], MU, STD)
    known = KNOWN.bool().expand_as(MU)
    before, after = (x[known] - exact[known] for x in (MU, mean))
    bound = 0.9 if name == "flowdps" else 0.5
    assert after.square().mean().sqrt() < bound * before.square().mean().sqrt()


def test_dps_is_the_published_update():
    """z' = DDPM step - zeta alpha' grad_z |y - A z0(z)|, the gradient through the prior's mean."""
    op, levels = GaussianBlur(1.0), trailing(PRIOR.schedule, 2, start=0.9)
    data = measured(op)
    first, second = list(
        dps(conditional(PRIOR, None), data, MU, levels, generators(3, 1), scale=0.7)
    )
    z = first.z.clone().requires_grad_()
    level = levels[0]
    variance = level.alpha**2 * STD**2 + level.sigma**2
    z0 = MU + level.alpha * STD**2 / variance * (z - level.alpha * MU)
    (gradient,) = torch.autograd.grad((data.y - op.A(z0)).norm(), z)
    torch.testing.assert_close(first.z0, (z0 - 0.7 * gradient).detach())
    eps = level.sigma / variance * (z - level.alpha * MU).detach()
    rng = generators(3, 1)
    draw(MU, rng)
    k = ddpm(1.0)(level, levels[1])
    noise = (1 - k) ** 0.5 * eps + k**0.5 * draw(MU, rng)
    torch.testing.assert_close(second.z, levels[1].alpha * first.z0 + levels[1].sigma * noise)


def test_psld_glues_the_estimate_to_its_own_code():
    """Under an identity code and a mask the term is |A^T (y - A z0)|, the misfit once more."""
    op, levels = OPERATORS["mask"], trailing(PRIOR.schedule, 1, start=0.5)
    data, denoise = measured(op), conditional(PRIOR, None)
    glued = finish(dps(denoise, data, MU, levels, generators(0, 1), scale=1.0, gluing=0.1)).z0
    more = finish(dps(denoise, data, MU, levels, generators(0, 1), scale=1.1)).z0
    torch.testing.assert_close(glued, more)


def test_psld_needs_a_transpose():
    data = Measurement(Jpeg(50), normal(1, 3, 8, 8).sigmoid(), NOISE, same, same)
    with pytest.raises(ValueError, match="not linear"):
        dps(
            conditional(PRIOR, None), data, MU, [Level(0.5, 0.6, 0.8)], generators(0, 1), gluing=0.1
        )


def test_treg_is_the_published_update():
    """z0~ = ab' x^ + (1 - ab') z0 with lambda 1e-4, renoised with k = ab'; x^ by a dense solve."""
    op, levels = GaussianBlur(1.0), trailing(PRIOR.schedule, 2, start=0.9)
    data = measured(op)
    first, second = list(treg(conditional(PRIOR, None), data, MU, levels, generators(3, 1)))
    nearest, _ = posterior(op, data.y, first.estimate.z0, NOISE * 1e2)
    ab = levels[1].alpha_bar
    expected = ab * nearest + (1 - ab) * first.estimate.z0
    torch.testing.assert_close(first.z0, expected, rtol=1e-4, atol=1e-4)
    rng = generators(3, 1)
    draw(MU, rng)
    noise = (1 - ab) ** 0.5 * first.estimate.eps + ab**0.5 * draw(MU, rng)
    torch.testing.assert_close(second.z, levels[1].alpha * first.z0 + levels[1].sigma * noise)


def test_flowdps_blends_by_the_flow_time_and_renoises_by_the_next():
    """(1 - u) z0 + u z^ with k = 1 - u'; z^ by three normalized steps, written out."""
    op, levels = GaussianBlur(1.0), trailing(PRIOR.schedule, 2, start=0.9)
    data = measured(op)
    run = flowdps(conditional(PRIOR, None), data, MU, levels, generators(3, 1), step=0.03)
    first, second = list(run)
    down = first.estimate.z0
    for _ in range(3):
        misfit = data.y - op.A(down)
        gradient = -op.A_adjoint(misfit) / misfit.norm()
        down = down - 0.03 * gradient / gradient.square().mean().sqrt()
    u, k = levels[0].flow, 1 - levels[1].flow
    torch.testing.assert_close(first.z0, (1 - u) * first.estimate.z0 + u * down)
    rng = generators(3, 1)
    draw(MU, rng)
    noise = (1 - k) ** 0.5 * first.estimate.eps + k**0.5 * draw(MU, rng)
    torch.testing.assert_close(second.z, levels[1].alpha * first.z0 + levels[1].sigma * noise)


def test_the_published_restoration_of_a_mask_is_the_published_inpainting():
    """Written twice, in [0, 1] and in [-1, 1], for one hole with one prompt everywhere."""
    prior = GaussianMixture(torch.cat([2 * MU - 1, 1 - 2 * MU]), STD, table())
    prompt, y = prior.condition("1"), KNOWN * (2 * MU - 1)
    data = Measurement(Mask(KNOWN), KNOWN * MU, 0.01, lambda z: z / 2 + 0.5, double)
    whole = [(prompt, torch.ones(1, 1, SIDE, SIDE, dtype=torch.float64))]
    rngs = [generators(0, 1), generators(0, 1)]
    theirs = list(dreamsampler_inpainting(prior, y, KNOWN, whole, None, rngs[0], 30, until=25))
    ours = list(dreamsampler_restoration(prior, data, prompt, None, rngs[1], 30))
    assert len(ours) == len(theirs) == 60
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.level == other.level
        torch.testing.assert_close(mine.z0, other.z0)


def double(x):
    return 2 * x - 1


def test_restarts_share_the_levels_out():
    passes = restarts(Cosine(), 20, (0.3, 0.2, 0.2))
    assert [len(levels) for levels in passes] == [9, 5, 6]
    assert [round(levels[0].flow, 6) for levels in passes] == [0.3, 0.2, 0.2]
    for levels in passes:
        assert all(a.flow > b.flow for a, b in pairwise(levels))
    with pytest.raises(ValueError, match="starts"):
        restarts(Cosine(), 20, ())


def turned(x):
    return x.flip(-1)


def test_each_pass_begins_at_the_mean_of_those_before_in_another_view():
    data, passes = measured(GaussianBlur(1.0), rows=2), restarts(Cosine(), 6, (0.3, 0.2, 0.2))
    mirror = replace(data, decode=turned, encode=turned)
    mean, rng = RunningMean(MU), generators(5, 2)
    denoise = conditional(PRIOR, None)
    run = averaged_restoration(denoise, [data, mirror, data], mean, passes, rng, spread=spread_of)
    taken = list(run)
    assert [step.index for step in taken] == list(range(6))
    ends = [taken[i].z0 for i in (2, 3, 5)]  # levels 3, 1 and 2
    ends[1] = turned(ends[1])
    torch.testing.assert_close(taken[3].before, turned(ends[0]))
    torch.testing.assert_close(taken[4].before, (ends[0] + ends[1]) / 2)
    torch.testing.assert_close(mean.mean, sum(ends) / 3)
    assert mean.count == 3


def test_noise_is_kept_within_a_pass_and_drawn_for_each():
    data, passes = measured(GaussianBlur(1.0)), restarts(Cosine(), 4, (0.3, 0.2))
    run = averaged_restoration(
        conditional(PRIOR, None),
        [data, data],
        RunningMean(MU),
        passes,
        generators(5, 1),
        spread=spread_of,
    )
    taken = list(run)
    rng = generators(5, 1)
    torch.testing.assert_close(taken[0].noise, draw(MU, rng))
    torch.testing.assert_close(taken[1].noise, taken[0].estimate.eps)
    torch.testing.assert_close(taken[2].noise, draw(MU, rng))
    torch.testing.assert_close(taken[3].noise, taken[2].estimate.eps)


def test_gradient_steps_reach_the_closed_form():
    """An operator that hides its transpose is minimized by gradient steps."""

    class Hidden:
        def A(self, x):
            return GaussianBlur(1.0).A(x)

    y = measured(GaussianBlur(1.0)).y
    shown = [Measurement(op, y, NOISE, same, same) for op in (Hidden(), GaussianBlur(1.0))]
    mean = [data.prox(MU, 2 * NOISE, steps=400) for data in shown]
    torch.testing.assert_close(mean[0], mean[1], rtol=0, atol=1e-6)


def test_normalized_steps_move_by_their_size_and_lower_the_misfit():
    data = measured(GaussianBlur(1.0), rows=2)
    z0 = MU.expand(2, -1, -1, -1)
    level = Level(0.5, 0.6, 0.8)
    moved = descend_residual(data, 0.01, steps=1)(z0, step_at(z0, level))
    step = (moved - z0).square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(step, torch.full((2,), 0.01, dtype=step.dtype))
    assert (data.misfit(moved) < data.misfit(z0)).all()


def test_a_row_without_misfit_stays():
    op = GaussianBlur(1.0)
    data = Measurement(op, op.A(MU), NOISE, same, same)
    level = Level(0.5, 0.6, 0.8)
    moved = descend_residual(data, 0.01)(MU, step_at(MU, level))
    assert moved.isfinite().all()


def test_total_variation_is_the_minimizer():
    """A step edge, denoised: in one dimension TV lowers each side by w noise^2 / width, exactly."""
    noise, weight, width = 0.1, 2.0, 8
    y = torch.zeros(1, 1, 1, 2 * width, dtype=torch.float64)
    y[..., width:] = 1.0
    identity = Mask(torch.ones(1, 1, 1, 2 * width, dtype=torch.float64))
    x = tv_reconstruction(identity, y, noise, y, weight=weight, steps=2000)
    shift = weight * noise**2 / width
    torch.testing.assert_close(
        x[..., :width], torch.full_like(y[..., :width], shift), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(
        x[..., width:], torch.full_like(y[..., :width], 1 - shift), atol=1e-5, rtol=0
    )


def test_total_variation_keeps_to_black_and_white():
    """Denoised without edges: the nearest picture of [0, 1] is the clipped one."""
    y = 2 * normal(1, 3, SIDE, SIDE)
    identity = Mask(torch.ones(1, 1, SIDE, SIDE, dtype=torch.float64))
    x = tv_reconstruction(identity, y, 1.0, y, weight=1e-3, steps=2000)
    torch.testing.assert_close(x, y.clamp(0, 1), rtol=0, atol=5e-3)


def test_total_variation_without_weight_is_the_data_step():
    data = measured(GaussianBlur(1.0))
    x = tv_reconstruction(data.op, data.y, NOISE, MU, STD, weight=0.0, steps=60, bounded=False)
    torch.testing.assert_close(x, data.prox(MU, STD), rtol=0, atol=1e-3)


@pytest.mark.parametrize("clean", [0.0, 0.02, 0.5, 0.97, 1.0])
def test_the_expected_residual_is_that_of_clipped_noise(clean):
    """Against a million draws: a root mean square of them is known to 0.1 %; five times that."""
    n = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean = ((clean + NOISE * n).clamp(0, 1) - clean).square().mean().sqrt().item()
    assert expected_residual(torch.full((1, 1, 1, 1), clean), NOISE) == pytest.approx(
        mean, rel=5e-3
    )


@pytest.mark.parametrize("noise", [0.0, -0.1, float("nan"), float("inf")])
def test_noise_is_above_zero(noise):
    with pytest.raises(ValueError, match="noise is"):
        Measurement(GaussianBlur(1.0), MU, noise, same, same)


def test_a_measurement_is_finite():
    with pytest.raises(ValueError, match="NaN"):
        Measurement(GaussianBlur(1.0), MU * torch.nan, 0.1, same, same)


@pytest.mark.parametrize("clean", [0.0, 0.03, 0.97, 1.0])
def test_what_a_file_cut_off_is_given_back_on_average(clean):
    """Against 100,000 draws: their mean is known to NOISE / 300; five times that."""
    n = torch.randn(1, 1, 250, 400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = (clean + NOISE * n).clamp(0, 1)
    data = Measurement(GaussianBlur(1.0), y, NOISE, same, same)
    mean = data.unclipped(torch.full_like(y, clean))
    assert abs(mean.mean().item() - clean) < NOISE / 60
    inside = (y > 0) & (y < 1)
    assert torch.equal(mean[inside], y[inside])
