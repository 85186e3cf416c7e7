"""The command `methods`: every method that a task can take, from the registry; needs no torch."""

from __future__ import annotations

import json
import shutil
import textwrap
from dataclasses import dataclass
from typing import Any, Literal, final

from dreamsampler.interfaces.cli.options import Json
from dreamsampler.methods.entry import EDITORS
from dreamsampler.methods.registry import METHODS, Method
from dreamsampler.tasks.from_values import task_type
from dreamsampler.tasks.options import options_of


@final
@dataclass(frozen=True)
class Methods(Json):
    """List the methods of edit, inpaint and restore: paper, network evaluations, when to use which.

    `--method NAME` takes one; options that are left out are then the settings listed here.
    """

    task: Literal["all", "edit", "inpaint", "restore"] = "all"
    """only those of one task"""


def list_methods(options: Methods) -> None:
    """Print some lines a method, or one JSON document."""
    chosen = [each for each in METHODS if options.task in ("all", each.task)]
    if options.json:
        print(json.dumps([_entry(each) for each in chosen]))
        return
    width = shutil.get_terminal_size().columns
    for i, each in enumerate(chosen):
        if i == 0 or each.task != chosen[i - 1].task:
            print(f"{'' if i == 0 else chr(10)}dreamsampler {each.task} --method ...")
        print(f"  {each.name}")
        for line in _lines(each):
            print(textwrap.fill(line, width, initial_indent=" " * 6, subsequent_indent=" " * 8))


def _entry(method: Method) -> dict[str, Any]:
    names = ("task", "name", "title", "paper", "use", "evaluations", "draws")
    prompts = ("source_prompt", "negative_prompt")
    found = {name: getattr(method, name) for name in (*names, *prompts)}
    return {**found, "settings": dict(method.settings)}


def _lines(method: Method) -> list[str]:
    """When to use a method, what it costs and takes, and where it comes from."""
    options = options_of(task_type(method.task))
    settings = ", ".join(
        f"{name} {value:g}" for name, value in method.settings.items() if value and name in options
    )
    notes = [f"{method.evaluations} network evaluations an image at {settings}"]
    if method.source_prompt == "needed":
        notes.append("needs a source prompt")
    if method.reference:
        notes.append(f"needs a model that edits by instruction ({EDITORS})")
    notes += [] if method.draws else ["every seed gives the same picture"]
    return [method.use, "; ".join(notes), f"{method.title}: {method.paper}"]
