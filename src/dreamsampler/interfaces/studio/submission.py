"""From the values of a form to a job, and from its results to a stored run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from dreamsampler.files import InputError
from dreamsampler.interfaces.model_options import named_values, with_call_files
from dreamsampler.interfaces.studio.run_store import (
    BEFORE,
    INPUTS,
    OPERATOR,
    SCENE,
    THUMB,
    RunStore,
    StoredRun,
    remove,
)
from dreamsampler.interfaces.studio.uploads import Limits, copy, copy_scene, is_scene, safe_name
from dreamsampler.interfaces.studio.worker import Job, Worker
from dreamsampler.operators.grammar import with_files
from dreamsampler.operators.registry import OPERATORS
from dreamsampler.tasks.base import Run, Task
from dreamsampler.tasks.inputs import files_among
from dreamsampler.tasks.options import Option, options_of, read_options

if TYPE_CHECKING:
    from dreamsampler.tasks.execute import Written

OPERATOR_FILES = "operator_files"
"""A value beside the options of a task: the uploads that its operator names."""
CALL = Option("call", "texts", "arguments of the pipeline's call, NAME=VALUE each", (), True)
CALL_FILES = Option("call_files", "files", "files that the call names (@FILE), uploaded", (), True)
OUTPUTS = {"picture": "result.png", "svg": "result.svg", "folder": "scene"}
SHOWN, SMALL = 1600, 256
"""Longest sides of the input as it is shown, and of a thumbnail, in pixels."""


@final
@dataclass(frozen=True, eq=False)
class Submissions:
    """Checks what is submitted, copies the uploads, and gives the job to the worker."""

    worker: Worker
    store: RunStore
    limits: Limits

    def submit(self, kind: type[Task], values: Mapping[str, Any], owner: str) -> Job:
        """Put a task into the queue; the result of its job is a `StoredRun`.

        Nothing that a visitor writes names a file of the server: options that are files hold
        uploads, and an operator may name only those among `operator_files`.

        Args:
            values: option -> value, as a form or JSON has it; and `operator_files`, `call`,
                `call_files`.
        """
        folder = self.store.new(owner)

        def finish(written: Written, notes: list[str]) -> StoredRun:
            draw(written.result.run, folder)
            results = [str(path.relative_to(folder)) for path in written.outputs]
            about = {"results": results} | ({"call": lines} if lines else {})
            return self.store.add(folder, {**written.recipe, "notes": notes, "studio": about})

        try:
            lines = CALL.read(values.get(CALL.name) or ())
            call = self._call(lines, values.get(CALL_FILES.name) or (), folder / INPUTS / CALL.name)
            task = self._task(kind, values, folder / INPUTS)
            job = Job(
                task,
                folder / OUTPUTS[task.OUTPUT],
                finish,
                lambda: remove(folder),
                lambda recipe: without_paths(recipe, folder / INPUTS),
                call,
            )
        except BaseException:
            remove(folder)
            raise
        self.worker.submit(job)
        return job

    def _task(self, kind: type[Task], values: Mapping[str, Any], inputs: Path) -> Task:
        """The task on copies of the uploads, checked."""
        beside = (OPERATOR_FILES, CALL.name, CALL_FILES.name)
        taken = {n: v for n, v in values.items() if n not in beside and v != []}
        for option in options_of(kind).values():
            given = values.get(option.name)
            if option.name == "operator" and isinstance(given, str):
                files = values.get(OPERATOR_FILES) or ()
                taken["operator"] = self._located(given, files, inputs / OPERATOR)
            if option.kind not in ("file", "files") or not given:
                continue
            uploads = list(given) if isinstance(given, list | tuple) else [given]
            if is_scene(kind, option.name):
                taken[option.name] = copy_scene(uploads, inputs / SCENE, self.limits)
                continue
            paths = []
            for i, upload in enumerate(map(Path, uploads)):
                if not (kind.OUTPUT == "svg" and upload.suffix.lower() == ".svg"):
                    self.limits.check_picture(upload)
                name = f"{option.name}{f'-{i}' if i else ''}{upload.suffix.lower()}"
                name = safe_name(upload.name) if option.name == "image" else name
                paths.append(copy(upload, inputs, self.limits, name))
            taken[option.name] = paths if option.kind == "files" else paths[0]
        task = read_options(kind, taken, kind.name())
        task.check()
        if any(not path.resolve().is_relative_to(inputs) for path in files_among(task.inputs())):
            # such as palette(FILE); the message is the same whether the server has the file or not
            raise InputError(
                "an option names a file, which a studio does not read: leave it out, or use the "
                "command line"
            )
        height, width = task.check_files()
        self.limits.check_size(height, width, "the result")
        side = task.model_side
        self.limits.check_size(side, side * task.images, "all that the model would work on")
        return task

    def _call(
        self, lines: Iterable[str], files: Iterable[Path | str], folder: Path
    ) -> dict[str, str]:
        """Arguments of a call as text, checked, with the copies of their files."""
        if not lines:
            return {}
        from dreamsampler.models.pipe import call_of

        locate = self._locator("the call", files, folder)
        given = {n: with_call_files(v, locate) for n, v in named_values("call", lines).items()}
        call_of(self.worker.model, given)
        return given

    def _located(self, text: str, files: Iterable[Path | str], folder: Path) -> str:
        """An operator with its files copied into a folder, their paths in place of names."""
        return with_files(text, self._locator("the operator", files, folder), OPERATORS)

    def _locator(
        self, what: str, files: Iterable[Path | str], folder: Path
    ) -> Callable[[str], str]:
        """What copies uploads into a folder by their names, and gives the paths there."""
        uploads = {Path(each).name: Path(each) for each in files}

        def locate(name: str) -> str:
            if name not in uploads:
                raise InputError(
                    f"{what} names {Path(name).name}, which was not uploaded with it: add the file"
                )
            target = folder / safe_name(name)
            if not target.exists():
                copy(uploads[name], folder, self.limits, target.name)
            return str(target)

        return locate


def without_paths(recipe: dict[str, Any], inputs: Path) -> dict[str, Any]:
    """A recipe that names its inputs and its model without their folders on the server.

    Example:
        >>> without_paths({"options": {"image": "/runs/1/inputs/cat.png"}}, Path("/runs/1/inputs"))
        {'options': {'image': 'cat.png'}}
    """
    model = recipe.get("model")
    if isinstance(model, dict) and Path(str(model.get("name"))).exists():  # a folder or a file
        recipe = {**recipe, "model": {**model, "name": Path(str(model["name"])).name}}
    prefix = re.compile(re.escape(f"{inputs}/") + f"(?:(?:{OPERATOR}|{CALL.name})/)?")

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: clean(each) for name, each in value.items()}
        if isinstance(value, list):
            return [clean(each) for each in value]
        return prefix.sub("", value) if isinstance(value, str) else value

    return clean(json.loads(json.dumps(recipe)))


def draw(run: Run[Any], folder: Path) -> None:
    """Write two pictures for the page: the input at the size of the result, and a thumbnail."""
    from PIL import Image

    from dreamsampler.images.save import as_pil

    picture, like, _ = run.files()[0]
    after = as_pil(replace(like, rgb=picture).flat(run.source.ground))
    before = as_pil(run.canvas.flat())
    before = before.resize(after.size, Image.Resampling.BICUBIC)
    before.thumbnail((SHOWN, SHOWN))
    before.save(folder / BEFORE, "WEBP", quality=90)
    after.thumbnail((SMALL, SMALL))
    after.save(folder / THUMB, "WEBP", quality=85)
