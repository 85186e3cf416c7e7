"""The oracle itself, against integrals and against the score."""

import pytest
import torch
from oracles import mixture, normal

from dreamsampler.maths import Cosine, RectifiedFlow
from dreamsampler.models import GaussianMixture

SCHEDULES = [Cosine(), RectifiedFlow()]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("condition", [None, 1])
def test_the_mixture_is_tweedies_posterior_mean(schedule, condition):
    """E[z0 | z] = integral of z0 p(z0) N(z; alpha z0, sigma^2), on a fine grid of z0."""
    means, weights = torch.tensor([[-1.0], [0.5], [2.0]]).double(), torch.tensor([0.2, 0.5, 0.3])
    prior, level = GaussianMixture(means, 0.4, schedule, weights), schedule(0.6)
    grid, z = torch.linspace(-8, 8, 20001).double(), torch.linspace(-2, 2, 9).double()[:, None]
    chosen = slice(None) if condition is None else slice(condition, condition + 1)
    density = (-((grid - means[chosen]) ** 2) / (2 * 0.4**2)).exp() * weights[chosen, None]
    joint = density.sum(0) * (-((z - level.alpha * grid) ** 2) / (2 * level.sigma**2)).exp()
    truth = (joint * grid).sum(1) / joint.sum(1)
    estimate = prior.predict(z, level, [condition])[0]
    torch.testing.assert_close(estimate.z0[:, 0], truth)
    torch.testing.assert_close(level.alpha * estimate.z0 + level.sigma * estimate.eps, z)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_noise_is_minus_sigma_times_the_score(schedule):
    prior, level = mixture(schedule), schedule(0.4)
    z = normal(8, 2).requires_grad_()
    variance = level.alpha**2 * prior.std**2 + level.sigma**2
    distance = ((z[:, None] - level.alpha * prior.means) ** 2).sum(-1)
    (score,) = torch.autograd.grad((-distance / (2 * variance)).logsumexp(1).sum(), z)
    eps = prior.predict(z.detach(), level, [None])[0].eps
    torch.testing.assert_close(eps, -level.sigma * score)


def test_its_numbers_are_those_of_its_means():
    prior = GaussianMixture(torch.zeros(2, 5, 4, 6), 0.1)
    assert (prior.latent_channels, prior.native_size) == (5, 6)


def test_prompts_are_numbers_of_components():
    prior = mixture()
    assert [prior.condition(p) for p in (None, "", "2")] == [None, None, 2]
    with pytest.raises(ValueError, match="components 0 to 2"):
        prior.condition("a cat")
