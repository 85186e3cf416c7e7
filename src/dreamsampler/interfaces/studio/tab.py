"""The tab of a task: its form on the left, its result on the right."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import gradio as gr

from dreamsampler.cancel import Canceled
from dreamsampler.files import InputError
from dreamsampler.interfaces.studio import components
from dreamsampler.interfaces.studio.components import QUIET, methods
from dreamsampler.interfaces.studio.examples import values_of
from dreamsampler.interfaces.studio.operator_builder import operator_builder
from dreamsampler.interfaces.studio.painter import painter, read_painting, show_painting
from dreamsampler.interfaces.studio.result import Result, canceled, empty, failed, running
from dreamsampler.interfaces.studio.submission import CALL, CALL_FILES, OPERATOR_FILES
from dreamsampler.interfaces.studio.uploads import is_scene
from dreamsampler.interfaces.studio.worker import QUEUED, Status
from dreamsampler.tasks.options import Option, options_of

if TYPE_CHECKING:
    from dreamsampler.interfaces.studio.session import Sessions
    from dreamsampler.interfaces.studio.specs import Example, TabSpec

PAINTING, LOCK = "painting", "seed lock"
"""Inputs of a tab that are no options of its task, as are `UPLOADS` and `CALL`."""
UPLOADS = (OPERATOR_FILES, CALL_FILES.name)
FULL = "This run did not start: too many are waiting. Try again in a moment."
"""A run reports its own errors; one before it starts is that of a full queue."""


@final
class Tab:
    """One tab; made inside a `gr.Blocks`.

    Attributes:
        inputs: name -> component, in the order in which values come.
    """

    def __init__(self, spec: TabSpec, sessions: Sessions) -> None:
        self.spec, self.sessions = spec, sessions
        self.options, self.methods = options_of(spec.task), methods(spec.task)
        self.files = [o.name for o in self.options.values() if o.kind in ("file", "files")]
        self.method_options = components.method_options(spec.task)
        self.inputs: dict[str, Any] = {}
        gr.Markdown(spec.hint, elem_classes="ds-hint")
        with gr.Row(equal_height=False, elem_classes="ds-columns"):
            with gr.Column(scale=5, min_width=320):
                self._form()
            with gr.Column(scale=6, min_width=320, elem_classes="ds-right"):
                self.result = Result(spec.name, "The result will be here.")
                self.onward = gr.Button("Go on from this result", size="sm", visible=False)
                self.newest = gr.State("")
        self._connect()

    def _form(self) -> None:
        spec = self.spec
        with gr.Row(elem_classes="ds-examples"):
            gr.Markdown("Try:", elem_classes="ds-try")
            self.examples = [
                (gr.Button(each.label, size="sm", min_width=0), each) for each in spec.examples
            ]
        if "image" in spec.hidden:
            self.inputs[PAINTING] = painter("Picture and masks")
        front = [self.options[name] for name in spec.front]
        self._add(*(o for o in front if o.kind == "file"))
        with gr.Row(elem_classes="ds-words"):
            self._add(*(o for o in front if o.kind == "text"))
        if "operator" in spec.front:
            self._operator()
        with gr.Row(elem_classes="ds-go"):
            self.run = gr.Button(spec.verb, variant="primary", elem_id=f"run-{spec.name}")
            self.stop = gr.Button(
                "Cancel", variant="stop", visible=False, elem_id=f"stop-{spec.name}"
            )
        self._add(*(o for o in front if o.kind not in ("file", "text")))
        with gr.Row(elem_classes="ds-seed"):
            self.inputs["seed"] = gr.Number(
                0, label="Seed", precision=0, minimum=0, scale=3, min_width=110
            )
            self.dice = gr.Button("New seed", scale=1, min_width=100, size="md")
            self.inputs[LOCK] = gr.Checkbox(
                False, label="Keep this seed", info="else each run takes another", scale=3
            )
        with gr.Accordion("More options", open=False, elem_classes="ds-more"):
            shown_already = (*spec.front, *spec.hidden, "seed")
            self._add(*(o for o in self.options.values() if o.name not in shown_already))
            if "operator" in self.options and "operator" not in spec.front:
                self._operator()
            if self.sessions.arguments:
                self.inputs[CALL.name] = gr.Textbox(
                    lines=2,
                    label="Arguments of the model's pipeline",
                    info="One a line, NAME=VALUE; a file is @ and the name of an upload",
                    placeholder=", ".join(self.sessions.arguments),
                )
                self.inputs[CALL_FILES.name] = gr.File(
                    label="Files that they name", file_count="multiple", height=100
                )

    def _add(self, *options: Option) -> None:
        for option in options:
            self.inputs[option.name] = components.component(option, self.spec.task)

    def _operator(self) -> None:
        self.inputs[OPERATOR_FILES] = operator_builder(self.inputs["operator"])

    def _connect(self) -> None:
        every = list(self.inputs.values())
        self.dice.click(new_seed, None, self.inputs["seed"], **QUIET)
        if self.method_options:
            changed = [self.inputs[name] for name in self.method_options]
            method = self.inputs["method"]
            method.change(self._of_method, method, changed, **QUIET)
        for button, example in self.examples:
            button.click(lambda example=example: self._fill(example), None, every, **QUIET)
        buttons, stage = [self.run, self.stop], self.result.stage
        outputs = [*buttons, self.onward, *self.result.outputs]
        # on a phone the result is below the form: go there
        element = f"document.getElementById('stage-{self.spec.name}')"
        scroll = f"if (innerWidth < 700) {element}.scrollIntoView({{behavior: 'smooth'}})"
        begun = self.run.click(prepared, None, outputs, js=f"() => {{ {scroll} }}", **QUIET)
        going: Any = begun.then(
            self._run,
            every,
            [self.inputs["seed"], self.onward, self.newest, *self.result.outputs],
            concurrency_id="model",
            concurrency_limit=1,
            show_progress="minimal",
            show_progress_on=[stage],
            api_visibility="private",
        )
        going.then(ready, None, buttons, **QUIET)
        going.failure(refused, stage, [*buttons, stage], **QUIET)
        self.stop.click(self._cancel, None, [*buttons, stage], cancels=[going], **QUIET)
        target = self.inputs.get(PAINTING) or self.inputs.get("image")
        if target is not None:
            self.onward.click(self._go_on, [self.newest, target], target, **QUIET)

    def _go_on(self, result: str, before: Any) -> Any:
        """The result becomes the picture; masks are removed, prompts stay."""
        if PAINTING not in self.inputs:
            return result
        prompts = json.loads(before or "{}").get("prompts", [])
        return show_painting(str(self.sessions.uploaded(result)), [], prompts)

    def _of_method(self, name: str) -> list[Any]:
        """Options that a method does not have are hidden; numbers show what it takes."""
        method, updates = self.methods[name], []
        for option in map(self.options.__getitem__, self.method_options):
            if option.name not in method.settings:
                updates.append(gr.update(value=None, visible=False))
            elif option.kind == "number":
                hint = components.placeholder(option, method)
                updates.append(gr.update(placeholder=hint, visible=True))
            else:
                updates.append(gr.update(visible=True))
        return updates

    def _fill(self, example: Example) -> list[Any]:
        values = values_of(example, self.sessions.cache / "examples")
        return self.updates({**values, "method": "default"})

    def updates(self, values: Mapping[str, Any]) -> list[Any]:
        """What the form shows for some values (files of the server among them), else defaults."""
        out, files = self.sessions.hand_out, {}
        for name in (*self.files, *UPLOADS):
            given = values.get(name) or []
            several = given if isinstance(given, list | tuple) else [given]
            files[name] = [out(Path(each)) for each in several]
        return [gr.update(value=self._shown(name, values, files)) for name in self.inputs]

    def _shown(self, name: str, values: Mapping[str, Any], files: Mapping[str, list[str]]) -> Any:
        """The value of an input."""
        if name == LOCK:
            return False
        if name == PAINTING:
            prompts = values.get("prompt") or [""]
            prompts = [prompts] if isinstance(prompts, str) else list(prompts)
            picture = files["image"][0] if files["image"] else None
            return show_painting(picture, [Path(each) for each in files["mask_image"]], prompts)
        if name in self.files and PAINTING in self.inputs:
            return None  # the painter shows them
        if name in files:
            single = name in self.files and self.options[name].kind == "file"
            if single and not is_scene(self.spec.task, name):
                return files[name][0] if files[name] else None
            return files[name] or None
        option = CALL if name == CALL.name else self.options[name]
        default = None if option.required else option.default
        return components.shown(option, values.get(name, default))

    def _values(self, given: tuple[Any, ...]) -> dict[str, Any]:
        """The options of the task, and the files of its operator."""
        values = dict(zip(self.inputs, given, strict=True))
        values = self.sessions.received(values, [*self.files, *UPLOADS])
        if not values.pop(LOCK):
            method = self.methods.get(values.get("method", ""))
            values["seed"] = new_seed() if method is None or method.draws else 0
        if PAINTING in values:
            painted = read_painting(values.pop(PAINTING), self.sessions)
            painted["mask_image"] += values.get("mask_image") or []
            if painted["mask_image"] and values.get("mask_mode") == "black":
                raise InputError(
                    "mask mode black is for mask files: choose white for painted masks"
                )
            values |= painted
        return values

    def _run(self, request: gr.Request, *given: Any) -> Iterator[list[Any]]:
        """Run the task; yields the outputs whenever they change."""
        status: Status | None = None
        same, keep = [gr.skip()] * 2, [gr.skip()] * (len(self.result.outputs) - 1)
        try:
            values = self._values(given)
            with self.sessions.job(request, self.spec.name, self.spec.task, values) as job:
                for status in job.follow():
                    yield [values["seed"], *same, running(status), *keep]
            newest = [gr.update(visible=False), ""]
            if job.result.results[0].suffix == ".png" and "image" in self.spec.task.PICTURES:
                first = self.sessions.hand_out(job.result.results[0])
                newest = [gr.update(visible=True), first]
            yield [values["seed"], *newest, *Result.show(job.result, self.sessions)]
        except Canceled:
            yield [gr.skip(), *same, canceled(status), *keep]
        except Exception as error:
            yield [gr.skip(), *same, failed(self.sessions.message(error)), *keep]

    def _cancel(self, request: gr.Request) -> list[Any]:
        self.sessions.cancel(request, self.spec.name)
        return [*ready(), empty("Canceled.")]


def new_seed() -> int:
    """A random seed."""
    return secrets.randbelow(2**31)


def prepared() -> list[Any]:
    """Run is disabled, cancel appears; the result before goes away."""
    hidden = gr.update(visible=False)
    buttons = [gr.update(interactive=False), gr.update(visible=True)]
    return [*buttons, hidden, *Result.clear(running(Status(QUEUED)))]


def refused(stage: str) -> list[Any]:
    """Ready again; a run that still waits was not taken, any other one was canceled."""
    return [*ready(), failed(FULL) if QUEUED in (stage or "").lower() else gr.skip()]


def ready() -> list[Any]:
    """Ready for the next run."""
    return [gr.update(interactive=True), gr.update(visible=False)]
