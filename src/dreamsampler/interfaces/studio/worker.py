"""One thread that owns the model: runs follow one another, are watched, and stop when told to."""

from __future__ import annotations

import ctypes
import queue
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, final

if TYPE_CHECKING:
    from dreamsampler.maths import Image
    from dreamsampler.tasks.base import Run, Task

PREVIEW_SIDE = 512
"""Longest side of a preview, in pixels."""
PREVIEW_EVERY, PREVIEW_SHARE = 0.25, 0.15
"""Previews come at most so many seconds apart, and take at most this share of the time."""


@final
class Canceled(BaseException):
    """A run was told to stop; no Exception, so that nothing on its way takes it for a fault."""


@final
@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Args:
        stage: what goes on, in words.
        done: steps taken.
        total: steps there will be; 0 while that is unknown.
        seconds: since the run began.
        preview: the clean estimate as a JPEG, if there is one.
    """

    stage: str
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    preview: bytes | None = None


@final
@dataclass(eq=False)
class Job:
    """One run, asked for, under way or over.

    Args:
        task: what is asked for.
        finish: is given the finished run, and how long loading and running took; what it returns
            is the result.
        clean: is called if there will be no result.
        notes: our own warnings, as they came.
    """

    task: Task
    finish: Callable[[Run, Job], Any]
    clean: Callable[[], None]
    notes: list[str] = field(default_factory=list)
    result: Any = None
    error: BaseException | None = None
    canceled: bool = False
    over: bool = False
    progress: Progress = Progress("waiting for its turn")
    began: float | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def follow(self, beat: float = 0.5) -> Iterator[Progress]:
        """How far it is, whenever that changes and at every beat; closing this cancels nothing.

        Raises:
            Canceled: it was.
            BaseException: what it failed with.
        """
        seen: Progress | None = None
        while True:
            with self._changed:
                if self.progress is seen and not self.over:
                    self._changed.wait(beat)
                step, over = self.progress, self.over
            if over:
                break
            seen = step
            since = 0.0 if self.began is None else time.perf_counter() - self.began
            yield replace(step, seconds=since)
        if self.error is not None:
            raise self.error

    def tell(self, progress: Progress) -> None:
        """Say how far it is; only the newest is kept."""
        with self._changed:
            self.progress = progress
            self._changed.notify_all()

    def end(self, result: Any = None, error: BaseException | None = None) -> None:
        """Say that it is over."""
        with self._changed:
            self.result, self.error, self.over = result, error, True
            self._changed.notify_all()


@final
class Worker:
    """The thread that runs jobs, one after the other, on one loaded model.

    Args:
        prior: the model.
    """

    def __init__(self, prior: Any) -> None:
        self.prior = prior
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._inside: Job | None = None
        self._thread = threading.Thread(target=self._loop, name="studio-worker", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Put a job at the end of the line."""
        self._jobs.put(job)

    def cancel(self, job: Job) -> None:
        """Stop a job at its next line of Python, wherever that is; one that is over stays as it is.

        Steps are a fraction of a second apart, but reading, first guesses and fits of paths or
        fields have loops of their own, some of them a minute long, which ask nobody. So the
        exception is set from outside. Every loop of the house is Python between two tensor
        operations, and files are written whole or not at all, so that no place is a bad one.
        """
        if job.canceled or job.over:
            return
        job.canceled = True
        if self._inside is job and self._thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread.ident), ctypes.py_object(Canceled)
            )

    def _loop(self) -> None:
        while True:
            with suppress(Canceled):  # one that came a moment too late
                self._one(self._jobs.get())

    def _one(self, job: Job) -> None:
        while not job.over:
            try:
                if job.canceled:
                    raise Canceled
                self._inside = job
                with noted(job.notes):
                    result = self._run(job)
                self._inside = None
                job.end(result)
            except Canceled as error:
                self._inside = None
                if job.canceled:
                    job.clean()
                    job.end(error=error)
            except BaseException as error:
                self._inside = None
                job.clean()
                job.end(error=error)

    def _run(self, job: Job) -> Any:
        from dreamsampler.tasks.base import Fits

        job.began = time.perf_counter()

        def tell(stage: str, done: int = 0, total: int = 0, preview: bytes | None = None) -> None:
            job.tell(Progress(stage, done, total, preview=preview))

        tell("reading and encoding")
        run = job.task.start(self.prior)
        if isinstance(run, Fits):
            for count in run.fitting():
                tell("fit", count, run.fits)
        tell("first step")
        shown, cost, preview = -PREVIEW_EVERY, 0.0, None
        for count, step in enumerate(run, 1):
            start = time.perf_counter()
            if start - shown >= max(PREVIEW_EVERY, cost / PREVIEW_SHARE) or count == run.total:
                preview = as_jpeg(run.preview(step))
                shown, cost = time.perf_counter(), time.perf_counter() - start
            tell("step", count, run.total, preview)
        tell("decoding and writing", run.total, run.total, preview)
        run.pictures()
        return job.finish(run, job)


@contextmanager
def noted(notes: list[str]) -> Iterator[None]:
    """Inside, our own warnings are added to a list, once each, and others are left out."""
    package = str(Path(__file__).parents[2])

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if filename.startswith(package) and str(message) not in notes:
            notes.append(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield


def as_jpeg(pictures: Image) -> bytes:
    """The first of some pictures, (b, 3, h, w) in [-1, 1], small and as a JPEG."""
    import PIL.Image

    one = pictures.detach()[0].float().nan_to_num(0.0).clamp(-1, 1)
    samples = ((one + 1) * 127.5).round().byte().cpu().permute(1, 2, 0).numpy()
    image, file = PIL.Image.fromarray(samples), BytesIO()
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    image.save(file, "JPEG", quality=85)
    return file.getvalue()
