"""Lengths, transforms and view boxes of SVG."""

from __future__ import annotations

import math
import re
from typing import TypeAlias

Matrix: TypeAlias = tuple[float, float, float, float, float, float]
"""(a, b, c, d, e, f) maps (x, y) to (a x + c y + e, b x + d y + f)."""
Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, width and height."""

IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
PIXELS = {"": 1.0, "px": 1.0, "in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4, "pt": 4 / 3, "pc": 16.0}
PLACES = {"left": "0%", "top": "0%", "center": "50%", "right": "100%", "bottom": "100%"}


def length(text: str, whole: float, font_size: float) -> float | None:
    """A length in pixels; None for what is none.

    Example:
        >>> [length(text, whole=80, font_size=12) for text in ("1.5in", "25%", "2em", "auto")]
        [144.0, 20.0, 24.0, None]
    """
    found = re.fullmatch(rf"\s*({NUMBER})\s*(%|[a-zA-Z]*)\s*", text)
    units = PIXELS | {"%": whole / 100, "em": font_size, "ex": font_size / 2}
    unit = units.get(found[2].lower()) if found else None
    value = float(found[1]) * unit if found and unit is not None else math.inf
    return value if math.isfinite(value) else None


def along(name: str, view: tuple[float, float]) -> float:
    """What percentages of an attribute refer to: width, height or diagonal / sqrt 2 of the view."""
    if name in ("x", "x1", "x2", "cx", "rx", "width"):
        return view[0]
    if name in ("y", "y1", "y2", "cy", "ry", "height"):
        return view[1]
    return math.hypot(*view) / math.sqrt(2)


def numbers(text: str) -> list[float] | None:
    """Numbers between spaces or commas; None if something else is among them."""
    words = re.split(r"\s*,\s*|\s+", text.strip())
    found = [float(word) for word in words if re.fullmatch(NUMBER, word)]
    return found if len(found) == len(words) and all(map(math.isfinite, found)) else None


def times(m: Matrix, n: Matrix) -> Matrix:
    """The product: n is applied first."""
    a, b, c, d, e, f = n
    return (m[0] * a + m[2] * b, m[1] * a + m[3] * b, m[0] * c + m[2] * d, m[1] * c + m[3] * d,
            m[0] * e + m[2] * f + m[4], m[1] * e + m[3] * f + m[5])  # fmt: skip


def shift(x: float, y: float) -> Matrix:
    """A translation."""
    return (1.0, 0.0, 0.0, 1.0, x, y)


def inverse(m: Matrix) -> Matrix:
    """The inverse of a matrix that has one.

    Example:
        >>> times((2, 0, 0, 4, 6, 8), inverse((2, 0, 0, 4, 6, 8)))
        (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    """
    a, b, c, d, e, f = m
    area = a * d - b * c
    return times((d / area, -b / area, -c / area, a / area, 0.0, 0.0), shift(-e, -f))


def transform(text: str) -> Matrix | None:
    """The matrix of a `transform`; None for what is none.

    Example:
        >>> transform("translate(3,4) scale(2)"), transform("rotate(a)")
        ((2.0, 0.0, 0.0, 2.0, 3.0, 4.0), None)
    """
    text, matrix, place = text.strip(), IDENTITY, 0
    for found in re.finditer(r"[\s,]*(\w+)\s*\(([^()]*)\)", text):
        step = _step(found[1], numbers(found[2]) or [])
        if step is None or found.start() != place:
            return None
        matrix, place = times(matrix, step), found.end()
    return matrix if place == len(text) or text == "none" else None


def _step(name: str, v: list[float]) -> Matrix | None:
    turn = math.radians(v[0]) if v else 0.0
    match name, v:
        case "matrix", [a, b, c, d, e, f]:
            return (a, b, c, d, e, f)
        case "translate", [x] | [x, _]:
            return shift(x, v[1] if len(v) > 1 else 0.0)
        case "scale", [x] | [x, _]:
            return (x, 0.0, 0.0, v[-1], 0.0, 0.0)
        case "rotate", [_] | [_, _, _]:
            c, s, (x, y) = math.cos(turn), math.sin(turn), v[1:] or (0.0, 0.0)
            return times(times(shift(x, y), (c, s, -s, c, 0.0, 0.0)), shift(-x, -y))
        case "skewX", [_]:
            return (1.0, 0.0, math.tan(turn), 1.0, 0.0, 0.0)
        case "skewY", [_]:
            return (1.0, math.tan(turn), 0.0, 1.0, 0.0, 0.0)
    return None


def origin(text: str, view: tuple[float, float], font_size: float) -> tuple[float, float] | None:
    """The point of a `transform-origin`; None for what is none."""
    words = [*text.split(), "center"][:2]
    if words[0] in ("top", "bottom") or words[-1] in ("left", "right"):
        words.reverse()
    x, *y = (length(PLACES.get(w, w), v, font_size) for w, v in zip(words, view, strict=False))
    return None if x is None or not y or y[0] is None else (x, y[0])


def view_box(text: str | None) -> Box | None:
    """A `viewBox`; None for what is none."""
    match numbers(text or ""):
        case [x, y, width, height] if min(width, height) > 0:
            return (x, y, width, height)
    return None


def fitted_to(box: Box, width: float, height: float, aspect: str | None) -> Matrix:
    """From a view box to a viewport at the origin, by `preserveAspectRatio`.

    Example:
        >>> fitted_to((0, 0, 10, 10), 40, 20, "xMaxYMid")
        (2.0, 0.0, 0.0, 2.0, 20.0, 0.0)
    """
    sx, sy = width / box[2], height / box[3]
    words = (aspect or "").split() or ["xMidYMid"]
    if words[0] != "none":
        sx = sy = max(sx, sy) if words[1:] == ["slice"] else min(sx, sy)
    share = {"Min": 0.0, "Max": 1.0}
    dx = (width - sx * box[2]) * share.get(words[0][1:4], 0.5)
    dy = (height - sy * box[3]) * share.get(words[0][5:8], 0.5)
    return (sx, 0.0, 0.0, sy, dx - sx * box[0], dy - sy * box[1])
