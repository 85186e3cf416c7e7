"""Jobs: one after the other, canceled in the queue or anywhere in a run."""

import gc
import os
import platform
import threading
import time
import weakref
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from dreamsampler.cancel import Canceled, check_canceled
from dreamsampler.images.picture import Picture
from dreamsampler.interfaces.studio.failures import Refused
from dreamsampler.interfaces.studio.run_store import RunStore
from dreamsampler.interfaces.studio.submission import Submissions
from dreamsampler.interfaces.studio.uploads import Limits, Uploads
from dreamsampler.interfaces.studio.worker import Job, Worker
from dreamsampler.tasks.base import Run, Task

LOCK, ENTERED = threading.Lock(), threading.Event()
STAGES = ("read", "fit", "step", "decode", "write")


def loop(until_canceled):
    """A loop of a solver or a fit, with a lock held; returns at once unless it shall not."""
    if until_canceled:
        with LOCK:
            ENTERED.set()
            while True:
                check_canceled()
                time.sleep(0.001)


class ScriptedRun(Run):
    """One fit, one step and one picture, of which one may take for ever."""

    def __init__(self, task):
        super().__init__(task, None, [0])
        loop(task.stage == "read")
        self.source, self.fit_total = Picture(torch.zeros(3, 16, 16)), 1
        self.begin(self._one_step(), 1)

    def fitting(self):
        loop(self.task.stage == "fit")
        yield 1

    def _one_step(self):
        loop(self.task.stage == "step")
        yield SimpleNamespace(z0=torch.zeros(1, 3, 16, 16))

    def preview(self, step):
        return step.z0

    def _decoded(self):
        loop(self.task.stage == "decode")
        return [self.source.rgb]

    def save(self, path, recipe=None):
        written = super().save(path, recipe)
        loop(self.task.stage == "write")
        return written


@dataclass(frozen=True)
class Scripted(Task):
    """A task that does nothing, or the same thing until it is canceled."""

    stage: str = ""
    """where"""
    num_inference_steps: int = 1
    """what it would take"""

    USES_MODEL: ClassVar[bool] = False

    def check_files(self):
        return 16, 16

    def inputs(self):
        return []

    def start(self, model):
        return ScriptedRun(self)


@pytest.fixture
def submissions(tmp_path):
    ENTERED.clear()
    store = RunStore(tmp_path / "runs")
    uploads = Uploads(tmp_path / "files", store, Limits(10**6, 10**6))
    return Submissions(Worker(None), store, uploads)


def submit(submissions, stage="", owner="ada"):
    return submissions.submit(Scripted, {"stage": stage}, owner)


def files(submissions):
    return [path for path in submissions.store.root.rglob("*") if path.is_file()]


def assert_canceled(job):
    with pytest.raises(Canceled):
        job.wait(60)


def test_a_job_waits_reports_its_last_stage_and_is_stored(submissions):
    first, job = submit(submissions, "read"), submit(submissions)
    assert ENTERED.wait(60)
    worker = submissions.worker
    assert (job.status.stage, worker.place(job)) == ("waiting for its turn", (1, None))
    assert (worker.find("ada", job.name), worker.find("eve", job.name)) == (job, None)
    with pytest.raises(TimeoutError):
        job.wait(0)
    first.cancel()
    assert job.wait(60).name == job.name
    status = job.status
    assert (status.stage, status.done, status.total) == ("decoding and writing", 1, 1)
    assert [run.name for run in submissions.store.runs("ada")] == [job.name]


def test_how_long_a_run_takes_is_known_by_those_before_it(submissions):
    """For each step, the slowest of the last three; a queued one waits for those before as well."""
    worker = submissions.worker
    ended(submissions, 1)
    ((kind, seconds),) = worker._took
    assert 0 < seconds < 60
    worker._took.extend((kind, seconds) for seconds in (90.0, 2.0, 4.0, 1.0))
    first = submit(submissions, "step")
    assert ENTERED.wait(60)
    job = submissions.submit(Scripted, {"num_inference_steps": 5}, "ada")
    (one, own), (two, both) = worker.place(first), worker.place(job)
    assert (one, two) == (0, 1)
    assert 0 <= own < 4
    assert 20 <= both <= own + 20
    first.cancel()
    job.wait(60)


def ended(submissions, jobs):
    """Run some jobs, and let the worker come to rest."""
    for _ in range(jobs):
        submit(submissions).wait(60)
    while submissions.worker._running:
        time.sleep(0.001)


def test_runs_that_are_over_leave_nothing_behind(submissions, monkeypatch):
    """After six as many objects of this package and of torch as after three."""
    monkeypatch.setattr("dreamsampler.interfaces.studio.worker.REMEMBERED", 2)

    def kept():
        ended(submissions, 3)
        gc.collect()
        kinds = (type(each) for each in gc.get_objects())
        return Counter(k for k in kinds if str(k.__module__).startswith(("dreams", "torch")))

    kept()
    before = kept()
    assert kept() - before == {}


def memory():
    """Of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps what is freed")
def test_memory_that_was_freed_between_what_stays_is_given_back_after_each_run(submissions):
    ended(submissions, 1)
    pieces = [bytearray(2000) for _ in range(40_000)]
    kept = pieces[::50]
    full = memory()
    del pieces
    assert memory() > full - 10
    ended(submissions, 1)
    submissions.worker.stop(60)
    assert memory() < full - 50
    assert len(kept) == 800


def test_a_full_queue_refuses_and_keeps_a_place_for_others(submissions):
    first = submit(submissions, "step")
    assert ENTERED.wait(60)
    submissions.worker.most, submissions.worker.most_each = 3, 2
    waiting = [submit(submissions) for _ in range(2)]
    with pytest.raises(Refused, match="2 of your runs wait already"):
        submit(submissions)
    waiting.append(submit(submissions, owner="eve"))
    with pytest.raises(Refused, match="too many runs are waiting"):
        submit(submissions, owner="bob")
    waiting[0].cancel()  # which makes room
    waiting[0] = submit(submissions)
    assert len(list(submissions.store.root.glob("*/*"))) == 4  # what was refused left no folder
    first.cancel()
    assert [job.wait(60).name for job in waiting] == [job.name for job in waiting]


@pytest.mark.parametrize("stage", STAGES)
def test_cancel_ends_a_run_anywhere_and_frees_its_locks(submissions, stage):
    """Nothing of it is left, and the next job runs."""
    job, following = submit(submissions, stage), submit(submissions)
    assert ENTERED.wait(60)
    job.cancel()
    assert_canceled(job)
    assert LOCK.acquire(timeout=60)
    LOCK.release()
    following.wait(60)
    assert submissions.store.runs("ada") == [following.result]
    assert {path.parent for path in files(submissions)} == {following.result.folder}


def test_a_queued_job_is_canceled_at_once_and_ends_no_other(submissions):
    first, second, third = (submit(submissions, stage) for stage in ("step", "", ""))
    assert ENTERED.wait(60)
    second.cancel()
    assert second.over
    assert not first.over
    assert_canceled(second)
    first.cancel()
    assert_canceled(first)
    third.wait(60)
    assert [run.name for run in submissions.store.runs("ada")] == [third.result.name]


def test_a_job_canceled_before_its_end_has_no_result(tmp_path):
    """Even in the very last moment; later nothing changes."""
    discarded = []
    job = Job(
        Scripted(),
        tmp_path / "late.png",
        lambda written, notes: job.cancel(),
        lambda: discarded.append(1),
    )
    job.run(None)
    assert_canceled(job)
    assert discarded == [1]
    job = Job(Scripted(), tmp_path / "done.png", lambda written, notes: written.outputs)
    job.run(None)
    job.cancel()
    assert job.wait(0) == [tmp_path / "done.png"]


def test_a_job_that_is_over_holds_nothing_of_its_run(submissions, monkeypatch, capsys):
    """Neither by its error's frames nor otherwise; what nobody expected is logged once."""
    runs, start = [], Scripted.start
    monkeypatch.setattr(
        Scripted,
        "start",
        lambda task, model: runs.append(weakref.ref(r := start(task, model))) or r,
    )
    jobs = [submit(submissions, stage) for stage in ("decode", "", "")]
    assert ENTERED.wait(60)
    jobs[0].cancel()
    monkeypatch.setattr(ScriptedRun, "_decoded", lambda run: {}["a secret"])
    while not all(job.over for job in jobs):
        time.sleep(0.005)
    assert isinstance(jobs[0].error, Canceled)
    assert str(jobs[1].error) == "Unexpected KeyError; the server's log says where."
    assert capsys.readouterr().err.count("a secret") >= 1
    gc.collect()
    assert [run() for run in runs] == [None] * 3


def test_a_worker_that_stops_ends_what_runs_and_what_waits(submissions):
    jobs = [submit(submissions, stage) for stage in ("step", "", "")]
    assert ENTERED.wait(60)
    submissions.worker.stop(60)
    assert not submissions.worker._thread.is_alive()
    for job in jobs:
        assert_canceled(job)
    assert files(submissions) == []


def test_what_fails_is_raised_where_it_is_awaited(submissions):
    submissions.worker.submit(job := Job(Scripted(), submissions.store.root, lambda *_: None))
    with pytest.raises(OSError, match="png"):
        job.wait(60)


def test_a_disk_that_is_full_at_the_end_leaves_no_file(submissions, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dreamsampler.files._write", full)
    job = submit(submissions)
    with pytest.raises(OSError, match=r"png: the disk is full: make room or write elsewhere$"):
        job.wait(60)
    assert [path for path in submissions.store.root.rglob("*") if path.is_file()] == []
