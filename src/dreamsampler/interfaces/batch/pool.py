"""Workers on this machine: processes that may die, and a parent that notices."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any, final

from dreamsampler.files import OutputError
from dreamsampler.interfaces.batch.job import Job
from dreamsampler.interfaces.batch.ledger import Record
from dreamsampler.interfaces.cli.command import Where


@final
@dataclass(frozen=True)
class Ask:
    """What a pool is told once.

    Args:
        where: the model.
        staging: folder for results that are not final yet.
        workers: how many processes.
        at_once: rows that go through the network together; None to let the device decide.
        retries: how often a row is tried again whose worker died.
        metadata: whether pictures carry recipes.
    """

    where: Where
    staging: Path
    workers: int
    at_once: int | None
    retries: int
    metadata: bool


def here(ask: Ask, jobs: Iterator[Job]) -> Iterator[list[Record]]:
    """Do rows in this very process, in their order; what kills it kills the batch.

    Raises:
        OutputError: the disk takes no more.
    """
    from dreamsampler.interfaces.batch.work import NoModel, Stop, Worker

    worker = Worker(ask.where, ask.staging, ask.metadata)
    queue = Queue(jobs, ask.retries)
    while queue:
        try:
            yield worker.do(queue.take(ask.at_once or worker.at_once()))
        except Stop as stop:
            raise OutputError(str(stop)) from stop
        except NoModel as error:
            raise ValueError(str(error)) from error


def processes(ask: Ask, jobs: Iterator[Job]) -> Iterator[list[Record]]:
    """Do rows in worker processes; a row whose worker dies is tried again, alone.

    Yields:
        Records as they are ready, in any order.

    Raises:
        OutputError: the disk takes no more.
        ValueError: the model cannot be loaded.
    """
    queue = Queue(jobs, ask.retries)
    hands = [_Hand(ask) for _ in range(ask.workers)]
    try:
        while queue or any(hand.jobs for hand in hands):
            for hand in hands:
                if not hand.jobs and queue:
                    hand.give(queue.take(ask.at_once or hand.at_once))
            ends = {hand.end: hand for hand in hands if hand.jobs}
            for end in connection.wait(list(ends)):
                hand = ends[end]  # type: ignore[index]
                records = hand.answer()
                if records is not None:
                    yield [replace(r, attempts=queue.attempts(r.row)) for r in records]
                    continue
                yield queue.back(hand.jobs, hand.fate())
                hand.renew()
    finally:
        for hand in hands:
            hand.end_it()


@final
class Queue:
    """Rows that wait: read ahead a little, so that those of one kind meet.

    Args:
        jobs: read as they are needed.
        retries: how often a row may lose its worker and be tried again.
    """

    AHEAD = 64

    def __init__(self, jobs: Iterator[Job], retries: int) -> None:
        self._jobs, self._retries = jobs, retries
        self._ahead: deque[Job] = deque()
        self._alone: deque[Job] = deque()
        self._lost: dict[int, int] = {}

    def __bool__(self) -> bool:
        self._fill(1)
        return bool(self._ahead or self._alone)

    def take(self, most: int) -> list[Job]:
        """The next row, with others of its kind; one that lost a worker comes alone, and last."""
        self._fill(1 if most == 1 else self.AHEAD)
        if not self._ahead:
            return [self._alone.popleft()]
        first = self._ahead.popleft()
        found = [first]
        for each in list(self._ahead):
            if len(found) == most:
                break
            if each.kind == first.kind:
                self._ahead.remove(each)
                found.append(each)
        return found

    def attempts(self, row: int) -> int:
        """How often a row was begun."""
        return self._lost.get(row, 0) + 1

    def back(self, jobs: Sequence[Job], fate: str) -> list[Record]:
        """Rows whose worker died: tried again, or given up as records."""
        given_up = []
        for job in jobs:
            lost = self._lost[job.number] = self._lost.get(job.number, 0) + 1
            if lost <= self._retries:
                self._alone.append(job)
                continue
            error = f"its worker {fate} {lost} times: out of memory? take a smaller size"
            given_up.append(Record(job.number, job.key, "failed", job.task, error=error))
        return [replace(each, attempts=self._lost[each.row]) for each in given_up]

    def _fill(self, count: int) -> None:
        while len(self._ahead) < count:
            job = next(self._jobs, None)
            if job is None:
                return
            self._ahead.append(job)


@final
@dataclass
class _Hand:
    """One worker process, seen from the parent."""

    ask: Ask
    jobs: list[Job] = field(default_factory=list)
    at_once: int = 1

    def __post_init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """A new process in place of a dead one."""
        spawn = get_context("spawn")
        self.end, other = spawn.Pipe()
        self._process = spawn.Process(target=serve, args=(other, self.ask), daemon=True)
        with no_main():
            self._process.start()
        other.close()
        self.jobs = []

    def give(self, jobs: list[Job]) -> None:
        """Hand over rows; a process that is dead already is found out by `answer`."""
        self.jobs = jobs
        with contextlib.suppress(OSError):
            self.end.send(jobs)

    def answer(self) -> list[Record] | None:
        """What came back; None if the process has died."""
        try:
            kind, said, self.at_once = self.end.recv()
        except (EOFError, OSError):
            return None
        if kind == "stop":
            raise OutputError(said)
        if kind == "model":
            raise ValueError(said)
        self.jobs = []
        return said

    def fate(self) -> str:
        """How it died, in words."""
        self._process.join(5)
        code = self._process.exitcode
        return f"was killed by signal {-code}" if code is not None and code < 0 else "ended"

    def end_it(self) -> None:
        """Kill it: it holds nothing that is not staged."""
        self._process.kill()
        self._process.join()


@contextlib.contextmanager
def no_main() -> Iterator[None]:
    """Spawned processes would run the caller's script again; ours need nothing of it."""
    main = sys.modules["__main__"]
    kept = {name: getattr(main, name, None) for name in ("__file__", "__spec__")}
    for name in kept:
        with contextlib.suppress(AttributeError):
            setattr(main, name, None) if name == "__spec__" else delattr(main, name)
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is not None:
                setattr(main, name, value)


def serve(end: Any, ask: Ask) -> None:
    """The life of a worker: rows in, records out, until the parent is gone."""
    from dreamsampler.interfaces.batch.work import NoModel, Stop, Worker

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    threading.Thread(target=with_parent, daemon=True).start()
    worker = Worker(ask.where, ask.staging, ask.metadata)
    while True:
        try:
            jobs = end.recv()
        except (EOFError, OSError):
            return
        try:
            end.send(("done", worker.do(jobs), worker.at_once() if ask.at_once is None else 1))
        except Stop as stop:
            end.send(("stop", str(stop), 1))
        except NoModel as error:
            end.send(("model", str(error), 1))


def with_parent() -> None:
    """End with the parent, however that ends."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
