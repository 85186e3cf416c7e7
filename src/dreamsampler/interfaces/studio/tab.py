"""The tab of a task: its form on the left, what becomes of it on the right."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import gradio as gr

from dreamsampler.interfaces.studio.components import component, offered, placeholder, shown
from dreamsampler.interfaces.studio.examples import values_of
from dreamsampler.interfaces.studio.fields import Field, fields_of, preset_settings
from dreamsampler.interfaces.studio.operator_builder import operator_builder
from dreamsampler.interfaces.studio.painter import painter, read_painting, show_painting
from dreamsampler.interfaces.studio.result import Result
from dreamsampler.interfaces.studio.views import idle, running, stopped, trouble
from dreamsampler.interfaces.studio.worker import Canceled, Progress

if TYPE_CHECKING:
    from dreamsampler.interfaces.studio.looks import Look
    from dreamsampler.interfaces.studio.room import Room

PAINTING, FILES, LOCK = "painting", "operator files", "seed lock"
"""Inputs of a tab that are no fields of its task."""
FULL = "This run did not begin: too many are waiting. Try again in a moment."
"""A run says by itself what goes wrong in it; what fails before is the line."""


@final
class Tab:
    """One tab; made inside a `gr.Blocks`.

    Args:
        look: which task, and what is shown first.
        room: what the server shares.

    Attributes:
        inputs: name -> component, in the order in which values come.
    """

    def __init__(self, look: Look, room: Room) -> None:
        self.look, self.room = look, room
        self.fields = {field.name: field for field in fields_of(look.task)}
        self.settings = preset_settings(look.task, "default")
        self.inputs: dict[str, Any] = {}
        gr.Markdown(look.hint, elem_classes="ds-hint")
        with gr.Row(equal_height=False, elem_classes="ds-columns"):
            with gr.Column(scale=5, min_width=320):
                self._form()
            with gr.Column(scale=6, min_width=320, elem_classes="ds-right"):
                self.result = Result(look.name, "The result will be here.")
                self.onward = gr.Button("Go on from this result", size="sm", visible=False)
                self.newest = gr.State("")
        self._wire()

    def _form(self) -> None:
        look = self.look
        self._examples()
        if "image" in look.hidden:
            self.inputs[PAINTING] = painter("Picture and masks")
        pictures = [name for name in look.front if self.fields[name].kind == "file"]
        for name in pictures:
            self._add(self.fields[name])
        with gr.Row(elem_classes="ds-words"):
            for name in look.front:
                if self.fields[name].kind == "text":
                    self._add(self.fields[name])
        if "operator" in look.front:
            self._operator()
        with gr.Row(elem_classes="ds-go"):
            self.run = gr.Button(look.verb, variant="primary", elem_id=f"run-{look.name}")
            self.stop = gr.Button(
                "Cancel", variant="stop", visible=False, elem_id=f"stop-{look.name}"
            )
        for name in look.front:
            if name not in self.inputs:
                self._add(self.fields[name])
        self._seed()
        self._folded()

    def _folded(self) -> None:
        """Every other field."""
        shown = (*self.look.front, *self.look.hidden, "seed")
        with gr.Accordion("More options", open=False, elem_classes="ds-more"):
            for name, field in self.fields.items():
                if name not in shown:
                    self._add(field)
            if "operator" in self.fields and "operator" not in self.look.front:
                self._operator()

    def _add(self, field: Field) -> None:
        self.inputs[field.name] = (
            gr.File(
                label="Scene: transforms.json, and the pictures that it names",
                file_count="multiple",
                height=160,
            )
            if field.name == "scene"
            else component(field, self.settings)
        )

    def _operator(self) -> None:
        self.inputs[FILES] = operator_builder(self.inputs["operator"])

    def _seed(self) -> None:
        with gr.Row(elem_classes="ds-seed"):
            self.inputs["seed"] = gr.Number(
                0, label="Seed", precision=0, minimum=0, scale=3, min_width=110
            )
            self.dice = gr.Button("New seed", scale=1, min_width=100, size="md")
            self.inputs[LOCK] = gr.Checkbox(
                False, label="Keep this seed", info="else each run takes another", scale=3
            )

    def _examples(self) -> None:
        with gr.Row(elem_classes="ds-examples"):
            gr.Markdown("Try:", elem_classes="ds-try")
            self.clicks = [
                (gr.Button(each.label, size="sm", min_width=0), each) for each in self.look.examples
            ]

    def _wire(self) -> None:
        every, quiet = list(self.inputs.values()), {"queue": False, "show_progress": "hidden"}
        hidden: Any = {"api_visibility": "private"}
        self.dice.click(new_seed, None, self.inputs["seed"], **quiet, **hidden)
        if "preset" in self.fields:
            asked = [self.inputs[name] for name in self._presets()]
            self.inputs["preset"].change(
                self._placeholders, self.inputs["preset"], asked, **quiet, **hidden
            )
        for button, example in self.clicks:
            button.click(
                lambda example=example: self.updates(self._example(example)),
                None,
                every,
                **quiet,
                **hidden,
            )
        ends, stage = [self.run, self.stop], self.result.stage
        away = [*ends, self.onward, *self.result.outputs]
        begun = self.run.click(prepare, None, away, js=self._scroll(), **quiet, **hidden)
        going = begun.then(
            self._go,
            every,
            [self.inputs["seed"], self.onward, self.newest, *self.result.outputs],
            concurrency_id="model",
            concurrency_limit=1,
            show_progress="minimal",
            show_progress_on=[self.result.stage],
            **hidden,
        )
        going.then(rest, None, ends, **quiet, **hidden)
        going.failure(refused, stage, [*ends, stage], **quiet, **hidden)
        self.stop.click(self._stop, None, [*ends, stage], cancels=[going], **quiet, **hidden)

        target = self.inputs.get(PAINTING) or self.inputs.get("image")
        if target is not None:
            self.onward.click(self._onward, [self.newest, target], target, **quiet, **hidden)

    def _scroll(self) -> str:
        """On a phone the result is below the form: go there."""
        stage = f"document.getElementById('stage-{self.look.name}')"
        return f"() => {{ if (innerWidth < 700) {stage}.scrollIntoView({{behavior: 'smooth'}}) }}"

    def _onward(self, result: str, before: Any) -> Any:
        """The result becomes the picture; what was painted is gone, prompts stay."""
        if PAINTING not in self.inputs:
            return result
        prompts = json.loads(before or "{}").get("prompts", [])
        return show_painting(str(self.room.uploaded(result)), [], prompts)

    def _presets(self) -> list[str]:
        """The fields that presets choose for."""
        return [name for name in self.fields if name in self.settings]

    def _placeholders(self, preset: str) -> list[Any]:
        settings = preset_settings(self.look.task, preset)
        updates = []
        for name in self._presets():
            there = offered(self.fields[name], settings)
            hint = placeholder(self.fields[name], settings)
            more = {} if there else {"value": None}
            updates.append(gr.update(placeholder=hint, visible=there, **more))
        return updates

    def _example(self, example: Any) -> dict[str, Any]:
        values = values_of(example, self.room.cache / "examples")
        return {**values, "preset": "default"}

    def updates(self, values: Mapping[str, Any]) -> list[Any]:
        """What the form shows for some values; fields that are not named get their defaults.

        Args:
            values: field -> value; files are files of the server, and are handed out.
        """
        out = self.room.hand_out
        given: dict[str, Any] = {}
        for name, value in values.items():
            if name in self.fields and self.fields[name].kind in ("file", "files") and value:
                many = value if isinstance(value, list | tuple) else [value]
                given[name] = [out(Path(each)) for each in many]
        updates = []
        for name in self.inputs:
            field = self.fields.get(name)
            if name == PAINTING:
                picture = given.get("image", [None])[0]
                prompts = values.get("prompt") or [""]
                prompts = [prompts] if isinstance(prompts, str) else list(prompts)
                masks = [Path(each) for each in given.get("mask_image", [])]
                updates.append(gr.update(value=show_painting(picture, masks, prompts)))
            elif field is None:
                kept = (
                    [out(Path(each)) for each in values.get(name, [])] if name == FILES else False
                )
                updates.append(gr.update(value=kept if name == LOCK else kept or None))
            elif field.kind == "files" and PAINTING in self.inputs:
                updates.append(gr.update(value=None))  # the painter shows them
            elif field.kind in ("file", "files"):
                paths = given.get(name)
                single = field.kind == "file" and name != "scene"
                updates.append(gr.update(value=paths[0] if paths and single else paths))
            else:
                default = None if field.required else field.default
                updates.append(gr.update(value=shown(field, values.get(name, default))))
        return updates

    def _values(self, given: tuple[Any, ...]) -> tuple[dict[str, Any], list[str], bool]:
        """Fields, files of the operator, and whether the seed is kept."""
        values = dict(zip(self.inputs, given, strict=True))
        uploads = [each for each in self.inputs if each == FILES or self._is_file(each)]
        for name in uploads:
            if values[name]:
                many = values[name] if isinstance(values[name], list) else [values[name]]
                values[name] = [self.room.uploaded(each) for each in many]
        files, lock = values.pop(FILES, None) or [], bool(values.pop(LOCK))
        if PAINTING in values:
            painted = read_painting(values.pop(PAINTING), self.room)
            painted["mask_image"] += values.get("mask_image") or []
            mode = values.get("mask_mode")
            if painted["mask_image"] and mode == "black":
                raise ValueError(
                    "mask mode black is for mask files: choose white for what is painted"
                )
            values |= painted
        return values, files, lock

    def _go(self, request: gr.Request, *given: Any) -> Iterator[list[Any]]:
        """One run, as it goes on."""
        progress: Progress | None = None
        hold = [gr.skip()] * (len(self.result.outputs) - 1)
        same = [gr.skip()] * 2
        try:
            values, files, lock = self._values(given)
            if not lock and self._draws(values):
                values["seed"] = new_seed()
            job = self.room.desk.order(self.look.task, values, self.room.owner(request), files)
            self.room.begin(request, self.look.name, job)
            try:
                for progress in job.follow():
                    yield [values["seed"], *same, running(progress), *hold]
            finally:
                self.room.end(request, self.look.name, job)
            newest = [gr.update(visible=False), ""]
            if job.result.results[0].suffix == ".png" and "image" in self.fields:
                first = self.room.hand_out(job.result.results[0])
                newest = [gr.update(visible=True), first]
            yield [values["seed"], *newest, *self.result.show(job.result, self.room)]
        except Canceled:
            yield [gr.skip(), *same, stopped(progress), *hold]
        except Exception as error:
            yield [gr.skip(), *same, trouble(self.room.told(error)), *hold]

    def _is_file(self, name: str) -> bool:
        return name in self.fields and self.fields[name].kind in ("file", "files")

    def _draws(self, values: Mapping[str, Any]) -> bool:
        """Whether a seed makes a difference."""
        preset = values.get("preset")
        return not preset or preset_settings(self.look.task, preset).get("draws", True)

    def _stop(self, request: gr.Request) -> list[Any]:
        self.room.cancel(request, self.look.name)
        return [*rest(), idle("Canceled.")]


def new_seed() -> int:
    """A seed nobody has thought of."""
    return secrets.randbelow(2**31)


def prepare() -> list[Any]:
    """Run and cancel change places; the result before goes away."""
    away = Result.cleared(running(Progress("waiting for its turn")))
    hidden = gr.update(visible=False)
    return [gr.update(interactive=False), gr.update(visible=True), hidden, *away]


def refused(stage: str) -> list[Any]:
    """Ready again; a run that still waits was not taken, any other one was canceled."""
    waits = "waiting for its turn" in (stage or "").lower()
    return [*rest(), trouble(FULL) if waits else gr.skip()]


def rest() -> list[Any]:
    """Ready for the next run."""
    return [gr.update(interactive=True), gr.update(visible=False)]
