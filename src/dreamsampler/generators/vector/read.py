"""SVG files as scenes."""

from __future__ import annotations

import io
import math
import re
import warnings
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.files import InputError
from dreamsampler.generators.vector.contour import compound
from dreamsampler.generators.vector.markup import OPACITY, Markup, reduce, share
from dreamsampler.generators.vector.scene import LARGEST_SIDE, FillRule, Loop, Scene
from dreamsampler.generators.vector.stroke import stroke

LARGEST_COORDINATE = 1e5
"""Pixels; a canvas has at most 16384."""
MOST_SEGMENTS = 500_000


def read_svg(path: str | Path, size: int | None = None) -> Scene:
    """An SVG file as a scene; see `from_svg`.

    Raises:
        InputError: for a file that is missing, not UTF-8, or cannot be read as an SVG.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8: save it as a plain SVG") from error
    try:
        return from_svg(text, size)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def from_svg(text: str, size: int | None = None) -> Scene:
    """The filled and stroked shapes of an SVG, in their order of drawing.

    Transforms, groups, styles, `use` and the view box are resolved; basic shapes, lines, arcs and
    quadratic curves become cubic ones, strokes become outlines, gradients their mean color. What
    cannot be drawn (text, pictures, clips, masks, filters, dashes) is left out with one warning.
    The text may come from anyone: nothing is fetched, and its size, depth and numbers are bounded.

    Args:
        text: of an SVG file.
        size: the longer side of the canvas in pixels; that of the file if left out.

    Raises:
        InputError: for text that is no SVG, has a document type, has nothing to draw, is too large,
            or holds numbers that cannot be coordinates.

    Example:
        >>> text = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 2"><rect width="3" \
height="1" fill="#f00"/></svg>'
        >>> scene = from_svg(text, size=8)
        >>> scene.width, scene.height, scene.color.tolist(), scene.points.max().item()
        (8, 4, [[1.0, 0.0, 0.0, 1.0]], 6.0)
    """
    svg = _svgelements()
    markup = reduce(text)
    try:
        document = svg.SVG.parse(io.StringIO(markup.text), reify=False)
        width, height = float(document.width), float(document.height)
    except Exception as error:  # svgelements raises any error on unusual text
        raise InputError(f"the SVG cannot be understood: {error}") from error
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise InputError(f"the SVG is {width:g} x {height:g}: give it a width and a height")
    scale = 1.0 if size is None else size / max(width, height)
    width, height = (max(1, math.ceil(scale * side - 1e-6)) for side in (width, height))
    if max(width, height) > LARGEST_SIDE:
        raise InputError(
            f"the SVG is {width} x {height} pixels, but {LARGEST_SIDE} is the longest side: choose "
            "a size"
        )
    reader = _Reader(markup, scale)
    for element in document.elements():
        if isinstance(element, svg.Shape):
            reader.add(element)
    return reader.scene(width, height)


def _svgelements() -> Any:
    """Imported when an SVG is read, and not before."""
    import svgelements

    return svgelements


@final
class _Reader:
    """Collects the paths of a document."""

    def __init__(self, markup: Markup, scale: float) -> None:
        self.markup, self.scale = markup, scale
        self.left_out = list(markup.left_out)
        self.paths: list[list[Loop]] = []
        self.colors: list[tuple[float, ...]] = []
        self.rules: list[FillRule] = []
        self.segments = 0

    def add(self, shape: Any) -> None:
        """The fill of a shape, and its stroke as one more path."""
        values = shape.values
        if values.get("display") == "none" or values.get("visibility") in ("hidden", "collapse"):
            return
        lines = _lines(shape, self.scale)
        self.segments += sum(len(curves) for curves, _ in lines)
        if self.segments > MOST_SEGMENTS:
            raise InputError(f"the SVG has more than {MOST_SEGMENTS:,} segments: simplify it")
        opacity = share(values.get(OPACITY))
        fill = self._color(values.get("fill", "black"), values.get("fill-opacity"), opacity)
        if fill and (loops := [loop for curves, _ in lines if len(loop := _loop(curves)) > 3]):
            rule = "evenodd" if values.get("fill-rule") == "evenodd" else "nonzero"
            self._append(loops, fill, rule)
        ink = self._color(values.get("stroke", "none"), values.get("stroke-opacity"), opacity)
        if ink and (loops := self._strokes(shape, lines)):
            self._append(loops, ink, "nonzero")

    def scene(self, width: int, height: int) -> Scene:
        """The scene of all paths; warns of what was left out."""
        if not self.paths:
            raise InputError("the SVG has nothing to draw: it needs filled or stroked shapes")
        if self.left_out:
            warnings.warn(
                f"not drawn from this SVG: {', '.join(self.left_out)}", UserWarning, stacklevel=3
            )
        rules = self.rules[0] if len({*self.rules}) == 1 else tuple(self.rules)
        return compound(self.paths, torch.tensor(self.colors), width, height, rules)

    def _append(self, loops: list[Loop], color: tuple[float, ...], rule: FillRule) -> None:
        self.paths.append([loop.float() for loop in loops])
        self.colors.append(color)
        self.rules.append(rule)

    def _color(self, paint: str, own: str | None, opacity: float) -> tuple[float, ...] | None:
        """Straight RGBA in [0, 1], or None for no paint."""
        paint = paint.strip()
        if found := re.match(r"url\(\s*['\"]?(#?)([^)'\"]*)['\"]?\s*\)\s*(.*)", paint):
            color = self._mean(found[2]) if found[1] else None
            if color is None:
                return self._color(found[3] or "none", own, opacity)
        elif paint in ("none", "transparent"):
            return None
        else:
            known = _svgelements().Color("black" if paint == "currentColor" else paint)
            if known.value is None:
                return None
            color = (known.red / 255, known.green / 255, known.blue / 255, known.alpha / 255)
        return (*color[:3], color[3] * share(own) * opacity)

    def _mean(self, name: str) -> tuple[float, ...] | None:
        """The mean color of a gradient along its length."""
        svg = _svgelements()
        stops = self.markup.stops.get(name)
        if not stops:
            return None
        if "gradients as their mean color" not in self.left_out:
            self.left_out.append("gradients as their mean color")
        places, colors = [0.0], []
        for stop in stops:
            color = svg.Color(stop.get("stop-color", "black"))
            if color.value is None:
                color = svg.Color("black")
            opacity = color.alpha / 255 * share(stop.get("stop-opacity"))
            colors.append((color.red / 255, color.green / 255, color.blue / 255, opacity))
            places.append(max(places[-1], share(stop.get("offset"), 0.0)))
        places, rows = torch.tensor([*places, 1.0]), torch.tensor([colors[0], *colors, colors[-1]])
        weights = places.diff()
        return tuple((weights @ ((rows[:-1] + rows[1:]) / 2)).tolist())

    def _strokes(self, shape: Any, lines: list[tuple[Tensor, bool]]) -> list[Loop]:
        values, transform = shape.values, shape.transform
        scale = math.sqrt(abs(transform.a * transform.d - transform.b * transform.c))
        width = float(shape.stroke_width or 0) * scale * self.scale
        if not 0 < width < LARGEST_COORDINATE:
            return []
        cap, join = values.get("stroke-linecap"), values.get("stroke-linejoin")
        loops = []
        for curves, closed in lines:
            loops += stroke(
                curves,
                torch.tensor(width, dtype=curves.dtype),
                closed=closed,
                cap=cap if cap in ("round", "square") else "butt",
                join=join if join in ("round", "bevel") else "miter",
                miter_limit=_number(values.get("stroke-miterlimit"), 4.0),
                tol=0.02,
            )
        return loops


def _number(value: str | None, otherwise: float) -> float:
    try:
        return float(value or "")
    except ValueError:
        return otherwise


def _lines(shape: Any, scale: float) -> list[tuple[Tensor, bool]]:
    """The lines of a shape as cubic segments (n, 4, 2) in pixels, and whether they are closed."""
    svg = _svgelements()
    path = svg.Path(shape)
    path.approximate_arcs_with_cubics()  # before the transform: an arc cannot be skewed
    path.reify()
    lines = []
    for part in path.as_subpaths():
        curves = [_cubic(piece) for piece in part if not isinstance(piece, svg.Move)]
        curves = [curve for curve in curves if curve is not None]
        if not curves:
            continue
        closed = any(isinstance(piece, svg.Close) for piece in part)
        points = torch.tensor(curves, dtype=torch.float64) * scale
        if not bool((points.abs() <= LARGEST_COORDINATE).all()):
            raise InputError(
                f"the SVG has points beyond {LARGEST_COORDINATE:g} pixels, or numbers that are "
                "none: move or scale its shapes"
            )
        if closed:  # without the closing lines of no length
            moves = (points - points[:, :1]).abs().amax((1, 2)) > 1e-9
            points = points[moves] if bool(moves.any()) else points[:1]
        lines.append((points, closed))
    return lines


def _cubic(piece: Any) -> list[list[float]] | None:
    """Four points of a segment; None without start or end."""
    svg = _svgelements()
    start, end = piece.start, piece.end
    if start is None or end is None:
        return None
    a, b = (float(start.x), float(start.y)), (float(end.x), float(end.y))
    if isinstance(piece, svg.CubicBezier):
        handles = [(float(p.x), float(p.y)) for p in (piece.control1, piece.control2)]
    elif isinstance(piece, svg.QuadraticBezier):
        c = (float(piece.control.x), float(piece.control.y))
        handles = [
            tuple(p + (q - p) * 2 / 3 for p, q in zip(end, c, strict=True)) for end in (a, b)
        ]
    else:
        handles = [tuple(p + (q - p) * k / 3 for p, q in zip(a, b, strict=True)) for k in (1, 2)]
    return [list(a), *map(list, handles), list(b)]


def _loop(curves: Tensor) -> Loop:
    """A line as a loop, closed by a straight segment where it is open."""
    if float((curves[-1, 3] - curves[0, 0]).abs().max()) > 1e-6:
        a, b = curves[-1, 3], curves[0, 0]
        back = torch.stack([a, a + (b - a) / 3, a + (b - a) * 2 / 3, b])
        curves = torch.cat([curves, back[None]])
    return curves[:, :3].reshape(-1, 2)
