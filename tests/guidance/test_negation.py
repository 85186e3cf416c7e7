"""Adaptive negation: what the null condition is moved away from, and how far."""

from dataclasses import dataclass, replace

import pytest
import torch
from oracles import normal
from tiny import TINY, latents

from dreamsampler import GaussianMixture
from dreamsampler.guidance import Negation, cfg, denoising_similarity, image_similarity
from dreamsampler.maths import Cosine, Estimate, Level, Step, generators, to_estimate
from dreamsampler.methods.restore.treg import treg
from dreamsampler.models.load import from_pretrained
from dreamsampler.operators import GaussianBlur
from dreamsampler.regularizers import Measurement
from dreamsampler.samplers import trailing

LEVEL = Level(0.5, 0.6, 0.8)


@dataclass(frozen=True, eq=False)
class Word:
    """A condition: the noise that a `Teller` sees under it, (1 or b, 1, 4)."""

    embeddings: torch.Tensor


class Teller:
    """A prior whose estimated noise is its condition, whatever z is; 2 x 2 pixels."""

    latent_channels, factor, multiple, native_size, schedule = 1, 1, 1, 2, Cosine()

    def condition(self, prompt):
        return Word(torch.full((1, 1, 4), float(prompt or 1)))

    def predict(self, z, level, conditions):
        noises = [c.embeddings.expand(len(z), 1, 4).reshape(z.shape) for c in conditions]
        return [to_estimate(eps, z, level, "epsilon") for eps in noises]

    def encode(self, x):
        return x

    def decode(self, z):
        return z


def shown(rows=1):
    """A latent and its step."""
    z0, eps = normal(rows, 1, 2, 2, seed=1).float(), normal(rows, 1, 2, 2, seed=2).float()
    z = LEVEL.alpha * z0 + LEVEL.sigma * eps
    return z0, eps, Step(0, LEVEL, z0, eps, z, Estimate(z0, eps), z0)


def test_likelihood_is_the_denoising_error():
    prior = Teller()
    z0, eps, step = shown(rows=3)
    result = denoising_similarity(prior)(z0, step, prior.condition("2"))
    torch.testing.assert_close(result, -(2 - eps).square().mean((1, 2, 3)))
    right = Word(eps[:1].reshape(1, 1, 4))
    assert denoising_similarity(prior)(z0, step, right)[0] == pytest.approx(0, abs=1e-6)


def test_a_step_has_its_length_and_goes_away_from_what_is_shown():
    """Written out: under `Teller` d sim / d null = -2 (null - eps) / 4."""
    prior = Teller()
    z0, eps, step = shown()
    null = prior.condition(None)
    negation = Negation(prior, prior.condition("3"), null, 2.0, step=0.1)
    assert negation.update(z0, step) is z0
    away = null.embeddings - eps.reshape(1, 1, 4)
    expected = null.embeddings + 0.1 * away / away.square().mean().sqrt()
    torch.testing.assert_close(negation.null.embeddings, expected)
    similar = denoising_similarity(prior)
    assert similar(z0, step, negation.null) < similar(z0, step, null)
    assert torch.equal(null.embeddings, torch.ones(1, 1, 4))  # the prior's own stays


def test_it_is_guidance_until_something_was_watched_and_from_the_moved_null_then():
    prior = Teller()
    z0, _, step = shown()
    condition, null = prior.condition("3"), prior.condition(None)
    negation = Negation(prior, condition, null, 2.0)
    assert torch.equal(
        negation(step.z, LEVEL).z0, cfg(prior, condition, null, 2.0)(step.z, LEVEL).z0
    )
    negation.update(z0, step)
    moved = negation.null.embeddings.reshape(1, 1, 2, 2)
    torch.testing.assert_close(negation(step.z, LEVEL).eps, 2 * 3 - moved)


def test_every_image_has_a_null_of_its_own():
    prior = from_pretrained(TINY, device="cpu", dtype="float32")
    condition, null = prior.condition("dog face"), prior.condition(None)
    z0, eps = latents(prior, 2, seed=1), latents(prior, 2, seed=2)
    level = prior.schedule(0.5)
    z = level.alpha * z0 + level.sigma * eps

    def after(rows):
        estimate = Estimate(z0[rows], eps[rows])
        step = Step(0, level, z0[rows], eps[rows], z[rows], estimate, z0[rows])
        negation = Negation(prior, condition, null, 3.0, steps=2)
        negation.update(z0[rows], step)
        return negation.null.embeddings, negation(z[rows], level).z0

    both, alone = after(slice(0, 2)), after(slice(1, 2))
    assert both[0].shape[0] == 2 and not torch.equal(both[0][0], both[0][1])
    torch.testing.assert_close(both[0][1:], alone[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(both[1][1:], alone[1], rtol=0, atol=1e-4)
    assert all(p.grad is None for p in prior.network.parameters())


def test_an_image_encoder_of_ones_own():
    """The published form: away from the embedding of the picture, by the cosine."""
    prior = Teller()
    z0, _, step = shown()

    def cosine(x, condition):
        return torch.cosine_similarity(x.flatten(1), condition.embeddings[:, 0])

    similar = image_similarity(prior.decode, cosine)
    negation = Negation(prior, prior.condition("3"), prior.condition(None), 2.0, similar, step=0.3)
    before = similar(z0, step, negation.null)
    negation.update(z0, step)
    assert similar(z0, step, negation.null) < before


def test_treg_moves_the_null_after_every_level():
    prior = Teller()
    y = normal(1, 1, 2, 2, seed=5).float()
    data = Measurement(GaussianBlur(1.0), y, 0.1, lambda z: z, lambda x: x)
    negation = Negation(prior, prior.condition("3"), prior.condition(None), 2.0)
    nulls = [negation.null.embeddings]
    for step in treg(negation, data, y, trailing(prior.schedule, 3, start=0.9), generators(0, 1)):
        moved = Negation(prior, negation.condition, Word(nulls[-1]), 2.0)
        moved.update(step.z0, step)
        torch.testing.assert_close(negation.null.embeddings, moved.null.embeddings)
        nulls.append(negation.null.embeddings)
    assert len(nulls) == 4


def test_what_cannot_be_negated_is_refused():
    mixture = GaussianMixture(normal(2, 1, 2, 2), 0.3, Cosine())
    with pytest.raises(ValueError, match="GaussianMixture has none"):
        Negation(mixture, 0, None, 2.0)

    class Knowing(Teller):
        """A model that takes its scale as an input."""

        def guided(self, condition, null, scale):
            return [(replace(condition), 1.0)]

        def usual_scale(self, scale):
            return scale

    with pytest.raises(ValueError, match="takes its guidance scale"):
        Negation(Knowing(), Teller().condition("3"), Teller().condition(None), 2.0)
