"""The command `batch`: from a manifest to a folder of results."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

from dreamsampler.files import InputError, local
from dreamsampler.interfaces.batch.ledger import Ledger, Record, Store
from dreamsampler.interfaces.batch.manifest import manifest_rows
from dreamsampler.interfaces.batch.options import LEDGER, SHEET, SUMMARY, Batch, is_address
from dreamsampler.interfaces.batch.pool import in_process, in_processes
from dreamsampler.interfaces.batch.report import (
    contact_sheet,
    summarize,
    summary_lines,
    write_table,
)
from dreamsampler.interfaces.batch.rows import Row, read_rows
from dreamsampler.interfaces.batch.worker import Worker
from dreamsampler.interfaces.model_options import ModelOptions
from dreamsampler.interfaces.progress import Bar


def run_batch(batch: Batch, model: ModelOptions) -> None:
    """Do every row that is not done, then draw the sheet and print the summary."""
    batch.check()
    if model.preview is not None:
        raise InputError("preview draws the steps of a record, and a batch has none: leave it out")
    began = time.perf_counter()
    with contextlib.ExitStack() as stack, Bar() as bar:
        manifest, folder = _manifest(batch, stack)
        masks = None if batch.masks is None else local(batch.masks)
        bar.stage("reading the manifest")
        total = sum(1 for _ in manifest_rows(manifest, masks))
        if not total:
            raise InputError(f"{batch.manifest} has no rows: add some")
        store = _store(batch)
        stack.callback(store.close)
        rows = _not_done(read_rows(manifest_rows(manifest, masks), batch, folder), store)
        begun = 0
        for record in bar.steps(_records(rows, batch, model, store), total, "rows"):
            store.commit(record)
            begun += 1
        bar.stage("drawing the contact sheet")
        summary = summarize(store.records())
        summary["begun_now"] = begun
        summary["seconds"] = round(time.perf_counter() - began, 2)
        summary["ledger"] = store.name_of(LEDGER)
        summary["summary"] = write_table(store, SUMMARY)
        summary["contact_sheet"] = contact_sheet(store, SHEET)
    print(json.dumps(summary) if batch.json else "\n".join(summary_lines(summary)))
    if summary["failed"]:
        raise ValueError(
            f"{summary['failed']} of {summary['rows']} rows failed: see {summary['ledger']}, put "
            "them right and run again with --resume"
        )


def _manifest(batch: Batch, stack: contextlib.ExitStack) -> tuple[Path, Path]:
    """The manifest as a file here, and the folder in which its rows' files are looked up."""
    if not is_address(batch.manifest):
        path = local(batch.manifest)
        return path, path if path.is_dir() else path.parent
    from dreamsampler.interfaces.batch.remote import fetched

    return stack.enter_context(fetched(batch.manifest)), Path()


def _store(batch: Batch) -> Store:
    """The output folder: here, or in an object store."""
    if not is_address(batch.output):
        return Ledger(local(batch.output), resume=batch.resume)
    from dreamsampler.interfaces.batch.remote import RemoteLedger

    return RemoteLedger(batch.output, resume=batch.resume)


def _not_done(rows: Iterator[Row | Record], store: Store) -> Iterator[Row | Record]:
    """Rows that are not done; one that would replace a file of its own has failed."""
    for row in rows:
        if isinstance(row, Record):
            yield row
        elif not store.has(row.number, row.key):
            values = [value for value in row.options.values() if isinstance(value, str)]
            if any(store.is_same(row.output, value) for value in values):
                error = f"{row.output} would replace its own input: choose another output name"
                yield Record(row.number, "", "failed", row.task, error=error)
            else:
                yield row


def _records(
    rows: Iterator[Row | Record], batch: Batch, model: ModelOptions, store: Store
) -> Iterator[Record]:
    """Records as they are ready; those of rows that failed before as they are met."""
    failed: list[Record] = []

    def remaining() -> Iterator[Row]:
        for row in rows:
            if isinstance(row, Row):
                yield row
            else:
                failed.append(row)

    worker = Worker(model, store.staging, not batch.no_metadata)
    pool = in_processes if batch.workers else in_process
    if batch.ray is not None:
        from dreamsampler.interfaces.batch.on_ray import on_ray as pool
    for records in pool(remaining(), batch, worker):
        yield from [*failed, *records]
        failed.clear()
    yield from failed
