from itertools import islice

import pytest
import torch
from oracles import mixture, normal

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import conditional
from dreamsampler.maths import Cosine, fresh, generators, hold
from dreamsampler.samplers import dream, finish, trailing

LEVELS = trailing(Cosine(), 6, start=0.9)


def run(batch=4, **how):
    z = normal(batch, 2)
    return dream(conditional(mixture(), None), LatentVariable(0 * z), LEVELS, z, **how)


def test_every_step_explains_its_own_latent():
    for step in run():
        torch.testing.assert_close(
            step.z, step.level.alpha * step.before + step.level.sigma * step.noise
        )
        pair = step.level.alpha * step.estimate.z0 + step.level.sigma * step.estimate.eps
        torch.testing.assert_close(step.z, pair)


def test_stopping_is_cancelling():
    levels = []

    def denoise(z, level):
        levels.append(level)
        return conditional(mixture(), None)(z, level)

    list(islice(dream(denoise, LatentVariable(normal(1, 2)), LEVELS, normal(1, 2)), 2))
    assert levels == LEVELS[:2]


def test_a_step_cannot_be_changed():
    with pytest.raises(AttributeError):
        next(run()).index = 7


def test_a_batch_of_two_is_two_batches_of_one():
    z = normal(2, 2)

    def end(rows, seeds):
        renoise = fresh(0.5, generators(seeds))
        return finish(
            dream(
                conditional(mixture(), None),
                LatentVariable(0 * z[rows]),
                LEVELS,
                z[rows],
                renoise=renoise,
            )
        )

    both = end(slice(0, 2), [3, 4]).z0
    torch.testing.assert_close(
        both, torch.cat([end(slice(0, 1), [3]).z0, end(slice(1, 2), [4]).z0])
    )


def test_noise_under_hold_stays():
    assert all(torch.equal(step.noise, normal(4, 2)) for step in run(renoise=hold))


def test_no_graph_survives_a_step():
    z = normal(1, 2).requires_grad_()
    taken = list(dream(conditional(mixture(), None), LatentVariable(z), LEVELS, z))
    assert not any(step.z0.requires_grad or step.z.requires_grad for step in taken)


def test_a_run_without_steps_says_so():
    with pytest.raises(ValueError, match="no steps"):
        finish(dream(conditional(mixture(), None), LatentVariable(normal(1, 2)), [], normal(1, 2)))
