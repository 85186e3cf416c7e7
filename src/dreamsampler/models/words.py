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
NEAR = 0.7
"""Likeness of two spellings (difflib's ratio) from which one is suggested for the other."""


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
            near = difflib.get_close_matches(bare, sorted(known), 1, NEAR)
            found[word] = near[0] if near else ""
    return found


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
