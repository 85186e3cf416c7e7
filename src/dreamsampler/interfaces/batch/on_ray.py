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
import signal
import tempfile
import threading
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any, final

from dreamsampler.files import InputError, OutputError, write_whole
from dreamsampler.interfaces.batch.ask import Batch
from dreamsampler.interfaces.batch.job import Job
from dreamsampler.interfaces.batch.ledger import Record
from dreamsampler.interfaces.batch.pool import Ask, no_main, with_parent
from dreamsampler.interfaces.cli.command import Where

CHUNK = 4096
"""Rows handed to Ray at a time; their pictures are streamed, whatever their number."""
PATIENCE = 5.0
"""Seconds that Ray has to end by itself."""


def on_ray(ask: Ask, jobs: Iterator[Job], batch: Batch) -> Iterator[list[Record]]:
    """Do rows in actors; a row whose actor is lost is tried again by Ray.

    Ray is spoken to by a process of its own. When one of Ray's services dies, Ray ends the process
    that speaks to it, and it writes to that one's stdout and stderr whatever happens to its actors.

    Yields:
        Records as they are ready, their files in the staging folder.

    Raises:
        InputError: Ray is not installed, or its cluster cannot be reached.
        OutputError: the disk takes no more.
        ValueError: the model cannot be loaded, or Ray itself has died.
    """
    spawn = get_context("spawn")
    end, other = spawn.Pipe()
    speaker = spawn.Process(target=speak, args=(other, ask, batch), daemon=True)
    with no_main():
        speaker.start()
    other.close()
    try:
        while True:
            try:
                kind, said = end.recv()
            except (EOFError, OSError):
                raise ValueError(
                    "Ray has ended (one of its processes was killed, or memory was short): run "
                    "again with --resume, and the rest is done"
                ) from None
            match kind:
                case "more":
                    end.send(list(itertools.islice(jobs, CHUNK)))
                case "done":
                    yield [said]
                case "end":
                    return
                case "input":
                    raise InputError(said)
                case "disk":
                    raise OutputError(said)
                case _:
                    raise ValueError(said)
    finally:
        end.close()
        speaker.join(PATIENCE)
        speaker.kill()


def speak(end: Any, ask: Ask, batch: Batch) -> None:
    """The life of the process that speaks to Ray: rows in, records out.

    Args:
        end: of the pipe to the batch.
        ask: what the batch wants.
        batch: as it was typed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    threading.Thread(target=with_parent, daemon=True).start()
    if not batch.debug:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    try:
        ray = _started(str(batch.ray))
        try:
            while chunk := _asked(end):
                for record in _worked(ray, ask, chunk, batch):
                    end.send(("done", record))
        finally:
            ray.shutdown()
        told = ("end", None)
    except InputError as error:
        told = ("input", str(error))
    except OutputError as error:
        told = ("disk", str(error))
    except ValueError as error:
        told = ("model", str(error))
    except Exception as error:  # Ray's own classes
        said = " ".join(str(error).split())[:200]
        told = ("ray", f"Ray gave up ({said}): run again with --resume, and the rest is done")
    with contextlib.suppress(OSError):  # nobody listens any more
        end.send(told)


def _asked(end: Any) -> list[Job]:
    """The next rows; none at the end."""
    end.send(("more", None))
    return end.recv()


def _worked(ray: Any, ask: Ask, jobs: list[Job], batch: Batch) -> Iterator[Record]:
    """Rows done, their files unpacked; those whose actors died too often, given up."""
    waiting = {job.number: job for job in jobs}
    for row in _streamed(ray, ask, jobs, batch):
        record = Record(**json.loads(row["record"]))
        if record.status == "model":
            raise ValueError(record.error)
        if waiting.pop(record.row, None) is not None:  # a lost actor may have told before
            _unpack(row["files"], ask.staging / str(record.staged))
            yield record
    if waiting and not _answers(ray):
        raise ConnectionError("it does not answer any more")
    for job in waiting.values():
        times = batch.retries + 1
        error = f"its worker was lost {times} times: out of memory?"
        yield Record(job.number, job.key, "failed", job.task, error=error, attempts=times)


def _answers(ray: Any) -> bool:
    """Whether Ray still does what it is asked: else it lost the rows, not their actors."""
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
        said = " ".join(str(error).split())[:160]
        raise InputError(f"Ray does not start at {address} ({said})") from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # rows of a lost block are told apart here
    return ray


def _streamed(ray: Any, ask: Ask, jobs: list[Job], batch: Batch) -> Iterable[dict[str, Any]]:
    at_once = ask.at_once or (8 if batch.gpus_per_worker else 1)
    rows = [{"job": json.dumps(asdict(job))} for job in jobs]
    shared: dict[str, Any] = (
        {} if not batch.gpus_per_worker else {"num_gpus": batch.gpus_per_worker}
    )
    lost = {"max_restarts": batch.retries, "max_task_retries": batch.retries}
    blocks = -(-len(rows) // at_once)
    with warnings.catch_warnings():  # there is no other way yet to bound how often a row kills
        warnings.filterwarnings("ignore", message=".*ray_remote_args")
        done = ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
            Actor,
            batch_size=at_once,
            concurrency=(batch.min_workers, max(batch.workers, batch.min_workers)),
            fn_constructor_args=(asdict(ask.where), ask.metadata, str(Path.cwd())),
            **lost,
            **shared,
        )
    return done.iter_rows()


@final
class Actor:
    """A worker on Ray: loads the model once, and packs each row's files into one value."""

    def __init__(self, where: dict[str, Any], metadata: bool, home: str) -> None:
        from dreamsampler.interfaces.batch.work import Worker

        self._folder = tempfile.TemporaryDirectory(prefix="dreamsampler-")
        staging = Path(self._folder.name)
        self._worker = Worker(Where(**where), staging, metadata, Path(home))

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        """Rows in, records and files out."""
        from dreamsampler.interfaces.batch.work import NoModel

        jobs = [Job(**json.loads(str(text))) for text in rows["job"]]
        try:
            records = self._worker.do(jobs)
        except NoModel as error:
            said = [Record(job.number, job.key, "model", error=str(error)) for job in jobs]
            return {"record": [each.line.decode() for each in said], "files": [b""] * len(said)}
        return {
            "record": [each.line.decode() for each in records],
            "files": [_packed(self._worker.staging, each) for each in records],
        }


def _packed(staging: Path, record: Record) -> bytes:
    """The files of a row as one value; they are removed here."""
    import shutil

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
