"""Past runs, kept on disk: a folder each, with its inputs, its results and its recipe."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

from dreamsampler.files import InputError, write_whole

RECIPE, INPUTS, BEFORE, THUMB = "recipe.json", "inputs", "before.webp", "thumb.webp"
"""Names in the folder of a run; all others are its results."""
_NAME = re.compile(r"\d{8}-\d{6}-[0-9a-f]{16}")


@final
@dataclass(frozen=True)
class Kept:
    """A run that is over.

    Args:
        folder: where its files are.
    """

    folder: Path

    @property
    def name(self) -> str:
        """Date, time and 16 random digits."""
        return self.folder.name

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """All it takes to make it again."""
        return json.loads((self.folder / RECIPE).read_text(encoding="utf-8"))

    @property
    def results(self) -> list[Path]:
        """What was made, the main thing first."""
        return [self.folder / name for name in self.recipe["studio"]["results"]]

    @property
    def before(self) -> Path:
        """The input, as it is shown beside the result."""
        return self.folder / BEFORE

    @property
    def thumb(self) -> Path:
        """The result, small."""
        return self.folder / THUMB

    def input(self, name: str) -> Path | None:
        """An input file of the run by its name; None if there is none such."""
        path = self.folder / INPUTS / Path(name).name
        return path if path.is_file() else None

    @property
    def title(self) -> str:
        """What was asked for, in words."""
        asked = self.recipe["options"].get("prompt") or self.recipe["options"].get("operator") or ""
        return asked if isinstance(asked, str) else ", ".join(asked)


@final
class Shelf:
    """The runs of one server.

    A run is on the shelf once its recipe is there, which is written last: what was interrupted is
    never shown.

    Args:
        root: the folder of all of them; it is made, for its owner's eyes only.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def new(self, owner: str) -> Path:
        """An empty folder for a run of somebody, with a name that nobody guesses."""
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(8)}"
        folder = self._of(owner) / name
        (folder / INPUTS).mkdir(parents=True, mode=0o700)
        return folder

    def put(self, folder: Path, recipe: dict[str, Any]) -> Kept:
        """Keep a run whose other files are written."""
        write_whole(folder / RECIPE, json.dumps(recipe, indent=1).encode())
        return Kept(folder)

    def runs(self, owner: str, words: str = "", most: int = 60) -> list[Kept]:
        """Somebody's runs, the newest first.

        Args:
            owner: whose.
            words: each of them must be in the prompts, the operator or the task's name.
            most: of how many, at most.
        """
        try:
            folders = sorted(self._of(owner).iterdir(), reverse=True)
        except FileNotFoundError:
            return []
        found: list[Kept] = []
        for folder in folders:
            kept = _whole(folder)
            if kept is not None and matches(kept.recipe, words):
                found.append(kept)
                if len(found) == most:
                    break
        return found

    def find(self, owner: str, name: str) -> Kept:
        """One of somebody's runs; InputError if it is not there."""
        kept = _whole(self._of(owner) / name) if _NAME.fullmatch(str(name)) else None
        if kept is None:
            raise InputError("this run is no longer there: it was deleted")
        return kept

    def delete(self, owner: str, name: str) -> None:
        """Delete a run and its files."""
        drop(self.find(owner, name).folder)

    def _of(self, owner: str) -> Path:
        """Somebody's folder; any text may be a name."""
        return self.root / hashlib.sha256(owner.encode()).hexdigest()[:24]


def matches(recipe: dict[str, Any], words: str) -> bool:
    """Whether every word is somewhere in what was asked for.

    Example:
        >>> matches({"task": "edit", "options": {"prompt": "dog face"}}, "DOG edit")
        True
    """
    asked = recipe.get("options", {})
    names = ("prompt", "source_prompt", "negative_prompt", "operator")
    text = " ".join([str(recipe.get("task")), *(str(asked.get(name) or "") for name in names)])
    return all(word in text.casefold() for word in words.casefold().split())


def drop(folder: Path) -> None:
    """Delete a folder; the recipe first, so that a half-deleted run is no longer on the shelf."""
    (folder / RECIPE).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _whole(folder: Path) -> Kept | None:
    """A run that can be shown; None for one under way or damaged."""
    kept = Kept(folder)
    try:
        fine = isinstance(kept.recipe["options"], dict) and bool(kept.results)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return kept if fine and kept.results[0].exists() else None
