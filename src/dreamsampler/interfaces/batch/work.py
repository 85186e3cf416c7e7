"""What a worker does: a few rows with a model that is loaded once."""

from __future__ import annotations

import contextlib
import errno
import secrets
import shutil
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from dreamsampler.files import OutputError, sha256
from dreamsampler.interfaces.batch.ask import is_address
from dreamsampler.interfaces.batch.job import Job
from dreamsampler.interfaces.batch.ledger import Record
from dreamsampler.interfaces.cli.command import Where, check_files
from dreamsampler.tasks.options import path_options, task_of

AT_ONCE = {"cpu": 1}
AT_ONCE_ELSEWHERE = 8
"""Rows that go through the network together, by the kind of the device."""
_STOPS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}
"""What is wrong with the disk, and not with a row."""


@final
class Stop(Exception):
    """The batch cannot go on: the disk takes no more."""


@final
class NoModel(Exception):
    """The batch's own model cannot be loaded."""


@final
@dataclass
class Worker:
    """One process's model, and what it does with rows.

    Args:
        where: the model of rows that name none.
        staging: folder for results; each row gets one of its own in it.
        metadata: whether pictures carry their recipes.
        home: the folder that relative paths are meant from; None for the current one.
    """

    where: Where
    staging: Path
    metadata: bool = True
    home: Path | None = None
    _loaded: tuple[Any, Any] | None = field(default=None)

    def at_once(self) -> int:
        """How many rows are best done together here."""
        device = getattr(self._prior(None, None), "device", None)
        return AT_ONCE.get(getattr(device, "type", "cpu"), AT_ONCE_ELSEWHERE)

    def do(self, jobs: Sequence[Job]) -> list[Record]:
        """Do rows together; a row that fails is a record that says why.

        Raises:
            Stop: the disk takes no more.
            NoModel: the batch's own model cannot be loaded.
        """
        from dreamsampler.tasks.lockstep import in_lockstep

        heard = _Heard()
        begun = [_Begun(job, self.staging / f"{job.number}-{secrets.token_hex(4)}") for job in jobs]
        groups: dict[tuple[bool, str | None, str | None], list[_Begun]] = {}
        for each in begun:
            asks = each.job.task != "degrade"
            groups.setdefault((asks, each.job.model, each.job.revision), []).append(each)
        with heard.listening():
            for (asks, model, revision), group in groups.items():
                try:
                    prior = self._prior(model, revision) if asks else None
                except NoModel:
                    raise
                except Exception as error:
                    for each in group:
                        each.failed(error)
                    continue
                works = [self._work(each, heard) for each in group]
                for each, found in zip(group, in_lockstep(works, prior), strict=True):
                    each.together = len(group)
                    if isinstance(found, Exception):
                        each.failed(found)
        return [each.record(heard.of(each.job)) for each in begun]

    def _work(self, begun: _Begun, heard: _Heard) -> Callable[[Any], None]:
        def work(prior: Any) -> None:
            heard.begin(begun.job)
            begun.begin()
            with self._here(begun.job) as (task, original):
                self._perform(begun, task, prior, original)

        return work

    def _perform(self, begun: _Begun, task: Any, prior: Any, original: dict[str, Any]) -> None:
        from dreamsampler.tasks.recipe import make_recipe

        path = begun.folder / begun.job.output
        if begun.job.task == "degrade":
            check_files(task, task.outputs(path))
            begun.wrote(task.save(path, None if self.metadata else {}), {})
            return
        check_files(task, task.outputs(path))
        run = task.start(prior)
        for _ in run:
            pass
        run.pictures()
        recipe = make_recipe(task, run, prior, {})
        recipe["options"].update(original)
        begun.wrote(run.save(path, recipe if self.metadata else {}), recipe)

    @contextlib.contextmanager
    def _here(self, job: Job) -> Iterator[tuple[Any, dict[str, Any]]]:
        """The task with files that can be opened, and what they are called in the recipe."""
        scratch = self.staging / f"in-{secrets.token_hex(6)}"
        original = {
            name: job.options[name] for name in path_options(job.task) if name in job.options
        }
        try:
            opened = {name: self._opened(value, scratch) for name, value in original.items()}
            moved = {name: value for name, value in original.items() if opened[name] != value}
            yield task_of(job.task, {**job.options, **opened}), moved
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _opened(self, value: Any, scratch: Path) -> Any:
        if isinstance(value, list):
            return [self._opened(each, scratch / str(i)) for i, each in enumerate(value)]
        if is_address(value):
            from dreamsampler.interfaces.batch.remote import fetch

            return str(fetch(value, scratch))
        return value if self.home is None else str(self.home / value)

    def _prior(self, model: str | None, revision: str | None) -> Any:
        """The model, loaded once; another one takes its place."""
        named = model is not None and not self._is_ours(model)
        where = replace(self.where, model=model, revision=None) if named else self.where
        if self._loaded is None or self._loaded[0] != where:
            self._loaded = None  # before the next one takes its memory
            try:
                self._loaded = (where, where.load())
            except Exception as error:
                if named:
                    raise
                raise NoModel(said(error)) from error
        prior = self._loaded[1]
        if revision and model is not None and prior.revision != revision:
            raise ValueError(_other(model, revision, prior.revision))
        return prior

    def _is_ours(self, model: str) -> bool:
        """Whether a row names the batch's own model, which may say its version: sdxl@COMMIT."""
        from dreamsampler.models.alias import pin

        return model in (self.where.model, pin(self.where.model)[0])


def _other(model: str, revision: str, found: str) -> str:
    """A model of another version than a row was made with, and the way out."""
    from dreamsampler.models.alias import pin

    pinned = f"{model}@{revision}"
    do = "remove the row's model to take this one, or get that version of it"
    if pin(pinned)[1] is not None:
        do = f"pass --model {pinned}, or write that name into the row's model"
    return f"the row was made with revision {revision} of {model}, and this is {found}: {do}"


@final
@dataclass
class _Begun:
    """A row under way."""

    job: Job
    folder: Path
    since: float = field(default_factory=time.perf_counter)
    outputs: list[Path] = field(default_factory=list)
    recipe: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    together: int = 1
    spent: float = 0.0

    def begin(self) -> None:
        """Its turn has come."""
        self.since = time.perf_counter()

    def wrote(self, paths: Sequence[Path], recipe: dict[str, Any]) -> None:
        """It is done."""
        self.outputs, self.recipe = list(paths), recipe
        self.spent = time.perf_counter() - self.since

    def failed(self, error: Exception) -> None:
        """It cannot be done; what it wrote is removed."""
        shutil.rmtree(self.folder, ignore_errors=True)
        cause = error.__cause__ if isinstance(error, OutputError) else error
        if isinstance(cause, OSError) and cause.errno in _STOPS and isinstance(error, OSError):
            raise Stop(str(error)) from error
        self.outputs, self.error = [], said(error)

    def record(self, heard: list[str]) -> Record:
        """What the ledger shall say."""
        job, told = self.job, self.recipe
        names = [path.relative_to(self.folder).as_posix() for path in self.outputs]
        first = path_options(job.task)[0]
        return Record(
            row=job.number,
            key=job.key,
            status="failed" if self.error else "done",
            task=job.task,
            input=str(job.options.get(first)),
            outputs=names,
            sha256=[sha256(path) for path in self.outputs],
            staged=None if self.error else self.folder.name,
            seconds={**told.get("seconds", {}), "total": round(self.spent, 4)},
            evaluations=told.get("evaluations", 0),
            report=told.get("report", {}),
            warnings=heard,
            error=self.error,
            together=self.together,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def said(error: Exception) -> str:
    """An error of a row in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__:
        return "out of memory: take a smaller size, fewer images or fewer rows at once"
    if isinstance(error, ValueError | OSError):
        return text
    return f"unexpected {type(error).__name__}: {text}"


@final
class _Heard:
    """Warnings, each by the row in whose thread it was given."""

    def __init__(self) -> None:
        self._here = threading.local()
        self._said: dict[int, list[str]] = {}

    def begin(self, job: Job) -> None:
        """This thread works on a row from here on."""
        self._here.row = job.number

    def of(self, job: Job) -> list[str]:
        """What was warned of in a row."""
        return self._said.get(job.number, [])

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Inside, our warnings are kept and those of other packages left out."""

        def show(message: Any, category: type, filename: str, *rest: Any) -> None:
            ours = "dreamsampler" in filename or category.__module__.startswith("dreamsampler")
            row = getattr(self._here, "row", None)
            if ours and row is not None and str(message) not in self._said.get(row, []):
                self._said.setdefault(row, []).append(str(message))

        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = show
            yield
