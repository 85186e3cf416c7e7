"""The command `batch`: from a manifest to a folder of results."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dreamsampler.files import InputError
from dreamsampler.interfaces.batch.ask import SHEET, SUMMARY, Batch, is_address
from dreamsampler.interfaces.batch.job import Bad, Job, jobs_of
from dreamsampler.interfaces.batch.ledger import Ledger, Record
from dreamsampler.interfaces.batch.manifest import rows_of
from dreamsampler.interfaces.batch.pool import Ask, here, processes
from dreamsampler.interfaces.cli.command import Where


def run_batch(batch: Batch, where: Where) -> None:
    """Do every row that is not done, then draw the sheet and tell.

    Raises:
        ValueError: options or a manifest that cannot be meant; at the end, rows that failed.
        OutputError: the folder cannot be used, or the disk takes no more; it can be resumed.
    """
    from dreamsampler.interfaces.progress import Bar

    batch.check()
    if where.preview is not None:
        raise InputError("preview draws the steps of a record, and a batch has none: leave it out")
    began = time.perf_counter()
    with contextlib.ExitStack() as stack, Bar() as bar:
        manifest, folder = _manifest(batch, stack)
        masks = None if batch.masks is None else Path(batch.masks)
        bar.stage("reading the manifest")
        total = sum(1 for _ in rows_of(manifest, masks))
        if not total:
            raise InputError(f"{batch.manifest} has no rows: add some")
        store = _store(batch, stack)
        todo = _todo(jobs_of(rows_of(manifest, masks), batch, folder), store)
        results = _results(todo, batch, where, store)
        fresh: list[int] = []
        for record in bar.steps(results, total, "rows"):
            store.commit(record)
            fresh.append(record.row)
        bar.stage("drawing the contact sheet")
        told = _finish(store, batch, len(fresh), time.perf_counter() - began)
    print(json.dumps(told) if batch.json else "\n".join(_lines(told)))
    if told["failed"]:
        raise ValueError(
            f"{told['failed']} of {told['rows']} rows failed: see {told['ledger']}, put them right "
            "and run again with --resume"
        )


def _manifest(batch: Batch, stack: contextlib.ExitStack) -> tuple[Path, Path]:
    """The manifest as a file here, and the folder that its rows' files are looked up in."""
    if not is_address(batch.manifest):
        path = Path(batch.manifest)
        return path, path if path.is_dir() else path.parent
    from dreamsampler.interfaces.batch.remote import fetched

    return stack.enter_context(fetched(batch.manifest)), Path()


def _store(batch: Batch, stack: contextlib.ExitStack) -> Any:
    """Where results go: a folder here, or one in an object store."""
    if is_address(batch.output):
        from dreamsampler.interfaces.batch.remote import RemoteLedger

        store: Any = RemoteLedger(batch.output, resume=batch.resume)
    else:
        store = Ledger(Path(batch.output), resume=batch.resume)
    stack.callback(store.close)
    return store


def _todo(jobs: Iterator[Job | Bad], store: Any) -> Iterator[Job | Bad]:
    """Rows that are not done, and that would not replace what they are made of."""
    for job in jobs:
        if store.has(job.number, job.key):
            continue
        if isinstance(job, Job) and store.holds(job.output):
            values = [v for v in job.options.values() if isinstance(v, str)]
            if any(store.is_same(job.output, value) for value in values):
                error = f"{job.output} would replace its own input: choose another output name"
                yield Bad(job.number, error, job.task)
                continue
        yield job


def _results(todo: Iterator[Job | Bad], batch: Batch, where: Where, store: Any) -> Iterator[Record]:
    """Records as they are ready; those of bad rows as they are met."""
    bad: list[Record] = []

    def good() -> Iterator[Job]:
        for each in todo:
            if isinstance(each, Job):
                yield each
            else:
                error = each.error
                bad.append(Record(each.number, "", "failed", each.task, each.input, error=error))

    ask = Ask(
        where,
        store.staging,
        batch.workers,
        batch.rows_at_once,
        batch.retries,
        not batch.no_metadata,
    )
    for records in _pool(batch)(ask, good()):
        yield from [*bad, *records]
        bad.clear()
    yield from bad


def _pool(batch: Batch) -> Callable[[Ask, Iterator[Job]], Iterator[list[Record]]]:
    if batch.ray is not None:
        from dreamsampler.interfaces.batch.on_ray import on_ray

        return lambda ask, jobs: on_ray(ask, jobs, batch)
    return processes if batch.workers else here


def _finish(store: Any, batch: Batch, fresh: int, seconds: float) -> dict[str, Any]:
    """The contact sheet, the table, and the summary."""
    from dreamsampler.interfaces.batch.report import contact_sheet, counted, write_table

    told = counted(store.records())
    told["begun_now"], told["seconds"] = fresh, round(seconds, 2)
    told["ledger"] = store.name_of("ledger.jsonl")
    told["summary"] = write_table(store, SUMMARY)
    told["contact_sheet"] = contact_sheet(store, SHEET)
    return told


def _lines(told: dict[str, Any]) -> list[str]:
    rate = f"{told['begun_now'] / told['seconds']:.2f} rows/s" if told["seconds"] else ""
    lines = [
        f"{told['rows']} rows: {told['done']} done, {told['failed']} failed; "
        f"{told['begun_now']} of them now, {told['seconds']:.1f} s, {rate}"
    ]
    for task, row in told["tasks"].items():
        figures = ", ".join(f"{name} {value:.4g}" for name, value in row["figures"].items())
        lines.append(
            f"  {task}: {row['done']} done, {row['failed']} failed, {row['median_s']:.2f} s a row, "
            f"{row['evaluations']} network evaluations{'; ' + figures if figures else ''}"
        )
    lines += [f"  row {row}: {error}" for row, error in itertools.islice(told["errors"], 10)]
    if len(told["errors"]) > 10:
        lines.append(f"  ... and {len(told['errors']) - 10} more")
    lines += [f"  {told[name]}" for name in ("ledger", "summary", "contact_sheet") if told[name]]
    return lines
