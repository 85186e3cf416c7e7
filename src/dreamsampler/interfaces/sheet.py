"""Many pictures on one sheet, with words beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import final

from PIL import Image, ImageDraw, ImageFont

from dreamsampler.images.save import FORMATS

CELL, GAP, LINE = 192, 10, 16
INK, PALE, EDGE, PAPER = (20, 20, 20), (110, 110, 110), (215, 215, 215), (255, 255, 255)


@final
@dataclass(frozen=True)
class Cell:
    """One place of a sheet.

    Args:
        picture: what is shown (`shown`); None for an empty place.
        label: words below it.
    """

    picture: Image.Image | None
    label: str = ""


def draw_grid(
    cells: Sequence[Cell],
    across: int,
    *,
    columns: Sequence[str] = (),
    rows: Sequence[str] = (),
    title: str = "",
) -> bytes:
    """A PNG with cells in rows, and axes with words where they are named.

    Args:
        cells: row by row.
        across: cells in a row.
        columns: what stands above each column.
        rows: what stands left of each row.
        title: above all.
    """
    font, bold = ImageFont.load_default(size=13), ImageFont.load_default(size=15)
    across = max(1, min(across, len(cells)))
    down = -(-len(cells) // across)
    below = LINE + 4 if any(each.label for each in cells) else 0
    left = GAP + max((int(font.getlength(word)) + GAP for word in rows), default=0)
    top = GAP + (LINE + GAP if title else 0) + (LINE + 4 if columns else 0)
    width = left + across * (CELL + GAP)
    high = CELL + below + GAP
    sheet = Image.new("RGB", (width, top + down * high), PAPER)
    pen = ImageDraw.Draw(sheet)
    if title:
        pen.text((GAP, GAP), _cut(title, bold, width - 2 * GAP), INK, bold)
    for i, word in enumerate(columns):
        place = left + i * (CELL + GAP) + CELL // 2
        pen.text((place, top - LINE - 2), _cut(word, font, CELL), INK, font, anchor="ma")
    for i, word in enumerate(rows):
        pen.text((left - GAP, top + i * high + CELL // 2), word, INK, font, anchor="rm")
    for i, cell in enumerate(cells):
        place = (left + i % across * (CELL + GAP), top + i // across * high)
        _place(sheet, cell, place)
        pen.text((place[0], place[1] + CELL + 3), _cut(cell.label, font, CELL), PALE, font)
    file = BytesIO()
    sheet.save(file, format="PNG")
    return file.getvalue()


def shown(path: Path) -> Image.Image | None:
    """A result as small as it is shown, drawings too; None for what is no picture."""
    if path.suffix.lower() == ".svg":
        return render_svg(path, CELL)
    if path.suffix.lower() not in FORMATS:
        return None
    with Image.open(path) as picture:
        picture.draft("RGB", (2 * CELL, 2 * CELL))
        laid = Image.new("RGBA", picture.size, PAPER)  # a picture on white
        laid.alpha_composite(picture.convert("RGBA"))
    picture = laid.convert("RGB")
    picture.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
    return picture


def render_svg(path: Path, size: int) -> Image.Image:
    """An SVG file at a size, by the package's own renderer; imports torch."""
    import torch

    from dreamsampler.generators.vector import VectorGraphic, read_svg

    with torch.no_grad():
        rgb = (VectorGraphic(read_svg(path, size=size))()[0].clamp(-1, 1) + 1) * 127.5
    return Image.fromarray(rgb.round().byte().permute(1, 2, 0).contiguous().numpy())


def _place(sheet: Image.Image, cell: Cell, place: tuple[int, int]) -> None:
    pen = ImageDraw.Draw(sheet)
    if cell.picture is None:
        pen.rectangle((*place, place[0] + CELL - 1, place[1] + CELL - 1), outline=EDGE)
        return
    picture = cell.picture.copy()
    if (factor := CELL // max(picture.size)) > 1:
        size = picture.width * factor, picture.height * factor
        picture = picture.resize(size, Image.Resampling.NEAREST)
    picture.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
    off = (place[0] + (CELL - picture.width) // 2, place[1] + (CELL - picture.height) // 2)
    sheet.paste(picture, off)


def _cut(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> str:
    """As much of a text as fits a width."""
    text = " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
