"""DiffPIR and DDNM under a Gaussian prior, where steps and samples have closed forms."""

from itertools import pairwise

import pytest
import torch
from oracles import normal

from dreamsampler import GaussianMixture, finish
from dreamsampler.guidance import conditional
from dreamsampler.maths import Cosine, ddpm, draw, fresh, generators
from dreamsampler.methods.restore.diffpir import diffpir
from dreamsampler.operators import Mask
from dreamsampler.regularizers import Measurement
from dreamsampler.samplers import trailing

SIDE, STD, NOISE = 6, 0.3, 1e-3
MU = 0.5 + 0.1 * normal(1, 3, SIDE, SIDE, seed=4)
PRIOR = GaussianMixture(MU, STD, Cosine())
KNOWN = (normal(1, 1, SIDE, SIDE, seed=5) > 0).double()


def run(rows, steps, renoise, spread):
    """The data and all steps, of a picture whose pixels are lost in part."""
    y = (KNOWN * (MU + STD * normal(1, 3, SIDE, SIDE, seed=6))).expand(rows, -1, -1, -1)
    data = Measurement(Mask(KNOWN), y, NOISE, lambda z: z, lambda x: x)
    levels, z = trailing(PRIOR.schedule, steps, start=0.999), torch.zeros_like(y)
    how = {"spread": spread, "renoise": renoise}
    return data, diffpir(conditional(PRIOR, None), data, z, levels, generators(1, rows), **how)


def test_ddnm_is_its_published_step():
    """From z and the estimate with the data in it: DDPM's posterior mean, and its noise (eta 1)."""
    _, steps = run(1, 6, fresh(ddpm(1.0), generators([3])), 1.0)
    rng = generators([3])
    for step, after in pairwise(steps):
        a, b = step.level.alpha**2, after.level.alpha**2  # alpha_bar of this and of the next
        beta = 1 - a / b
        mean = b**0.5 * beta / (1 - a) * step.z0 + (a / b) ** 0.5 * (1 - b) / (1 - a) * step.z
        wanted = mean + (beta * (1 - b) / (1 - a)) ** 0.5 * draw(step.z, rng)
        torch.testing.assert_close(after.z, wanted)


def test_diffpir_is_its_published_step():
    """rho = lambda noise^2 / s^2 of pixels in [-1, 1], then eps^ and zeta."""
    weight, zeta = 7.0, 0.3
    data, steps = run(1, 6, fresh(zeta, generators([3])), lambda level: level.s / (2 * weight**0.5))
    rng = generators([3])
    for step, after in pairwise(steps):
        rho = weight * NOISE**2 / (step.level.s / 2) ** 2
        fitted = (KNOWN * data.y + rho * step.estimate.z0) / (KNOWN + rho)
        torch.testing.assert_close(step.z0, fitted, atol=1e-5, rtol=1e-4)
        eps = (step.z - step.level.alpha * step.z0) / step.level.sigma
        noise = (1 - zeta) ** 0.5 * eps + zeta**0.5 * draw(step.z, rng)
        wanted = after.level.alpha * step.z0 + after.level.sigma * noise
        torch.testing.assert_close(after.z, wanted)


def test_known_pixels_stay_and_lost_ones_are_drawn_from_the_prior():
    """Lost pixels are independent of known ones here: mean and deviation are the prior's."""
    rows = 100
    data, steps = run(rows, 300, fresh(ddpm(1.0), generators(0, rows)), 1.0)
    last = finish(steps).z0
    known = KNOWN.expand(rows, 3, -1, -1) > 0
    torch.testing.assert_close(last[known], data.y[known], atol=1e-5, rtol=0)
    assert (last - MU)[~known].std().item() == pytest.approx(STD, rel=0.05)
    assert (last - MU)[~known].mean().item() == pytest.approx(0, abs=4 * STD / known.numel() ** 0.5)
