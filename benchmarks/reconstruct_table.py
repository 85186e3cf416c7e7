"""What `benchmarks.reconstruct` measured, as tables and as a contact sheet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

COLUMNS = ("plain", "data", "dream", "views")
BAR, GAP = 14, 4

Rows = dict[tuple[str, str, str], dict[str, Any]]
"""(degradation, toy, answer) -> what was measured."""


def measured(folder: Path, size: int) -> Rows:
    """Every row in a folder, of scenes of one size."""
    rows = [json.loads(path.read_text()) for path in sorted(folder.glob(f"{size}-*.json"))]
    return {(row["degradation"], row["toy"], row["answer"]): row for row in rows}


def tables(folder: Path, size: int) -> str:
    """Markdown: PSNR of every scene, and means with SSIM, gain and time per degradation."""
    rows = measured(folder, size)
    kinds = list(dict.fromkeys(key[0] for key in rows))
    said = [
        "| views | toy | plain | beta = 0 | beta > 0 | gain | each view alone |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in kinds:
        for toy in sorted({key[1] for key in rows if key[0] == kind}):
            cells = [rows.get((kind, toy, answer), {}).get("psnr") for answer in COLUMNS]
            said.append(f"| {kind} | {toy} | {_cells(cells)} |")
    said += [
        "",
        "| views | scenes | plain | beta = 0 | beta > 0 | gain | each view alone | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join(said + [_mean(kind, rows) for kind in kinds])


def _mean(kind: str, rows: Rows) -> str:
    """Means over the toys of which there are all answers that there are of any."""
    there = [a for a in COLUMNS if any(k[0] == kind and k[2] == a for k in rows)]
    toys = {key[1] for key in rows if key[0] == kind}
    whole = sorted(toy for toy in toys if all((kind, toy, a) in rows for a in there))
    if not whole:
        return f"| {kind} | 0 | - | - | - | - | - | - |"

    def mean(answer: str, what: str) -> float | None:
        if answer not in there:
            return None
        return sum(rows[kind, toy, answer][what] for toy in whole) / len(whole)

    cells = _cells([mean(a, "psnr") for a in COLUMNS], [mean(a, "ssim") for a in COLUMNS])
    seconds = [mean(a, "seconds") for a in COLUMNS]
    times = " / ".join("-" if each is None else f"{each:.0f}" for each in seconds)
    return f"| {kind} | {len(whole)} | {cells} | {times} |"


def _cells(psnr: list[float | None], ssim: list[float | None] | None = None) -> str:
    """Cells of a line: plain, data, dream, gain of dream over data, views."""
    beside = ["" if each is None else f" ({each:.3f})" for each in ssim or [None] * len(psnr)]
    told = [
        "-" if value is None else f"{value:.2f}{more}"
        for value, more in zip(psnr, beside, strict=True)
    ]
    _, data, dream, _ = psnr
    gain = "-" if data is None or dream is None else f"{dream - data:+.2f}"
    return " | ".join([*told[:3], gain, told[3]])


def contact_sheet(folder: Path, size: int, shown: int, toys: list[str]) -> Image.Image:
    """A line for every scene of these toys: truth, then every answer, `shown` views each."""
    rows = measured(folder, size)
    scenes = list(dict.fromkeys(key[:2] for key in rows if key[1] in toys))
    wide = shown * size + GAP
    page = Image.new("RGB", (5 * wide, len(scenes) * (size + BAR + GAP)), "white")
    pen = ImageDraw.Draw(page)
    for line, (kind, toy) in enumerate(scenes):
        top = line * (size + BAR + GAP)
        for column, answer in enumerate(COLUMNS):
            path = folder / f"{size}-{kind}-{toy}-{answer}.png"
            if not path.exists():
                continue
            strip = Image.open(path)
            page.paste(strip.crop((0, 0, shown * size, size)), (0, top + BAR))
            mine = strip.crop((0, size, shown * size, 2 * size))
            page.paste(mine, ((column + 1) * wide, top + BAR))
            psnr = rows[kind, toy, answer]["psnr"]
            pen.text(((column + 1) * wide, top), f"{answer} {psnr:.1f} dB", fill="black")
        pen.text((0, top), f"{kind}, {toy}: truth", fill="black")
    return page
