"""The forms that methods take on rectified flow, written in velocities, on the exact mixture.

z_u = (1 - u) z0 + u eps and v = eps - z0, so that z0 = z - u v and eps = z + (1 - u) v.
"""

import itertools

import pytest
import torch
from oracles import gaussian

from dreamsampler import LatentVariable, RectifiedFlow, dream, finish
from dreamsampler.guidance import conditional
from dreamsampler.maths import draw, fresh, generators
from dreamsampler.methods.edit.dreamsampler import dreamsampler
from dreamsampler.methods.edit.flowedit import flow_edit
from dreamsampler.methods.sampling import cfg_plus_plus, ddim
from dreamsampler.samplers import trailing


@pytest.fixture(params=[1.0, 3.0], ids=["even", "shifted"])
def prior(request):
    return gaussian(RectifiedFlow(request.param))


def velocity(prior, z, level, component):
    (estimate,) = prior.predict(z, level, [component])
    return estimate.eps - estimate.z0


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_ddim_is_eulers_step(prior, rng):
    """z' = z + (u' - u) v, with guided v; the last step ends at u = 0."""
    eps = torch.randn(5, 2, generator=rng, dtype=torch.float64)
    levels = trailing(prior.schedule, 7)
    z, ends = eps.clone(), [level.sigma for level in levels[1:]] + [0.0]
    for level, end in zip(levels, ends, strict=True):
        null, text = (velocity(prior, z, level, c) for c in (None, 1))
        z = z + (end - level.sigma) * (null + 2.5 * (text - null))
    close(finish(ddim(prior, 1, None, eps, levels, 2.5)).z0, z)


def test_cfg_plus_plus_guides_one_end_of_the_line(prior, rng):
    """z' = (1 - u') (z - u v_l) + u' (z + (1 - u) v(null)), v_l = v(null) + l (v(c) - v(null))."""
    eps = torch.randn(5, 2, generator=rng, dtype=torch.float64)
    levels = trailing(prior.schedule, 7)
    z, ends = eps.clone(), [level.sigma for level in levels[1:]] + [0.0]
    for level, end in zip(levels, ends, strict=True):
        u = level.sigma
        null, text = (velocity(prior, z, level, c) for c in (None, 1))
        mixed = null + 0.6 * (text - null)
        z = (1 - end) * (z - u * mixed) + end * (z + (1 - u) * null)
    close(finish(cfg_plus_plus(prior, 1, None, eps, levels, weight=0.6)).z0, z)


def test_dreamsamplers_edit_goes_up_the_flow_and_comes_back(prior, rng):
    """Up by Euler under the null prompt, down with z0 moved by gamma (1 - u)^2."""
    source = torch.randn(5, 2, generator=rng, dtype=torch.float64)
    steps, gamma = 9, 0.8
    down = trailing(prior.schedule, steps)
    up = down[::-1]
    z = source.clone()
    for level, following in itertools.pairwise(up):
        z = z + (following.sigma - level.sigma) * velocity(prior, z, level, None)
    z0 = z - up[-1].sigma * velocity(prior, z, up[-1], None)
    eps = z + (1 - up[-1].sigma) * velocity(prior, z, up[-1], None)
    z = (1 - down[0].sigma) * z0 + down[0].sigma * eps
    for level, end in zip(down, [level.sigma for level in down[1:]] + [0.0], strict=True):
        u = level.sigma
        null, text = (velocity(prior, z, level, c) for c in (None, 1))
        moved = (z - u * null) - u * gamma * (1 - u) ** 2 * (text - null)
        z = (1 - end) * moved + end * (z + (1 - u) * null)
    run = dreamsampler(prior, source, 1, None, steps, gamma, shifted=False)
    close(finish(run).z0, z)


def test_flow_edit_adds_up_differences_of_velocities(prior, rng):
    """z <- z + (u' - u) (v(tgt; z_tgt) - v(src; z_src)), as published, under one noise a step."""
    source = torch.randn(5, 2, generator=rng, dtype=torch.float64)
    levels = trailing(prior.schedule, 6, start=0.8)
    z, noises = source.clone(), generators(3, images=5)
    for level, end in zip(levels, [level.sigma for level in levels[1:]] + [0.0], strict=True):
        u = level.sigma
        z_src = (1 - u) * source + u * draw(source, noises)
        z_tgt = z + z_src - source
        change = velocity(prior, z_tgt, level, 1) - velocity(prior, z_src, level, 0)
        z = z + (end - u) * change
    target, source_denoiser = conditional(prior, 1), conditional(prior, 0)
    close(finish(flow_edit(target, source_denoiser, source, levels, generators(3, images=5))).z0, z)


def test_flowdps_moves_the_clean_end_of_the_line_to_the_data(prior, rng):
    """z0 <- z0 + u (data(z0) - z0), z' = (1 - u') z0 + u' (sqrt(u') eps + sqrt(1 - u') fresh)."""
    eps = torch.randn(5, 2, generator=rng, dtype=torch.float64)
    levels, noises = trailing(prior.schedule, 6), generators(3, images=5)
    data = lambda z0: z0 + 0.3 * (torch.ones_like(z0) - z0)
    z = eps.clone()
    for level, following in itertools.pairwise([*levels, None]):
        u, v = level.sigma, velocity(prior, z, level, 1)
        z0, noise = z - u * v, z + (1 - u) * v
        z0 = z0 + u * (data(z0) - z0)
        if following is None:
            break
        end = following.sigma
        fresh_noise = draw(z0, noises)
        z = (1 - end) * z0 + end * (end**0.5 * noise + (1 - end) ** 0.5 * fresh_noise)
    run = dream(
        conditional(prior, 1),
        LatentVariable(torch.zeros_like(eps)),
        levels,
        eps,
        regularize=lambda z0, step: z0 + step.level.flow * (data(z0) - z0),
        renoise=fresh(lambda level, following: 1 - following.flow, generators(3, images=5)),
    )
    close(finish(run).z0, z0)


def test_an_edit_of_gamma_0_comes_back_the_closer_the_more_steps(prior, rng):
    source = torch.randn(20, 2, generator=rng, dtype=torch.float64)
    far = []
    for steps in (20, 40, 80):
        back = finish(dreamsampler(prior, source, 1, None, steps, 0.0, shifted=False)).z0
        far.append((back - source).abs().mean().item())
    assert far[0] > far[1] > far[2]


def test_the_published_numbering_needs_a_table(prior):
    with pytest.raises(ValueError, match="shifted=False"):
        dreamsampler(prior, torch.zeros(1, 2), 1, None, 3)
