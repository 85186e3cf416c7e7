"""SVG files as scenes."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from pathlib import Path

import torch

from dreamsampler.files import InputError
from dreamsampler.generators.vector.coordinates import (
    Box,
    Matrix,
    fitted_to,
    length,
    times,
    view_box,
)
from dreamsampler.generators.vector.markup import Element, parsed
from dreamsampler.generators.vector.paint import NEWER
from dreamsampler.generators.vector.reader import FONT_SIZE, Reader, Source, State
from dreamsampler.generators.vector.scene import LARGEST_SIDE, Scene, compound


def read_svg(path: str | Path, size: int | None = None) -> Scene:
    """An SVG file as a scene; see `from_svg`.

    Raises:
        InputError: for a file that is missing, or cannot be read as an SVG.
    """
    path = Path(path)
    try:
        return from_svg(path.read_bytes(), size)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def from_svg(data: str | bytes, size: int | None = None) -> Scene:
    """The filled and stroked shapes of an SVG, in their order of drawing.

    Style sheets, transforms, groups, `use`, nested view boxes and units are resolved as resvg does;
    shapes, lines, arcs and quadratic curves become cubic ones, strokes become outlines, gradients
    their mean color. What is not drawn (text, pictures, clips, masks, filters, dashes, markers) is
    named in one warning. The file may come from anyone: nothing is fetched, and its size, depth and
    numbers are bounded.

    Args:
        data: the text, or the bytes of a file: gzipped or not, in the encoding that it declares.
        size: the longer side of the canvas in pixels; that of the file if left out.

    Raises:
        InputError: for what is no SVG, has nothing to draw, or is too large.

    Example:
        >>> text = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 2"><rect width="3" \
height="1" fill="#f00"/></svg>'
        >>> scene = from_svg(text, size=8)
        >>> scene.width, scene.height, scene.color.tolist(), scene.points.max().item()
        (8, 4, [[1.0, 0.0, 0.0, 1.0]], 6.0)
    """
    return read_with_sources(data, size)[0]


def read_with_sources(
    data: str | bytes, size: int | None = None
) -> tuple[Scene, list[Source], Element, Matrix]:
    """As `from_svg`; also by what each path was drawn, the root, and its matrix to pixels."""
    left_out = Counter[str]()
    root = parsed(data, left_out)
    (width, height), box = _size(root)
    if box is None:
        box = (0.0, 0.0, width, height)
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise InputError(f"the SVG is {width:g} x {height:g}: give it a width and a height")
    scale = 1.0 if size is None else size / max(width, height)
    up = 0.5 if size is None else 1 - 1e-6  # whole pixels: the nearest, or all that are touched
    w, h = (max(1, math.floor(scale * side + up)) for side in (width, height))
    if max(w, h) > LARGEST_SIDE:
        raise InputError(
            f"the SVG is {w:g} x {h:g} pixels, but {LARGEST_SIDE} is the longest side: choose a "
            "size"
        )
    fitted = fitted_to(box, width, height, root.get("preserveAspectRatio"))
    whole = (w / width, 0.0, 0.0, h / height, 0.0, 0.0)  # sides are whole pixels
    reader = Reader(root, (w, h), left_out)
    reader.back(root)
    matrix = times(whole, fitted)
    reader.draw(root, State(matrix, box[2:]))
    named = [f"{name} ({count})" for name, count in sorted((+left_out).items())]
    newer = ", ".join(each for each in named if each.startswith(NEWER))
    known = ", ".join(each for each in named if not each.startswith(NEWER))
    if not reader.paths:
        also = f"; not drawn: {known}" if known else ""
        raise InputError(f"the SVG has nothing to draw: it needs filled or stroked shapes{also}")
    if known:
        warnings.warn(f"not drawn from this SVG: {known}", UserWarning, stacklevel=3)
    if newer:
        text = f"drawn from this SVG, but not by all other programs: {newer}"
        warnings.warn(text, UserWarning, stacklevel=3)
    scene = compound(reader.paths, torch.tensor(reader.colors), w, h, tuple(reader.rules))
    return scene, reader.sources, root, matrix


def _size(root: Element) -> tuple[tuple[float, float], Box | None]:
    """Width and height, a missing one by the shape of the view box; and the view box.

    Without view box and sizes, the canvas reaches to the end of the shapes.
    """
    box, names = view_box(root.get("viewBox")), ("width", "height")
    if box is None and any(root.get(name, "%").strip().endswith("%") for name in names):
        reader = Reader(root, (math.inf, math.inf), Counter())
        reader.draw(root, State())
        if min(reader.reach) > 0:
            return reader.reach, None
    whole = box[2:] if box else (100.0, 100.0)
    width, height = (
        length(root.get(name, ""), side, FONT_SIZE) for name, side in zip(names, whole, strict=True)
    )
    if box and width is None and height is not None:
        width = height * box[2] / box[3]
    if box and height is None and width is not None:
        height = width * box[3] / box[2]
    return (whole[0] if width is None else width, whole[1] if height is None else height), box
