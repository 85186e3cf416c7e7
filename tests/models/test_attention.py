"""Attention control: whose maps are used, and that nothing of it is left in the network."""

import conformance
import pytest
import torch
from families import FAMILIES
from oracles import mixture
from tiny import latents

from dreamsampler.models import ModelError, align
from dreamsampler.models.attention import Injection, attention_control, check_attention

UNETS = ["sd15", "sd21-v", "sdxl"]
FIRST, SECOND = slice(0, 1), slice(1, 2)
everywhere = 10**6


def estimates(prior, injection=None, z=None):
    """(source, target) of one forward: another latent and another prompt each."""
    z = latents(prior, 2, seed=3) if z is None else z
    level = prior.schedule(0.6)
    conditions = [prior.condition("a cat"), prior.condition("a dog")]
    if injection is None:
        return prior.predict([z[:1], z[1:]], level, conditions)
    with attention_control(prior, injection):
        return prior.predict([z[:1], z[1:]], level, conditions)


def recorded(prior, injection):
    """The maps of every layer as they are used: name -> (rows, heads, places, tokens)."""
    from dreamsampler.models import attention

    maps, own = [], attention._Layer.get_attention_scores

    def record(self, *inputs):
        scores = own(self, *inputs)
        maps.append((self.cross, scores.view(2, -1, *scores.shape[1:])))
        return scores

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention._Layer, "get_attention_scores", record)
        estimates(prior, injection)
    return maps


@pytest.mark.parametrize("name", UNETS)
def test_the_target_uses_the_maps_of_the_source(name):
    prior = conformance.prior_of(name)
    words = align(prior, ["a cat"], ["a dog"])
    maps = recorded(prior, Injection(FIRST, SECOND, words, everywhere))
    assert {cross for cross, _ in maps} == {True, False}
    for kind, each in maps:
        expected = each[0] @ words.tokens[0] if kind else each[0]
        torch.testing.assert_close(each[1], expected)
    cross = recorded(prior, Injection(FIRST, SECOND, words))
    assert all(kind for kind, _ in cross), "no cells: self-attention is left alone"


@pytest.mark.parametrize("name", UNETS)
def test_an_injection_moves_the_target_and_leaves_the_source_alone(name):
    prior = conformance.prior_of(name)
    words = align(prior, ["a cat"], ["a dog"])
    plain, cross, itself, both = (
        estimates(prior, each)
        for each in (
            None,
            Injection(FIRST, SECOND, words),
            Injection(FIRST, SECOND, None, everywhere),
            Injection(FIRST, SECOND, words, everywhere),
        )
    )
    for scores in (cross, itself, both):
        torch.testing.assert_close(scores[0].eps, plain[0].eps, rtol=0, atol=1e-4)
    targets = [scores[1].eps for scores in (plain, cross, itself, both)]
    for i, one in enumerate(targets):
        for other in targets[:i]:
            assert (one - other).abs().max() > 1e-4
    nothing = estimates(prior, Injection(FIRST, SECOND, None, 0))
    assert torch.equal(nothing[1].eps, plain[1].eps), "nothing to inject: bit for bit"


def test_maps_that_are_its_own_change_nothing():
    prior = conformance.prior_of("sd15")
    words = align(prior, ["a dog"], ["a dog"])
    own = estimates(prior, Injection(SECOND, SECOND, words, everywhere))
    torch.testing.assert_close(own[1].eps, estimates(prior)[1].eps, rtol=0, atol=1e-4)


def test_the_processors_are_back_afterwards_and_after_an_error():
    prior = conformance.prior_of("sd15")
    own = dict(prior.network.attn_processors)
    words = align(prior, ["a cat"], ["a dog"])
    estimates(prior, Injection(FIRST, SECOND, words, everywhere))
    assert all(prior.network.attn_processors[n] is each for n, each in own.items())
    with (
        pytest.raises(RuntimeError, match="halt"),
        attention_control(prior, Injection(FIRST, SECOND, words)),
    ):
        assert all(prior.network.attn_processors[n] is not each for n, each in own.items())
        raise RuntimeError("halt")
    assert all(prior.network.attn_processors[n] is each for n, each in own.items())
    assert prior.network.attn_processors.keys() == own.keys()


def test_what_has_no_such_maps_is_refused():
    with pytest.raises(ModelError, match="GaussianMixture has none"):
        check_attention(mixture())
    for name in set(FAMILIES) - {*UNETS, "lcm", "sd15-inpaint"}:
        prior = conformance.prior_of(name)
        kind = type(prior.network).__name__
        with pytest.raises(ModelError, match=f"UNet2DConditionModel .*, and a {kind} has none"):
            check_attention(prior)


def test_attention_that_somebody_else_changed_is_refused():
    prior = conformance.prior_of("sd15")

    class Mine:
        """A processor of somebody else."""

        def __call__(self, attn, hidden_states, encoder_hidden_states=None):
            return hidden_states

    own = dict(prior.network.attn_processors)
    prior.network.set_attn_processor({name: Mine() for name in own})
    try:
        with pytest.raises(ModelError, match="changed already \\(Mine\\)"):
            check_attention(prior)
    finally:
        prior.network.set_attn_processor(own)


def pairs(words, row=0):
    """target token -> source tokens, where the map is the source's."""
    tokens, share = words.tokens[row], words.share[row]
    return {
        j: tokens[:, j].nonzero().flatten().tolist() for j in range(len(share)) if share[j] == 1
    }


def test_words_are_replaced_one_by_one(iconic):
    words = align(iconic, ["cat face"], ["dog face"])
    assert torch.equal(words.tokens[0], torch.eye(24))
    assert words.share.all()
    longer = align(iconic, ["red apple"], ["tangerine apple"])
    count = lambda word: len(iconic.family.tokenizer(word, add_special_tokens=False).input_ids)
    n, m = count("red"), count("tangerine")
    for j in range(1, 1 + m):
        assert longer.tokens[0, 1 : 1 + n, j].sum() == pytest.approx(n / m if n != m else 1)
    assert pairs(longer)[1 + m + count("apple")] == [1 + n + count("apple")], "end to end"
    with pytest.raises(ValueError, match="'tangerine' has 1 words and 'red apple' 2"):
        align(iconic, ["tangerine"], ["red apple"], "replace")


def test_common_words_are_refined(iconic):
    words = align(iconic, ["cat face"], ["angry cat face"])
    count = len(iconic.family.tokenizer("angry", add_special_tokens=False).input_ids)
    scores = pairs(words)
    assert scores[0] == [0]
    assert all(j not in scores for j in range(1, 1 + count)), "a new word keeps its own map"
    assert all(scores[j + count] == [j] for j in range(1, 24 - count)), "what both have is shared"
    same = align(iconic, ["cat face"], ["dog face"], "refine")
    assert 1 not in pairs(same) and pairs(same)[0] == [0]


def test_prompts_come_in_pairs_and_from_a_model_that_reads_words(iconic):
    with pytest.raises(ValueError, match="1 source prompts came for 2"):
        align(iconic, ["a"], ["b", "c"])
    with pytest.raises(ModelError, match="GaussianMixture has no tokenizer"):
        align(mixture(), ["1"], ["2"])
    both = align(iconic, ["cat face", "tangerine"], ["dog face", "red apple"])
    assert both.tokens.shape == (2, 24, 24)
    assert torch.equal(both.tokens[1], align(iconic, ["tangerine"], ["red apple"]).tokens[0])
