"""From words to the numbers that a network is told."""

from __future__ import annotations

import bisect
import warnings
from typing import Any

import torch
from torch import Tensor

from dreamsampler.models.errors import PromptTruncated


def embed(
    prompt: str, tokenizer: Any, text_encoder: Any, device: torch.device
) -> tuple[Tensor, bool]:
    """Last hidden states of a CLIP text encoder, (1, n, d), and whether the prompt was read whole.

    Made outside of any graph, whatever the caller's mode, so that it can be kept.

    Warns:
        PromptTruncated: the prompt is too long; names the lost words.
    """
    prompt = spell_out(prompt, tokenizer)
    length = min(tokenizer.model_max_length, text_encoder.config.max_position_embeddings)
    lost = lost_words(prompt, tokenizer, length)
    if lost:
        warnings.warn(
            f"the prompt is longer than the {length - 2} tokens that this model reads, so its end "
            f"is ignored: {lost!r}",
            PromptTruncated,
            stacklevel=3,
        )
    tokens = tokenizer(
        prompt, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    )
    masked = getattr(text_encoder.config, "use_attention_mask", False)
    mask = tokens.attention_mask.to(device) if masked else None
    with torch.inference_mode(False), torch.no_grad():
        return text_encoder(tokens.input_ids.to(device), attention_mask=mask)[0], not lost


def spell_out(prompt: str, tokenizer: Any) -> str:
    """A prompt with every learned word (textual inversion) of several vectors named in full.

    diffusers stores such a word as `<cat>`, `<cat>_1`, `<cat>_2`, ...; a prompt says `<cat>`.
    """
    added = getattr(tokenizer, "added_tokens_encoder", {})
    for word in [w for w in added if w in prompt and f"{w}_1" in added]:
        count = next(n for n in range(1, len(added) + 1) if f"{word}_{n}" not in added)
        prompt = prompt.replace(word, " ".join([word, *(f"{word}_{n}" for n in range(1, count))]))
    return prompt


def lost_words(prompt: str, tokenizer: Any, length: int) -> str:
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
    return tokenizer.decode(ids[length - 1 : -1], skip_special_tokens=True).strip()
