"""What a batch leaves behind beside its pictures: a sheet, a table, a few lines."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

from dreamsampler.interfaces.batch.ledger import Record
from dreamsampler.interfaces.sheet import Cell, draw_grid, shown

SHOWN = 64
"""Pictures on the contact sheet; of more rows, evenly chosen ones."""
ACROSS = 8


def counted(records: Iterable[Record]) -> dict[str, Any]:
    """How many rows are done and failed, and how each task did: a median of every figure."""
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
    return {
        "rows": done + failed,
        "done": done,
        "failed": failed,
        "tasks": tasks,
        "errors": errors,
    }


def write_table(store: Any, name: str) -> str | None:
    """The ledger as a Parquet table, a row a row; None where pyarrow is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        return None
    columns: dict[str, list[Any]] = {name: [] for name in Record.__dataclass_fields__}
    for each in store.records():
        for column, value in asdict(each).items():
            plain = json.dumps(value) if isinstance(value, dict) else value
            columns[column].append(plain)
    text = pyarrow.list_(pyarrow.string())
    kinds = {"outputs": text, "sha256": text, "warnings": text}
    numbers = {"row": "int64", "evaluations": "int64", "attempts": "int64", "together": "int64"}
    table = pyarrow.table(
        {
            column: pyarrow.array(values, kinds.get(column, numbers.get(column, "string")))
            for column, values in columns.items()
            if column != "staged"
        }
    )
    file = BytesIO()
    parquet.write_table(table, file)
    return store.write(name, file.getvalue())


def contact_sheet(store: Any, name: str) -> str | None:
    """Up to 64 results with their row numbers; None if there is no picture."""
    done = [each for each in store.records() if each.status == "done" and each.outputs]
    step = max(1, -(-len(done) // SHOWN))
    cells = []
    for each in done[::step]:
        first = each.outputs[0]
        label = f"{each.row} {Path(each.input or '').stem}"
        with store.opened(first) as path:
            cells.append(Cell(shown(path), label))
    if not cells:
        return None
    title = f"{len(done)} rows done" + (f", every {step}th shown" if step > 1 else "")
    return store.write(name, draw_grid(cells, ACROSS, title=title))
