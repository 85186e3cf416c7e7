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
from dreamsampler.interfaces.cli.options import Json


@final
@dataclass(frozen=True)
class History(Json):
    """List what was made in a folder and below it, the newest last, by the recipes in the files.

    With `--json`, a line is one JSON document: the file, and its recipe.
    """

    folder: Path = Path()
    """folder with the results"""
    search: str | None = None
    """only what has these words in its prompts, file name, task or model"""
    limit: int | None = None
    """only so many, the newest"""


def print_history(options: History) -> None:
    """A line a file: date, task, seed, model, file, prompt."""
    if not options.folder.is_dir():
        raise InputError(f"there is no folder {options.folder}: check its name")
    if options.limit is not None and options.limit < 1:
        raise InputError(f"limit is {options.limit}, but must be at least 1")
    found = sorted(_matching(options), key=_made)
    shown = found if options.limit is None else found[-options.limit :]
    if options.json:
        for path, recipe in shown:
            print(json.dumps({"file": str(path), **recipe}))
        return
    if not shown:
        print(f"{options.folder}: no file with a recipe was found", file=sys.stderr)
    for line in _table([describe(path, recipe) for path, recipe in shown]):
        print(line)


def _made(pair: tuple[Path, dict[str, Any]]) -> tuple[str, int]:
    """When a file was made: the recipe has seconds, the file system less."""
    return str(pair[1].get("date", "")), pair[0].stat().st_mtime_ns


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
            except (ValueError, OSError):  # a picture of another program
                continue


def _matching(options: History) -> Iterator[tuple[Path, dict[str, Any]]]:
    words = (options.search or "").lower().split()
    for path, recipe in recipes_in(options.folder):
        values = map(str, recipe.get("options", {}).values())
        text = " ".join([*describe(path, recipe), *values]).lower()
        if all(word in text for word in words):
            yield path, recipe


def describe(path: Path, recipe: dict[str, Any]) -> list[str]:
    """Date, task, seed, model, file, and prompt or operator."""
    options = recipe.get("options", {})
    words = options.get("prompt") or options.get("operator") or ""
    words = "; ".join(map(str, words)) if isinstance(words, list) else str(words)
    return [
        str(recipe.get("date", ""))[:19].replace("T", " "),
        str(recipe.get("task", "")),
        str(recipe.get("seed", options.get("seed", ""))),
        str(recipe.get("model", {}).get("name", "")),
        str(path),
        " ".join(words.split()),
    ]


def _table(rows: list[list[str]]) -> Iterator[str]:
    """Columns side by side; cut at the width of a terminal, whole in a pipe."""
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(5)]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for row in rows:
        cells = [cell.ljust(wide) for cell, wide in zip(row[:5], widths, strict=True)]
        line = "  ".join([*cells, row[5]]).rstrip()
        yield line if width is None or len(line) <= width else line[: width - 1] + "…"
