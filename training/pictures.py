"""Contact sheets, curves, and the held-out pictures that are committed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

BAR, ACROSS = 14, 12
CELL = 256
"""Side of the committed held-out pictures, in pixels."""
RUNS = Path("training/runs")
ICONS = RUNS / "icons"
"""Where the scripts look for the icon packages, unless an option says otherwise."""
HELD_OUT = Path(__file__).parents[1] / "benchmarks" / "held_out"
"""Pictures by which a model is measured without icon packages."""


def contact(rows: dict[str, np.ndarray], titles: Sequence[str], path: Path) -> None:
    """Blocks of `len(rows)` pictures below each other under their titles, 12 blocks to a line.

    Args:
        rows: name -> uint8 [n, side, side, 3], from top to bottom of a block.
        titles: n words; none leaves the bar above out.
        path: where to write; its folder is made.
    """
    bar, (count, side) = (BAR if titles else 0), next(iter(rows.values())).shape[:2]
    block = bar + len(rows) * side
    page = Image.new("RGB", (ACROSS * side, -(-count // ACROSS) * block), "white")
    pen = ImageDraw.Draw(page)
    for i in range(count):
        x, y = i % ACROSS * side, i // ACROSS * block
        if titles:
            pen.text((x + 2, y + 1), titles[i][:21], fill="black")
        for j, pictures in enumerate(rows.values()):
            page.paste(Image.fromarray(pictures[i]), (x, y + bar + j * side))
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)


def as_uint8(pictures: torch.Tensor) -> np.ndarray:
    """[b, 3, h, w] in [0, 1] -> uint8 [b, h, w, 3]."""
    return (pictures * 255).round().byte().permute(0, 2, 3, 1).numpy()


def read_held_out(kind: str) -> np.ndarray:
    """The committed pictures, `concepts` or `icons`: uint8 [48, 256, 256, 3]."""
    with Image.open(HELD_OUT / f"{kind}.webp") as page:
        pixels = np.asarray(page.convert("RGB"))
    cells = pixels.reshape(-1, CELL, ACROSS, CELL, 3).transpose(0, 2, 1, 3, 4)
    return cells.reshape(-1, CELL, CELL, 3)


def write_held_out(kind: str, cells: np.ndarray) -> None:
    """The committed pictures anew, lossless."""
    rows = cells.reshape(-1, ACROSS, CELL, CELL, 3).transpose(0, 2, 1, 3, 4)
    page = Image.fromarray(rows.reshape(-1, CELL * ACROSS, 3))
    page.save(HELD_OUT / f"{kind}.webp", lossless=True, method=6)


Curves = dict[str, Sequence[tuple[float, float]]]


def plot(panels: dict[str, Curves], across: str, path: Path) -> None:
    """Curves of a training log.

    Args:
        panels: label of the axis -> name -> points, side by side; a loss is drawn on a log scale.
        across: label of the other axis.
        path: PNG to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(panels), figsize=(7 * len(panels), 4), squeeze=False)
    for axis, (label, curves) in zip(axes[0], panels.items(), strict=True):
        for name, points in curves.items():
            if points:
                axis.plot(*zip(*points, strict=True), label=name, linewidth=1)
        axis.set(xlabel=across, ylabel=label, yscale="log" if "PSNR" not in label else "linear")
        axis.grid(alpha=0.3, which="both")
        axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
