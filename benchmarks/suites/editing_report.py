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
    Column("background dB, decoded", "only decoded", ".1f"),
    Column("background dB, put back", "put back", ".1f"),
    Column("background SSIM", "background SSIM", ".3f"),
    Column("structure", "structure distance", ".3f", 1, False),
    Column("DINO", "DINO distance x1000", ".1f", 1, False),
    Column("LPIPS", "LPIPS x1000", ".1f", 1, False),
    Column("evaluations", "evaluations", ".0f", 1, None),
    Column("seconds", "s a core", ".1f", 1, None),
)
SHORT = ("top-1", "background dB", "background dB, put back", "structure", "evaluations")
"""Columns of the README's table."""
WAYS = {"": "background dB", ", put back": "background dB, put back"}
"""Ending of a measure -> what is kept: as every program gives it (only ours puts the source's
pixels back where nothing changed), and with every program's result put back by our rule."""


def page(records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
    """Markdown; pareto.png and sheet.png lie beside it."""
    found: Measured = {
        row.key: [each for item in items if (each := records.read(row, item)) is not None]
        for row in rows
    }
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
        for kept in WAYS.values():
            told = paired(ours, rest, kept)
            lines += ["", f"DreamSampler's {kept} against theirs, picture by picture: {told}."]
    named = stated[0][1][0]["measures"]
    likes = [name for name in ("top-1", "CLIP", "likeness") if name in named]
    if not likes:
        lines += ["", "Likeness to the target is not measured: pass --clip with a CLIP folder."]
    elif any(row.kind == "sweep" for row in rows):
        for way, kept in WAYS.items():
            lines += _compared(rows, found, [f"{name}{way}" for name in likes], kept)
        panels = [
            (f"{likes[-1]}{way}", kept, points(rows, found, f"{likes[-1]}{way}", kept))
            for way, kept in WAYS.items()
        ]
        pareto(panels, out / "pareto.png")
        lines += ["![likeness over preservation](pareto.png)", ""]
    _sheet(records, rows, items[:10], out / "sheet.png")
    return "\n".join(lines) + "\n"


def _compared(rows: list[Row], found: Measured, likes: list[str], kept: str) -> list[str]:
    """Tuned rows and where ours stand, in one way of putting pictures together."""
    chosen = tuned_rows(rows, found, likes[0], kept)
    columns = [column for column in COLUMNS if not column.measure.endswith(", decoded")]
    lines = ["", f"Each tuned on the other half of the pictures, to our likeness, by {kept}:", ""]
    lines += [table(chosen, columns), ""]
    others = {name: each for name, each in chosen if name != "DreamSampler"}
    if "dreamsampler" in found and others:
        told = paired(found["dreamsampler"], others, kept)
        lines += [f"DreamSampler's {kept} against theirs, picture by picture: {told}.", ""]
    for name in likes:
        told = verdict(rows, found, lambda row: row.method == "DreamSampler", name, kept)
        lines += [f"By {name} ({kept}, {name}):", "", *(f"- {line}" for line in told), ""]
    return lines


def tuned_rows(
    rows: list[Row], found: Measured, like: str, kept: str
) -> list[tuple[str, list[Record]]]:
    """Every method at the setting that does best on the other half of the pictures."""
    methods = list(dict.fromkeys(row.method for row in rows))
    goal = "dreamsampler" if "dreamsampler" in found else rows[0].key
    wanted = values(found[goal], like)
    curves = {m: [found[row.key] for row in rows if row.method == m] for m in methods}
    return [(m, tuned(curves[m], wanted, like, kept)) for m in methods]


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
