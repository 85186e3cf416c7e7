"""Prompts: token ids for a text encoder, and which tokens belong to which words."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.models.device import device_of
from dreamsampler.models.errors import ModelError


@final
@dataclass(frozen=True)
class Tokens:
    """A prompt as token ids.

    Args:
        ids: (1, n).
        mask: (1, n), 1 where a token is not padding.
        truncated: the words at the end that did not fit; "" if all did.
        limit: how many tokens of the prompt fit.
    """

    ids: Tensor
    mask: Tensor
    truncated: str
    limit: int


def tokenize(prompt: str, tokenizer: Any, length: int) -> Tokens:
    """A prompt as so many token ids, cut where it is too long."""
    truncated = truncated_words(prompt, tokenizer, length)
    limit = length - len(tokenizer("").input_ids)
    tokens = tokenizer(
        prompt, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    )
    return Tokens(tokens.input_ids, tokens.attention_mask, truncated, limit)


def clip_tokens(prompt: str, tokenizer: Any, text_encoder: Any) -> Tokens:
    """`tokenize` for a CLIP text encoder, learned words of several vectors named in full."""
    length = min(tokenizer.model_max_length, text_encoder.config.max_position_embeddings)
    return tokenize(expand_learned_words(prompt, tokenizer), tokenizer, length)


def run_encoder(
    encoder: Any, tokens: Tokens, mask: Tensor | None = None, hidden_states: bool = False
) -> Any:
    """A text encoder's output for a prompt, outside of any graph, so that it can be kept."""
    device = device_of(encoder)
    options: dict[str, Any] = {"output_hidden_states": True} if hidden_states else {}
    if mask is not None:
        options["attention_mask"] = mask.to(device)
    with torch.inference_mode(False), torch.no_grad():
        return encoder(input_ids=tokens.ids.to(device), **options)


def expand_learned_words(prompt: str, tokenizer: Any) -> str:
    """A prompt with every learned word (textual inversion) of several vectors named in full.

    diffusers stores such a word as `<cat>`, `<cat>_1`, `<cat>_2`, ...; a prompt says `<cat>`.
    """
    added = getattr(tokenizer, "added_tokens_encoder", {})
    for word in [w for w in added if w in prompt and f"{w}_1" in added]:
        count = next(n for n in range(1, len(added) + 1) if f"{word}_{n}" not in added)
        prompt = prompt.replace(word, " ".join([word, *(f"{word}_{n}" for n in range(1, count))]))
    return prompt


def truncated_words(prompt: str, tokenizer: Any, length: int) -> str:
    """The words at the end of a prompt that do not fit into so many tokens; "" if all do."""

    def count(text: str) -> int:
        return len(tokenizer(text, verbose=False).input_ids)

    if count(prompt) <= length:
        return ""
    words = prompt.split()
    ends = range(1, len(words) + 1)
    kept = bisect.bisect_right(ends, length, key=lambda end: count(" ".join(words[:end])))
    if kept:
        return " ".join(words[kept:])
    ids = tokenizer(prompt, verbose=False).input_ids  # one endless word, or a script without spaces
    start = length - count("") + (ids[0] in tokenizer.all_special_ids)
    return tokenizer.decode(ids[start:], skip_special_tokens=True).strip()


def word_tokens(
    prior: Any, prompts: Sequence[str], words: Sequence[Sequence[str]] | None = None
) -> Tensor:
    """Which tokens of each prompt are those of its words, (b, n) of 0 and 1.

    The start, the end and the padding are 0. What does not fit into n tokens is left out.

    Args:
        prior: a `NetworkPrior` with a CLIP text encoder.
        words: only these of every prompt, without regard to case; all of them if left out.

    Raises:
        ModelError: a model without a tokenizer.
        ValueError: no prompts, or a word that its prompt does not have.

    Example:
        >>> from dreamsampler.models.load import from_pretrained
        >>> prior = from_pretrained(device="cpu")
        >>> word_tokens(prior, ["cat face"])[0, :4].tolist()
        [0.0, 1.0, 1.0, 0.0]
        >>> word_tokens(prior, ["cat face"], [["face"]])[0, :4].tolist()
        [0.0, 0.0, 1.0, 0.0]
    """
    if not prompts or (words is not None and len(words) != len(prompts)):
        given = "no words" if words is None else f"words for {len(words)}"
        raise ValueError(f"{len(prompts)} prompts came, and {given}: pass words for every prompt")
    tokenizer, length = tokenizer_of(prior), text_length(prior)
    marks = torch.zeros(len(prompts), length)
    for i, prompt in enumerate(prompts):
        spans = word_spans(prompt, tokenizer, length)
        chosen = None if words is None else [normalize_word(word) for word in words[i]]
        for word in chosen or []:
            if word not in {known for known, _ in spans}:
                raise ValueError(f"the prompt {prompt!r} does not have the word {word!r}")
        for word, span in spans:
            if chosen is None or word in chosen:
                marks[i, span.start : span.stop] = 1
    return marks


def token_weights(
    prior: Any, prompts: Sequence[str], weights: Sequence[Mapping[str, float]]
) -> Tensor:
    """The weight of each token of each prompt, (b, n): 1, and a word's weight at its tokens.

    Args:
        prior: a `NetworkPrior` with a CLIP text encoder.
        weights: word -> weight, for every prompt; published -2 to 2.

    Raises:
        ModelError: a model without a tokenizer.
        ValueError: a word that its prompt does not have, or a weight that is no number.

    Example:
        >>> from dreamsampler.models.load import from_pretrained
        >>> prior = from_pretrained(device="cpu")
        >>> token_weights(prior, ["cat face"], [{"cat": 2.0}])[0, :4].tolist()
        [1.0, 2.0, 1.0, 1.0]
    """
    made = torch.ones_like(word_tokens(prior, prompts, [[*each] for each in weights]))
    for i, each in enumerate(weights):
        for word, weight in each.items():
            if not math.isfinite(weight):
                raise ValueError(f"the weight of {word!r} is {weight}: pass a finite number")
            own = word_tokens(prior, [prompts[i]], [[word]])[0]
            made[i] = torch.where(own > 0, weight, made[i])
    return made


def word_spans(prompt: str, tokenizer: Any, length: int) -> list[tuple[str, range]]:
    """The words of a prompt and the tokens they take, as far as they fit before the end."""
    spans: list[tuple[str, range]] = []
    start = 1
    for word in expand_learned_words(prompt, tokenizer).split():
        end = start + token_count(word, tokenizer)
        spans.append((normalize_word(word), range(min(start, length - 1), min(end, length - 1))))
        start = end
    return spans


def normalize_word(word: str) -> str:
    """A word without regard to case and to the punctuation beside it.

    Example:
        >>> normalize_word("Cat,")
        'cat'
    """
    return word.strip(".,;:!?\"'()").casefold() or word


def token_count(word: str, tokenizer: Any) -> int:
    """How many tokens a word takes."""
    return len(tokenizer(word, add_special_tokens=False).input_ids)


def text_length(prior: Any) -> int:
    """How many tokens the network gets for any prompt, padding included."""
    return prior.condition("").embeddings.shape[1]


def tokenizer_of(prior: Any) -> Any:
    """The tokenizer of the model's (first) text encoder; ModelError if it has none."""
    tokenizer = getattr(getattr(prior, "family", None), "tokenizer", None)
    if tokenizer is None:
        raise ModelError(
            f"{type(prior).__name__} has no tokenizer, so that words cannot be aligned: leave "
            "attention control out"
        )
    return tokenizer
