"""What a vectorization looked like: its paths as they find their shape, and a side-by-side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image as Pixels
from PIL import ImageDraw
from torch import Tensor

from dreamsampler.files import write_whole
from dreamsampler.generators.vector import Scene, contours, rasterize
from dreamsampler.images.record import gif, strip
from dreamsampler.images.save import as_pil, encoded

SIDE = 256
"""Longer side of a panel, about; paths are drawn anew at that size."""
MOST = 40
"""Frames of the moving picture, at most."""
CHORDS = 12
"""Chords a segment of an outline."""


def save_animation(path: Path, scenes: Sequence[Scene], ground: float = 1.0) -> None:
    """Write a GIF: what is drawn, and beside it the outlines.

    Args:
        scenes: in their order; some of them are left out where there are many.
        ground: gray below them, 1 for white.
    """
    every = max(1, -(-len(scenes) // MOST))
    chosen = [*scenes[:-1:every], scenes[-1]]
    frames = [strip([drawn(scene, ground), outlined(scene)], [(), ()]) for scene in chosen]
    write_whole(path, gif(frames))


def save_comparison(
    path: Path,
    target: tuple[str, Tensor],
    fitted: Scene | None,
    final: Scene,
    sampled: bool,
    ground: float = 1.0,
) -> None:
    """Write a PNG: the input, paths of the data alone, the result and its outlines.

    Args:
        target: the input's name, and the input (3, h, w) in [0, 1].
        ground: gray below the paths, 1 for white.
    """
    name, picture = target
    shown, factor = as_pil(picture), int(_factor(*picture.shape[1:]))
    size = (shown.width * factor, shown.height * factor)
    panels = {name: shown.resize(size, Pixels.Resampling.NEAREST)}
    if fitted is not None:
        panels["data only"] = drawn(fitted, ground)
    if sampled or fitted is None:
        panels["with the model"] = drawn(final, ground)
    panels[f"outlines of {final.paths} paths"] = outlined(final)
    sheet = strip([*panels.values()], [(label,) for label in panels])
    write_whole(path, encoded(sheet, "PNG"))


def drawn(scene: Scene, ground: float = 1.0) -> Pixels.Image:
    """A scene on a gray ground, at the size of a panel."""
    large = scene.scaled(_factor(scene.height, scene.width))
    with torch.no_grad():
        return as_pil(rasterize(large, torch.full((3,), ground)))


def outlined(scene: Scene) -> Pixels.Image:
    """The outlines of all paths, in their colors, with their anchors."""
    large = scene.scaled(_factor(scene.height, scene.width))
    page = Pixels.new("RGB", (large.width, large.height), "white")
    pen = ImageDraw.Draw(page)
    large = large.moved(large.points.detach())
    curves, along = large.curves(), large.sampled(CHORDS)
    for number, loops in enumerate(contours(large)):
        ink = tuple(int(200 * v) for v in large.color[number, :3].tolist())
        for loop in loops:
            line = along[loop].flatten(0, 1).tolist()
            pen.line([tuple(p) for p in [*line, line[0]]], fill=ink, width=1)
            for x, y in curves[loop, 0].tolist():
                pen.rectangle([x - 1, y - 1, x + 1, y + 1], fill=ink)
    return page


def _factor(height: int, width: int) -> float:
    """Whole multiples of small canvases; large ones as they are."""
    return float(max(1, SIDE // max(height, width)))
