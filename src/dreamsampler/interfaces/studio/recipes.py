"""Recipes that come back: in a picture, in a drawing, or by themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamsampler.files import InputError
from dreamsampler.tasks.from_values import file_options, task_type
from dreamsampler.tasks.options import options_of
from dreamsampler.tasks.recipe import upgrade

MOST_TEXT = 1 << 22
"""Characters of a recipe, at most."""


def settings_of(recipe: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The task of a recipe and its options, without files: those are on another machine."""
    task, options = recipe.get("task"), recipe.get("options")
    if not isinstance(options, dict):
        raise InputError("this file holds no recipe of a task")
    known, files = options_of(task_type(task)), file_options(str(task))
    return str(task), {n: v for n, v in options.items() if n in known and n not in files}


def recipe_of(path: Path) -> dict[str, Any]:
    """The recipe in a picture, in an SVG drawing, or by itself as JSON; InputError if none."""
    from dreamsampler.images.save import read_recipe

    if path.suffix.lower() != ".json":
        return upgrade(read_recipe(path))
    try:
        with path.open(encoding="utf-8") as file:
            recipe = json.loads(file.read(MOST_TEXT))
    except (ValueError, RecursionError):
        recipe = None
    if not isinstance(recipe, dict):
        raise InputError(f"{path.name} holds no recipe")
    return upgrade(recipe)
