"""The rows of a manifest, read and checked, with names for their results; needs no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, final

from dreamsampler.files import InputError, located
from dreamsampler.images.save import FORMATS
from dreamsampler.interfaces.batch.ledger import Record
from dreamsampler.interfaces.batch.options import LEDGER, SHEET, SUMMARY, Batch, is_address
from dreamsampler.interfaces.model_options import ADDED, with_call_files
from dreamsampler.tasks.from_values import file_options, task_of, task_type, with_files
from dreamsampler.tasks.recipe import upgrade

SUFFIXES = {"picture": tuple(FORMATS), "svg": (".svg",), "folder": ("",)}
"""Kind of a task's output -> suffixes; the first is the default."""
CALL = "call."
"""What the columns of arguments of a pipeline's call begin with."""
_ALIKE = ("method", "num_inference_steps", "strength", "size", "num_images", "candidates")


@final
@dataclass(frozen=True)
class Row:
    """A row that can be done.

    Args:
        number: of the row, from 1.
        task: its name.
        options: as JSON has them; files with their paths.
        model: the row's own; None for the batch's.
        revision: that the model must have; None for any.
        output: name below the output folder.
        call: the row's own arguments of the pipeline's call, NAME=VALUE.
    """

    number: int
    task: str
    options: dict[str, Any]
    model: str | None
    revision: str | None
    output: str
    call: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Identifies the content: a row that was changed is done again."""
        content = [self.task, self.options, self.model, self.revision, self.output]
        content += [list(self.call)] if self.call else []
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def group(self) -> tuple[Any, ...]:
        """Rows of one group use the network at the same levels."""
        return (
            self.task,
            self.model or "",
            *self.call,
            *(str(self.options.get(name)) for name in _ALIKE),
        )

    @property
    def input(self) -> str | None:
        """The main picture."""
        names = file_options(self.task)
        return str(self.options.get(names[0])) if names else None


def read_rows(
    manifest: Iterable[dict[str, Any] | InputError], batch: Batch, folder: Path
) -> Iterator[Row | Record]:
    """The rows of a manifest; of those that cannot be done, the record with the error.

    Args:
        folder: of the manifest; files of rows are looked up in it first.
    """
    defaults, names = batch.defaults(), {}
    for number, values in enumerate(manifest, 1):
        if isinstance(values, InputError):
            yield Record(number, "", "failed", error=str(values))
            continue
        try:
            row = _read_row(number, values, batch.task, defaults, folder)
            first = names.setdefault(row.output, number)
            if first != number:
                raise InputError(f"it would write {row.output}, as row {first} does: rename one")
            yield row
        except ValueError as error:
            task, image = str(values.get("task", batch.task)), values.get("image")
            image = None if image is None else str(image)
            yield Record(number, "", "failed", task, image, error=str(error))


def parts_of(
    values: Mapping[str, Any], task: str | None
) -> tuple[Any, dict[str, Any], dict[str, Any], Any]:
    """A row's task, options, model and output name; recipes have their options one deeper.

    Example:
        >>> parts_of({"task": "edit", "image": "cat.png", "prompt": "dog"}, None)
        ('edit', {'image': 'cat.png', 'prompt': 'dog'}, {}, None)
    """
    own = ("task", "model", "output")
    recipe, model = isinstance(values.get("options"), dict), values.get("model")
    options = values["options"] if recipe else {n: v for n, v in values.items() if n not in own}
    if not (recipe and isinstance(model, dict)):
        model = {} if model is None else {"name": model}
    return values.get("task", task), dict(options), model, values.get("output")


def _read_row(
    number: int,
    values: dict[str, Any],
    otherwise: str | None,
    defaults: dict[str, Any],
    folder: Path,
) -> Row:
    task, own, model, output = parts_of(values, otherwise)
    if task is None:
        raise InputError("the row names no task: add a task, or pass --task edit")
    kind = task_type(task)
    given = {**_upgraded(task, defaults), **_upgraded(task, own)}
    options = {name: value for name, value in given.items() if value is not None}
    call = _call_of(options, folder)
    options = with_files(task, options, lambda path: _located(path, folder))
    task_of(task, with_files(task, options, _file_name)).check()
    suffixes = SUFFIXES[kind.OUTPUT]
    main = options.get(next(iter(file_options(task)), ""), "")
    name = _output(output, f"{number:05d}-{Path(str(main)).stem}{suffixes[0]}")
    if Path(name).suffix.lower() not in suffixes:
        known = " or ".join(each or "no suffix, for a folder" for each in suffixes)
        raise InputError(f"output is {name}, but must have {known}")
    _check_model(model)
    revision = model.get("revision") if isinstance(model.get("revision"), str) else None
    try:
        plain = json.loads(json.dumps(options, default=str))
    except (ValueError, RecursionError) as error:
        raise InputError(f"the row holds what JSON cannot ({error})") from None
    return Row(number, task, plain, model.get("name"), revision, name, call)


def _call_of(options: dict[str, Any], folder: Path) -> tuple[str, ...]:
    """The columns call.NAME, taken out of a row's options, with their files located."""
    names = [name for name in options if name.startswith(CALL)]
    values = {name.removeprefix(CALL): options.pop(name) for name in names}

    def located(path: str) -> str:
        if is_address(path):
            raise InputError(f"a call takes files that are here, not {path}: copy it")
        return _located(path, folder)

    return tuple(f"{name}={with_call_files(value, located)}" for name, value in values.items())


def _upgraded(task: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Options by today's names, also in rows for version 0.1.0."""
    return upgrade({"task": task, "options": options})["options"]


def _check_model(model: dict[str, Any]) -> None:
    """Refuse a model that is no name, or more than a name: another one would be used."""
    for kind, words in {**ADDED, "pipeline": "pipeline", "call": "call of"}.items():
        found = model.get(kind)
        if found:
            listed = [found] if isinstance(found, str) else list(found)
            names = ", ".join(str(f.get("name") if isinstance(f, dict) else f) for f in listed)
            option = kind.replace("_", "-")
            raise InputError(
                f"the recipe was made with the {words} {names}, and a batch has one model: pass "
                f"--{option} to the batch, and leave the row's model out"
            )
    name = model.get("name")
    if name is not None and not isinstance(name, str):
        raise InputError(f"model is {str(name)[:60]!r}, but must be a name")


def _located(path: Any, folder: Path) -> Any:
    """A file of a row: beside the manifest if it is there, else from the current folder."""
    if not isinstance(path, str) or not path or is_address(path):
        return path
    return str(located(path, folder))


def _file_name(path: Any) -> Any:
    """The name that an address has once it is fetched; paths as they are."""
    return path.rsplit("/", 1)[-1] or path if isinstance(path, str) and is_address(path) else path


def _output(given: Any, default: str) -> str:
    """A name below the output folder; InputError for what would leave it."""
    if given is None:
        return default.replace("\0", "")
    name = PurePosixPath(str(given))
    odd = name.is_absolute() or ".." in name.parts or not name.name or "\0" in str(given)
    if odd or is_address(str(given)) or any(part.startswith(".") for part in name.parts):
        raise InputError(f"output is {str(given)!r}: give a name below the output folder")
    if str(name) in (LEDGER, SUMMARY, SHEET):
        raise InputError(f"output is {given}, which the batch writes itself: choose another name")
    return str(name)
