"""Prompt-to-Prompt: with all maps and one prompt it is the source, with none it is guidance."""

import pytest
import torch
from tiny import latents

from dreamsampler.guidance import cfg, conditional
from dreamsampler.maths import Estimate
from dreamsampler.methods.edit.ddim_inversion import ddim_inversion
from dreamsampler.methods.edit.null_text_inversion import null_text_inversion
from dreamsampler.methods.edit.prompt_to_prompt import SideBySide, prompt_to_prompt
from dreamsampler.models import ModelError, align
from dreamsampler.samplers import finish, flow_shifted

SCALE = 4.0


def setup(prior, source="a cat", target="a dog", rows=1):
    levels = flow_shifted(prior.schedule, 5, start=0.7)
    conditions = [prior.condition(words) for words in (target, source, "")]
    return (
        latents(prior, rows, seed=1),
        conditions,
        align(prior, [source] * rows, [target] * rows),
        levels,
    )


def run(prior, z_src, conditions, words, levels, **options):
    options = {"inner_steps": 0, **options}
    return list(prompt_to_prompt(prior, z_src, *conditions, words, levels, SCALE, **options))


def test_without_maps_it_is_the_plain_pass_bit_for_bit(prior):
    z_src, (condition, source_condition, null), words, levels = setup(prior)
    none = run(
        prior,
        z_src,
        (condition, source_condition, null),
        words,
        levels,
        cross_share=0.0,
        self_share=0.0,
    )
    target, source = cfg(prior, condition, null, SCALE), conditional(prior, source_condition)
    swapped = finish(ddim_inversion(target, source, z_src, levels))
    assert torch.equal(none[-1].z0, swapped.z0)


@pytest.mark.parametrize("cross", [1.0, 0.0])
@pytest.mark.parametrize("itself", [1.0, 0.0])
def test_every_share_has_its_own_result(prior, cross, itself):
    z_src, conditions, words, levels = setup(prior)
    own = run(prior, z_src, conditions, words, levels, cross_share=cross, self_share=itself)[-1].z0
    half = run(prior, z_src, conditions, words, levels, cross_share=0.4, self_share=0.4)[-1].z0
    assert (own - half).abs().max() > 1e-4


def test_all_maps_under_one_prompt_are_the_source_pass_bit_for_bit(prior):
    z_src, conditions, words, levels = setup(prior, "a cat", "a cat")
    eps, n = latents(prior, 1, seed=2), len(levels)
    prompts, start = (
        (conditions[1], conditions[0], lambda level: conditions[2]),
        Estimate(z_src, eps),
    )
    side = SideBySide(prior, *prompts, SCALE, levels, start, words, n, n)
    z0 = z_src
    for level in levels:
        result = side(level.alpha * z0 + level.sigma * eps, level)
        z0, eps = result.z0, result.eps
        assert torch.equal(result.z0, side.source.z0)
        assert torch.equal(result.eps, side.source.eps)


def test_maps_hold_an_edit_nearer_to_the_source_pass(prior):
    """What the same null prompt and the source prompt would make, with and without its maps."""
    z_src, conditions, words, levels = setup(prior)
    stays = run(
        prior,
        z_src,
        (conditions[1], *conditions[1:]),
        words,
        levels,
        cross_share=0.0,
        self_share=0.0,
    )
    off = [
        (run(prior, z_src, conditions, words, levels, **share)[-1].z0 - stays[-1].z0).norm()
        for share in (
            {"cross_share": 0.0, "self_share": 0.0},
            {"cross_share": 1.0, "self_share": 1.0},
        )
    ]
    assert off[1] < off[0]


def test_it_takes_the_null_texts_of_its_own_inversion(prior):
    """Without maps the way down is that of null-text inversion, to the last bit."""
    z_src, conditions, words, levels = setup(prior)
    how = {"cross_share": 0.0, "self_share": 0.0, "inner_steps": 2}
    ours = run(prior, z_src, conditions, words, levels, **how)
    theirs = list(null_text_inversion(prior, z_src, *conditions, levels, SCALE, inner_steps=2))
    assert len(ours) == len(theirs) == 3 * len(levels)
    assert torch.equal(ours[-1].z0, theirs[-1].z0)


def test_rows_of_a_batch_have_their_own_words(prior):
    z_src, conditions, _, levels = setup(prior, rows=2)
    own = dict(prior.network.attn_processors)
    words = align(prior, ["a cat", "a cat"], ["a dog", "a dog"], "refine")
    swapped = align(prior, ["a cat"], ["a dog"], "replace")
    words.tokens[1], words.share[1] = swapped.tokens[0], swapped.share[0]
    both = run(prior, z_src, conditions, words, levels)[-1].z0
    alone = run(prior, z_src[1:], conditions, swapped, levels)[-1].z0
    torch.testing.assert_close(both[1:], alone, rtol=0, atol=1e-3)
    assert all(prior.network.attn_processors[n] is each for n, each in own.items())


def test_what_it_cannot_do_is_refused(prior):
    z_src, conditions, words, levels = setup(prior)
    for options, said in (
        ({"cross_share": 1.2}, "cross_share is 1.2"),
        ({"self_share": -0.1}, "self_share is -0.1"),
        ({"inner_steps": -1}, "inner_steps is -1"),
    ):
        with pytest.raises(ValueError, match=said):
            run(prior, z_src, conditions, words, levels, **options)
    from conformance import prior_of

    with pytest.raises(ModelError, match="FluxTransformer2DModel has none"):
        run(prior_of("flux-dev"), z_src, conditions, words, levels)
    lcm = prior_of("lcm")
    own = [lcm.condition(each.prompt) for each in conditions]
    with pytest.raises(ValueError, match=r"takes its guidance scale .*leave Prompt-to-Prompt out"):
        run(lcm, z_src, own, words, levels)
