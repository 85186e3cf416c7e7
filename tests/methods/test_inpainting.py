"""Inpainting: both methods against their formulas, written out again on the exact mixture."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import gaussian, mixture, normal, table

from dreamsampler.guidance import cfg, conditional, posterior, predict_batch, regional, shares
from dreamsampler.maths import (
    Estimate,
    Level,
    RectifiedFlow,
    Step,
    conjugate_gradient,
    generators,
)
from dreamsampler.methods.inpaint.anchored import anchored_inpainting
from dreamsampler.methods.inpaint.dreamsampler import consistent, dreamsampler_inpainting, prompted
from dreamsampler.methods.published import paper_levels
from dreamsampler.operators import Mask
from dreamsampler.samplers import finish, flow_shifted

close = torch.testing.assert_close
LAMBDA = 1e-4


class Linear:
    """The mixture behind a linear autoencoder, decode z B, encode x B^+.

    Points of the plane are latents of 1 x 2 cells, their pictures 1 x 2 pixels of three colors, so
    that a mask can know one of the two.
    """

    latent_channels, factor, multiple, native_size = 1, 1, 1, 2

    def __init__(self, schedule=None, make=mixture):
        self.inner = make(schedule or table())
        self.matrix = normal(2, 6, seed=7)
        self.schedule = self.inner.schedule

    def condition(self, prompt):
        return self.inner.condition(prompt)

    def predict(self, z, level, conditions):
        zs = [z] * len(conditions) if isinstance(z, torch.Tensor) else list(z)
        seen = [
            self.inner.predict(one.flatten(1), level, [c])[0]
            for one, c in zip(zs, conditions, strict=True)
        ]
        return [Estimate(e.z0.view(-1, 1, 1, 2), e.eps.view(-1, 1, 1, 2)) for e in seen]

    def decode(self, z):
        return (z.flatten(1) @ self.matrix).view(-1, 3, 1, 2)

    def encode(self, x):
        return (x.flatten(1) @ self.matrix.pinverse()).view(-1, 1, 1, 2)


KNOWN = torch.tensor([1.0, 0.0], dtype=torch.float64).view(1, 1, 1, 2)
HOLE = 1 - KNOWN


def drawn(rows, seed=0):
    return normal(rows, 1, 1, 2, seed=seed)


def picture(rows, seed=0):
    return KNOWN * normal(rows, 3, 1, 2, seed=seed)


def test_the_closed_form_is_what_conjugate_gradients_find():
    """argmin |y - A x|^2 + lambda |x - D z0|^2 for a mask, both ways."""
    prior, z0 = Linear(), drawn(5)
    y = picture(5, seed=1)
    level = prior.schedule(0.4)
    step = Step(0, level, z0, z0, z0, Estimate(z0, z0), z0)
    ours = consistent(prior, Mask(KNOWN), y, 1 / LAMBDA, 0.7)(z0, step)
    b = KNOWN * y + LAMBDA * prior.decode(z0)
    x = conjugate_gradient(lambda v: KNOWN * v + LAMBDA * v, b, tol=1e-14)
    close(ours, 0.7 * prior.encode(x) + 0.3 * z0)


def written_out(prior, y, steps, every, until, fresh):
    """The published program, from its description, without the loop: trace of clean estimates."""
    up, down, _ = paper_levels(prior.schedule, steps)
    predict = lambda z, level, c: prior.predict(z, level, [c])[0]
    z = prior.encode(y)
    for a, b in itertools.pairwise(up):
        e = predict(z, a, None)
        z = b.alpha * e.z0 + b.sigma * e.eps
    e = predict(z, up[-1], None)
    z = down[0].alpha * e.z0 + down[0].sigma * e.eps
    trace = []
    for i, level in enumerate(down):
        last = i + 1 == len(down)
        after = Level(0.0, 1.0, 0.0) if last else down[i + 1]
        ab = level.alpha**2
        if i % every == 0 and i < until:
            e, c = predict(z, level, None), predict(z, level, 1)
            x = (KNOWN * y + LAMBDA * prior.decode(e.z0)) / (KNOWN + LAMBDA)
            tilde = ab * prior.encode(x) + (1 - ab) * e.z0
            z0 = KNOWN * tilde + HOLE * ((1 - ab) * tilde + ab * c.z0)
            z = after.alpha * z0 + after.sigma * ((1 - ab) ** 0.5 * e.eps + ab**0.5 * fresh[i])
        else:
            point = z.clone().requires_grad_()
            e = predict(point, level, None)
            norms = (y - KNOWN * prior.decode(e.z0)).flatten(1).square().sum(1).sqrt()
            (slope,) = torch.autograd.grad(norms.sum(), point)
            e = Estimate(e.z0.detach(), e.eps.detach())
            z = after.alpha * e.z0 + after.sigma * e.eps - after.alpha * slope
            z0 = e.z0 if last else e.z0 - slope
        trace.append(z0)
    return trace


@pytest.mark.parametrize(("steps", "every", "until"), [(12, 3, 9), (7, 2, 170)])
def test_the_paper_preset_is_the_published_alternation(steps, every, until):
    prior, y, noise = Linear(make=gaussian), picture(3, seed=4), drawn(3 * steps, seed=5)
    fresh = noise.split(3)
    ours = dreamsampler_inpainting(
        prior, y, KNOWN, [(1, HOLE)], None, generators(0, 3), steps,
        every=every, until=until,
        renoise=lambda step, after: (1 - step.level.alpha_bar) ** 0.5 * step.estimate.eps
        + step.level.alpha * fresh[step.index],
    )  # fmt: skip
    taken = list(ours)[steps:]
    theirs = written_out(prior, y, steps, every, until, fresh)
    for step, z0 in zip(taken, theirs, strict=True):
        close(step.z0, z0, rtol=1e-7, atol=1e-8)


def test_its_fresh_noise_is_drawn_for_each_image_alone():
    prior, y = Linear(make=gaussian), picture(2, seed=4)
    run = lambda rows, seeds: (
        finish(
            dreamsampler_inpainting(prior, y[rows], KNOWN, [(1, HOLE)], None, generators(seeds), 6)
        ).z0
    )
    both, second = run(slice(None), [3, 4]), run(slice(1, 2), [4])
    close(both[1:], second)
    assert not torch.allclose(both[1:], run(slice(1, 2), [5]))


def test_it_needs_a_table():
    with pytest.raises(ValueError, match="table of alphas_cumprod"):
        dreamsampler_inpainting(
            Linear(RectifiedFlow()), picture(1), KNOWN, [(1, HOLE)], None, generators(0, 1)
        )


def test_the_text_step_leaves_everything_outside_the_holes():
    prior, z0 = Linear(), drawn(4)
    level = prior.schedule(0.5)
    z = drawn(4, seed=2)
    step = Step(0, level, z0, z0, z, Estimate(z0, z0), z0)
    moved = prompted(prior, [(1, HOLE)], 0.4)(z0, step)
    assert torch.equal(moved[..., 0], z0[..., 0])
    seen = prior.predict(z, level, [1])[0].z0
    close(moved[..., 1], 0.6 * z0[..., 1] + 0.4 * seen[..., 1])


masks = st.lists(
    st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4), min_size=1, max_size=4
)


@given(masks)
def test_weights_of_overlapping_masks_sum_to_at_most_one(rows):
    given_masks = [torch.tensor(row) for row in rows]
    weights = shares(given_masks)
    total, whole = sum(weights), sum(given_masks)
    assert (total <= 1 + 1e-6).all()
    close(total, whole.clamp_max(1), rtol=0, atol=1e-5)
    for mask, weight in zip(given_masks, weights, strict=True):
        assert ((weight >= 0) & (weight <= mask)).all()
        alone = whole <= 1
        assert torch.equal(weight[alone], mask[alone])


def test_regions_each_see_their_own_prompt():
    prior, z = mixture(), normal(6, 2)
    level, left = prior.schedule(0.5), torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    two = [cfg(prior, c, None, 3.0) for c in (0, 1)]
    first, second = predict_batch([(guided, z) for guided in two], level)
    seen = regional(two, [left, 1 - left])(z, level)
    assert torch.equal(seen.z0[:, 0], first.z0[:, 0])
    assert torch.equal(seen.eps[:, 1], second.eps[:, 1])
    half = regional(two, [0.3 * left, 0.9 * left])(z, level)  # overlapping, and nothing at right
    close(half.z0[:, 0], 0.25 * first.z0[:, 0] + 0.75 * second.z0[:, 0])
    close(half.z0[:, 1], (first.z0[:, 1] + second.z0[:, 1]) / 2)
    close(level.alpha * half.z0 + level.sigma * half.eps, z)  # it still explains what it saw


def test_regions_want_one_mask_each():
    with pytest.raises(ValueError, match="1 masks came for 2 denoisers"):
        regional([conditional(mixture(), 0)] * 2, [HOLE])


def test_a_posterior_denoiser_follows_the_gradient_through_the_network():
    """Checked against finite differences, with gradients off outside."""
    prior, z = gaussian(), normal(3, 2)
    level, step = prior.schedule(0.5), 1e-6
    residual = lambda z0: (z0 - 1).square().sum(1)
    with torch.no_grad():
        moved = posterior(conditional(prior, None), residual, 0.3)(z, level)
        before = prior.predict(z, level, [None])[0]
        slope = torch.zeros_like(z)
        for axis in range(2):
            shift = step * torch.eye(2, dtype=torch.float64)[axis]
            high, low = (prior.predict(z + s * shift, level, [None])[0].z0 for s in (1, -1))
            slope[:, axis] = (residual(high) - residual(low)) / (2 * step)
    close(moved.z0, before.z0 - 0.3 * slope, rtol=1e-6, atol=1e-7)
    assert torch.equal(moved.eps, before.eps)
    assert not moved.z0.requires_grad


def painted(strength, share=0.0, seeds=(0, 1, 2), steps=15):
    prior = mixture()
    z_src = torch.tensor([[2.0, 0.0]], dtype=torch.float64).repeat(len(seeds), 1)
    levels = flow_shifted(prior.schedule, steps)
    denoise = cfg(prior, 1, None, 2.0)
    run = anchored_inpainting(denoise, z_src, strength, levels, generators(list(seeds)), share)
    return list(run), z_src


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_default_never_moves_what_is_known(share):
    taken, z_src = painted(torch.tensor([[0.0, 1.0]], dtype=torch.float64), share)
    for step in taken:
        assert torch.equal(step.z0[:, 0], z_src[:, 0])
        assert torch.equal(step.before[:, 0], z_src[:, 0])
    assert not torch.allclose(taken[-1].z0[:, 1], z_src[:, 1], atol=0.1)


def test_the_noise_of_what_is_known_stays_and_has_unit_variance():
    taken, _ = painted(torch.tensor([[0.0, 1.0]], dtype=torch.float64))
    for step in taken:
        assert torch.equal(step.noise[:, 0], taken[0].noise[:, 0])
    renewed, _ = painted(torch.tensor([[0.0, 1.0]]).double(), 0.5, seeds=range(600), steps=6)
    assert renewed[-1].noise[:, 0].std().item() == pytest.approx(1, abs=0.1)
    assert not torch.equal(renewed[-1].noise, renewed[0].noise)


def test_strength_says_from_which_level_on_a_cell_is_free():
    strength = torch.tensor([[0.4, 1.0]], dtype=torch.float64)
    taken, z_src = painted(strength)
    for step in taken:
        kept = torch.equal(step.z0[:, 0], z_src[:, 0])
        assert kept == (step.level.flow > 0.4)
        assert not torch.equal(step.z0[:, 1], z_src[:, 1])
    assert any(step.level.flow <= 0.4 for step in taken)


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), st.integers(0, 1000))
def test_an_image_does_not_depend_on_its_neighbors(share, seed):
    strength = torch.ones(1, 2, dtype=torch.float64)
    both, _ = painted(strength, share, seeds=(seed, seed + 1), steps=4)
    alone, _ = painted(strength, share, seeds=(seed + 1,), steps=4)
    close(both[-1].z0[1:], alone[-1].z0)
