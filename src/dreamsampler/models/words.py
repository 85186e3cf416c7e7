"""The words that a model was trained on, where a list of them comes with it."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

FILE = "words.txt"
"""In a model's folder: every word of its captions, a word a line."""
SILENT = set("a an and at by for from in is it its my of on or that the this to with".split())  # noqa: SIM905
"""Words that show nothing, which are never named."""
NEAR, LONG = 0.8, 6
"""Likeness of two spellings (difflib's ratio) from which one is suggested for the other, and the
least letters for that: short words that are spelled alike have nothing in common."""


def read_words(folder: Path) -> frozenset[str]:
    """The words of a model's folder; empty if it has no list."""
    path = folder / FILE
    return frozenset(path.read_text("utf-8").split()) if path.is_file() else frozenset()


def split_words(prompt: str) -> list[str]:
    """The words of a prompt in small letters, hyphens and punctuation between them.

    Example:
        >>> split_words("A soft-boiled Egg, 3d")
        ['a', 'soft', 'boiled', 'egg', '3d']
    """
    return [
        word for word in re.split(r"[\s!-&(-/:-@\[-`{-~\u2010-\u2015]+", prompt.lower()) if word
    ]


def unknown_words(prompt: str, words: Iterable[str]) -> dict[str, str]:
    """The words of a prompt that are not in a list, in order, each with the nearest one or "".

    A plural is its singular, and the other way round; so is "cat's".

    Example:
        >>> unknown_words("two cats and a giraffe on grey ground", ["a", "cat", "on", "gray"])
        {'two': '', 'giraffe': '', 'grey': 'gray', 'ground': ''}
    """
    known = set(words)
    every = known | SILENT
    found: dict[str, str] = {}
    for word in split_words(prompt):
        bare = re.sub(r"['\u2019]s?$", "", word).strip("'\u2019")
        forms = {bare, bare.removesuffix("s"), bare.removesuffix("es")}
        forms |= {f"{bare}s", bare.removesuffix("ies") + "y", bare.removesuffix("y") + "ies"}
        if bare and not forms & every:
            alike = [each for each in sorted(known) if _meant(bare, each)]
            near = difflib.get_close_matches(bare, alike, 1, 0.0)
            found[word] = near[0] if near else ""
    return found


def _meant(word: str, known: str) -> bool:
    """Whether a word may be a known one: mistyped, or another form of it.

    Example:
        >>> [_meant(*pair.split()) for pair in ("grey gray", "smile smiling", "leaf left")]
        [True, True, False]
    """
    if len(word) < 4:
        return False
    if len(word) >= LONG and difflib.SequenceMatcher(None, known, word).ratio() >= NEAR:
        return True
    if word[0] != known[0]:
        return False
    if len(word) > 4 and known.startswith(word[:-1]):
        return True
    pairs = enumerate(zip(word, known, strict=False))
    at = next((i for i, (x, y) in pairs if x != y), min(len(word), len(known)))
    a, b = word[at:], known[at:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


def warn_unknown(name: str, prompt: str, words: Iterable[str]) -> None:
    """Warn of the words of a prompt that a model of this name was not trained on."""
    if not (found := unknown_words(prompt, words)):
        return
    named = [f"{word!r}" + (f" (nearest: {near})" if near else "") for word, near in found.items()]
    warnings.warn(
        f"{name} was not trained on {', '.join(named)}, so expect little of that; "
        f"`dreamsampler models --describe {name}` lists its words",
        stacklevel=4,
    )
