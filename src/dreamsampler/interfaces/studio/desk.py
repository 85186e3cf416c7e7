"""From the values of a form to a run, and from a finished run to files on the shelf."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from dreamsampler.files import InputError, check_writable
from dreamsampler.interfaces.studio.fields import fields_of, fill
from dreamsampler.interfaces.studio.shelf import BEFORE, INPUTS, THUMB, Kept, Shelf, drop
from dreamsampler.interfaces.studio.uploads import Limits, harmless, take, take_scene
from dreamsampler.interfaces.studio.worker import Job, Worker

if TYPE_CHECKING:
    from dreamsampler.tasks.base import Run

SCENE = "scene"
"""The field that is a folder."""
OPERATOR = "operator"
"""The field whose text may name files."""
SHOWN, SMALL = 1600, 256
"""Longest sides of the input as it is shown, and of a thumbnail, in pixels."""


@final
@dataclass(frozen=True, eq=False)
class Desk:
    """Takes orders: checks them, copies what was uploaded, hands them to the worker.

    Args:
        worker: runs them.
        shelf: keeps them.
        limits: on what one visitor may ask for.
    """

    worker: Worker
    shelf: Shelf
    limits: Limits

    def order(
        self,
        task: type,
        values: Mapping[str, Any],
        owner: str,
        files: Sequence[Path | str] = (),
    ) -> Job:
        """Begin a run.

        Nothing that a visitor writes names a file of the server: fields that are files hold
        uploads, and an operator may name only those among `files`.

        Args:
            task: its dataclass.
            values: field -> value, as a form or JSON has it.
            owner: whose run it is.
            files: uploads that the operator names.

        Raises:
            ValueError: options or files that cannot be used, in one line.
        """
        folder = self.shelf.new(owner)
        try:
            asked = self._asked(task, values, folder, files)
            output = folder / output_name(task)
            self._check(asked, output)
        except BaseException:
            drop(folder)
            raise
        job = Job(asked, self._finish(folder, output, files), lambda: drop(folder))
        self.worker.submit(job)
        return job

    def _asked(
        self, task: type, values: Mapping[str, Any], folder: Path, files: Sequence[Path | str]
    ) -> Any:
        taken = dict(values)
        for field in fields_of(task):
            given = values.get(field.name)
            if field.kind not in ("file", "files") or not given:
                continue
            many = list(given) if isinstance(given, list | tuple) else [given]
            if field.name == SCENE:
                taken[SCENE] = take_scene(many, folder / INPUTS / SCENE, self.limits)
                continue
            paths = []
            for i, upload in enumerate(many):
                self.limits.check_picture(Path(upload))
                name = f"{field.name}{f'-{i}' if i else ''}{Path(upload).suffix.lower()}"
                name = harmless(Path(upload).name) if field.name == "image" else name
                paths.append(take(upload, folder / INPUTS, self.limits, name))
            taken[field.name] = paths if field.kind == "files" else paths[0]
        asked = fill(task, taken)
        if isinstance(getattr(asked, OPERATOR, None), str):
            described = self._located(asked.description, folder, files)
            asked = replace(asked, operator=described) if described else asked
        bent = getattr(asked, "regularizers", None)
        if bent is not None and bent.inputs():  # a palette; whether the server has it is not told
            raise InputError(
                "regularize names a file, which a studio does not read: leave that part out, or "
                "use the command line"
            )
        return asked

    def _located(self, description: Any, folder: Path, files: Sequence[Path | str]) -> str | None:
        """An operator with the places of its files in it; None if it names none.

        Raises:
            InputError: for a file that was not uploaded; whether the server has one is not told.
        """
        if not description.inputs():
            return None
        uploads, steps = {Path(each).name: Path(each) for each in files}, []
        for step in description.steps:
            values = []
            for name, value in step.values:
                if name == "path":
                    if str(value) not in uploads:
                        raise InputError(
                            f"the operator names {Path(str(value)).name}, which was not uploaded "
                            "with it: add the file"
                        )
                    place = folder / INPUTS / "operator"
                    target = place / harmless(str(value))
                    if not target.exists():
                        take(uploads[str(value)], place, self.limits, target.name)
                    value = str(target)
                values.append((name, value))
            steps.append(replace(step, values=tuple(values)))
        return str(replace(description, steps=tuple(steps)))

    def _check(self, asked: Any, output: Path) -> None:
        """Options, files, room on the disk, and the limits on what comes out."""
        asked.check()
        height, width = asked.check_files()
        self.limits.check_size(height, width, "the result")
        count = getattr(asked, "num_images", getattr(asked, "samples", 1))
        side = getattr(asked, "size", None) or 0
        self.limits.check_size(side, side * count, "all that the model would work on")
        check_writable(output, reserve=min(height * width * 4, 1 << 24) + (1 << 16))

    def _finish(self, folder: Path, output: Path, files: Sequence[Path | str]) -> Any:
        def finish(run: Run, job: Job) -> Kept:
            from dreamsampler.tasks.recipe import make_recipe

            recipe = make_recipe(job.task, run, self.worker.prior, {})
            recipe = without_places(recipe, folder)
            results = run.save(output, recipe)
            draw(run, folder, results)
            studio = {"results": [str(each.relative_to(folder)) for each in results]}
            return self.shelf.put(folder, {**recipe, "notes": job.notes, "studio": studio})

        return finish


def output_name(task: type) -> str:
    """What the result of a task is called: an SVG file, a folder for a scene, else a picture."""
    names = {field.name for field in fields_of(task)}
    return "scene" if SCENE in names else "result.svg" if "paths" in names else "result.png"


def without_places(recipe: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A recipe that names its inputs and its model without saying where on the server they are.

    Example:
        >>> without_places({"options": {"image": "/runs/1/inputs/cat.png"}}, Path("/runs/1"))
        {'options': {'image': 'cat.png'}}
    """
    model = recipe.get("model")
    if isinstance(model, dict) and Path(str(model.get("name"))).exists():  # a folder or a file
        recipe = {**recipe, "model": {**model, "name": Path(str(model["name"])).name}}

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: clean(each) for name, each in value.items()}
        if isinstance(value, list):
            return [clean(each) for each in value]
        return place.sub("", value) if isinstance(value, str) else value

    place = re.compile(re.escape(f"{folder / INPUTS}/") + "(?:operator/)?")
    return clean(json.loads(json.dumps(recipe)))


def draw(run: Run, folder: Path, results: Sequence[Path]) -> None:
    """Two pictures for the page: the input at the size of the result, and a thumbnail."""
    from PIL import Image

    from dreamsampler.images.save import save_picture

    after = run.pictures()[0]
    height, width = after.shape[-2:]
    save_picture(folder / THUMB, after)
    with Image.open(folder / THUMB) as image:
        small = image.convert("RGB")
        small.thumbnail((SMALL, SMALL))
    small.save(folder / THUMB, "WEBP", quality=85)
    source = getattr(run, "canvas", run.source)  # an inpainting may have widened it
    save_picture(folder / BEFORE, source.flat())
    with Image.open(folder / BEFORE) as image:
        before = image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
        before.thumbnail((SHOWN, SHOWN))
    before.save(folder / BEFORE, "WEBP", quality=90)
