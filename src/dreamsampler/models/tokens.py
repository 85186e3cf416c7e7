"""At which tokens of a prompt its words stand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dreamsampler.models.errors import ModelError
from dreamsampler.models.prompt import spell_out


def word_tokens(
    prior: Any, prompts: Sequence[str], words: Sequence[Sequence[str]] | None = None
) -> Tensor:
    """Which tokens of each prompt are those of its words, (b, n) of 0 and 1.

    The start, the end and the padding are no words. What does not fit into n tokens is left out.

    Args:
        prior: a `NetworkPrior` that reads prompts by CLIP.
        prompts: one per picture.
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
        told = "none" if words is None else f"words for {len(words)}"
        raise ValueError(f"{len(prompts)} prompts came, and {told}: pass words for every prompt")
    tokenizer, length = tokenizer_of(prior), length_of(prior)
    found = torch.zeros(len(prompts), length)
    for i, prompt in enumerate(prompts):
        places = places_of(prompt, tokenizer, length)
        wanted = None if words is None else [plain_word(word) for word in words[i]]
        spoken = {word for word, _ in places}
        for word in wanted or []:
            if word not in spoken:
                raise ValueError(f"the prompt {prompt!r} does not have the word {word!r}")
        for word, place in places:
            if wanted is None or word in wanted:
                found[i, place.start : place.stop] = 1
    return found


def token_weights(
    prior: Any, prompts: Sequence[str], weights: Sequence[Mapping[str, float]]
) -> Tensor:
    """How much each token of each prompt counts, (b, n): 1, and a word's weight at its tokens.

    Args:
        prior: a `NetworkPrior` that reads prompts by CLIP.
        prompts: one per picture.
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
    found = torch.ones_like(word_tokens(prior, prompts, [[*told] for told in weights]))
    for i, told in enumerate(weights):
        for word, weight in told.items():
            if not math.isfinite(weight):
                raise ValueError(f"the weight of {word!r} is {weight}: pass a finite number")
            own = word_tokens(prior, [prompts[i]], [[word]])[0]
            found[i] = torch.where(own > 0, weight, found[i])
    return found


def places_of(prompt: str, tokenizer: Any, length: int) -> list[tuple[str, range]]:
    """The words of a prompt and the tokens they take, as far as there is room before the end."""
    found: list[tuple[str, range]] = []
    start = 1
    for word in spell_out(prompt, tokenizer).split():
        end = start + tokens_in(word, tokenizer)
        found.append((plain_word(word), range(min(start, length - 1), min(end, length - 1))))
        start = end
    return found


def plain_word(word: str) -> str:
    """A word without regard to case and to the punctuation beside it.

    Example:
        >>> plain_word("Cat,")
        'cat'
    """
    return word.strip(".,;:!?\"'()").casefold() or word


def tokens_in(word: str, tokenizer: Any) -> int:
    """How many tokens a word takes."""
    return len(tokenizer(word, add_special_tokens=False).input_ids)


def length_of(prior: Any) -> int:
    """How many tokens the network is told for any prompt, padding included."""
    return prior.condition("").embeddings.shape[1]


def tokenizer_of(prior: Any) -> Any:
    """The tokenizer of the model's (first) text encoder; ModelError if it has none."""
    family = getattr(prior, "family", None)
    several = getattr(family, "tokenizers", None)
    found = several[0] if several else getattr(family, "tokenizer", None)
    if found is None:
        raise ModelError(
            f"{type(prior).__name__} has no tokenizer, so that words cannot be aligned: leave "
            "attention control out"
        )
    return found
