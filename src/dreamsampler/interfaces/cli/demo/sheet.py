"""Pairs of pictures on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

CELL, GAP, TEXT = 256, 12, 30
ACROSS = 2
"""Pairs in a row."""
INK, PALE, EDGE, PAPER = (20, 20, 20), (110, 110, 110), (215, 215, 215), (255, 255, 255)


def draw(rows: Sequence[tuple[Path, Path, str, str]]) -> bytes:
    """A PNG with every pair side by side: before, an arrow, after, and what was asked.

    Args:
        rows: before, after, what was asked, what it took.
    """
    pair = 2 * CELL + 3 * GAP, CELL + TEXT + GAP
    across = min(ACROSS, len(rows))
    down = -(-len(rows) // across)
    sheet = Image.new("RGB", (across * (pair[0] + GAP) + GAP, down * (pair[1] + GAP) + GAP), PAPER)
    for index, row in enumerate(rows):
        left = GAP + index % across * (pair[0] + GAP)
        top = GAP + index // across * (pair[1] + GAP)
        _draw_pair(sheet, left, top, *row)
    file = BytesIO()
    sheet.save(file, format="PNG")
    return file.getvalue()


def _draw_pair(
    sheet: Image.Image, left: int, top: int, before: Path, after: Path, asked: str, took: str
) -> None:
    draw = ImageDraw.Draw(sheet)
    font, small = ImageFont.load_default(size=18), ImageFont.load_default(size=13)
    draw.text((left, top + 2), asked, INK, font)
    draw.text((left + 2 * CELL + 2 * GAP, top + 6), took, PALE, small, anchor="ra")
    for place, path in ((left, before), (left + CELL + 2 * GAP, after)):
        with Image.open(path) as picture:
            cell = picture.convert("RGB")
        cell.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
        sheet.paste(
            cell, (place + (CELL - cell.width) // 2, top + TEXT + (CELL - cell.height) // 2)
        )
    middle, height = left + CELL + GAP, top + TEXT + CELL // 2
    draw.polygon([(middle - 5, height - 8), (middle - 5, height + 8), (middle + 6, height)], INK)
