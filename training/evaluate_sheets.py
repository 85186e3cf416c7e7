"""Contact sheets of the evaluation: rows of pictures under their words."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE, BAR, ACROSS = 128, 14, 12


def contact(rows: dict[str, np.ndarray], words: list[str], path: Path) -> None:
    """Blocks of `len(rows)` pictures below each other, 12 blocks to a line.

    Args:
        rows: name -> uint8 [n, 128, 128, 3], from top to bottom of a block.
        words: n titles.
        path: where to write; its folder is made.
    """
    block = BAR + len(rows) * SIDE
    lines = -(-len(words) // ACROSS)
    page = Image.new("RGB", (ACROSS * SIDE, lines * block), "white")
    pen = ImageDraw.Draw(page)
    for i, title in enumerate(words):
        x, y = i % ACROSS * SIDE, i // ACROSS * block
        pen.text((x + 2, y + 1), title[:21], fill="black")
        for j, pictures in enumerate(rows.values()):
            page.paste(Image.fromarray(pictures[i]), (x, y + BAR + j * SIDE))
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)
