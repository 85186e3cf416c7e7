"""Null-text inversion: the published algorithm written out, and the picture that comes back."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from oracles import mixture, normal

from dreamsampler.guidance import cfg, conditional
from dreamsampler.images.picture import open_picture
from dreamsampler.maths import Cosine, to_estimate
from dreamsampler.methods.edit.ddim_inversion import ddim_inversion
from dreamsampler.methods.edit.null_text_inversion import null_text_inversion
from dreamsampler.models.load import from_pretrained
from dreamsampler.samplers import finish, flow_shifted, trailing

CAT = Path(__file__).parents[2] / "examples" / "cat.png"
close = torch.testing.assert_close


@dataclass(frozen=True, eq=False)
class Word:
    """A condition: the mean of the pictures that it names, (1 or b, 1, 4)."""

    embeddings: torch.Tensor


class Named:
    """An exact prior of 2 x 2 pixels: under a word, a Gaussian of width 0.5 around its mean."""

    latent_channels, factor, multiple, native_size, schedule = 1, 1, 1, 2, Cosine()

    def condition(self, prompt):
        return Word(normal(1, 1, 4, seed=int(prompt or 0)))

    def predict(self, z, level, conditions):
        zs = [z] * len(conditions) if isinstance(z, torch.Tensor) else z
        return [self._one(each, level, c) for each, c in zip(zs, conditions, strict=True)]

    def _one(self, z, level, condition):
        mean = condition.embeddings.expand(len(z), 1, 4).reshape(z.shape)
        variance = level.alpha**2 * 0.25 + level.sigma**2
        return to_estimate(level.sigma / variance * (z - level.alpha * mean), z, level, "epsilon")

    def encode(self, x):
        return x

    def decode(self, z):
        return z


def published(prior, z_src, condition, source, null, levels, w, steps):
    """The program of the paper, one picture, without the loop: (nulls, result)."""
    z, path, clean = z_src * levels[-1].alpha, [], prior.schedule(0.0)
    for level, after in zip(levels[::-1], [*levels[-2::-1], None], strict=True):
        path.append(z)
        (est,) = prior.predict(z, level, [Word(source)])
        z = z if after is None else after.alpha * est.z0 + after.sigma * est.eps

    def step(z, level, after, null, word):
        empty, text = prior.predict(z, level, [Word(null), Word(word)])
        z0 = empty.z0 + w * (text.z0 - empty.z0)
        return after.alpha * z0 + after.sigma * (empty.eps + w * (text.eps - empty.eps))

    goals, nulls, z = [*path[-2::-1], z_src], [], path[-1]
    ways = list(zip(levels, [*levels[1:], clean], goals, strict=True))
    for i, (level, after, goal) in enumerate(ways):
        null = null.clone().requires_grad_()
        adam = torch.optim.Adam([null], lr=1e-2 * (1 - i / (2 * len(levels))))
        for _ in range(steps):
            loss = torch.nn.functional.mse_loss(step(z, level, after, null, source), goal)
            adam.zero_grad()
            loss.backward()
            adam.step()
            if loss.item() < 1e-5 + i * 2e-5:
                break
        null = null.detach()
        nulls.append(null)
        z = step(z, level, after, null, source)
    z = path[-1]
    for (level, after, _), null in zip(ways, nulls, strict=True):
        z = step(z, level, after, null, condition)
    return nulls, z


def test_null_text_inversion_is_the_published_algorithm():
    """Picture by picture, though here both go through in one batch and end their search apart."""
    prior, z_src = Named(), normal(2, 1, 2, 2, seed=7)
    source, condition, null = (prior.condition(word) for word in ("1", "2", ""))
    levels = trailing(prior.schedule, 12, start=0.95)
    run = null_text_inversion(prior, z_src, condition, source, null, levels, 4.0, inner_steps=6)
    batch = finish(run).z0
    for row in range(2):
        words = (each.embeddings for each in (condition, source, null))
        _, alone = published(prior, z_src[row : row + 1], *words, levels, 4.0, 6)
        close(batch[row : row + 1], alone)


def test_long_enough_a_search_ends_at_the_source_prompt_itself():
    """Under equal prompts guidance is nothing; so that null prompt retraces any inversion."""
    prior, z_src = Named(), normal(1, 1, 2, 2, seed=7)
    source, null = prior.condition("1"), prior.condition("")
    levels = trailing(prior.schedule, 6, start=0.95)
    how = {"inner_steps": 300, "tolerance": 0.0, "rate": 0.1}
    *_, last = null_text_inversion(prior, z_src, source, source, null, levels, 7.5, **how)
    close(last.z0, z_src, rtol=0, atol=1e-3)


def test_with_the_source_prompt_as_target_the_picture_comes_back():
    """The trained model: far nearer than DDIM inversion at the same scale; it stays as it was."""
    prior = from_pretrained("iconic", device="cpu", dtype="float32")
    x = open_picture(CAT).rgb[None] * 2 - 1
    z_src = prior.encode(torch.nn.functional.interpolate(x, (192, 192), mode="area"))
    source, null = prior.condition("cat face"), prior.condition("")
    levels, begun = flow_shifted(prior.schedule, 5, start=0.75), null.embeddings.clone()
    run = list(null_text_inversion(prior, z_src, source, source, null, levels, inner_steps=5))
    unmoved = cfg(prior, source, null, 7.5)
    inverted = finish(ddim_inversion(unmoved, conditional(prior, source), z_src, levels))
    near, far = ((step.z0 - z_src).norm() / z_src.norm() for step in (run[-1], inverted))
    assert len(run) == 3 * len(levels)
    assert near < 0.6 * far
    close(run[-1].z0, run[2 * len(levels) - 1].z0, rtol=0, atol=1e-3)  # the same way down again
    assert all(p.grad is None for p in prior.network.parameters())
    assert torch.equal(null.embeddings, begun)


def test_what_has_no_null_prompt_to_move_is_refused():
    levels = trailing(Cosine(), 4, start=0.9)
    with pytest.raises(ValueError, match=r"null-text inversion moves .* GaussianMixture has none"):
        null_text_inversion(mixture(), normal(1, 2), 1, 0, None, levels)

    class Knowing(Named):
        """A model that takes its scale as an input."""

        def guided(self, condition, null, scale):
            return [(Word(condition.embeddings), 1.0)]

        def usual_scale(self, scale):
            return scale

    prior = Knowing()
    words = [prior.condition(word) for word in ("2", "1", "")]
    with pytest.raises(ValueError, match=r"takes its guidance scale .* leave null-text inversion"):
        null_text_inversion(prior, normal(1, 1, 2, 2), *words, levels)
    words = [Named().condition(word) for word in ("2", "1", "")]
    for options, text in (({"inner_steps": 0}, "at least 1"), ({"rate": 0.0}, "above 0")):
        with pytest.raises(ValueError, match=text):
            null_text_inversion(Named(), normal(1, 1, 2, 2), *words, levels, **options)
    with pytest.raises(ValueError, match="at least one level"):
        finish(null_text_inversion(Named(), normal(1, 1, 2, 2), *words, []))
