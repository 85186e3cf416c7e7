"""Seen maps are the network's own, at the resolution of the method; tokens are those of words."""

import pytest
import torch
from conformance import prior_of
from cross_maps import cross_maps
from oracles import mixture
from tiny import latents

from dreamsampler.models import ModelError, word_tokens
from dreamsampler.models.attention import AttentionMaps, attention_control


def scores(places, value=1.0, rows=2):
    return torch.full((rows, 3, places, 5), value)


@pytest.mark.parametrize("name", ["sd15", "sd21-v", "sdxl"])
@pytest.mark.parametrize("sides", [(8, 8), (8, 16), (6, 10)])
def test_seen_maps_are_the_networks_own_and_nothing_changes(name, sides):
    prior = prior_of(name)
    rng = torch.Generator().manual_seed(1)
    z = torch.randn(2, prior.latent_channels, *sides, generator=rng)
    conditions = [prior.condition("a cat"), prior.condition("a dog")]
    run = lambda: prior.predict([z, z], prior.schedule(0.6), conditions)
    own, before = dict(prior.network.attn_processors), run()
    expected = cross_maps(prior, run)
    maps = AttentionMaps(slice(1, 3), sides)
    with attention_control(prior, maps=maps):
        after = run()
    for old, new in zip(before, after, strict=True):
        torch.testing.assert_close(new.eps, old.eps, rtol=0, atol=1e-4)
    assert all(prior.network.attn_processors[n] is each for n, each in own.items())
    mean = maps.mean
    quarter = sides[0] * sides[1] / 16
    near = min(expected, key=lambda n: max(n / quarter, quarter / n))
    assert mean.shape[2] * mean.shape[3] == near
    assert mean.shape[2] / mean.shape[3] == pytest.approx(sides[0] / sides[1], rel=0.2)
    by_layer = expected[near][1:3].transpose(1, 2)
    torch.testing.assert_close(mean.flatten(2), by_layer, rtol=0, atol=1e-5)
    torch.testing.assert_close(mean.sum(1), torch.ones_like(mean[:, 0]))


def test_of_several_resolutions_the_one_nearest_to_a_quarter_of_the_side_is_averaged():
    maps = AttentionMaps(slice(0, 1), (64, 64))
    for places, value in ((64**2, 9.0), (16**2, 1.0), (32**2, 9.0), (16**2, 3.0), (8**2, 9.0)):
        maps.add(scores(places, value))
    assert torch.equal(maps.mean, torch.full((1, 5, 16, 16), 2.0))
    odd = AttentionMaps(slice(0, 2), (5, 7))
    for places in (35, 12, 4):  # 5 x 7, 3 x 4, 2 x 2
        odd.add(scores(places))
    assert odd.mean.shape == (2, 5, 2, 2)
    two = AttentionMaps(slice(0, 2), (8, 8))
    two.add(scores(1))
    two.add(scores(16))  # as far from 4 places as 1 is
    assert two.mean.shape == (2, 5, 4, 4), "of two that are as near, the finer one"
    none = AttentionMaps(slice(0, 1), (8, 8))
    none.add(scores(77))
    with pytest.raises(ModelError, match="no cross-attention in its down and up blocks"):
        none.mean  # noqa: B018


def test_the_bundled_model_is_watched_at_its_only_resolution(iconic):
    z = torch.randn(1, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    maps = AttentionMaps(slice(0, 1), (16, 16))
    with attention_control(iconic, maps=maps):
        iconic.predict(z, iconic.schedule(0.4), [iconic.condition("dog face")])
    assert maps.mean.shape == (1, 24, 8, 8)


def test_processors_come_back_after_an_error():
    prior = prior_of("sd15")
    own, maps = dict(prior.network.attn_processors), AttentionMaps(slice(0, 1), (8, 8))
    with pytest.raises(ValueError, match="a latent is"), attention_control(prior, maps=maps):
        assert all(prior.network.attn_processors[n] is not each for n, each in own.items())
        prior.predict(torch.zeros(1, 7, 8, 8), prior.schedule(0.5), [prior.condition("a")])
    assert all(prior.network.attn_processors[n] is each for n, each in own.items())
    for other in (mixture(), prior_of("flux-dev")):
        with pytest.raises(ModelError, match="leave it out"), attention_control(other, maps=maps):
            pass


def test_tokens_of_words(iconic):
    every = word_tokens(iconic, ["cat face", "tangerine"])
    ids = [iconic.family.tokenizer(text).input_ids for text in ("cat face", "tangerine")]
    for row, each in zip(every, ids, strict=True):
        inner = torch.zeros(24)
        inner[1 : len(each) - 1] = 1
        assert torch.equal(row, inner), "all but start, end and padding"
    some = word_tokens(iconic, ["a Cat, face", "face"], [["cat", "Face"], ["face"]])
    whole = word_tokens(iconic, ["a Cat, face", "face"])
    assert (whole - some)[0].nonzero().flatten().tolist() == [1], "case and commas do not count"
    assert torch.equal(some[1], whole[1])
    long = word_tokens(iconic, ["word " * 40])
    assert long[0, 1:23].all() and not long[0, 23], "the last token is the end"
    for prompts, words, message in (
        (["cat face"], [["dog"]], "'cat face' does not have the word 'dog'"),
        (["cat face"], [["cat"], ["face"]], "1 prompts came, and words for 2"),
        ([], None, "0 prompts came"),
    ):
        with pytest.raises(ValueError, match=message):
            word_tokens(iconic, prompts, words)
    with pytest.raises(ModelError, match="GaussianMixture has no tokenizer"):
        word_tokens(mixture(), ["1"])


def test_maps_need_no_graph():
    prior = prior_of("sd15")
    z = latents(prior, 1).requires_grad_(True)
    maps = AttentionMaps(slice(0, 1), (8, 8))
    with attention_control(prior, maps=maps):
        estimate = prior.predict(z, prior.schedule(0.4), [prior.condition("a dog")])[0]
    estimate.z0.square().sum().backward()
    assert z.grad is not None and z.grad.abs().sum() > 0 and not maps.mean.requires_grad
