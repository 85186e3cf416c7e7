"""Past runs: look for them, look at them, take their settings again; and recipes from files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import gradio as gr

from dreamsampler.files import InputError
from dreamsampler.interfaces.studio.result import Result
from dreamsampler.interfaces.studio.shelf import INPUTS, Kept
from dreamsampler.interfaces.studio.tab import FILES, Tab

if TYPE_CHECKING:
    from dreamsampler.interfaces.studio.room import Room

MOST_TEXT = 1 << 22
"""Characters of a file that a recipe is looked for in."""
_IN_SVG = re.compile(r'<metadata id="dreamsampler">([^<]*)</metadata>')


@final
class Past:
    """The tab of past runs; made inside its `gr.Tab`.

    Args:
        room: what the server shares.
        tabs: task -> its tab, which settings are loaded into.
        choice: all tabs, of which one is shown.
        own: this one; it looks again whenever it is chosen.
    """

    def __init__(self, room: Room, tabs: Mapping[str, Tab], choice: Any, own: Any) -> None:
        self.room, self.tabs = room, tabs
        hint = "Every run is kept on this machine until you delete it. Click one to look at it."
        if room.share_nothing:
            hint = "This server shares nothing: only you see your runs, until it stops."
        gr.Markdown(hint, elem_classes="ds-hint")
        with gr.Row(elem_classes="ds-columns"):
            with gr.Column(scale=5, min_width=320):
                self.words = gr.Textbox(label="Search", placeholder="words of a prompt, or a task")
                self.shelf = gr.Gallery(
                    label="Runs",
                    columns=4,
                    height="auto",
                    object_fit="cover",
                    allow_preview=False,
                    buttons=[],
                    elem_id="past-runs",
                    elem_classes="ds-gallery",
                )
                self.recipe = gr.UploadButton(
                    "Load a recipe from a file",
                    file_types=[".json", ".png", ".jpg", ".webp", ".tif", ".svg"],
                    size="sm",
                )
            with gr.Column(scale=6, min_width=320, elem_classes="ds-right"):
                self.result = Result("past", "The run that you click will be here.")
                with gr.Row():
                    self.load = gr.Button("Load these settings", variant="primary", visible=False)
                    self.delete = gr.Button("Delete this run", variant="stop", visible=False)
                self.said = gr.Markdown("")
        self.listed, self.chosen = gr.State([]), gr.State("")
        self._wire(choice, own)

    def _wire(self, choice: Any, own: Any) -> None:
        quiet: Any = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        found = [self.shelf, self.listed]
        shown = [*self.result.outputs, self.load, self.delete, self.chosen]
        own.select(self._find, self.words, found, **quiet)
        self.words.change(self._find, self.words, found, **quiet)
        self.shelf.select(self._show, self.listed, shown, **quiet)
        forms = [choice, self.said, *self._forms()]
        self.load.click(self._again, self.chosen, forms, **quiet)
        self.recipe.upload(self._from_file, self.recipe, forms, **quiet)
        gone = self.delete.click(self._delete, self.chosen, shown, **quiet)
        gone.then(self._find, self.words, found, **quiet)

    def _forms(self) -> list[Any]:
        return [component for tab in self.tabs.values() for component in tab.inputs.values()]

    def _find(self, request: gr.Request, words: str) -> list[Any]:
        runs = self.room.desk.shelf.runs(self.room.owner(request), words or "")
        pictures = [(self.room.hand_out(kept.thumb), caption(kept)) for kept in runs]
        return [pictures, [kept.name for kept in runs]]

    def _show(self, request: gr.Request, listed: list[str], event: gr.SelectData) -> list[Any]:
        try:
            kept = self.room.desk.shelf.find(self.room.owner(request), listed[event.index])
        except (InputError, IndexError) as error:
            raise gr.Error(self.room.told(error), print_exception=False) from error
        known = kept.recipe["task"] in self.tabs
        there = gr.update(visible=True)
        return [*Result.show(kept, self.room), gr.update(visible=known), there, kept.name]

    def _again(self, request: gr.Request, name: str) -> list[Any]:
        kept = self.room.desk.shelf.find(self.room.owner(request), name)
        return self._loaded(kept.recipe, with_files(kept))

    def _from_file(self, path: str) -> list[Any]:
        try:
            recipe = recipe_of(self.room.uploaded(path))
            return self._loaded(recipe, options_only(recipe, self.tabs))
        except Exception as error:
            said = f"⚠ {self.room.told(error)}"
            return [gr.skip(), said, *(gr.skip() for _ in self._forms())]

    def _loaded(self, recipe: Mapping[str, Any], values: Mapping[str, Any]) -> list[Any]:
        """The tab of the recipe's task, filled and shown; the others as they are."""
        updates: list[Any] = []
        for name, tab in self.tabs.items():
            mine = name == recipe["task"]
            updates += tab.updates(values) if mine else [gr.skip() for _ in tab.inputs]
        return [gr.update(selected=recipe["task"]), "", *updates]

    def _delete(self, request: gr.Request, name: str) -> list[Any]:
        self.room.desk.shelf.delete(self.room.owner(request), name)
        away = gr.update(visible=False)
        return [*Result.cleared(""), away, away, ""]


def caption(kept: Kept) -> str:
    """Task and prompt."""
    return f"{kept.recipe['task']}: {kept.title}"[:80]


def with_files(kept: Kept) -> dict[str, Any]:
    """The options of a run, its input files among them."""
    values = dict(kept.recipe["options"])
    for name in ("image", "mask_image"):
        if isinstance(values.get(name), str):
            values[name] = kept.input(values[name])
        elif values.get(name):
            values[name] = [path for each in values[name] if (path := kept.input(each))]
    inputs = kept.folder / INPUTS
    if "scene" in values:
        values["scene"] = sorted(path for path in (inputs / "scene").rglob("*") if path.is_file())
    if (inputs / "operator").is_dir():
        values[FILES] = sorted((inputs / "operator").iterdir())
    return values


def options_only(recipe: Mapping[str, Any], tabs: Mapping[str, Tab]) -> dict[str, Any]:
    """The options of a recipe from a file, without the files that it names: those are elsewhere.

    Raises:
        InputError: it is of no task that has a tab.
    """
    task, options = recipe.get("task"), recipe.get("options")
    if task not in tabs or not isinstance(options, dict):
        raise InputError("this file holds no recipe of a task that the studio has")
    fields = tabs[str(task)].fields
    return {
        name: value
        for name, value in options.items()
        if name in fields and fields[name].kind not in ("file", "files")
    }


def recipe_of(path: Path) -> dict[str, Any]:
    """The recipe in a picture, in an SVG drawing, or by itself as JSON; InputError if none."""
    from dreamsampler.images.save import read_recipe

    if path.suffix.lower() not in (".svg", ".json"):
        return read_recipe(path)
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MOST_TEXT)
        if path.suffix.lower() == ".svg":
            found = _IN_SVG.search(text)
            text = unescape(found[1]) if found else ""
        recipe = json.loads(text)
    except ValueError:
        recipe = None
    if not isinstance(recipe, dict):
        raise InputError(f"{path.name} holds no recipe")
    return recipe
