"""Which tokens of one prompt correspond to which of another."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, final

import torch
from torch import Tensor

from dreamsampler.models.prompt import (
    expand_learned_words,
    text_length,
    token_count,
    tokenize,
    tokenizer_of,
    word_spans,
)

AlignmentMode: TypeAlias = Literal["replace", "refine"]
_Pairs: TypeAlias = list[tuple[range, range]]
"""Positions in the source prompt, and the corresponding ones in the target prompt."""


@final
@dataclass(frozen=True, eq=False)
class Alignment:
    """For each picture, which tokens of the target prompt take the maps of which source tokens.

    Args:
        tokens: (b, n, n); column j says which source tokens make up target token j.
        share: (b, n), in [0, 1]; how much of token j's map is the source's, the rest its own.
        weight: (b or 1, n), by which token j's map is multiplied after that; None is 1.
    """

    tokens: Tensor
    share: Tensor
    weight: Tensor | None = None


def align(
    prior: Any, source: Sequence[str], target: Sequence[str], mode: AlignmentMode | None = None
) -> Alignment:
    """Align the tokens of pairs of prompts, as the model's tokenizer cuts them.

    replace: word by word, for prompts of as many words ("cat face", "dog face"): every token takes
    the map of its word's counterpart. A word of more or fewer tokens shares the map out evenly.
    refine: the tokens that both prompts have in their common order ("tangerine", "a ripe
    tangerine") take the source's maps, the others keep their own.

    Args:
        prior: a `NetworkPrior` with a CLIP text encoder.
        mode: for all pairs; left out: replace where both have as many words, else refine.

    Raises:
        ModelError: a model without a tokenizer.
        ValueError: replace of prompts with different numbers of words, or other numbers of prompts.

    Source: Hertz et al., "Prompt-to-Prompt", ICLR 2023 (arXiv:2208.01626), section 3.2, "word
    swap" and "adding a new phrase".
    """
    _check_pairs(source, target)
    tokenizer, length = tokenizer_of(prior), text_length(prior)
    rows = [_align_pair(a, b, tokenizer, length, mode) for a, b in zip(source, target, strict=True)]
    return Alignment(torch.stack([r[0] for r in rows]), torch.stack([r[1] for r in rows]))


def changed_tokens(
    prior: Any, source: Sequence[str], target: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """At which tokens each prompt of a pair has words that the other one does not have there.

    Prompts of as many words are compared word by word ("cat face", "dog face": cat and dog), others
    by their longest common sequence of words. Case and punctuation do not count.

    Returns:
        (b, n) of 0 and 1 for the source prompts, and as much for the target prompts.

    Raises:
        ModelError: a model without a tokenizer.
        ValueError: other numbers of prompts.

    Example:
        >>> from dreamsampler.models.load import from_pretrained
        >>> cat, dog = changed_tokens(from_pretrained(device="cpu"), ["cat face"], ["dog face"])
        >>> cat[0, :4].tolist(), dog[0, :4].tolist()
        ([0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0])
    """
    _check_pairs(source, target)
    tokenizer, length = tokenizer_of(prior), text_length(prior)
    changed = torch.zeros(2, len(source), length)
    for i, pair in enumerate(zip(source, target, strict=True)):
        spans = [word_spans(prompt, tokenizer, length) for prompt in pair]
        a, b = ([word for word, _ in each] for each in spans)
        common = _common(a, b)
        if len(a) == len(b):
            common = [(range(k, k + 1),) * 2 for k in range(len(a)) if a[k] == b[k]]
        for side, each in enumerate(spans):
            unchanged = {k for both in common for k in both[side]}
            for k, (_, span) in enumerate(each):
                changed[side, i, span.start : span.stop] = float(k not in unchanged)
    return changed[0], changed[1]


def _check_pairs(source: Sequence[str], target: Sequence[str]) -> None:
    if len(source) != len(target) or not source:
        raise ValueError(
            f"{len(source)} source prompts came for {len(target)} target prompts: pass pairs"
        )


def _align_pair(
    source: str, target: str, tokenizer: Any, length: int, mode: AlignmentMode | None
) -> tuple[Tensor, Tensor]:
    """(n, n) and (n,) of one pair."""
    texts = [expand_learned_words(prompt, tokenizer) for prompt in (source, target)]
    counts = [[token_count(word, tokenizer) for word in text.split()] for text in texts]
    same = len(counts[0]) == len(counts[1])
    if mode == "replace" and not same:
        raise ValueError(
            f"{source!r} has {len(counts[0])} words and {target!r} {len(counts[1])}, so none can "
            "be replaced one by one: refine"
        )
    ends = [min(1 + sum(each), length - 1) for each in counts]
    if same and mode != "refine":
        pairs = _word_by_word(counts[0], counts[1])
    else:
        ids = [tokenize(text, tokenizer, length).ids[0].tolist() for text in texts]
        pairs = _common(ids[0][: ends[0]], ids[1][: ends[1]])
    for k in range(length - ends[1]):  # the end of the prompt to its end, padding to padding
        i, j = min(ends[0] + k, length - 1), ends[1] + k
        pairs.append((range(i, i + 1), range(j, j + 1)))
    tokens, share = torch.zeros(length, length), torch.zeros(length)
    for a, b in pairs:
        for j in (j for j in b if j < length):
            share[j] = 1
            for i in (i for i in a if i < length):
                tokens[i, j] = 1 / len(b)
    return tokens, share


def _word_by_word(source: list[int], target: list[int]) -> _Pairs:
    """Start to start, then every word to its counterpart."""
    pairs, a, b = [(range(1), range(1))], 1, 1
    for n, m in zip(source, target, strict=True):
        pairs += (
            [(range(a + k, a + k + 1), range(b + k, b + k + 1)) for k in range(n)]
            if n == m
            else [(range(a, a + n), range(b, b + m))]
        )
        a, b = a + n, b + m
    return pairs


def _common(source: Sequence[Hashable], target: Sequence[Hashable]) -> _Pairs:
    """The longest sequence of tokens or words that both have in this order, one to one."""
    n, m = len(source), len(target)
    best = [[0] * (m + 1) for _ in range(n + 1)]
    for i in reversed(range(n)):
        for j in reversed(range(m)):
            longer = max(best[i + 1][j], best[i][j + 1])
            best[i][j] = 1 + best[i + 1][j + 1] if source[i] == target[j] else longer
    pairs: _Pairs = []
    i = j = 0
    while i < n and j < m:
        if source[i] == target[j]:
            pairs.append((range(i, i + 1), range(j, j + 1)))
            i, j = i + 1, j + 1
        elif best[i + 1][j] >= best[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs
