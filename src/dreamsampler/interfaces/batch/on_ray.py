"""Workers on Ray: a pool of actors that grows and shrinks, on as many machines as there are.

Actors send their results back through Ray, and one process writes them: so the machines need no
common disk, and every result is final exactly once.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import logging
import os
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, final

from dreamsampler.files import InputError, OutputError, write_whole
from dreamsampler.interfaces.batch.ledger import Record
from dreamsampler.interfaces.batch.options import Batch
from dreamsampler.interfaces.batch.pool import end_with_parent, start_process
from dreamsampler.interfaces.batch.rows import Row
from dreamsampler.interfaces.batch.worker import BatchModelError, Worker

CHUNK = 4096
"""Rows handed to Ray at a time; their pictures are streamed, whatever their number."""
PATIENCE = 5.0
"""Seconds that Ray has to end by itself."""


def on_ray(rows: Iterator[Row], batch: Batch, worker: Worker) -> Iterator[list[Record]]:
    """Do rows in actors; a row whose actor is lost is tried again by Ray.

    Ray is driven by a process of its own. When one of Ray's services dies, Ray ends the process
    that drives it, and it writes the fate of its actors to that one's stdout and stderr.

    Yields:
        Records as they are ready, their files in the staging folder.
    """
    driver, end = start_process(drive, batch, worker)
    try:
        while True:
            try:
                message = end.recv()
            except (EOFError, OSError):
                raise ValueError(
                    "Ray has ended (one of its processes was killed, or memory was short): run "
                    "again with --resume, and the rest is done"
                ) from None
            match message:
                case "more":
                    end.send(list(itertools.islice(rows, CHUNK)))
                case Record():
                    yield [message]
                case Exception():
                    raise message
                case _:
                    return
    finally:
        end.close()
        driver.join(PATIENCE)
        driver.kill()


def drive(end: Any, batch: Batch, worker: Worker) -> None:
    """The process that drives Ray: rows in, records out, an error or None at the end."""
    end_with_parent()
    if not batch.debug:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    message: Exception | None = None
    try:
        ray = _started(str(batch.ray))
        try:
            while True:
                end.send("more")
                if not (rows := end.recv()):
                    break
                for record in _do(ray, rows, batch, worker):
                    end.send(record)
        finally:
            ray.shutdown()
    except (InputError, OutputError, ValueError) as error:
        message = error
    except Exception as error:  # Ray's own classes
        text = " ".join(str(error).split())[:200]
        message = ValueError(f"Ray gave up ({text}): run again with --resume, and the rest is done")
    with contextlib.suppress(OSError):  # the batch has ended
        end.send(message)


def _do(ray: Any, rows: list[Row], batch: Batch, worker: Worker) -> Iterator[Record]:
    """Rows done, their files unpacked; those whose actors died too often, given up."""
    waiting = {row.number: row for row in rows}
    for answer in _streamed(ray, rows, batch, worker):
        record = Record.read(answer["record"])
        if record.status == "model":
            raise ValueError(record.error)
        if waiting.pop(record.row, None) is not None:  # a lost actor may have answered before
            _unpack(answer["files"], worker.staging / str(record.staged))
            yield record
    if waiting and not _answers(ray):
        raise ConnectionError("it does not answer any more")
    for row in waiting.values():
        times = batch.retries + 1
        error = f"its worker was lost {times} times: out of memory?"
        yield Record(row.number, row.key, "failed", row.task, error=error, attempts=times)


def _answers(ray: Any) -> bool:
    """Whether Ray still runs a task: else it lost the rows, not their actors."""
    try:
        return ray.get(ray.remote(num_cpus=0)(lambda: True).remote(), timeout=4 * PATIENCE)
    except Exception:  # Ray's own classes
        return False


def _started(address: str) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the machine
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    try:
        import ray  # pyright: ignore[reportMissingImports]
        import ray.data as data  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise InputError("Ray is not installed: pip install 'dreamsampler[batch]'") from None
    try:
        ray.init(
            address=None if address == "local" else address,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=True,
        )
    except Exception as error:  # Ray's own classes
        text = " ".join(str(error).split())[:160]
        raise InputError(f"Ray does not start at {address} ({text})") from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # rows of a lost block are found by `_do`
    return ray


def _streamed(ray: Any, rows: list[Row], batch: Batch, worker: Worker) -> Iterable[dict[str, Any]]:
    at_once = batch.rows_at_once or (8 if batch.gpus_per_worker else 1)
    texts = [{"row": json.dumps(asdict(row))} for row in rows]
    gpus = {"num_gpus": batch.gpus_per_worker} if batch.gpus_per_worker else {}
    with warnings.catch_warnings():  # there is no other way yet to bound how often a row kills
        warnings.filterwarnings("ignore", message=".*ray_remote_args")
        done = ray.data.from_items(
            texts, override_num_blocks=-(-len(texts) // at_once)
        ).map_batches(
            Actor,
            batch_size=at_once,
            concurrency=(batch.min_workers, max(batch.workers, batch.min_workers)),
            fn_constructor_args=(replace(worker, home=Path.cwd()),),
            max_restarts=batch.retries,
            max_task_retries=batch.retries,
            **gpus,
        )
    return done.iter_rows()


@final
class Actor:
    """A worker on Ray: loads the model once, and packs each row's files into one value."""

    def __init__(self, worker: Worker) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="dreamsampler-")
        self._worker = replace(worker, staging=Path(self._folder.name))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Rows in, records and files out."""
        rows = [Row(**json.loads(str(text))) for text in batch["row"]]
        try:
            records = self._worker.do(rows)
        except BatchModelError as error:
            records = [Record(row.number, row.key, "model", error=str(error)) for row in rows]
        return {
            "record": [each.line.decode() for each in records],
            "files": [_packed(self._worker.staging, each) for each in records],
        }


def _packed(staging: Path, record: Record) -> bytes:
    """The files of a row as one value; they are removed here."""
    if record.staged is None:
        return b""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
        for name in record.outputs:
            packed.write(staging / record.staged / name, name)
    shutil.rmtree(staging / record.staged)
    return file.getvalue()


def _unpack(data: bytes, folder: Path) -> None:
    if data:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            for name in packed.namelist():
                write_whole(folder / name, packed.read(name))
