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
        >>> length("1.5in", 0, 12), length("25%", 80, 12), length("2em", 0, 12), length("auto", 0, 0)
        (144.0, 20.0, 24.0, None)
    """
    found = re.fullmatch(rf"\s*({NUMBER})\s*(%|[a-zA-Z]*)\s*", text)
    units = PIXELS | {"%": whole / 100, "em": font_size, "ex": font_size / 2}
    if found is None or (unit := units.get(found[2].lower())) is None:
        return None
    return float(found[1]) * unit


def along(name: str, view: tuple[float, float]) -> float:
    """What percentages of an attribute refer to: width, height or diagonal / sqrt 2 of the view."""
    if name in ("x", "x1", "x2", "cx", "rx", "width"):
        return view[0]
    if name in ("y", "y1", "y2", "cy", "ry", "height"):
        return view[1]
    return math.hypot(*view) / math.sqrt(2)


def times(m: Matrix, n: Matrix) -> Matrix:
    """The product: n is applied first.

    Example:
        >>> times((2, 0, 0, 2, 0, 0), (1, 0, 0, 1, 3, 4))
        (2, 0, 0, 2, 6, 8)
    """
    return (
        m[0] * n[0] + m[2] * n[1],
        m[1] * n[0] + m[3] * n[1],
        m[0] * n[2] + m[2] * n[3],
        m[1] * n[2] + m[3] * n[3],
        m[0] * n[4] + m[2] * n[5] + m[4],
        m[1] * n[4] + m[3] * n[5] + m[5],
    )


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
    return (
        d / area,
        -b / area,
        -c / area,
        a / area,
        (c * f - d * e) / area,
        (b * e - a * f) / area,
    )


def transform(text: str) -> Matrix | None:
    """The matrix of a `transform` attribute; None for what is none.

    Example:
        >>> transform("translate(3,4) scale(2)"), transform("rotate(a)")
        ((2.0, 0.0, 0.0, 2.0, 3.0, 4.0), None)
    """
    matrix, place = IDENTITY, 0
    for found in re.finditer(r"[\s,]*(\w+)\s*\(([^()]*)\)\s*", text):
        values = re.split(r"\s*,\s*|\s+", found[2].strip())
        if found.start() != place or not all(re.fullmatch(NUMBER, each) for each in values):
            return None
        step = _step(found[1], [float(each) for each in values])
        if step is None:
            return None
        matrix, place = times(matrix, step), found.end()
    return matrix if place == len(text.rstrip()) or text.strip() in ("", "none") else None


def _step(name: str, v: list[float]) -> Matrix | None:
    match name, len(v):
        case "matrix", 6:
            return (v[0], v[1], v[2], v[3], v[4], v[5])
        case "translate", 1 | 2:
            return shift(v[0], v[1] if len(v) > 1 else 0.0)
        case "scale", 1 | 2:
            return (v[0], 0.0, 0.0, v[-1], 0.0, 0.0)
        case "rotate", 1:
            c, s = math.cos(math.radians(v[0])), math.sin(math.radians(v[0]))
            return (c, s, -s, c, 0.0, 0.0)
        case "rotate", 3:
            turned = times(shift(v[1], v[2]), _step("rotate", v[:1]) or IDENTITY)
            return times(turned, shift(-v[1], -v[2]))
        case "skewX", 1:
            return (1.0, 0.0, math.tan(math.radians(v[0])), 1.0, 0.0, 0.0)
        case "skewY", 1:
            return (1.0, math.tan(math.radians(v[0])), 0.0, 1.0, 0.0, 0.0)
    return None


def origin(text: str, view: tuple[float, float], font_size: float) -> tuple[float, float] | None:
    """The point of a `transform-origin`; None for what is none."""
    words = text.split()[:2]
    if len(words) == 1:
        words.append("center")
    if words and (words[0] in ("top", "bottom") or words[1] in ("left", "right")):
        words.reverse()
    x, y = (
        length(PLACES.get(word, word), whole, font_size)
        for word, whole in zip(words or ["?", "?"], view, strict=True)
    )
    return None if x is None or y is None else (x, y)


def view_box(text: str | None) -> Box | None:
    """x, y, width and height of a `viewBox`; None for what is none."""
    values = re.split(r"\s*,\s*|\s+", (text or "").strip())
    if len(values) != 4 or not all(re.fullmatch(NUMBER, each) for each in values):
        return None
    x, y, width, height = map(float, values)
    return (x, y, width, height) if width > 0 and height > 0 else None


def fitted_to(box: Box, width: float, height: float, aspect: str | None) -> Matrix:
    """From a view box to a viewport at the origin, by `preserveAspectRatio`.

    Example:
        >>> fitted_to((0, 0, 10, 10), 40, 20, "xMaxYMid")
        (2.0, 0.0, 0.0, 2.0, 20.0, 0.0)
    """
    x, y, *size = box
    sx, sy = width / size[0], height / size[1]
    words = (aspect or "").split() or ["xMidYMid"]
    if words[0] != "none":
        sx = sy = max(sx, sy) if words[1:] == ["slice"] else min(sx, sy)
    share = {"Min": 0.0, "Max": 1.0}
    dx = (width - sx * size[0]) * share.get(words[0][1:4], 0.5)
    dy = (height - sy * size[1]) * share.get(words[0][5:8], 0.5)
    return (sx, 0.0, 0.0, sy, dx - sx * x, dy - sy * y)
