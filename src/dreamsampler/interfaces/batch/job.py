"""One row as work to do: read, checked, with a name for its result; needs no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, final

from dreamsampler.files import InputError
from dreamsampler.images.save import FORMATS
from dreamsampler.interfaces.batch.ask import LEDGER, SHEET, SUMMARY, Batch, is_address
from dreamsampler.interfaces.batch.manifest import looked_up, options_of
from dreamsampler.interfaces.cli.located import ADDED
from dreamsampler.tasks.options import path_options, task_of

SUFFIXES = {"vectorize": ".svg", "reconstruct": ""}
"""Of what is written by tasks that write no picture; nothing for a folder."""
_OURS = {LEDGER, SUMMARY, SHEET}


@final
@dataclass(frozen=True)
class Job:
    """A row that can be done.

    Args:
        number: of the row, from 1.
        task: its name.
        options: as JSON has them; files looked up.
        model: of this row's own; None for the batch's.
        revision: that the model must have; None for any.
        output: name below the output folder.
    """

    number: int
    task: str
    options: dict[str, Any]
    model: str | None
    revision: str | None
    output: str

    @property
    def key(self) -> str:
        """What identifies the row's content: a row that was changed is done again."""
        said = [self.task, self.options, self.model, self.revision, self.output]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def kind(self) -> tuple[Any, ...]:
        """Rows of one kind ask the network at the same levels."""
        same = ("preset", "num_inference_steps", "strength", "size", "samples", "num_images")
        return self.task, self.model or "", *(str(self.options.get(name)) for name in same)


@final
@dataclass(frozen=True)
class Bad:
    """A row that cannot be done, and why."""

    number: int
    error: str
    task: str | None = None
    input: str | None = None

    @property
    def key(self) -> str:
        """It is read again each time."""
        return ""


def jobs_of(
    rows: Iterable[dict[str, Any] | InputError], batch: Batch, folder: Path
) -> Iterator[Job | Bad]:
    """Rows as work, those that cannot be meant as `Bad`.

    Args:
        rows: of a manifest.
        batch: for what its rows leave open.
        folder: of the manifest; its rows' files are looked up in it first.
    """
    given, names = batch.given(), {}
    for number, row in enumerate(rows, 1):
        if isinstance(row, InputError):
            yield Bad(number, str(row))
            continue
        task = row.get("task", batch.task)
        try:
            job = _job(number, row, batch, given, folder)
            first = names.setdefault(job.output, number)
            if first != number:
                raise InputError(f"it would write {job.output}, as row {first} does: rename one")
            yield job
        except ValueError as error:
            shown = row.get("image")
            yield Bad(number, str(error), str(task), None if shown is None else str(shown))


def _job(
    number: int, row: dict[str, Any], batch: Batch, given: dict[str, Any], folder: Path
) -> Job:
    task, options, model, output = options_of(row, batch.task)
    if task is None:
        raise InputError("the row names no task: add a task, or pass --task edit")
    options = {name: value for name, value in {**given, **options}.items() if value is not None}
    files = path_options(task)
    for name in files:
        if name in options:
            options[name] = looked_up(_listed(options[name]), folder)
    checked = task_of(task, {n: _placed(v) if n in files else v for n, v in options.items()})
    checked.check()
    stem = Path(str(options.get(files[0], ""))).stem
    name = _output(output, f"{number:05d}-{stem}{SUFFIXES.get(task, '.png')}")
    _check_suffix(task, name)
    model = model or {}
    _check_model(model)
    wanted = model.get("name")
    if wanted is not None and not isinstance(wanted, str):
        raise InputError(f"model is {str(wanted)[:60]!r}, and a name was wanted")
    revision = model.get("revision") if isinstance(model.get("revision"), str) else None
    try:
        plain = json.loads(json.dumps(options, default=str))
    except (ValueError, RecursionError) as error:
        raise InputError(f"the row holds what JSON cannot say ({error})") from None
    return Job(number, task, plain, wanted, revision, name)


def _check_model(model: dict[str, Any]) -> None:
    """Refuse a recipe whose model is more than a name: it would be done with another one."""
    for kind, words in ADDED.items():
        files = model.get(kind)
        if files:
            listed = files if isinstance(files, list) else []
            names = ", ".join(str(f.get("name")) for f in listed if isinstance(f, dict))
            option = kind.replace("_", "-")
            raise InputError(
                f"the recipe was made with the {words} {names}, and a batch has one model: pass "
                f"--{option} to the batch, and leave the row's model out"
            )


def addresses(job: Job) -> list[str]:
    """The files of a row that are not on this machine."""
    values = [job.options[name] for name in path_options(job.task) if name in job.options]
    each = [v for value in values for v in (value if isinstance(value, list) else [value])]
    return [str(v) for v in each if is_address(v)]


def _listed(value: Any) -> Any:
    """A list that a table holds as JSON."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _placed(value: Any) -> Any:
    """What an address will be called once it is fetched."""
    if isinstance(value, list):
        return [_placed(each) for each in value]
    return value.rsplit("/", 1)[-1] or value if is_address(value) else value


def _check_suffix(task: str, name: str) -> None:
    suffix = Path(name).suffix.lower()
    known = (SUFFIXES[task],) if task in SUFFIXES else tuple(FORMATS)
    if suffix not in known:
        wanted = " or ".join(each or "no suffix, for a folder" for each in known)
        raise InputError(f"output is {name}, and {wanted} was wanted")


def _output(asked: Any, otherwise: str) -> str:
    """A name below the output folder; InputError for what would leave it."""
    if asked is None:
        return otherwise.replace("\0", "")
    name = PurePosixPath(str(asked))
    odd = name.is_absolute() or ".." in name.parts or not name.name or "\0" in str(asked)
    if odd or is_address(str(asked)) or any(part.startswith(".") for part in name.parts):
        raise InputError(f"output is {str(asked)!r}: give a name below the output folder")
    if str(name) in _OURS:
        raise InputError(f"output is {asked}, which the batch writes itself: choose another name")
    return str(name)
