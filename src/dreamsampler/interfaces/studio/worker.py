"""One thread that owns the model: jobs run one after the other, and can be canceled."""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from dreamsampler.cancel import Canceled, check_canceled
from dreamsampler.interfaces.errors import own_warnings
from dreamsampler.interfaces.studio.failures import Refused, message
from dreamsampler.tasks.base import Task
from dreamsampler.tasks.execute import Written, execute
from dreamsampler.tasks.progress import Progress, ProgressCallback

if TYPE_CHECKING:
    from dreamsampler.maths import Image

PREVIEW_SIDE = 512
"""Longest side of a preview, in pixels."""
PREVIEW_EVERY, PREVIEW_SHARE = 0.25, 0.15
"""Seconds between previews, at least, and the share of the time they may take, at most."""
QUEUED = "waiting for its turn"
STAGES = {
    "read": "reading and encoding",
    "fit": "fit",
    "step": "step",
    "decode": "decoding and writing",
    "write": "decoding and writing",
}
"""Stage of a run -> what visitors read."""
REMEMBERED = 500
"""Jobs that are over of which the state is kept, and how many of their times."""


@final
@dataclass(frozen=True)
class Status:
    """How far a job is: total is 0, and seconds_left None, while that is unknown.

    The preview is the clean estimate as a WebP, svg the drawing so far.
    """

    stage: str
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    preview: bytes | None = None
    svg: str | None = None


@final
@dataclass(eq=False)
class Job:
    """A submitted task: queued, running or over.

    Args:
        output: the file or folder to write.
        finish: takes what was written and the package's own warnings, returns the job's result.
        discard: called if there will be no result.
        call: further arguments of the call of the model's pipeline, as text.
        name: of its run.

    Attributes:
        started: when it began, by `time.perf_counter`; None in the queue.
    """

    task: Task
    output: Path
    finish: Callable[[Written, list[str]], Any]
    discard: Callable[[], None] = lambda: None
    edit_recipe: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    call: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    name: str = ""
    result: Any = None
    error: BaseException | None = None
    over: bool = False
    status: Status = Status(QUEUED)
    canceled: threading.Event = field(default_factory=threading.Event)
    started: float | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, seconds: float | None = None) -> Any:
        """The result, once there is one; raises what went wrong, or TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.over, seconds):
                raise TimeoutError(f"{self.name} is not over")
        if self.error is not None:
            raise self.error
        return self.result

    def cancel(self) -> None:
        """End the job: at once in the queue, else at its next step or iteration."""
        with self._changed:
            self.canceled.set()
            if self.started is not None or self.over:
                return
            self.error, self.over = Canceled(), True
            self._changed.notify_all()
        self.discard()

    def run(self, model: Any) -> None:
        """Run the task, unless the job was canceled in the queue."""
        with self._changed:
            if self.over:
                return
            self.started, self.status = time.perf_counter(), Status(STAGES["read"])
        try:
            thread, caught = threading.get_ident(), dict[str, None]()

            def keep(text: str) -> None:
                if threading.get_ident() == thread:
                    caught[text] = None

            with own_warnings(keep):
                if self.call:
                    from dreamsampler.models.pipe import with_more

                    model = with_more(model, self.call)
                written = execute(
                    self.task,
                    model,
                    self.output,
                    progress=self._reporter(),
                    cancel=self.canceled,
                    edit_recipe=self.edit_recipe,
                    rescue=False,  # a visitor would not find it
                )
                result = self.finish(written, list(caught))
            self._end(result)
        except BaseException as error:
            self.discard()
            self._end(error=without_frames(error))

    @property
    def kind(self) -> tuple[str, str, int]:
        """Jobs of one kind take as long for each of their `units`."""
        return self.task.name(), str(vars(self.task).get("method")), self.task.model_side

    @property
    def units(self) -> int:
        """Steps times images."""
        steps = {**vars(self.task), **self.task.settings}.get("num_inference_steps")
        return (steps or 1) * self.task.images

    def _end(self, result: Any = None, error: BaseException | None = None) -> None:
        with self._changed:
            if error is None and self.canceled.is_set():
                raise Canceled
            self.result, self.error, self.over = result, error, True
            self.status = Status(self.status.stage, self.status.done, self.status.total)
            self._changed.notify_all()

    def _reporter(self) -> ProgressCallback:
        """A callback that keeps the newest status, with a preview now and then."""
        shown, cost, seen = -PREVIEW_EVERY, 0.0, Status(QUEUED)
        began: dict[str, float] = {}

        def report(progress: Progress) -> None:
            nonlocal shown, cost, seen
            check_canceled()
            now = time.perf_counter()
            since = now - began.setdefault(progress.stage, now)
            run, preview, svg = progress.run, seen.preview, seen.svg
            if run is not None and progress.stage in ("fit", "step"):
                due = now - shown >= max(PREVIEW_EVERY, cost / PREVIEW_SHARE)
                if due or progress.done == progress.total:
                    svg = run.svg_so_far or svg
                    if progress.step is not None:
                        preview = as_webp(run.preview(progress.step))
                    shown, cost = time.perf_counter(), time.perf_counter() - now
            stage, done = STAGES[progress.stage], progress.done + progress.part
            if progress.stage == "step" and not done:
                stage = "first step"
            left = since / done * (progress.total - done) if done and since else None
            seen = Status(stage, progress.done, progress.total, left, preview, svg)
            self.status = seen

        return report


def without_frames(error: BaseException) -> BaseException:
    """An error that holds no tensors by its frames; an unexpected one is logged, and only named."""
    if not isinstance(error, Canceled | ValueError | OSError):
        error = Refused(message(error), 500)
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


@final
class Worker:
    """The thread that runs jobs, one after the other; `most` may wait, `most_each` of one owner."""

    def __init__(self, model: Any, most: int = 64, most_each: int = 64) -> None:
        self.model, self.most, self.most_each = model, most, most_each
        self._waiting: deque[Job] = deque()
        self._jobs: dict[str, Job] = {}
        self._running: Job | None = None
        self._took: deque[tuple[tuple[str, str, int], float]] = deque(maxlen=REMEMBERED)
        self._changed = threading.Condition()
        self._model_free = threading.Lock()
        self._thread = threading.Thread(target=self._loop, name="studio-worker", daemon=True)
        self._stopped = False
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Put a job at the end of the queue; Refused if too many wait."""
        with self._changed:
            waiting = deque(each for each in self._waiting if not each.over)
            if len(waiting) >= self.most:
                raise Refused("too many runs are waiting: try again in a moment", 429)
            if sum(each.owner == job.owner for each in waiting) >= self.most_each:
                text = f"{self.most_each} of your runs wait already: cancel one, or wait"
                raise Refused(text, 429)
            waiting.append(job)
            self._waiting = waiting
            self._jobs[job.name] = job
            for each in [each for each in self._jobs.values() if each.over][:-REMEMBERED]:
                del self._jobs[each.name]
            self._changed.notify()

    def find(self, owner: str, name: str) -> Job | None:
        """An owner's job by the name of its run; None if there is none, or it was forgotten."""
        job = self._jobs.get(name)
        return job if job is not None and job.owner == owner else None

    def place(self, job: Job) -> tuple[int, float | None]:
        """How many jobs run before a job, and seconds until it is over; None if unknown."""
        with self._changed:
            before = takewhile(lambda each: each is not job, (self._running, *self._waiting))
            jobs = [each for each in before if each is not None and not each.over]
            left = [self._seconds_left(each) for each in (*jobs, job)]
        return len(jobs), None if None in left else sum(filter(None, left))

    def _seconds_left(self, job: Job) -> float | None:
        """How long a job still takes: by its own steps, or before the first by those before it."""
        if job.status.seconds_left is not None:
            return job.status.seconds_left
        like = [seconds for kind, seconds in self._took if kind == job.kind]
        spent = 0.0 if job.started is None else time.perf_counter() - job.started
        # the slowest of three, since a server has more to do at times
        return max(job.units * max(like[-3:]) - spent, 0.0) if like else None

    @contextmanager
    def idle_model(self) -> Iterator[Any]:
        """Inside, the model and nobody else uses it; None while a job runs."""
        free = self._model_free.acquire(blocking=False)
        try:
            yield self.model if free else None
        finally:
            if free:
                self._model_free.release()

    def stop(self, seconds: float) -> None:
        """Cancel every job, and wait for the thread: one that computes would abort the exit."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        for job in list(self._jobs.values()):
            job.cancel()
        self._thread.join(seconds)

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                if self._stopped:
                    return
                job = self._running = self._waiting.popleft()
            began = time.perf_counter()
            with self._model_free:
                job.run(self.model)
            with self._changed:
                self._running = None
                if job.error is None:
                    self._took.append((job.kind, (time.perf_counter() - began) / job.units))
            del job  # the next one may come late
            give_back_memory()


def share_memory() -> None:
    """Let all threads take memory from one place (glibc), to be called before there are threads.

    Else each of up to 8 a core has its own, whose end `give_back_memory` cannot give back.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(-8, 1)  # M_ARENA_MAX


def give_back_memory() -> None:
    """Give what was freed back to the system, where the C library (glibc) keeps it."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def as_webp(pictures: Image) -> bytes:
    """The first of some pictures, (b, 3, h, w) in [-1, 1], small and as a WebP."""
    from dreamsampler.images.save import as_pil

    image, file = as_pil(pictures[0].detach().float().nan_to_num(0.0) / 2 + 0.5), BytesIO()
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    image.save(file, "WEBP", quality=80)
    return file.getvalue()
