"""LEDITS++ with attention: the published update written out, and nothing stays in the network."""

import math

import pytest
import torch
from conformance import prior_of
from cross_maps import cross_maps
from oracles import mixture
from tiny import latents

from dreamsampler.guidance import attention_mask, cfg, conditional, largest, predict_batch
from dreamsampler.maths import Estimate, generators
from dreamsampler.methods.edit.ddpm_inversion import replayed
from dreamsampler.methods.edit.ledits import ledits
from dreamsampler.methods.registry import methods_of
from dreamsampler.models import ModelError, TextCondition, word_tokens
from dreamsampler.samplers import finish, trailing

SCALE, THRESHOLD = 4.0, 0.75


def setup(prior, rows=1, target="a dog", steps=5, start=0.9):
    levels = trailing(prior.schedule, steps, start=start)
    conditions = prior.condition(target), prior.condition("")
    return latents(prior, rows, seed=1), conditions, levels


def edit(prior, z_src, conditions, levels, words, seeds=None, **how):
    rng = generators(seeds or list(range(len(z_src))))
    how = {"guidance_scale": SCALE, "threshold": THRESHOLD, **how}
    return ledits(prior, z_src, *conditions, levels, rng, words=words, **how)


def quantile(size, threshold):
    """Linear between ranks, in plain Python."""
    ranks = sorted(size.flatten().tolist())
    place = threshold * (len(ranks) - 1)
    low = math.floor(place)
    return ranks[low] + (place - low) * (ranks[min(low + 1, len(ranks) - 1)] - ranks[low])


def mask_by_hand(maps, tokens, threshold, shape):
    """M1 of one picture: (n, h, w) maps, cell by cell."""
    _, h, w = maps.shape
    total = [[sum(float(maps[t, i, j]) for t in tokens) for j in range(w)] for i in range(h)]
    mirror = lambda k, n: -k if k < 0 else 2 * (n - 1) - k if k >= n else k
    smooth = torch.zeros(h, w)
    for i in range(h):
        for j in range(w):
            for a in (-1, 0, 1):
                for b in (-1, 0, 1):
                    weight = math.exp(-(a * a + b * b)) / (1 + 2 * math.exp(-1)) ** 2
                    smooth[i, j] += weight * total[mirror(i + a, h)][mirror(j + b, w)]
    kept = (smooth >= quantile(smooth, threshold)).float()
    return kept.repeat_interleave(shape[0] // h, 0).repeat_interleave(shape[1] // w, 1)


def test_it_is_the_published_update(prior):
    """Maps from hooks on Q and K, the mask cell by cell, the noise maps of DDPM written out."""
    z_src, (condition, null), levels = setup(prior)
    assert levels[0].t > 0.8 > levels[-1].t, "both halves of the rule are seen"
    count = len(prior.family.tokenizer("a dog").input_ids)
    tokens, words = [*range(1, count - 1)], word_tokens(prior, ["a dog"])
    run = list(edit(prior, z_src, (condition, null), levels, words, seeds=[3]))
    rng = generators([3])
    draw = lambda: torch.randn(z_src.shape[1:], generator=rng[0])[None]
    n = draw()
    z = levels[0].alpha * z_src + levels[0].sigma * n
    for step, level, after in zip(run, levels, [*levels[1:], None], strict=True):
        torch.testing.assert_close(step.z, z, rtol=0, atol=2e-3)
        z = step.z  # so that rounding does not pile up
        seen, empty = prior.predict(z, level, [condition, null])
        src = prior.predict(level.alpha * z_src + level.sigma * n, level, [null])[0]
        maps = cross_maps(prior, lambda z=z, at=level: prior.predict(z, at, [condition]))
        mask = mask_by_hand(maps[64][0].T.unflatten(1, (8, 8)), tokens, THRESHOLD, (8, 8))
        psi = seen.eps - empty.eps
        if level.t <= 0.8:
            size = psi.abs().sum(1)[0]
            mask = mask * (size >= quantile(size, THRESHOLD) - 1e-6)
        z0 = empty.z0 + SCALE * mask * (seen.z0 - empty.z0)
        eps = empty.eps + SCALE * mask * psi
        torch.testing.assert_close(step.estimate.z0, z_src + z0 - src.z0, rtol=0, atol=2e-3)
        if after is not None:
            sd = after.sigma * (1 - (after.s / level.s) ** 2) ** 0.5
            rest = (after.sigma**2 - sd**2) ** 0.5
            n = draw()
            drew = after.alpha * z_src + after.sigma * n - after.alpha * src.z0 - rest * src.eps
            z = after.alpha * z0 + rest * eps + drew


def test_without_words_it_is_what_it_was_bit_for_bit(prior):
    """The version without attention maps, written out; any network will do."""
    z_src, (condition, null), levels = setup(prior, rows=2)
    word, empty = conditional(prior, condition), conditional(prior, null)

    def pair(z, x_t, level):
        seen, nothing, src = predict_batch([(word, z), (empty, z), (empty, x_t)], level)
        size = (seen.eps - nothing.eps).abs().mean(1, keepdim=True)
        least = size.flatten(1).quantile(THRESHOLD, dim=1).view(-1, 1, 1, 1)
        w = SCALE * (size >= least).to(z)
        z0 = nothing.z0 + w * (seen.z0 - nothing.z0)
        return Estimate(z0, nothing.eps + w * (seen.eps - nothing.eps)), src

    was = finish(replayed(pair, z_src, levels, generators([0, 1])))
    step = finish(edit(prior, z_src, (condition, null), levels, None, seeds=[0, 1]))
    assert torch.equal(step.z0, was.z0)
    assert finish(edit(mixture(), z_src[:, :2, 0, 0].double(), (1, None), levels, None)) is not None


def test_attention_holds_an_edit_nearer_to_the_source(prior):
    z_src, conditions, levels = setup(prior)
    words = word_tokens(prior, ["a dog"])
    stays = finish(edit(prior, z_src, conditions, levels, None, guidance_scale=0.0)).z0
    half, whole = (
        finish(edit(prior, z_src, conditions, levels, each)).z0 for each in (None, words)
    )
    assert 0 < (whole - stays).norm() < (half - stays).norm()


def test_where_all_is_kept_it_is_plain_guidance(prior):
    """A threshold of 0 leaves nothing out: noise replayed under CFG, whatever the words."""
    z_src, conditions, levels = setup(prior)
    target, source = cfg(prior, *conditions, SCALE), conditional(prior, conditions[1])

    def pair(z, x_t, level):
        tgt, src = predict_batch([(target, z), (source, x_t)], level)
        return tgt, src

    condition = finish(replayed(pair, z_src, levels, generators(0, 1))).z0
    for words in (None, word_tokens(prior, ["a dog"])):
        result = finish(edit(prior, z_src, conditions, levels, words, threshold=0.0)).z0
        torch.testing.assert_close(result, condition, rtol=0, atol=1e-3)


def test_rows_of_a_batch_do_not_see_each_other(prior):
    z_src, (_, null), levels = setup(prior, rows=3)
    prompts = ["a dog", "a red apple", "dog"]
    each = [prior.condition(prompt) for prompt in prompts]
    both = TextCondition("all", torch.cat([one.embeddings for one in each]))
    words = word_tokens(prior, prompts)
    result = finish(edit(prior, z_src, (both, null), levels, words, seeds=[5, 6, 7])).z0
    for i in range(3):
        conditions, own = (each[i], null), words[i : i + 1]
        alone = finish(edit(prior, z_src[i : i + 1], conditions, levels, own, seeds=[5 + i])).z0
        torch.testing.assert_close(result[i : i + 1], alone, rtol=0, atol=1e-3)


def test_nothing_stays_in_the_network(prior):
    z_src, conditions, levels = setup(prior)
    own, words = dict(prior.network.attn_processors), word_tokens(prior, ["a dog"])

    def untouched():
        step = prior.network.attn_processors
        return step.keys() == own.keys() and all(step[n] is each for n, each in own.items())

    run = edit(prior, z_src, conditions, levels, words)
    for _ in range(2):
        next(run)
        assert untouched(), "between two steps as well"
    del run
    assert untouched(), "the rest of the run is abandoned"

    def halt(*_):
        raise RuntimeError("halt")

    hook = prior.network.conv_out.register_forward_pre_hook(halt)
    try:
        with pytest.raises(RuntimeError, match="halt"):
            finish(edit(prior, z_src, conditions, levels, words))
    finally:
        hook.remove()
    assert untouched()


@pytest.mark.parametrize(("sides", "shape"), [((8, 8), (16, 16)), ((4, 6), (13, 20))])
@pytest.mark.parametrize("threshold", [0.7, 0.9])
def test_masks_have_the_share_of_their_threshold(sides, shape, threshold):
    rng = torch.Generator().manual_seed(0)
    maps = torch.rand(3, 5, *sides, generator=rng)
    words = torch.tensor([[0.0, 1, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0]])
    mask = attention_mask(maps, words, threshold, shape)
    assert mask.shape == (3, 1, *shape) and set(mask.unique().tolist()) == {0.0, 1.0}
    cells = sides[0] * sides[1]
    kept = cells - math.floor(threshold * (cells - 1)) - 1
    small = attention_mask(maps, words, threshold, sides)
    assert small.sum((1, 2, 3)).tolist() == [kept] * 3
    assert (mask.mean((1, 2, 3)) - kept / cells).abs().max() < 0.05
    for i in range(3):
        by_hand = mask_by_hand(maps[i], words[i].nonzero().flatten().tolist(), threshold, sides)
        assert torch.equal(small[i, 0], by_hand)
        assert torch.equal(
            attention_mask(maps[i : i + 1], words[i : i + 1], threshold, shape), mask[i : i + 1]
        )
    same = attention_mask(maps, words[:1], threshold, sides)
    assert torch.equal(same[0], small[0]) and not torch.equal(same[1], small[1])
    assert attention_mask(maps[:, :, :1, :1], words, threshold, (2, 2)).all(), (
        "a single cell is all"
    )
    size = torch.rand(2, 1, *shape, generator=rng)
    places = shape[0] * shape[1]
    assert (
        largest(size, threshold).sum((1, 2, 3)).tolist()
        == [places - math.floor(threshold * (places - 1)) - 1] * 2
    )


def test_networks_without_attention_maps_are_refused(prior):
    z_src, _, levels = setup(prior)
    words = word_tokens(prior, ["a dog"])
    for name in ("flux-dev", "sd3", "pixart"):
        with pytest.raises(ModelError, match="has none that could be replaced: leave it out"):
            edit(prior_of(name), z_src, (None, None), levels, words)
        for each in methods_of("edit").values():
            if each.attention:
                with pytest.raises(ModelError, match=r"leave it out, or take the default method$"):
                    each.check_model(prior_of(name))
            elif not each.reference:
                each.check_model(prior_of(name))
    needing = {"ledits", "prompt_to_prompt", "prompt_to_prompt_blended"}
    assert {each.name for each in methods_of("edit").values() if each.attention} == needing
    with pytest.raises(ValueError, match="threshold is 1"):
        edit(prior, z_src, (None, None), levels, words, threshold=1.0)


def test_no_word_at_all_leaves_the_difference_alone(prior):
    z_src, conditions, levels = setup(prior, start=0.7)
    none = torch.zeros_like(word_tokens(prior, ["a dog"]))
    with_none, without = (
        finish(edit(prior, z_src, conditions, levels, w)).z0 for w in (none, None)
    )
    torch.testing.assert_close(with_none, without, rtol=0, atol=1e-3)
