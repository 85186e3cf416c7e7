"""Pictures of a suite: the front of likeness and preservation, means with intervals, a sheet."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from benchmarks.stats import Point, Record, bootstrap, front, values
from dreamsampler.files import write_whole

COLORS = ("#999999", "#56b4e9", "#0072b2", "#e69f00", "#f0e442", "#cc79a7", "#8c564b", "#7f7f7f",
          "#66a61e", "#332288", "#882255", "#009e73", "#44aa99", "#f4a582", "#d55e00")  # fmt: skip
MARKS = "osD^v<>X8PpdhH*"


def pareto(panels: Sequence[tuple[str, str, Sequence[Point]]], path: Path) -> None:
    """Likeness over preservation: a curve a method, published settings ringed, the front dashed.

    Args:
        panels: (name of the likeness, of what is kept, every point), side by side.
        path: PNG or SVG to write.
    """
    figure, axes = _plot(1, len(panels), figsize=(5.6 * len(panels) + 2.4, 5), squeeze=False)
    for axis, (like, kept, every) in zip(axes[0], panels, strict=True):
        for k, method in enumerate(dict.fromkeys(p.row.method for p in every)):
            own = sorted((p for p in every if p.row.method == method), key=lambda p: p.kept)
            ours = method.startswith("DreamSampler")
            style = {
                "color": COLORS[k % len(COLORS)],
                "marker": MARKS[k % len(MARKS)],
                "linewidth": 2.4 if ours else 1.0,
                "markersize": 9 if ours else 5,
                "zorder": 5 if ours else 3,
            }
            axis.plot([p.kept for p in own], [100 * p.like for p in own], label=method, **style)
            stated = [p for p in own if p.row.kind != "sweep"]
            axis.scatter([p.kept for p in stated], [100 * p.like for p in stated], s=150,
                         facecolors="none", edgecolors=style["color"], zorder=6)  # fmt: skip
        best = front(every)
        axis.plot([p.kept for p in best], [100 * p.like for p in best], "k--", linewidth=0.8)
        axis.set_xlabel(f"{kept} (more is kept →)")
        axis.set_ylabel(f"{like}, % (more like the target →)")
        axis.grid(alpha=0.25)
    named = axes[0][-1].get_legend_handles_labels()
    figure.tight_layout()
    figure.subplots_adjust(wspace=0.18, right=1 - 2.5 / figure.get_figwidth())
    figure.legend(*named, fontsize=8, loc="center right")
    _written(figure, path)


def forest(
    rows: Sequence[tuple[str, Sequence[Record]]], measure: str, label: str, path: Path
) -> None:
    """A mean and its interval a method, and every item as a small dot.

    Args:
        rows: (what it is called, its records) pairs, the first one on top.
        measure: what is drawn.
        label: of its axis.
        path: PNG or SVG to write.
    """
    figure, axis = _plot(figsize=(7.5, 0.9 + 0.42 * len(rows)))
    for k, (name, records) in enumerate(rows):
        every = values(records, measure)
        interval = bootstrap(every)
        color = "#d55e00" if name.startswith("DreamSampler") else "#0072b2"
        axis.plot(every, [-k] * len(every), ".", color="#bbbbbb", markersize=4)
        axis.plot([interval.low, interval.high], [-k, -k], color=color, linewidth=2.5)
        axis.plot([interval.mean], [-k], "o", color=color, markersize=7)
    axis.set_yticks([-k for k in range(len(rows))], [name for name, _ in rows])
    axis.set_xlabel(label)
    axis.grid(axis="x", alpha=0.25)
    figure.tight_layout()
    _written(figure, path)


def _plot(*shape: int, **options: Any) -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(*shape, **options)


def _written(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    file = BytesIO()
    figure.savefig(file, format=path.suffix[1:], dpi=110)
    pyplot.close(figure)
    write_whole(path, file.getvalue())


def sheet(
    columns: Sequence[tuple[str, Sequence[Path]]], rows: Sequence[str], path: Path, side: int = 96
) -> None:
    """Pictures side by side, a row an item.

    Args:
        columns: (title, files) pairs; a file that is missing leaves its place white.
        rows: what stands before each row.
        path: PNG to write.
        side: of each picture.
    """
    left, top = 150, 30
    size = left + side * len(columns), top + side * len(rows)
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    for k, (title, files) in enumerate(columns):
        words = (
            title.replace(", ", ",\n").replace("-prompt ", "-\nprompt ").replace(" inv", "\ninv")
        )
        pen.multiline_text((left + k * side + 2, 2), words, fill="black", spacing=0, font_size=9)
        for j, file in enumerate(files):
            if file.is_file():
                with Image.open(file) as opened:
                    small = opened.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
                image.paste(small, (left + k * side, top + j * side))
    for j, words in enumerate(rows):
        pen.multiline_text((4, top + j * side + side // 3), words, fill="black", font_size=10)
    file = BytesIO()
    image.save(file, format="PNG")
    write_whole(path, file.getvalue())


def strips(names: Sequence[str], paths: Sequence[Path], path: Path) -> None:
    """Strips of square pictures below each other, each after its name."""
    strips = [Image.open(each).convert("RGB") for each in paths]
    left, wide = 150, max(strip.width for strip in strips)
    image = Image.new("RGB", (left + wide, sum(strip.height for strip in strips)), "white")
    pen, top = ImageDraw.Draw(image), 0
    for name, strip in zip(names, strips, strict=True):
        pen.multiline_text((4, top + strip.height // 3), name, fill="black", font_size=10)
        image.paste(strip, (left, top))
        top += strip.height
    file = BytesIO()
    image.save(file, format="PNG")
    write_whole(path, file.getvalue())
