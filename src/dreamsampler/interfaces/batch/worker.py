"""A worker: does a few rows at a time with a model that is loaded once."""

from __future__ import annotations

import contextlib
import errno
import itertools
import secrets
import shutil
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, final

from dreamsampler.files import OutputError, sha256
from dreamsampler.interfaces.batch.ledger import Record
from dreamsampler.interfaces.batch.options import is_address
from dreamsampler.interfaces.batch.rows import Row
from dreamsampler.interfaces.errors import out_of_memory, own_warnings
from dreamsampler.interfaces.model_options import (
    AUTO,
    ModelOptions,
    named_values,
    with_call_files,
)
from dreamsampler.tasks.base import Task
from dreamsampler.tasks.execute import execute
from dreamsampler.tasks.from_values import task_of, task_type, with_files
from dreamsampler.tasks.recipe import plain

AT_ONCE = {"cpu": 1}
AT_ONCE_ELSEWHERE = 8
"""Rows that go through the network together, by the kind of the device."""
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}
"""Errors of the disk rather than of a row."""
_thread = threading.local()
"""The row on which this thread works."""


@final
class BatchModelError(ValueError):
    """The batch's own model cannot be loaded."""


@final
@dataclass
class Worker:
    """The model of a process, and how it does rows.

    Args:
        model: of rows that name none.
        staging: folder for results; each row gets one of its own in it.
        metadata: whether pictures carry their recipes.
        home: the folder that relative paths start from; None for the current one.
    """

    model: ModelOptions
    staging: Path
    metadata: bool = True
    home: Path | None = None
    _loaded: tuple[ModelOptions, Any] | None = field(default=None, repr=False)

    def at_once(self) -> int:
        """How many rows are best done together on the device."""
        from dreamsampler.models.device import choose_device

        return AT_ONCE.get(choose_device(self.model.device).type, AT_ONCE_ELSEWHERE)

    def do(self, rows: Sequence[Row]) -> list[Record]:
        """Do rows together; a row that fails has a record with the error."""
        from dreamsampler.models.bundled_models import BundledModels
        from dreamsampler.tasks.lockstep import in_lockstep

        groups: dict[tuple[Any, ...], list[Row]] = {}
        for row in rows:
            uses_model = task_type(row.task).USES_MODEL
            alone = row.number if self._chooses(row) else None
            key = (uses_model, row.model, row.revision, tuple(row.call), alone)
            groups.setdefault(key, []).append(row)
        records: dict[int, Record] = {}
        caught: dict[int, list[str]] = defaultdict(list)

        def keep(text: str) -> None:
            row = getattr(_thread, "row", None)
            if row is not None and text not in caught[row]:
                caught[row].append(text)

        with own_warnings(keep):
            for (uses_model, *model, alone), group in groups.items():
                try:
                    prior = self._load(*model) if uses_model else None
                    if alone is None and isinstance(prior, BundledModels):
                        prior = prior.named(self.model.named)
                except BatchModelError:
                    raise
                except Exception as error:
                    records |= {row.number: _failed(row, error) for row in group}
                    continue
                found = in_lockstep([partial(self._do_one, row) for row in group], prior)
                for row, each in zip(group, found, strict=True):
                    record = _failed(row, each) if isinstance(each, Exception) else each
                    records[row.number] = replace(record, together=len(group))
        return [replace(records[row.number], warnings=caught[row.number]) for row in rows]

    def _chooses(self, row: Row) -> bool:
        """Whether a row's picture chooses the model."""
        wordless = row.task == "restore" and not row.options.get("prompt")
        return (wordless or bool(row.options.get("remove"))) and AUTO in (
            row.model,
            row.model or self.model.model,
        )

    def _do_one(self, row: Row, prior: Any) -> Record:
        """Do a row, in its thread, into a folder of its own, which is removed if that fails."""
        _thread.row = row.number
        folder = self.staging / f"{row.number}-{secrets.token_hex(4)}"
        try:
            with self._task(row) as (task, original):
                written = execute(
                    task,
                    prior,
                    folder / row.output,
                    metadata=self.metadata,
                    rescue=False,  # the batch stops, and goes on with --resume
                    edit_recipe=lambda r: {**r, "options": {**r["options"], **original}},
                )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        run = written.result.run
        seconds = {name: round(value, 4) for name, value in run.seconds.items()}
        return replace(
            _record(row, "done"),
            outputs=[path.relative_to(folder).as_posix() for path in written.outputs],
            sha256=[sha256(path) for path in written.outputs],
            staged=folder.name,
            seconds={**seconds, "total": round(written.seconds, 4)},
            evaluations=run.evaluations,
            report=plain(run.full_report),
        )

    @contextlib.contextmanager
    def _task(self, row: Row) -> Iterator[tuple[Task, dict[str, Any]]]:
        """The task with files that can be opened, and the names that its recipe shall have."""
        scratch = self.staging / f"in-{secrets.token_hex(6)}"
        count = itertools.count()
        try:
            opened = with_files(
                row.task, row.options, lambda path: self._opened(path, scratch / str(next(count)))
            )
            moved = {n: value for n, value in row.options.items() if opened[n] != value}
            yield task_of(row.task, opened), moved
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _opened(self, value: Any, scratch: Path) -> Any:
        if is_address(value):
            from dreamsampler.interfaces.batch.remote import fetch

            return str(fetch(value, scratch))
        return self._here(value)

    def _here(self, path: str) -> str:
        return path if self.home is None else str(self.home / path)

    def _under(self, options: ModelOptions) -> Any:
        """The loaded model under another call, or a model loaded in its place."""
        if self._loaded is not None:
            before, prior = self._loaded
            same = replace(before, call=options.call) == options
            if same and (under := options.under(prior)) is not None:
                return under
        self._loaded = None  # before the next one takes its memory
        return options.load()

    def _load(self, model: str | None, revision: str | None, call: tuple[str, ...]) -> Any:
        """The model, loaded once; another one takes its place, another call its pipeline."""
        from dreamsampler.models.alias import pin

        # a row may name the batch's own model, which may have its version: sdxl@COMMIT
        named = model is not None and model not in (self.model.model, pin(self.model.model)[0])
        options = replace(self.model, model=model, revision=None) if named else self.model
        own = {n: with_call_files(v, self._here) for n, v in named_values("call", call).items()}
        entries = {**named_values("call", options.call), **own}
        options = replace(options, call=tuple(f"{name}={v}" for name, v in entries.items()))
        if self._loaded is None or self._loaded[0] != options:
            try:
                self._loaded = (options, self._under(options))
            except Exception as error:
                if named or call:
                    raise
                raise BatchModelError(_one_line(error)) from error
        prior = self._loaded[1]
        if revision and model is not None and prior.revision != revision:
            pinned = f"{model}@{revision}"
            do = "remove the row's model to take this one, or get that version of it"
            if pin(pinned)[1] is not None:
                do = f"pass --model {pinned}, or write that name into the row's model"
            raise ValueError(
                f"the row was made with revision {revision} of {model}, and this is "
                f"{prior.revision}: {do}"
            )
        return prior


def _record(row: Row, status: str) -> Record:
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return Record(row.number, row.key, status, row.task, row.input, date=date)


def _failed(row: Row, error: Exception) -> Record:
    """The record of a row that failed; OutputError where it is the disk that failed."""
    cause = error.__cause__ if isinstance(error, OutputError) else error
    if isinstance(error, OSError) and isinstance(cause, OSError) and cause.errno in _DISK:
        raise OutputError(str(error)) from error
    return replace(_record(row, "failed"), error=_one_line(error))


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if out_of_memory(error):
        return "out of memory: take a smaller size, fewer images or fewer rows at once"
    if isinstance(error, ValueError | OSError):
        return text
    return f"unexpected {type(error).__name__}: {text}"
