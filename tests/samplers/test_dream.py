from itertools import islice

import pytest
import torch
from oracles import mixture, normal

from dreamsampler.generators import Canvas
from dreamsampler.maths import Cosine, fresh, generators, hold
from dreamsampler.objectives import plain
from dreamsampler.samplers import dream, finish, uniform

LEVELS = uniform(Cosine(), 6, start=0.9)


def run(batch=4, **how):
    z = normal(batch, 2)
    return dream(plain(mixture(), None), Canvas(0 * z), LEVELS, z, **how)


def test_every_moment_explains_its_own_latent():
    for now in run():
        torch.testing.assert_close(
            now.z, now.level.alpha * now.before + now.level.sigma * now.noise
        )
        pair = now.level.alpha * now.estimate.z0 + now.level.sigma * now.estimate.eps
        torch.testing.assert_close(now.z, pair)


def test_stopping_is_cancelling():
    asked = []

    def denoise(z, level):
        asked.append(level)
        return plain(mixture(), None)(z, level)

    list(islice(dream(denoise, Canvas(normal(1, 2)), LEVELS, normal(1, 2)), 2))
    assert asked == LEVELS[:2]


def test_a_moment_cannot_be_changed():
    with pytest.raises(AttributeError):
        next(run()).index = 7


def test_a_batch_of_two_is_two_batches_of_one():
    z = normal(2, 2)

    def end(rows, seeds):
        renoise = fresh(0.5, generators(seeds))
        return finish(
            dream(plain(mixture(), None), Canvas(0 * z[rows]), LEVELS, z[rows], renoise=renoise)
        )

    both = end(slice(0, 2), [3, 4]).z0
    torch.testing.assert_close(
        both, torch.cat([end(slice(0, 1), [3]).z0, end(slice(1, 2), [4]).z0])
    )


def test_held_noise_stays():
    assert all(torch.equal(now.noise, normal(4, 2)) for now in run(renoise=hold))


def test_no_graph_survives_a_step():
    z = normal(1, 2).requires_grad_()
    moments = list(dream(plain(mixture(), None), Canvas(z), LEVELS, z))
    assert not any(now.z0.requires_grad or now.z.requires_grad for now in moments)


def test_a_run_without_steps_says_so():
    with pytest.raises(ValueError, match="no steps"):
        finish(dream(plain(mixture(), None), Canvas(normal(1, 2)), [], normal(1, 2)))
