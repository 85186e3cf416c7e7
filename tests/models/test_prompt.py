"""Prompts that are too long say what they lost."""

import warnings

import pytest
import torch

from dreamsampler.models.errors import PromptTruncated
from dreamsampler.models.pipe import from_pipe
from dreamsampler.models.prompt import expand_learned_words, truncated_words


def test_a_prompt_that_fits_is_silent_and_equals_the_pipelines(tiny, pipe):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        condition = tiny.condition("the cat sat")
    with torch.no_grad():
        expected, null = pipe.encode_prompt("the cat sat", "cpu", 1, True, "")
    assert torch.allclose(condition.embeddings, expected, atol=1e-6)
    assert torch.allclose(tiny.condition(None).embeddings, null, atol=1e-6)


def test_the_lost_words_are_named(tiny, pipe):
    prompt = "cat " * 80 + "Shiny Mirror"
    with pytest.warns(PromptTruncated, match="Shiny Mirror"):
        condition = tiny.condition(prompt)
    with torch.no_grad():
        expected, _ = pipe.encode_prompt(prompt, "cpu", 1, False)
    assert torch.allclose(condition.embeddings, expected, atol=1e-6)


def test_what_is_kept_fits_and_one_word_more_does_not(tiny):
    words = [f"word{n}" for n in range(60)]
    lost = truncated_words(" ".join(words), tiny.family.tokenizer, 77).split()
    kept = words[: -len(lost)]
    assert kept + lost == words
    count = lambda part: len(tiny.family.tokenizer(" ".join(part)).input_ids)
    assert count(kept) <= 77 < count(words[: len(kept) + 1])


def test_a_script_without_spaces(tiny):
    assert truncated_words("x" * 100 + "yz", tiny.family.tokenizer, 77).endswith("yz")


def test_the_warning_points_at_the_caller(tiny):
    with pytest.warns(PromptTruncated) as caught:
        tiny.condition("dog " * 200)
    assert caught[0].filename == __file__


def test_learned_words_of_several_vectors(pipe):
    vectors = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    pipe.load_textual_inversion({"<thing>": vectors}, token="<thing>")
    condition = from_pipe(pipe).condition("a <thing> sat")
    with torch.no_grad():
        expected, _ = pipe.encode_prompt("a <thing> sat", "cpu", 1, False)
        once, _ = pipe.encode_prompt("a sat", "cpu", 1, False)
    assert (
        expand_learned_words("a <thing> sat", pipe.tokenizer) == "a <thing> <thing>_1 <thing>_2 sat"
    )
    assert torch.allclose(condition.embeddings, expected, atol=1e-6)
    assert not torch.allclose(expected, once)


def test_a_prompt_that_was_cut_warns_every_time(tiny):
    for _ in range(2):
        with pytest.warns(PromptTruncated):
            tiny.condition("word " * 200)
