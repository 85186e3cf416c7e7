"""Workers on this machine: processes that may die, and a parent that notices."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing import connection, get_context, parent_process
from typing import Any, final

from dreamsampler.files import OutputError
from dreamsampler.interfaces.batch.ledger import Record
from dreamsampler.interfaces.batch.options import Batch
from dreamsampler.interfaces.batch.rows import Row
from dreamsampler.interfaces.batch.worker import BatchModelError, Worker


def in_process(rows: Iterator[Row], batch: Batch, worker: Worker) -> Iterator[list[Record]]:
    """Do rows in this process, in their order; what kills it kills the batch."""
    queue = Queue(rows, batch.retries)
    while queue:
        yield worker.do(queue.take(batch.rows_at_once or worker.at_once()))


def in_processes(rows: Iterator[Row], batch: Batch, worker: Worker) -> Iterator[list[Record]]:
    """Do rows in processes of their own; a row whose process dies is tried again, alone.

    Yields:
        Records as they are ready, in any order.
    """
    queue = Queue(rows, batch.retries)
    processes = [WorkerProcess(worker, batch.rows_at_once) for _ in range(batch.workers)]
    try:
        while queue or any(each.rows for each in processes):
            for each in processes:
                if not each.rows and queue:
                    each.send(queue.take(each.at_once))
            busy = {each.end: each for each in processes if each.rows}
            for end in connection.wait(list(busy)):
                process = busy[end]  # type: ignore[index]
                records = process.receive()
                if records is not None:
                    yield [replace(r, attempts=queue.attempts(r.row)) for r in records]
                    continue
                yield queue.put_back(process.rows, process.exit_reason())
                process.start()
    finally:
        for each in processes:
            each.kill()


@final
class Queue:
    """Rows that wait: read ahead a little, so that those of one group meet.

    Args:
        rows: read as they are needed.
        retries: how often a row may lose its worker and be tried again.
    """

    AHEAD = 64

    def __init__(self, rows: Iterator[Row], retries: int) -> None:
        self._rows, self._retries = rows, retries
        self._ahead: deque[Row] = deque()
        self._alone: deque[Row] = deque()
        self._lost: dict[int, int] = {}

    def __bool__(self) -> bool:
        self._read_ahead(1)
        return bool(self._ahead or self._alone)

    def take(self, most: int) -> list[Row]:
        """The next row, with others of its group; one that lost a worker comes alone, and last."""
        self._read_ahead(1 if most == 1 else self.AHEAD)
        if not self._ahead:
            return [self._alone.popleft()]
        first = self._ahead[0]
        taken = [each for each in self._ahead if each.group == first.group][:most]
        for each in taken:
            self._ahead.remove(each)
        return taken

    def attempts(self, row: int) -> int:
        """How often a row was begun."""
        return self._lost.get(row, 0) + 1

    def put_back(self, rows: Sequence[Row], reason: str) -> list[Record]:
        """Rows whose worker died: tried again, or given up as records."""
        given_up = []
        for row in rows:
            lost = self._lost[row.number] = self._lost.get(row.number, 0) + 1
            if lost <= self._retries:
                self._alone.append(row)
                continue
            error = f"its worker {reason} {lost} times: out of memory? take a smaller size"
            given_up.append(
                Record(row.number, row.key, "failed", row.task, error=error, attempts=lost)
            )
        return given_up

    def _read_ahead(self, count: int) -> None:
        while len(self._ahead) < count and (row := next(self._rows, None)) is not None:
            self._ahead.append(row)


@final
class WorkerProcess:
    """A worker in a process of its own, seen from the parent.

    Args:
        worker: what runs in it.
        at_once: rows that go through the network together; None to let the device decide.
    """

    def __init__(self, worker: Worker, at_once: int | None) -> None:
        self._arguments = worker, at_once
        self.at_once = at_once or 1
        self.start()

    def start(self) -> None:
        """Start the process, or another one in place of a dead one."""
        self.rows: list[Row] = []
        self.process, self.end = start_process(serve, *self._arguments)

    def send(self, rows: list[Row]) -> None:
        """Send rows; `receive` notices a process that is dead."""
        self.rows = rows
        with contextlib.suppress(OSError):
            self.end.send(rows)

    def receive(self) -> list[Record] | None:
        """The records of the rows; None if the process has died."""
        try:
            answer = self.end.recv()
        except (EOFError, OSError):
            return None
        if isinstance(answer, Exception):
            raise answer
        self.rows, (records, self.at_once) = [], answer
        return records

    def exit_reason(self) -> str:
        """How it died, in words."""
        self.process.join(5)
        code = self.process.exitcode
        return f"was killed by signal {-code}" if code is not None and code < 0 else "ended"

    def kill(self) -> None:
        """End it: it holds nothing that is not staged."""
        self.process.kill()
        self.process.join()


def start_process(target: Any, *arguments: Any) -> tuple[Any, Any]:
    """A process that runs `target(end, *arguments)`, and our end of the pipe to it."""
    spawn = get_context("spawn")
    end, other = spawn.Pipe()
    process = spawn.Process(target=target, args=(other, *arguments), daemon=True)
    with _no_main():
        process.start()
    other.close()
    return process, end


@contextlib.contextmanager
def _no_main() -> Iterator[None]:
    """Spawned processes would run the caller's script again; ours do not need it."""
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


def serve(end: Any, worker: Worker, at_once: int | None) -> None:
    """The loop of a worker's process: rows in, records out, until the parent is gone."""
    end_with_parent()
    while True:
        try:
            rows = end.recv()
        except (EOFError, OSError):
            return
        try:
            end.send((worker.do(rows), at_once or worker.at_once()))
        except (OutputError, BatchModelError) as error:
            end.send(error)


def end_with_parent() -> None:
    """End this process with its parent, however that ends; Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
