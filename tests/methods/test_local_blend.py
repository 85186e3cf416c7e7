"""Prompt-to-Prompt's local blending and its weights of words, on a network of random weights."""

import math

import pytest
import torch
from cross_maps import cross_maps
from tiny import latents

from dreamsampler.guidance import quantile_mask
from dreamsampler.maths import Estimate
from dreamsampler.methods.edit.prompt_to_prompt import LocalBlend, SideBySide, prompt_to_prompt
from dreamsampler.methods.registry import method
from dreamsampler.models import TextCondition, align, changed_tokens, token_weights
from dreamsampler.samplers import finish, flow_shifted

SCALE, PAIR = 4.0, ("a cat", "a dog")


def setup(prior, rows=1):
    levels = flow_shifted(prior.schedule, 5, start=0.7)
    conditions = [prior.condition(words) for words in (PAIR[1], PAIR[0], "")]
    words = align(prior, [PAIR[0]] * rows, [PAIR[1]] * rows)
    return latents(prior, rows, seed=1), conditions, words, levels


def blend_of(prior, **how):
    return LocalBlend(*changed_tokens(prior, [PAIR[0]], [PAIR[1]]), **how)


def edit(prior, z_src, conditions, words, levels, **how):
    return prompt_to_prompt(prior, z_src, *conditions, words, levels, SCALE, inner_steps=0, **how)


def steps(side, levels, z0, eps):
    """Every latent of the edit and the source's estimate after each step."""
    result = []
    for level in levels:
        est = side(level.alpha * z0 + level.sigma * eps, level)
        z0, eps = est.z0, est.eps
        result.append((est, side.source))
    return result


def side_of(prior, conditions, words, blend, levels, start, cross=0, itself=0):
    prompts = conditions[1], conditions[0], lambda level: conditions[2]
    return SideBySide(prior, *prompts, SCALE, levels, start, words, cross, itself, blend)


def mask_by_hand(total, threshold, shape):
    h, w = total.shape
    pooled = torch.zeros(h, w)
    for i in range(h):
        for j in range(w):
            pooled[i, j] = total[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2].max()
    large = pooled.repeat_interleave(shape[0] // h, 0).repeat_interleave(shape[1] // w, 1)
    return (large > threshold * large.max()).float()


def test_the_mask_is_the_published_one():
    total = torch.rand(2, 1, 4, 6, generator=torch.Generator().manual_seed(0)) ** 4
    mask = quantile_mask(total, 0.3, (8, 12))
    assert mask.shape == (2, 1, 8, 12) and 0 < mask.mean() < 1
    for i in range(2):
        assert torch.equal(mask[i, 0], mask_by_hand(total[i, 0], 0.3, (8, 12)))
    assert torch.equal(quantile_mask(1000 * total, 0.3, (8, 12)), mask), (
        "whatever the number of steps"
    )
    assert not quantile_mask(torch.zeros(1, 1, 4, 4), 0.3, (4, 4)).any()
    assert quantile_mask(total, 0.0, (8, 12)).all()


def test_outside_its_mask_the_edit_is_the_source_bit_for_bit(prior):
    """The mask from hooks on Q and K, summed over the steps, without injection."""
    z_src, conditions, words, levels = setup(prior)
    blend = blend_of(prior, threshold=0.9, start=0.4)
    eps = latents(prior, 1, seed=2)
    side = side_of(prior, conditions, words, blend, levels, Estimate(z_src, eps))
    z0, e0, total, shares = z_src, eps, [0.0, 0.0], []
    source = Estimate(z_src, eps)
    for step, level in enumerate(levels):
        z_source = level.alpha * source.z0 + level.sigma * source.eps
        z = level.alpha * z0 + level.sigma * e0
        for k, (x, condition, chosen) in enumerate(
            ((z_source, conditions[1], blend.source), (z, conditions[0], blend.target))
        ):
            ask = lambda x=x, c=condition, at=level: prior.predict(x, at, [c])
            maps = cross_maps(prior, ask)[64][0].T.unflatten(1, (8, 8))
            total[k] = total[k] + sum(maps[t] for t in chosen[0].nonzero().flatten())
        result = side(z, level)
        source = side.source
        mask = torch.maximum(*(mask_by_hand(each, 0.9, (8, 8)) for each in total))
        if step < 2:
            mask = torch.ones_like(mask)  # 0.4 of 5 steps
        shares.append(float(mask.mean()))
        empty, seen = prior.predict(z, level, [conditions[2], conditions[0]])
        free = empty.z0 + SCALE * (seen.z0 - empty.z0)
        torch.testing.assert_close(result.z0 * mask, free * mask, rtol=0, atol=2e-3)
        outside = (mask == 0).expand_as(z)
        for one, other in ((result.z0, source.z0), (result.eps, source.eps)):
            assert torch.equal(one[outside], other[outside])
        z0, e0 = result.z0, result.eps
    assert shares[0] == 1 and 0 < shares[-1] < 1


def test_equal_prompts_have_no_words_that_changed_and_are_the_source(prior):
    z_src, conditions, words, levels = setup(prior)
    none = LocalBlend(*changed_tokens(prior, [PAIR[1]], [PAIR[1]]), start=0.0)
    assert not none.source.any() and not none.target.any()
    eps = latents(prior, 1, seed=2)
    side = side_of(prior, conditions, words, none, levels, Estimate(z_src, eps), cross=2)
    for result, source in steps(side, levels, z_src, eps):
        assert torch.equal(result.z0, source.z0) and torch.equal(result.eps, source.eps)


def test_a_blend_that_takes_everything_or_never_starts_changes_nothing(prior):
    z_src, conditions, words, levels = setup(prior)
    plain = finish(edit(prior, z_src, conditions, words, levels)).z0
    everything, never = (
        finish(edit(prior, z_src, conditions, words, levels, blend=blend_of(prior, **how))).z0
        for how in ({"threshold": 0.0}, {"start": 1.0})
    )
    torch.testing.assert_close(everything, plain, rtol=0, atol=2e-3)
    torch.testing.assert_close(never, plain, rtol=0, atol=2e-3)
    some = finish(
        edit(prior, z_src, conditions, words, levels, blend=blend_of(prior, threshold=0.9))
    ).z0
    assert (some - plain).abs().max() > 0.01


def test_rows_of_a_batch_do_not_see_each_other(prior):
    pairs = [("a cat", "a dog"), ("tangerine", "a red apple"), ("a cat", "an angry cat")]
    sources, targets = zip(*pairs, strict=True)
    z_src, levels = latents(prior, 3, seed=1), flow_shifted(prior.schedule, 5, start=0.7)

    def condition(prompts):
        every = [prior.condition(prompt) for prompt in prompts]
        return TextCondition("all", torch.cat([each.embeddings for each in every]))

    def result(rows):
        s, t = [sources[i] for i in rows], [targets[i] for i in rows]
        blend = LocalBlend(*changed_tokens(prior, s, t), threshold=0.8)
        weights = token_weights(prior, t, [{targets[i].split()[-1]: 1.5} for i in rows])
        conditions = condition(t), condition(s), prior.condition("")
        words = align(prior, s, t)
        how = {"blend": blend, "weights": weights}
        return finish(edit(prior, z_src[rows], conditions, words, levels, **how)).z0

    together = result([0, 1, 2])
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], result([i]), rtol=0, atol=2e-3)


def test_nothing_stays_in_the_network(prior):
    z_src, conditions, words, levels = setup(prior)
    own = dict(prior.network.attn_processors)

    def untouched():
        step = prior.network.attn_processors
        return step.keys() == own.keys() and all(step[n] is each for n, each in own.items())

    run = edit(prior, z_src, conditions, words, levels, blend=blend_of(prior))
    for _ in range(len(levels) + 2):  # two steps into the way down
        next(run)
        assert untouched()
    run.close()
    assert untouched()
    run = edit(prior, z_src, conditions, words, levels, blend=blend_of(prior))
    for _ in levels:
        next(run)

    def halt(*_):
        raise RuntimeError("halt")

    hook = prior.network.conv_out.register_forward_pre_hook(halt)
    try:
        with pytest.raises(RuntimeError, match="halt"):
            next(run)
    finally:
        hook.remove()
    assert untouched()


def test_weights_of_words_multiply_their_maps(prior):
    from dreamsampler.models import attention

    z_src, conditions, words, levels = setup(prior)
    weights = token_weights(prior, [PAIR[1]], [{"dog": -1.5}])
    dog = (weights[0] == -1.5).nonzero().flatten().tolist()
    assert dog and weights[0].sum() == len(weights[0]) - 2.5 * len(dog)
    seen, own = [], attention._Layer.get_attention_scores

    def kept(self, *denoise):
        result = own(self, *denoise)
        if self.cross:
            seen.append(result.view(4, -1, *result.shape[1:]))
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention._Layer, "get_attention_scores", kept)
        weighed = finish(edit(prior, z_src, conditions, words, levels, weights=weights)).z0
    assert len(seen) == 4 * sum(name.endswith("attn2.processor") for name in own_names(prior))
    for maps in seen:
        taken = maps[2] @ words.tokens[0]
        torch.testing.assert_close(maps[3], weights[0] * taken, rtol=0, atol=1e-5)
    plain, ones = (
        finish(edit(prior, z_src, conditions, words, levels, weights=each)).z0
        for each in (None, torch.ones_like(weights))
    )
    assert torch.equal(ones, plain) and (weighed - plain).abs().max() > 1e-3


def own_names(prior):
    return prior.network.attn_processors.keys()


def test_words_that_changed(prior):
    cat, dog = changed_tokens(prior, ["A cat, face"], ["a dog face"])
    count = lambda text: len(prior.family.tokenizer(text, add_special_tokens=False).input_ids)
    start = 1 + count("a")
    assert cat[0].nonzero().flatten().tolist() == [*range(start, start + count("cat,"))]
    assert dog[0].nonzero().flatten().tolist() == [*range(start, start + count("dog"))]
    old, new = changed_tokens(prior, ["cat face", "tangerine"], ["angry cat face", "red apple"])
    assert not old[0].any(), "nothing is gone"
    assert new[0].nonzero().flatten().tolist() == [*range(1, 1 + count("angry"))]
    assert old[1].sum() == count("tangerine") and new[1].sum() == count("red apple")
    with pytest.raises(ValueError, match="1 source prompts came for 2"):
        changed_tokens(prior, ["a"], ["b", "c"])
    for conditions, said in (
        ({"cow": 1.0}, "does not have the word 'cow'"),
        ({"a": math.nan}, "is nan"),
    ):
        with pytest.raises(ValueError, match=said):
            token_weights(prior, ["a cat"], [conditions])


def test_what_it_cannot_do_is_refused(prior):
    z_src, conditions, words, levels = setup(prior)
    weights = token_weights(prior, [PAIR[1]], [{"dog": 2.0}])
    for how, said in (
        ({"blend": blend_of(prior, threshold=1.0)}, "threshold of blending is 1.0"),
        ({"blend": blend_of(prior, start=1.5)}, "start of blending is 1.5"),
        ({"weights": weights, "cross_share": 0.0}, "pass a cross_share above 0"),
    ):
        with pytest.raises(ValueError, match=said):
            edit(prior, z_src, conditions, words, levels, **how)


def test_it_is_registered_with_its_published_settings():
    plain, blended = (
        dict(method("edit", name).settings)
        for name in ("prompt_to_prompt", "prompt_to_prompt_blended")
    )
    assert plain.pop("blend") is None and blended.pop("blend") == 0.3
    assert plain == blended and plain["blend_start"] == 0.2
