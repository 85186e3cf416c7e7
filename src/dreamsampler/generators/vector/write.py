"""Scenes as SVG files, which viewers draw as `rasterize` does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from dreamsampler.generators.vector.contour import contours
from dreamsampler.generators.vector.scene import Scene

METADATA = "dreamsampler"
"""The id of the element that holds the recipe."""


def to_svg(
    scene: Scene,
    *,
    title: str | None = None,
    recipe: Mapping[str, object] | None = None,
    background: Sequence[float] | None = None,
    digits: int = 2,
) -> str:
    """A scene as the text of an SVG file, one element a path, in the order of drawing.

    Colors are rounded to 8 bits and numbers to `digits`; fully transparent paths are kept.

    Args:
        scene: its paths.
        title: shown by viewers.
        recipe: how the scene was made; stored as JSON in `<metadata>`.
        background: a color in [0, 1] for a rectangle below all paths; none if left out.
        digits: decimals of coordinates, pixels.

    Raises:
        ValueError: for a negative number of digits.

    Example:
        >>> import torch
        >>> disk = Scene.circles(torch.tensor([[8.0, 8.0]]), torch.tensor([4.0]), 16, 16)
        >>> to_svg(disk, digits=1).splitlines()[1]
        '<path d="M12 8C12 10.2 10.2 12 8 12C5.8 12 4 10.2 4 8C4 5.8 5.8 4 8 4C10.2 4 12 5.8 12 8Z" fill="#000000"/>'
    """  # noqa: E501
    if digits < 0:
        raise ValueError(f"digits is {digits}, but numbers have 0 decimals or more")
    size = f'width="{scene.width}" height="{scene.height}"'
    view = f'viewBox="0 0 {scene.width} {scene.height}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} {view}>']
    lines += head_of(title, recipe)
    if background is not None:
        lines.append(f'<rect {size} fill="{hexadecimal(background)}"/>')
    return "\n".join([*lines, *_paths(scene, digits), "</svg>", ""])


def head_of(title: str | None, recipe: Mapping[str, object] | None) -> list[str]:
    """Title and metadata, where there are such."""
    lines = []
    if title is not None:
        lines.append(f"<title>{escape(_printable(title))}</title>")
    if recipe is not None:
        text = escape(_printable(json.dumps(recipe, ensure_ascii=False)))
        lines.append(f'<metadata id="{METADATA}">{text}</metadata>')
    return lines


def path_data(scene: Scene, digits: int) -> list[str]:
    """The attribute `d` of every path."""
    points = [f"{_number(x, digits)} {_number(y, digits)}" for x, y in scene.points.tolist()]
    rows, found = scene.segments.tolist(), []
    for loops in contours(scene):
        data = []
        for loop in loops:
            data.append("M" + points[rows[loop[0]][0]])
            data += ["C" + " ".join(points[point] for point in rows[k][1:]) for k in loop]
            data.append("Z")
        found.append("".join(data))
    return found


def _paths(scene: Scene, digits: int) -> list[str]:
    lines = []
    paths = zip(path_data(scene, digits), scene.color.tolist(), scene.rules, strict=True)
    for data, (*ink, opacity), rule in paths:
        paint = f'fill="{hexadecimal(ink)}"'
        if opacity < 1:
            paint += f' fill-opacity="{_number(max(opacity, 0.0), 4)}"'
        if rule == "evenodd":
            paint += ' fill-rule="evenodd"'
        lines.append(f'<path d="{data}" {paint}/>')
    return lines


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def hexadecimal(color: Sequence[float]) -> str:
    """A color in [0, 1] as #rrggbb."""
    levels = [min(255, max(0, round(255 * value))) for value in color]
    return "#{:02x}{:02x}{:02x}".format(*levels)


def _printable(text: str) -> str:
    """Without the control characters that XML 1.0 does not allow."""
    return "".join(c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff"))
