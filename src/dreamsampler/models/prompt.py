"""From words to the numbers that a text encoder reads."""

from __future__ import annotations

import bisect
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class Tokens:
    """A prompt in the numbers of a tokenizer.

    Args:
        ids: (1, n).
        mask: (1, n), 1 where a token is no padding.
        lost: the words at the end that did not fit; "" if all did.
        room: how many tokens of the prompt fit.
    """

    ids: Tensor
    mask: Tensor
    lost: str
    room: int


def tokenize(
    prompt: str,
    tokenizer: Any,
    length: int,
    *,
    frame: Callable[[str], str] = str,
    padding: str | bool = "max_length",
) -> Tokens:
    """A prompt as token ids, cut where it is too long.

    Args:
        prompt: the words.
        tokenizer: of the text encoder.
        length: how many tokens fit, with those that a frame and the tokenizer add.
        frame: puts the words into the sentence that the encoder is used to.
        padding: "max_length" to fill up with padding, False for as many tokens as there are.
    """
    lost = lost_words(prompt, tokenizer, length, frame)
    room = length - len(tokenizer(frame("")).input_ids)
    tokens = tokenizer(
        frame(prompt), padding=padding, max_length=length, truncation=True, return_tensors="pt"
    )
    return Tokens(tokens.input_ids, tokens.attention_mask, lost, room)


def clip_tokens(prompt: str, tokenizer: Any, text_encoder: Any) -> Tokens:
    """`tokenize` for a CLIP text encoder, learned words of several vectors named in full."""
    length = min(tokenizer.model_max_length, text_encoder.config.max_position_embeddings)
    return tokenize(spell_out(prompt, tokenizer), tokenizer, length)


@contextlib.contextmanager
def unwatched() -> Iterator[None]:
    """Embeddings are made outside of any graph, whatever the caller's mode, so as to be kept."""
    with torch.inference_mode(False), torch.no_grad():
        yield


def spell_out(prompt: str, tokenizer: Any) -> str:
    """A prompt with every learned word (textual inversion) of several vectors named in full.

    diffusers stores such a word as `<cat>`, `<cat>_1`, `<cat>_2`, ...; a prompt says `<cat>`.
    """
    added = getattr(tokenizer, "added_tokens_encoder", {})
    for word in [w for w in added if w in prompt and f"{w}_1" in added]:
        count = next(n for n in range(1, len(added) + 1) if f"{word}_{n}" not in added)
        prompt = prompt.replace(word, " ".join([word, *(f"{word}_{n}" for n in range(1, count))]))
    return prompt


def lost_words(prompt: str, tokenizer: Any, length: int, frame: Callable[[str], str] = str) -> str:
    """The words at the end of a prompt that do not fit into so many tokens; "" if all do."""

    def count(text: str) -> int:
        return len(tokenizer(frame(text), verbose=False).input_ids)

    if count(prompt) <= length:
        return ""
    words = prompt.split()
    ends = range(1, len(words) + 1)
    kept = bisect.bisect_right(ends, length, key=lambda end: count(" ".join(words[:end])))
    if kept:
        return " ".join(words[kept:])
    ids = tokenizer(prompt, verbose=False).input_ids  # one endless word, or a script without spaces
    room = length - count("")
    start = room + (ids[0] in tokenizer.all_special_ids)
    return tokenizer.decode(ids[start:], skip_special_tokens=True).strip()
