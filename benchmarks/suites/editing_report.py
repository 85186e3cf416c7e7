"""The page of the editing suite: one table, the front, and a contact sheet."""

from __future__ import annotations

from pathlib import Path

from benchmarks.suites.plots import pareto, sheet
from benchmarks.suites.protocol import Item
from benchmarks.suites.records import Records, Row
from benchmarks.suites.report import (
    Column,
    Measured,
    Record,
    paired,
    points,
    table,
    tuned,
    values,
    verdict,
)

COLUMNS = (
    Column("top-1", "top-1 %", ".0f", 100),
    Column("top-5", "top-5 %", ".0f", 100),
    Column("CLIP", "CLIP score", ".1f"),
    Column("background dB", "background dB", ".1f"),
    Column("background SSIM", "background SSIM", ".3f"),
    Column("structure", "structure distance", ".3f", 1, False),
    Column("DINO", "DINO distance x1000", ".1f", 1, False),
    Column("LPIPS", "LPIPS x1000", ".1f", 1, False),
    Column("evaluations", "evaluations", ".0f", 1, None),
    Column("seconds", "s a core", ".1f", 1, None),
)
SHORT = ("top-1", "background dB", "structure", "evaluations")
"""Columns of the README's table."""
KEPT = "background dB"


def page(records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
    """Markdown; pareto.png and sheet.png lie beside it."""
    found: Measured = {
        row.key: [each for item in items if (each := records.read(row, item)) is not None]
        for row in rows
    }
    like = "top-1" if "top-1" in next(iter(found.values()))[0]["measures"] else "CLIP"
    stated = [(row.method, found[row.key]) for row in rows if row.kind != "sweep"]
    lines = [
        f"{len(items)} pictures, 95 % bootstrap intervals, model {records.model['name']} "
        f"({records.model['weights']}), protocol {records.protocol.digest[:12]}.",
        "",
        "Each with its own published settings:",
        "",
        table(stated, COLUMNS),
    ]
    ours = found.get("dreamsampler")
    if ours and len(stated) > 1:
        rest = {name: records for name, records in stated if name != "DreamSampler"}
        told = paired(ours, rest, KEPT)
        lines += ["", f"DreamSampler's {KEPT} against theirs, picture by picture: {told}."]
    likes = [name for name in (like, "likeness") if name in stated[0][1][0]["measures"]]
    curves = any(row.kind == "sweep" for row in rows)
    if likes and curves:
        lines += ["", "Each tuned on the other half of the pictures, to our likeness:", ""]
        lines += [table(tuned_rows(rows, found, like), COLUMNS), ""]
        panels = [(name, points(rows, found, name, KEPT)) for name in likes]
        pareto(panels, KEPT, out / "pareto.png")
        lines += ["![likeness over preservation](pareto.png)", ""]
        for name in likes:
            told = verdict(rows, found, lambda row: row.method == "DreamSampler", name, KEPT)
            lines += [f"By {name} ({KEPT}, {name}):", "", *(f"- {line}" for line in told), ""]
    elif not likes:
        lines += ["", "Likeness to the target is not measured: pass --clip with a CLIP folder."]
    _sheet(records, rows, items[:10], out / "sheet.png")
    return "\n".join(lines) + "\n"


def tuned_rows(rows: list[Row], found: Measured, like: str) -> list[tuple[str, list[Record]]]:
    """Every method at the setting that does best on the other half of the pictures."""
    methods = list(dict.fromkeys(row.method for row in rows))
    goal = "dreamsampler" if "dreamsampler" in found else rows[0].key
    wanted = values(found[goal], like)
    curves = {m: [found[row.key] for row in rows if row.method == m] for m in methods}
    return [(m, tuned(curves[m], wanted, like, KEPT)) for m in methods]


def short_table(records: Records, rows: list[Row], items: list[Item]) -> str:
    """The README's table: published settings, four columns."""
    stated = [
        (row.method, [each for item in items if (each := records.read(row, item)) is not None])
        for row in rows
        if row.kind != "sweep"
    ]
    return table(stated, [column for column in COLUMNS if column.measure in SHORT])


def _sheet(records: Records, rows: list[Row], items: list[Item], path: Path) -> None:
    source = ("source", [records.protocol.folder / item.image for item in items])
    columns = [
        (row.method, [records.picture(row, item) for item in items])
        for row in rows
        if row.kind != "sweep"
    ]
    words = [
        f"{item.source_prompt[:22]}\n-> {item.target or item.target_prompt[:22]}" for item in items
    ]
    sheet([source, *columns], words, path)
