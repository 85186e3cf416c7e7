"""From the values of a form to a job, and from its results to a stored run."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from dreamsampler.files import InputError
from dreamsampler.interfaces.model_options import named_values, with_call_files
from dreamsampler.interfaces.studio.failures import Refused
from dreamsampler.interfaces.studio.findings import candidates, draw, measured
from dreamsampler.interfaces.studio.run_store import (
    INPUTS,
    OPERATOR,
    SCENE,
    RunStore,
    StoredRun,
    remove,
)
from dreamsampler.interfaces.studio.scenes import safe_name
from dreamsampler.interfaces.studio.uploads import Upload, Uploads
from dreamsampler.interfaces.studio.worker import Job, Worker
from dreamsampler.operators.grammar import with_files
from dreamsampler.operators.registry import OPERATORS
from dreamsampler.tasks.base import Task
from dreamsampler.tasks.inputs import files_among
from dreamsampler.tasks.options import Option, options_of, read_options

if TYPE_CHECKING:
    from dreamsampler.tasks.execute import Written

OPERATOR_FILES = Option("operator_files", "files", "files that the operator names", (), True)
CALL = Option("call", "texts", "arguments of the pipeline's call, NAME=VALUE each", (), True)
CALL_FILES = Option("call_files", "files", "files that the call names (@FILE)", (), True)
BESIDE = (OPERATOR_FILES, CALL, CALL_FILES)
"""Values beside the options of a task."""
OUTPUTS = {"picture": "result.png", "svg": "result.svg", "folder": "scene"}


@final
@dataclass(frozen=True, eq=False)
class Submissions:
    """Checks what is submitted, copies the uploads, and gives the job to the worker."""

    worker: Worker
    store: RunStore
    uploads: Uploads

    def submit(self, kind: type[Task], values: Mapping[str, Any], owner: str) -> Job:
        """Put a task into the queue; the result of its job is a `StoredRun`.

        Nothing that a visitor writes names a file of the server: options that are files hold ids
        of uploads, and an operator may name only those among `operator_files`. ValueError for
        values that cannot be meant.
        """
        folder = self.store.new(owner)

        def finish(written: Written, notes: list[str]) -> StoredRun:
            run = written.result.run
            draw(run, folder)
            results = [str(path.relative_to(folder)) for path in written.outputs]
            tried = candidates(run, folder, written.recipe)
            results += tried
            about = {"results": results, **measured(run, folder, results), "candidates": tried}
            about |= {"call": lines} if lines else {}
            return self.store.add(folder, {**written.recipe, "notes": notes, "studio": about})

        try:
            lines = CALL.read(values.get(CALL.name) or ())
            call = self._call(lines, values.get(CALL_FILES.name), folder / INPUTS / "call", owner)
            task = self._task(kind, values, folder / INPUTS, owner)
            job = Job(
                task,
                folder / OUTPUTS[task.OUTPUT],
                finish,
                lambda: remove(folder),
                lambda recipe: without_paths(recipe, folder / INPUTS),
                call,
                owner=owner,
                name=folder.name,
            )
            self.worker.submit(job)
        except BaseException:
            remove(folder)
            raise
        return job

    def _task(self, kind: type[Task], values: Mapping[str, Any], inputs: Path, owner: str) -> Task:
        """The task on copies of the uploads, checked."""
        beside = [option.name for option in BESIDE]
        taken = {n: v for n, v in values.items() if n not in beside and v != []}
        for option in options_of(kind).values():
            given = values.get(option.name)
            if option.name == "operator" and isinstance(given, str):
                files = values.get(OPERATOR_FILES.name)
                taken["operator"] = self.located(given, files, inputs / OPERATOR, owner)
            if option.kind not in ("file", "files") or not given:
                continue
            ids = given if isinstance(given, list | tuple) else [given]
            if option.kind == "file" and len(ids) != 1:
                raise InputError(f"{option.name} is {len(ids)} files, but must be one")
            paths = [
                self._placed(kind, option, each, inputs, owner, i) for i, each in enumerate(ids)
            ]
            taken[option.name] = paths if option.kind == "files" else paths[0]
        task = read_options(kind, taken, kind.name())
        task.check()
        if any(not path.resolve().is_relative_to(inputs) for path in files_among(task.inputs())):
            # such as palette(FILE); the message is the same whether the server has the file or not
            raise InputError(
                "an option names a file, which a studio does not read: leave it out, or use the "
                "command line"
            )
        limits = self.uploads.limits
        limits.check_size(*task.check_files(), "the result", "image")
        side = task.model_side
        named = "num_images" if task.images > 1 else "size"
        limits.check_size(side, side * task.images, "all that the model would work on", named)
        return task

    def _placed(
        self, kind: type[Task], option: Option, name: Any, inputs: Path, owner: str, number: int
    ) -> Path:
        """A copy of an upload where the run's inputs are; a drawing as the picture it shows."""
        try:
            upload = self.uploads.find(owner, name)
        except Refused as error:
            raise Refused(str(error), field=option.name) from error
        if is_scene(kind, option.name):
            if upload.kind != "scene":
                raise InputError(f"{option.name} is a {upload.kind}, but must be a scene")
            return Path(shutil.copytree(upload.path, inputs / SCENE))
        if upload.kind in ("scene", "file"):
            raise InputError(f"{option.name} is no picture but a {upload.kind}")
        suffix = upload.path.suffix.lower()
        stem = f"{option.name}{f'-{number}' if number else ''}"
        path = inputs / (safe_name(upload.path.name) if option.name == "image" else stem + suffix)
        if upload.kind == "svg" and kind.OUTPUT != "svg":
            upload.picture().save(path.with_suffix(".png"))
            return path.with_suffix(".png")
        return Path(shutil.copyfile(upload.path, path))

    def _call(self, lines: Iterable[str], files: Any, folder: Path, owner: str) -> dict[str, str]:
        """Arguments of a call as text, checked, with the copies of their files."""
        if not lines:
            return {}
        from dreamsampler.models.pipe import call_of

        locate = self._locator("the call", files, folder, owner)
        given = {n: with_call_files(v, locate) for n, v in named_values("call", lines).items()}
        call_of(self.worker.model, given)
        return given

    def located(self, text: str, files: Any, folder: Path, owner: str) -> str:
        """An operator with its files copied into a folder, their paths in place of names."""
        return with_files(text, self._locator("the operator", files, folder, owner), OPERATORS)

    def _locator(self, what: str, ids: Any, folder: Path, owner: str) -> Callable[[str], str]:
        """What copies uploads into a folder by their names, and gives the paths there."""
        ids = ids or []
        found = [
            self.uploads.find(owner, each) for each in ([ids] if isinstance(ids, str) else ids)
        ]
        uploads: dict[str, Upload] = {each.path.name: each for each in found}

        def locate(name: str) -> str:
            if safe_name(name) not in uploads or Path(name).name != name:
                raise InputError(
                    f"{what} names {Path(name).name}, which was not uploaded with it: add the file"
                )
            target = folder / safe_name(name)
            if not target.exists():
                folder.mkdir(exist_ok=True)
                shutil.copyfile(uploads[target.name].path, target)
            return str(target)

        return locate


def is_scene(kind: type[Task], name: str) -> bool:
    """Whether an option of a task is a folder of views, of which a browser sends the files.

    Example:
        >>> from dreamsampler import Edit, Reconstruct
        >>> is_scene(Edit, "image"), is_scene(Reconstruct, "image")
        (False, True)
    """
    return options_of(kind)[name].kind == "file" and name not in kind.PICTURES


def without_paths(recipe: dict[str, Any], inputs: Path) -> dict[str, Any]:
    """A recipe that names its inputs and its model without their folders on the server.

    Example:
        >>> without_paths({"options": {"image": "/runs/1/inputs/cat.png"}}, Path("/runs/1/inputs"))
        {'options': {'image': 'cat.png'}}
    """
    model = recipe.get("model")
    if isinstance(model, dict) and Path(str(model.get("name"))).exists():  # a folder or a file
        recipe = {**recipe, "model": {**model, "name": Path(str(model["name"])).name}}
    prefix = re.compile(re.escape(f"{inputs}/") + f"(?:(?:{OPERATOR}|call)/)?")

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: clean(each) for name, each in value.items()}
        if isinstance(value, list):
            return [clean(each) for each in value]
        return prefix.sub("", value) if isinstance(value, str) else value

    return clean(json.loads(json.dumps(recipe)))
