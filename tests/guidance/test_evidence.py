"""The evidence for a prompt, against log-likelihoods that are known."""

import math

import pytest
import torch
from oracles import normal, table

from dreamsampler.guidance import log_evidence
from dreamsampler.maths import Cosine, RectifiedFlow, generators
from dreamsampler.models import GaussianMixture

MEANS = torch.stack([torch.zeros(2, 3, 3), torch.full((2, 3, 3), 0.4)]).double()


def band(schedule, low, high, count):
    """Levels even in log-SNR, from high noise to low."""
    marks = [low + (high - low) * i / (count - 1) for i in range(count)]
    return [schedule.at_flow(1 / (1 + math.exp(mark / 2))) for mark in marks]


@pytest.mark.parametrize("schedule", [Cosine(), RectifiedFlow()], ids=["cosine", "flow"])
def test_over_all_levels_it_is_the_ratio_of_the_likelihoods(schedule):
    prior, z0 = GaussianMixture(MEANS, 0.5, schedule), normal(3, 2, 3, 3)
    found = log_evidence(prior, z0, 1, 0, band(schedule, -16, 16, 200), generators(0, 3))
    distance = [(z0 - mean).flatten(1).square().sum(1) for mean in MEANS]
    torch.testing.assert_close(
        found, (distance[0] - distance[1]) / (2 * 0.5**2), rtol=1e-3, atol=1e-3
    )


def test_a_band_gives_its_own_part_whatever_the_noise():
    """1/2 (|z - mu_o|^2 - |z - mu_c|^2) sum_t w_t snr / (snr s^2 + 1)^2."""
    schedule = table()
    prior, z0 = GaussianMixture(MEANS, 0.5, schedule), normal(2, 2, 3, 3)
    levels = [schedule.at_flow(u) for u in (0.7, 0.5, 0.3)]
    marks = [level.log_snr for level in levels]
    weights = [marks[1] - marks[0], marks[2] - marks[0], marks[2] - marks[1]]
    shares = [w / 2 * x.snr / (x.snr * 0.25 + 1) ** 2 for w, x in zip(weights, levels, strict=True)]
    distance = [(z0 - mean).flatten(1).square().sum(1) for mean in MEANS]
    expected = (distance[0] - distance[1]) / 2 * sum(shares)
    for seed in (0, 7):
        found = log_evidence(prior, z0, 1, 0, levels, generators(seed, 2))
        torch.testing.assert_close(found, expected)
        reverse = log_evidence(prior, z0, 0, 1, levels[::-1], generators(seed, 2))
        torch.testing.assert_close(reverse, -expected)


def test_one_level_is_no_integral():
    prior = GaussianMixture(MEANS, 0.5)
    with pytest.raises(ValueError, match="1 levels make no integral"):
        log_evidence(prior, MEANS[:1], 1, 0, [prior.schedule(0.5)], generators(0, 1))
