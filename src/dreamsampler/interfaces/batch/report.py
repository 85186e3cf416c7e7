"""What a batch leaves beside its pictures: a summary, a table, a sheet."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, fields
from io import BytesIO
from pathlib import Path
from typing import Any

from dreamsampler.interfaces.batch.ledger import Record, Store
from dreamsampler.interfaces.sheet import Cell, draw_grid, shown

SHOWN = 64
"""Pictures on the contact sheet; of more rows, evenly chosen ones."""
ACROSS = 8


def summarize(records: Iterable[Record]) -> dict[str, Any]:
    """How many rows are done and failed, and for each task the median of every figure."""
    tasks: dict[str, dict[str, Any]] = {}
    errors: list[tuple[int, str]] = []
    for each in records:
        row = tasks.setdefault(
            each.task or "unknown",
            {"done": 0, "failed": 0, "evaluations": 0, "seconds": [], "figures": {}},
        )
        row[each.status] += 1
        row["evaluations"] += each.evaluations
        if each.status == "failed":
            errors.append((each.row, each.error or ""))
            continue
        row["seconds"].append(each.seconds.get("total", 0.0))
        for name, value in each.report.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                row["figures"].setdefault(name, []).append(value)
    for row in tasks.values():
        row["median_s"] = round(statistics.median(row.pop("seconds") or [0.0]), 4)
        row["figures"] = {n: statistics.median(v) for n, v in row["figures"].items()}
    done, failed = (sum(row[name] for row in tasks.values()) for name in ("done", "failed"))
    return {"rows": done + failed, "done": done, "failed": failed, "tasks": tasks, "errors": errors}


def summary_lines(summary: dict[str, Any]) -> list[str]:
    """A summary in words."""
    seconds, now = summary["seconds"], summary["begun_now"]
    lines = [
        f"{summary['rows']} rows: {summary['done']} done, {summary['failed']} failed; "
        f"{now} of them now, {seconds:.1f} s, {f'{now / seconds:.2f} rows/s' if seconds else ''}"
    ]
    for task, row in summary["tasks"].items():
        figures = ", ".join(f"{name} {value:.4g}" for name, value in row["figures"].items())
        lines.append(
            f"  {task}: {row['done']} done, {row['failed']} failed, {row['median_s']:.2f} s a row, "
            f"{row['evaluations']} network evaluations{'; ' + figures if figures else ''}"
        )
    lines += [f"  row {row}: {error}" for row, error in summary["errors"][:10]]
    if len(summary["errors"]) > 10:
        lines.append(f"  ... and {len(summary['errors']) - 10} more")
    names = (summary[name] for name in ("ledger", "summary", "contact_sheet"))
    return [*lines, *(f"  {name}" for name in names if name)]


def write_table(store: Store, name: str) -> str | None:
    """The ledger as a Parquet table, a row a row; None where pyarrow is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        return None
    columns: dict[str, list[Any]] = {f.name: [] for f in fields(Record) if f.name != "staged"}
    for record in store.records():
        values = asdict(record)
        for column, listed in columns.items():
            value = values[column]
            listed.append(json.dumps(value) if isinstance(value, dict) else value)
    texts, number = pyarrow.list_(pyarrow.string()), pyarrow.int64()
    kinds: dict[str, Any] = dict.fromkeys(("outputs", "sha256", "warnings"), texts)
    kinds |= dict.fromkeys(("row", "evaluations", "attempts", "together"), number)
    arrays = {c: pyarrow.array(v, kinds.get(c, pyarrow.string())) for c, v in columns.items()}
    file = BytesIO()
    parquet.write_table(pyarrow.table(arrays), file)
    return store.write(name, file.getvalue())


def contact_sheet(store: Store, name: str) -> str | None:
    """Up to 64 results with their row numbers; None if there is no picture."""
    done = [each for each in store.records() if each.status == "done" and each.outputs]
    step = max(1, -(-len(done) // SHOWN))
    cells = []
    for each in done[::step]:
        with store.opened(each.outputs[0]) as path:
            cells.append(Cell(shown(path), f"{each.row} {Path(each.input or '').stem}"))
    if not cells:
        return None
    title = f"{len(done)} rows done" + (f", every {step}th shown" if step > 1 else "")
    return store.write(name, draw_grid(cells, ACROSS, title=title))
