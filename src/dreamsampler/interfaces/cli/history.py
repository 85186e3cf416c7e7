"""The command `history`: what was made in a folder, by the recipes in its files; needs no torch."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from dreamsampler.files import InputError


@final
@dataclass(frozen=True)
class History:
    """List what was made in a folder and below it, the newest last, by the recipes in the files."""

    folder: Path = Path()
    """where to look"""
    search: str | None = None
    """only what has these words in its prompts, file name, task or model"""
    limit: int | None = None
    """only so many, the newest"""
    json: bool = False
    """print one JSON document a line: the file, and its recipe"""
    debug: bool = False
    """show tracebacks"""


def print_history(asked: History) -> None:
    """A line a file: date, task, seed, model, file, prompt.

    Raises:
        InputError: no such folder, or a limit that is none.
    """
    if not asked.folder.is_dir():
        raise InputError(f"there is no folder {asked.folder}: check its name")
    if asked.limit is not None and asked.limit < 1:
        raise InputError(f"limit is {asked.limit}, and at least 1 was wanted")
    found = sorted(_matching(asked), key=lambda pair: (str(pair[1].get("date", "")), str(pair[0])))
    shown = found if asked.limit is None else found[-asked.limit :]
    if asked.json:
        for path, recipe in shown:
            print(json.dumps({"file": str(path), **recipe}))
        return
    if not shown:
        print(f"{asked.folder}: no file with a recipe was found", file=sys.stderr)
    for line in _table([_row(path, recipe) for path, recipe in shown]):
        print(line)


def recipes_in(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every file with a recipe in a folder and below; hidden folders are left out."""
    from dreamsampler.images.save import FORMATS, read_recipe

    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if Path(name).suffix.lower() not in (*FORMATS, ".svg") or name.startswith("."):
                continue
            try:
                yield Path(here, name), read_recipe(Path(here, name))
            except (ValueError, OSError):  # a stranger's picture
                continue


def _matching(asked: History) -> Iterator[tuple[Path, dict[str, Any]]]:
    words = (asked.search or "").lower().split()
    for path, recipe in recipes_in(asked.folder):
        text = " ".join([*_row(path, recipe), *map(str, _options(recipe).values())]).lower()
        if all(word in text for word in words):
            yield path, recipe


def _options(recipe: dict[str, Any]) -> dict[str, Any]:
    options = recipe.get("options")
    return options if isinstance(options, dict) else {}


def _row(path: Path, recipe: dict[str, Any]) -> list[str]:
    options, model = _options(recipe), recipe.get("model")
    asked = options.get("prompt") or options.get("operator") or ""
    words = "; ".join(map(str, asked)) if isinstance(asked, list) else str(asked)
    return [
        str(recipe.get("date", ""))[:19].replace("T", " "),
        str(recipe.get("task", "")),
        str(recipe.get("seed", options.get("seed", ""))),
        str(model.get("name", "")) if isinstance(model, dict) else "",
        str(path),
        " ".join(words.split()),
    ]


def _table(rows: list[list[str]]) -> Iterator[str]:
    """Columns side by side; cut at the width of a terminal, whole in a pipe."""
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(5)]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:5], widths, strict=True)]
        line = "  ".join([*cells, row[5]]).rstrip()
        yield line if room is None or len(line) <= room else line[: room - 1] + "…"
