import pytest
import torch
from oracles import mixture, normal

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import cfg, cfg_pp, conditional, delta, gamma, predict_batch
from dreamsampler.maths import Cosine, within

LEVEL = Cosine()(0.5)
Z = normal(4, 2)


class Counting:
    """A mixture that records its conditions."""

    def __init__(self):
        self.inner, self.calls = mixture(), []

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def predict(self, z, level, conditions):
        self.calls.append(list(conditions))
        return self.inner.predict(z, level, conditions)


def test_all_conditions_of_a_step_are_evaluated_in_one_call():
    prior = Counting()
    cfg(prior, 1, None, 3.0)(Z, LEVEL)
    assert prior.calls == [[None, 1]]


def test_a_difference_of_two_guided_prompts_is_one_call_too():
    """At the start both sides see the same latent: the shared null prompt is evaluated once."""
    prior, variable = Counting(), LatentVariable(Z)
    target, source = cfg(prior, 1, None, 3.0), cfg(prior, 2, None, 1.5)
    denoise = delta(target, source, variable, Z)
    denoise(normal(4, 2, seed=1), LEVEL)
    variable.update(Z + 1)  # from now on, two latents, each under its prompt and the null prompt
    denoise(normal(4, 2, seed=1), LEVEL)
    assert prior.calls == [[None, 1, 2], [None, 1, None, 2]]


def test_equal_prompts_return_the_anchor_to_the_last_digit():
    """Whatever is left of a difference would be rounded apart by a network of half precision."""
    prior, anchor = mixture(), normal(4, 2).float()
    variable, target, source = LatentVariable(anchor), cfg(prior, 1, 1, 7.3), conditional(prior, 1)
    denoise = delta(target, source, variable, anchor, lambda level: level.alpha + level.sigma)
    assert torch.equal(denoise(normal(4, 2, seed=1).float(), LEVEL).z0, anchor)


@pytest.mark.parametrize(("scale", "conditions"), [(1.0, [1]), (0.0, [None]), (2.0, [None, 1])])
def test_conditions_without_weight_are_not_evaluated(scale, conditions):
    prior = Counting()
    cfg(prior, 1, None, scale)(Z, LEVEL)
    assert prior.calls == [conditions]


def test_a_negligible_condition_is_not_evaluated():
    prior = Counting()
    weak = cfg_pp(prior, 1, None, gamma(0.01)).skipping(0.02)
    strong = cfg_pp(prior, 1, None, gamma(0.9)).skipping(0.02)
    alone = conditional(mixture(), None)(Z, LEVEL)
    torch.testing.assert_close(weak(Z, LEVEL).z0, alone.z0)  # the others are scaled up
    strong(Z, LEVEL)
    assert prior.calls == [[None], [None, 1]]


def test_guidance_in_an_interval_of_levels():
    prior = Counting()
    guided = cfg(prior, 1, None, within(5.0, 0.4, 0.6, outside=1.0))
    guided(Z, LEVEL)
    guided(Z, Cosine()(0.9))
    assert prior.calls == [[None, 1], [1]]


def test_cfg_extrapolates_both_parts():
    null, cond = mixture().predict(Z, LEVEL, [None, 1])
    seen = cfg(mixture(), 1, None, 4.0)(Z, LEVEL)
    torch.testing.assert_close(seen.z0, null.z0 + 4 * (cond.z0 - null.z0))
    torch.testing.assert_close(seen.eps, null.eps + 4 * (cond.eps - null.eps))
    torch.testing.assert_close(LEVEL.alpha * seen.z0 + LEVEL.sigma * seen.eps, Z)


def test_distilled_keeps_the_null_noise():
    null, cond = mixture().predict(Z, LEVEL, [None, 1])
    seen = cfg_pp(mixture(), 1, None, 0.3)(Z, LEVEL)
    torch.testing.assert_close(seen.z0, 0.7 * null.z0 + 0.3 * cond.z0)
    assert torch.equal(seen.eps, null.eps)


def test_rows_do_not_know_each_other():
    guided = cfg(mixture(), 1, None, 4.0)
    torch.testing.assert_close(guided(Z, LEVEL).z0[:1], guided(Z[:1], LEVEL).z0)


def test_two_priors_cannot_share_a_batch():
    with pytest.raises(ValueError, match="share one prior"):
        predict_batch([(conditional(mixture(), 1), Z), (conditional(mixture(), 2), Z)], LEVEL)
