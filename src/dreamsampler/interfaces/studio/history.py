"""The tab of earlier runs: find one, see it, load its settings; and recipes from files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import gradio as gr

from dreamsampler.files import InputError
from dreamsampler.interfaces.studio.components import QUIET
from dreamsampler.interfaces.studio.result import Result
from dreamsampler.interfaces.studio.tab import Tab
from dreamsampler.tasks.from_values import file_options, task_type
from dreamsampler.tasks.options import options_of
from dreamsampler.tasks.recipe import upgrade

if TYPE_CHECKING:
    from dreamsampler.interfaces.studio.session import Sessions

MOST_TEXT = 1 << 22
"""Characters of a recipe, at most."""


@final
class History:
    """The tab of earlier runs; made inside its `gr.Tab`.

    Args:
        sessions: have the runs.
        tabs: task -> its tab, which settings are loaded into.
        choice: all tabs.
        own: this one; its list is read again whenever it is chosen.
    """

    def __init__(self, sessions: Sessions, tabs: Mapping[str, Tab], choice: Any, own: Any) -> None:
        self.sessions, self.tabs = sessions, tabs
        hint = "Every run is kept on this machine until you delete it. Click one to see it."
        if sessions.share_nothing:
            hint = "This server shares nothing: only you see your runs, until it stops."
        gr.Markdown(hint, elem_classes="ds-hint")
        with gr.Row(elem_classes="ds-columns"):
            with gr.Column(scale=5, min_width=320):
                self.words = gr.Textbox(label="Search", placeholder="words of a prompt, or a task")
                self.runs = gr.Gallery(
                    label="Runs",
                    columns=4,
                    height="auto",
                    object_fit="cover",
                    allow_preview=False,
                    buttons=[],
                    elem_id="history-runs",
                    elem_classes="ds-gallery",
                )
                self.recipe = gr.UploadButton(
                    "Load a recipe from a file",
                    file_types=[".json", ".png", ".jpg", ".webp", ".tif", ".svg"],
                    size="sm",
                )
            with gr.Column(scale=6, min_width=320, elem_classes="ds-right"):
                self.result = Result("history", "The run that you click will be here.")
                with gr.Row():
                    self.load = gr.Button("Load these settings", variant="primary", visible=False)
                    self.delete = gr.Button("Delete this run", variant="stop", visible=False)
                self.message = gr.Markdown("")
        self.names, self.chosen = gr.State([]), gr.State("")
        listed = [self.runs, self.names]
        shown = [*self.result.outputs, self.load, self.delete, self.chosen]
        own.select(self._list, self.words, listed, **QUIET)
        self.words.change(self._list, self.words, listed, **QUIET)
        self.runs.select(self._show, self.names, shown, **QUIET)
        inputs = [each for tab in tabs.values() for each in tab.inputs.values()]
        forms = [choice, self.message, *inputs]
        self.load.click(self._load, self.chosen, forms, **QUIET)
        self.recipe.upload(self._load_file, self.recipe, forms, **QUIET)
        deleted = self.delete.click(self._delete, self.chosen, shown, **QUIET)
        deleted.then(self._list, self.words, listed, **QUIET)

    def _list(self, request: gr.Request, words: str) -> list[Any]:
        store, out = self.sessions.submissions.store, self.sessions.hand_out
        runs = store.runs(self.sessions.owner(request), words or "")
        captions = [": ".join(filter(None, [run.recipe["task"], run.title]))[:80] for run in runs]
        pictures = [(out(run.thumb), text) for run, text in zip(runs, captions, strict=True)]
        return [pictures, [run.name for run in runs]]

    def _show(self, request: gr.Request, names: list[str], event: gr.SelectData) -> list[Any]:
        store = self.sessions.submissions.store
        try:
            run = store.find(self.sessions.owner(request), names[event.index])
        except (InputError, IndexError) as error:
            raise gr.Error(self.sessions.message(error), print_exception=False) from error
        loadable, visible = run.recipe["task"] in self.tabs, gr.update(visible=True)
        return [*Result.show(run, self.sessions), gr.update(visible=loadable), visible, run.name]

    def _load(self, request: gr.Request, name: str) -> list[Any]:
        run = self.sessions.submissions.store.find(self.sessions.owner(request), name)
        return self._filled(run.recipe["task"], run.values)

    def _load_file(self, path: str) -> list[Any]:
        try:
            task, values = settings_of(recipe_of(self.sessions.uploaded(path)))
            if task not in self.tabs:
                raise InputError(f"the studio has no tab for {task}")
            return self._filled(task, values)
        except Exception as error:
            skipped = [gr.skip() for tab in self.tabs.values() for _ in tab.inputs]
            return [gr.skip(), f"⚠ {self.sessions.message(error)}", *skipped]

    def _filled(self, task: str, values: Mapping[str, Any]) -> list[Any]:
        """The tab of a task, filled and shown; the others as they are."""
        updates: list[Any] = []
        for name, tab in self.tabs.items():
            updates += tab.updates(values) if name == task else [gr.skip() for _ in tab.inputs]
        return [gr.update(selected=task), "", *updates]

    def _delete(self, request: gr.Request, name: str) -> list[Any]:
        self.sessions.submissions.store.delete(self.sessions.owner(request), name)
        hidden = gr.update(visible=False)
        return [*Result.clear(""), hidden, hidden, ""]


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
