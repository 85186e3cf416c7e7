"""From files to files: check everything that is cheap to check, run, write."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from dreamsampler.cancel import Flag, cancellable
from dreamsampler.files import OutputError, check_folder
from dreamsampler.tasks.base import Task
from dreamsampler.tasks.inputs import files_among
from dreamsampler.tasks.progress import Progress, ProgressCallback
from dreamsampler.tasks.recipe import plain
from dreamsampler.tasks.result import Result

if TYPE_CHECKING:
    from dreamsampler.models.bundled_models import BundledModels
    from dreamsampler.models.prior import Prior


@final
@dataclass(frozen=True)
class Written:
    """What a task has written.

    Args:
        result: of the run.
        recipe: without what differs from picture to picture.
        outputs: the files.
        record: the files of the record.
        seconds: from the start to the last file.
    """

    result: Result
    recipe: dict[str, Any]
    outputs: list[Path]
    record: list[Path]
    seconds: float


def execute(
    task: Task,
    model: Prior | BundledModels | None,
    output: Path,
    *,
    record: Path | None = None,
    metadata: bool = True,
    progress: bool | ProgressCallback = False,
    cancel: Flag | None = None,
    seconds: Mapping[str, float] | None = None,
    edit_recipe: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    rescue: bool = True,
) -> Written:
    """Check a task and its files, run it, and write its results.

    Args:
        task: the task.
        model: the model; None where the task uses none.
        output: file or folder to write; several pictures get numbers.
        record: folder for the record of the run, if there shall be one.
        metadata: whether the files carry the recipe.
        progress: see `Task.__call__`.
        cancel: see there.
        seconds: how long stages outside the run took, for the recipe.
        edit_recipe: what to change in the recipe before it is written.
        rescue: write what `output` does not take (a disk that is full by now) into the folder for
            temporary files, which the error then names.

    Raises:
        ValueError: options that cannot be meant, or an input that cannot be used.
        OutputError: an output that cannot be written, or that would replace an input.
        Canceled: the flag was set; nothing is left half-written.
    """
    from dreamsampler.images.record import Recorder

    began = time.perf_counter()
    check_paths(task, output, record, metadata)
    recorder: Recorder | None = None
    tell = progress if not isinstance(progress, bool) else None

    def watch(state: Progress) -> None:
        nonlocal recorder
        if state.step is not None and state.run is not None:
            recorder = recorder or Recorder(state.run.preview)
            recorder.add(state.step)
        if tell is not None:
            tell(state)

    result = task(model, progress=progress if record is None else watch, cancel=cancel)
    run = result.run
    if tell is not None:
        tell(Progress("write", run.total, run.total, run))
    recipe = run.recipe(seconds)
    recipe = recipe if edit_recipe is None else edit_recipe(recipe)
    with cancellable(cancel):
        carried = recipe if metadata else {}
        try:
            outputs = run.save(output, carried)
        except OutputError as error:
            if rescue and (saved := _rescued(result, output.name, carried)):
                raise OutputError(f"{error}; the result is in {saved}") from error
            raise
        recorded = [] if record is None else _record(result, recorder, record)
    return Written(result, recipe, outputs, recorded, time.perf_counter() - began)


def _rescued(result: Result, name: str, recipe: dict[str, Any]) -> Path | None:
    """Where a result was written in place of its own path; None if that disk was full, too."""
    folder = None
    try:
        folder = Path(tempfile.mkdtemp(prefix="dreamsampler-"))
        return result.run.save(folder / name, recipe)[0]
    except OSError:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        return None


def _record(result: Result, recorder: Any, folder: Path) -> list[Path]:
    own = result.run.record(folder)
    if recorder is not None:
        return [*recorder.save(folder), *own]
    if not own:
        warnings.warn(f"no step was taken, so {folder} gets no record", stacklevel=3)
    return own


def check_paths(
    task: Task, output: Path, record: Path | None = None, metadata: bool = True
) -> list[Path]:
    """Refuse options, inputs and outputs that cannot work, before anything expensive starts.

    Args:
        task: the task.
        output: file or folder to write.
        record: where the record of the run shall go.
        metadata: whether the files shall carry the recipe.

    Returns:
        The files that will be written.

    Raises:
        ValueError: options that cannot be meant, or an input whose header says it is unusable.
        OutputError: an output that cannot be written, or that would replace an input.
    """
    task.check()
    height, width = task.check_files()
    inputs, paths = files_among(task.inputs()), task.outputs(output)
    if task.masked and paths[0].suffix.lower() in (".jpg", ".jpeg"):
        warnings.warn(f"{paths[0]}: JPEG changes every pixel a little, masked or not", stacklevel=2)
    recorded = [] if record is None else _record_files(task, record, paths)
    for path in [*paths, *recorded]:
        if os.path.exists(path) and any(path.samefile(p) for p in inputs if p.exists()):
            raise OutputError(f"{path} would replace its own input: choose another output name")
    if record is not None:
        check_folder(record)
    if task.OUTPUT == "folder":
        task.check_output(output)
        return paths
    if task.OUTPUT == "picture":
        _check_fits(task, paths, (height, width), metadata)
    for path in paths:  # together, which one of them alone does not show
        task.check_output(path, len(paths) * height * width * 3 + (1 << 16))
    return paths


def _check_fits(task: Task, paths: list[Path], size_hw: tuple[int, int], metadata: bool) -> None:
    """Refuse what the format cannot hold, and warn of what it cannot keep."""
    from dreamsampler.images.header import transparent
    from dreamsampler.images.save import check_fits, warn_alpha

    options = json.dumps(plain(vars(task))) if metadata else ""
    for path in paths:
        check_fits(path, size_hw, len(options))
    if getattr(task, "mask_mode", "") != "alpha" and any(map(transparent, task.inputs()[:1])):
        warn_alpha(paths[0])


def _record_files(task: Task, record: Path, outputs: list[Path]) -> list[Path]:
    """The files of a record, none of which is a result."""
    from dreamsampler.images.record import FILES

    files = [record / name for name in (*FILES, *task.RECORDS)]
    for path in outputs:
        if path.resolve() in [file.resolve() for file in files]:
            raise OutputError(f"{path} is a file of the record too: choose another folder for it")
    return files
