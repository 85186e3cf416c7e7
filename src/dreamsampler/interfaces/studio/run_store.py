"""Finished runs on disk: a folder each, with its inputs, its results and its recipe."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, final

from dreamsampler.files import write_whole
from dreamsampler.interfaces.studio.failures import Refused
from dreamsampler.tasks.recipe import upgrade

RECIPE, INPUTS, BEFORE, THUMB = "recipe.json", "inputs", "before.webp", "thumb.webp"
"""Names in the folder of a run; all others are its results."""
SCENE, OPERATOR = "scene", "operator"
"""Folders among the inputs: the views of a scene, and the files that an operator names."""
_NAME = re.compile(r"\d{8}-\d{6}-[0-9a-f]{16}")


@final
@dataclass(frozen=True)
class StoredRun:
    """A finished run, in a folder."""

    folder: Path

    @property
    def name(self) -> str:
        """Date, time and 16 random digits."""
        return self.folder.name

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """How it was made, in the words of this version."""
        return upgrade(json.loads((self.folder / RECIPE).read_text(encoding="utf-8")))

    @property
    def results(self) -> list[Path]:
        """The files that were made, the main one first."""
        return [self.folder / name for name in self.recipe["studio"]["results"]]

    def file(self, name: str) -> Path:
        """A result, the recipe, a picture of the page, or an input (inputs/...); Refused."""
        known = (*self.recipe["studio"]["results"], RECIPE, BEFORE, THUMB)
        path = self.folder / name
        with contextlib.suppress(OSError, ValueError):  # no name of a file at all
            inside = path.resolve().is_relative_to(self.folder / INPUTS)
            if (name in known or inside) and path.exists():
                return path
        raise Refused("there is no such file in this run", 404)

    def download(self, name: str) -> str:
        """The name that a visitor's copy of a file gets: after task and prompt."""
        words = "".join(c if c.isalnum() else "-" for c in self.title.lower()).strip("-")[:40]
        stem = f"{self.recipe['task']}-{words}".strip("-")
        return Path(name).name.replace("result", stem, 1)

    @property
    def title(self) -> str:
        """Prompt or operator."""
        options = self.recipe["options"]
        title = options.get("prompt") or options.get("operator") or ""
        title = title if isinstance(title, str) else ", ".join(title)
        return "" if title == "none" else title

    @property
    def values(self) -> dict[str, Any]:
        """The options of the run for a form, its input files by ids (`Uploads.find`)."""
        values, inputs = dict(self.recipe["options"]), self.folder / INPUTS
        for name in ("image", "mask_image"):
            names = values.get(name) or []
            paths = [inputs / Path(n).name for n in ([names] if isinstance(names, str) else names)]
            found = [self._id(path) for path in paths if path.is_file()]
            if isinstance(names, str):
                values[name] = found[0] if found else None
            elif names:
                values[name] = found
        if (inputs / SCENE).is_dir():
            values["image"] = self._id(inputs / SCENE)
        for folder, name in ((OPERATOR, "operator_files"), ("call", "call_files")):
            if (inputs / folder).is_dir():
                values[name] = [self._id(path) for path in sorted((inputs / folder).iterdir())]
        if call := self.recipe["studio"].get("call"):
            values["call"] = call
        return values

    def _id(self, path: Path) -> str:
        return f"{self.name}~{path.relative_to(self.folder).as_posix()}"

    def matches(self, words: str) -> bool:
        """Whether every word is in the task's name, the prompts or the operator."""
        options = self.recipe["options"]
        names = ("prompt", "source_prompt", "negative_prompt", "operator")
        texts = [str(self.recipe["task"]), *(str(options.get(name) or "") for name in names)]
        text = " ".join(texts).casefold()
        return all(word in text for word in words.casefold().split())


@final
class RunStore:
    """The runs of one server.

    A run is listed once its recipe is written, which is the last of its files: interrupted runs are
    never shown.

    Args:
        root: the folder of all runs; it is made, readable by its owner only.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def new(self, owner: str) -> Path:
        """An empty folder for a run, with a name that nobody guesses."""
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(8)}"
        folder = self._of(owner) / name
        (folder / INPUTS).mkdir(parents=True, mode=0o700)
        return folder

    def add(self, folder: Path, recipe: dict[str, Any]) -> StoredRun:
        """List a run whose other files are written."""
        write_whole(folder / RECIPE, json.dumps(recipe, indent=1).encode())
        return StoredRun(folder)

    def runs(self, owner: str, words: str = "", most: int = 60) -> list[StoredRun]:
        """The newest runs of an owner that match some words, at most so many."""
        runs = map(_complete, sorted(self._of(owner).glob("*"), reverse=True))
        return list(islice((run for run in runs if run is not None and run.matches(words)), most))

    def find(self, owner: str, name: str) -> StoredRun:
        """A run of an owner by its name; Refused if there is none."""
        run = _complete(self._of(owner) / name) if _NAME.fullmatch(str(name)) else None
        if run is None:
            raise Refused("this run is no longer there: it was deleted", 404)
        return run

    def delete(self, owner: str, name: str) -> None:
        """Delete a run and its files."""
        remove(self.find(owner, name).folder)

    def _of(self, owner: str) -> Path:
        """An owner's folder; any text may be an owner."""
        return self.root / hashlib.sha256(owner.encode()).hexdigest()[:24]


def remove(folder: Path) -> None:
    """Delete the folder of a run; the recipe first, so that a half-deleted run is not listed."""
    (folder / RECIPE).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _complete(folder: Path) -> StoredRun | None:
    """A run that can be shown; None for one under way or damaged."""
    run = StoredRun(folder)
    try:
        recipe = run.recipe
        complete = isinstance(recipe["options"], dict) and bool(recipe["task"])
        complete = complete and run.results[0].exists()
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None
    return run if complete else None
