"""Which tokens of one prompt stand for which of another."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, final

import torch
from torch import Tensor

from dreamsampler.models.prompt import spell_out, tokenize
from dreamsampler.models.tokens import length_of, places_of, tokenizer_of, tokens_in

How: TypeAlias = Literal["replace", "refine"]
_Pairs: TypeAlias = list[tuple[range, range]]
"""Places in the source prompt, and those in the target prompt that they stand for."""


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
    prior: Any, source: Sequence[str], target: Sequence[str], how: How | None = None
) -> Alignment:
    """Align the tokens of pairs of prompts, as the model's tokenizer cuts them.

    replace: word by word, for prompts of as many words ("cat face", "dog face"): every token takes
    the map of its word's counterpart. A word of more or fewer tokens shares the map out evenly.
    refine: the tokens that both prompts have in their common order ("tangerine", "a ripe
    tangerine") take the source's maps, the others keep their own.

    Args:
        prior: a `NetworkPrior` that reads prompts by CLIP.
        source: the source prompt of every picture.
        target: as many target prompts.
        how: for all pairs; left out: replace where both have as many words, else refine.

    Raises:
        ModelError: a model without a tokenizer.
        ValueError: replace of prompts with different numbers of words, or other numbers of prompts.

    Source: Hertz et al., "Prompt-to-Prompt", ICLR 2023 (arXiv:2208.01626), section 3.2, "word
    swap" and "adding a new phrase".
    """
    _check_pairs(source, target)
    tokenizer, length = tokenizer_of(prior), length_of(prior)
    rows = [_aligned(a, b, tokenizer, length, how) for a, b in zip(source, target, strict=True)]
    return Alignment(torch.stack([r[0] for r in rows]), torch.stack([r[1] for r in rows]))


def changed_tokens(
    prior: Any, source: Sequence[str], target: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """At which tokens each prompt of a pair has words that the other one does not have there.

    Prompts of as many words are compared word by word ("cat face", "dog face": cat and dog), others
    by their longest common sequence of words. Case and punctuation do not count.

    Args:
        prior: a `NetworkPrior` that reads prompts by CLIP.
        source: the source prompt of every picture.
        target: as many target prompts.

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
    tokenizer, length = tokenizer_of(prior), length_of(prior)
    found = torch.zeros(2, len(source), length)
    for i, pair in enumerate(zip(source, target, strict=True)):
        a, b = (places_of(prompt, tokenizer, length) for prompt in pair)
        names = [word for word, _ in a], [word for word, _ in b]
        kept = _common(*names)
        if len(a) == len(b):
            kept = [(range(k, k + 1),) * 2 for k in range(len(a)) if names[0][k] == names[1][k]]
        for side, places in enumerate((a, b)):
            stays = {k for both in kept for k in both[side]}
            for k, (_, place) in enumerate(places):
                found[side, i, place.start : place.stop] = float(k not in stays)
    return found[0], found[1]


def _check_pairs(source: Sequence[str], target: Sequence[str]) -> None:
    if len(source) != len(target) or not source:
        raise ValueError(
            f"{len(source)} source prompts came for {len(target)} target prompts: pass pairs"
        )


def _aligned(
    source: str, target: str, tokenizer: Any, length: int, how: How | None
) -> tuple[Tensor, Tensor]:
    """(n, n) and (n,) of one pair."""
    words = [spell_out(prompt, tokenizer).split() for prompt in (source, target)]
    counts = [[tokens_in(word, tokenizer) for word in each] for each in words]
    same = len(words[0]) == len(words[1])
    if how == "replace" and not same:
        raise ValueError(
            f"{source!r} has {len(words[0])} words and {target!r} {len(words[1])}, so none can be "
            "replaced one by one: refine"
        )
    ends = [min(1 + sum(each), length - 1) for each in counts]
    if same and how != "refine":
        pairs = _word_by_word(counts[0], counts[1])
    else:
        spelled = [spell_out(prompt, tokenizer) for prompt in (source, target)]
        ids = [tokenize(text, tokenizer, length).ids[0].tolist() for text in spelled]
        pairs = _common(ids[0][: ends[0]], ids[1][: ends[1]])
    return _matrix([*pairs, *_rest(ends[0], ends[1], length)], length)


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


def _rest(source: int, target: int, length: int) -> _Pairs:
    """The end of the prompt to its end, padding to padding."""
    places = range(target, length)
    taken = [min(source + k, length - 1) for k in range(len(places))]
    return [(range(i, i + 1), range(j, j + 1)) for i, j in zip(taken, places, strict=True)]


def _matrix(pairs: _Pairs, length: int) -> tuple[Tensor, Tensor]:
    tokens, share = torch.zeros(length, length), torch.zeros(length)
    for source, target in pairs:
        own = [j for j in target if j < length]
        for j in own:
            share[j] = 1
            for i in source:
                if i < length:
                    tokens[i, j] = 1 / len(target)
    return tokens, share
