"""One thread that owns the model: jobs run one after the other, and can be canceled."""

from __future__ import annotations

import queue
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from dreamsampler.cancel import Canceled, check_canceled
from dreamsampler.tasks.base import Task
from dreamsampler.tasks.execute import Written, execute
from dreamsampler.tasks.progress import Progress, ProgressCallback

if TYPE_CHECKING:
    from dreamsampler.maths import Image
    from dreamsampler.models.prior import Prior

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
_PACKAGE = str(Path(__file__).parents[2])


@final
@dataclass(frozen=True)
class Status:
    """How far a job is.

    Args:
        stage: in words.
        done: steps so far.
        total: how many there will be; 0 while that is unknown.
        seconds: since the job was started.
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
    """A submitted task: queued, running or over.

    Args:
        task: what is run.
        output: the file or folder to write.
        finish: takes what was written and the package's own warnings, returns the job's result.
        discard: called if there will be no result.
        edit_recipe: see `execute`.
        call: further arguments of the call of the model's pipeline, as text.
    """

    task: Task
    output: Path
    finish: Callable[[Written, list[str]], Any]
    discard: Callable[[], None] = lambda: None
    edit_recipe: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    call: Mapping[str, str] = field(default_factory=dict)
    result: Any = None
    error: BaseException | None = None
    over: bool = False
    status: Status = Status(QUEUED)
    canceled: threading.Event = field(default_factory=threading.Event)
    _started: float | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def follow(self, interval: float = 0.5) -> Iterator[Status]:
        """The status, on every change and once per interval at least; closing cancels nothing."""
        seen: Status | None = None
        while True:
            with self._changed:
                if self.status is seen and not self.over:
                    self._changed.wait(interval)
                seen, over = self.status, self.over
            if over:
                break
            seconds = 0.0 if self._started is None else time.perf_counter() - self._started
            yield replace(seen, seconds=seconds)
        if self.error is not None:
            raise self.error

    def cancel(self) -> None:
        """End the job: at once in the queue, else at its next step or iteration."""
        with self._changed:
            self.canceled.set()
            if self._started is not None or self.over:
                return
            self.error, self.over = Canceled(), True
            self._changed.notify_all()
        self.discard()

    def run(self, model: Any) -> None:
        """Run the task, unless the job was canceled in the queue."""
        with self._changed:
            if self.over:
                return
            self._started = time.perf_counter()
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", UserWarning)
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
                own = [str(w.message) for w in caught if w.filename.startswith(_PACKAGE)]
                result = self.finish(written, list(dict.fromkeys(own)))
            self._end(result)
        except BaseException as error:
            self.discard()
            self._end(error=error)

    def _end(self, result: Any = None, error: BaseException | None = None) -> None:
        with self._changed:
            if error is None and self.canceled.is_set():
                raise Canceled
            self.result, self.error, self.over = result, error, True
            self._changed.notify_all()

    def _reporter(self) -> ProgressCallback:
        """A callback that keeps the newest status, with a preview now and then."""
        shown, cost, preview = -PREVIEW_EVERY, 0.0, None

        def report(progress: Progress) -> None:
            nonlocal shown, cost, preview
            check_canceled()
            run, step, start = progress.run, progress.step, time.perf_counter()
            if run is not None and step is not None:
                due = start - shown >= max(PREVIEW_EVERY, cost / PREVIEW_SHARE)
                if due or progress.done == progress.total:
                    preview = as_jpeg(run.preview(step))
                    shown, cost = time.perf_counter(), time.perf_counter() - start
            stage = STAGES[progress.stage]
            if progress.stage == "step" and not progress.done:
                stage = "first step"
            with self._changed:
                self.status = Status(stage, progress.done, progress.total, preview=preview)
                self._changed.notify_all()

        return report


@final
class Worker:
    """The thread that runs jobs, one after the other, on one loaded model."""

    def __init__(self, model: Prior) -> None:
        self.model = model
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        threading.Thread(target=self._loop, name="studio-worker", daemon=True).start()

    def submit(self, job: Job) -> None:
        """Put a job at the end of the queue."""
        self._jobs.put(job)

    def _loop(self) -> None:
        while True:
            self._jobs.get().run(self.model)


def as_jpeg(pictures: Image) -> bytes:
    """The first of some pictures, (b, 3, h, w) in [-1, 1], small and as a JPEG."""
    from dreamsampler.images.save import as_pil

    image, file = as_pil(pictures[0].detach().float().nan_to_num(0.0) / 2 + 0.5), BytesIO()
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    image.save(file, "JPEG", quality=85)
    return file.getvalue()
