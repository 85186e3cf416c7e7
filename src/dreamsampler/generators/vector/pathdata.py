"""Path data and basic shapes of SVG as cubic curves."""

from __future__ import annotations

import cmath
import math
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor

from dreamsampler.generators.vector.coordinates import NUMBER

Line: TypeAlias = tuple[Tensor, bool]
"""Cubic segments (n, 4, 2) in float64, and whether they are closed."""

ARGUMENTS = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7, "Z": 0}
SHAPES = ("path", "rect", "circle", "ellipse", "line", "polyline", "polygon")
VALUE = re.compile(rf"[\s,]*({NUMBER})")
FLAG = re.compile(r"[\s,]*([01])")


def outline(tag: str, own: Mapping[str, str], length: Callable[[str], float | None]) -> list[Line]:
    """The lines of an element, none if it is not drawn.

    Args:
        tag: one of `SHAPES`.
        own: its attributes.
        length: of one of them; None where it is missing.
    """
    return lines(_data(tag, own, length))


def _data(tag: str, own: Mapping[str, str], length: Callable[[str], float | None]) -> str:
    """The path data of an element."""

    def at(*names: str) -> list[float]:
        return [length(name) or 0.0 for name in names]

    match tag:
        case "path":
            return own.get("d", "")
        case "polyline" | "polygon":
            return f"M{own.get('points', '')}" + ("z" if tag == "polygon" else "")
        case "line":
            x1, y1, x2, y2 = at("x1", "y1", "x2", "y2")
            return f"M{x1} {y1}L{x2} {y2}"
    rx, ry = (
        None if radius is None or radius < 0 else radius for radius in map(length, ("rx", "ry"))
    )
    rx, ry = (ry if rx is None else rx) or 0.0, (rx if ry is None else ry) or 0.0
    if tag == "rect":
        x, y, width, height = at("x", "y", "width", "height")
        rx, ry = min(rx, width / 2), min(ry, height / 2)
        if not (width > 0 and height > 0):
            return ""
        if not rx or not ry:
            return f"M{x} {y}h{width}v{height}h{-width}z"
        a, b = f"a{rx} {ry} 0 0 1 ", (width - 2 * rx, height - 2 * ry)
        return (f"M{x + rx} {y}h{b[0]}{a}{rx} {ry}v{b[1]}{a}{-rx} {ry}"
                f"h{-b[0]}{a}{-rx} {-ry}v{-b[1]}{a}{rx} {-ry}z")  # fmt: skip
    if tag == "circle":
        rx = ry = at("r")[0]
    cx, cy = at("cx", "cy")
    arc = f"a{rx} {ry} 0 0 1 "
    quarters = f"{arc}{-rx} {ry}{arc}{-rx} {-ry}{arc}{rx} {-ry}{arc}{rx} {ry}z"
    return f"M{cx + rx} {cy}{quarters}" if rx > 0 and ry > 0 else ""


def lines(data: str) -> list[Line]:
    """The lines of path data, up to the first error as in SVG 2.

    Example:
        >>> [(curves.shape, closed) for curves, closed in lines("M1 1h5v5zm2 2h1 oh no")]
        [(torch.Size([3, 4, 2]), True), (torch.Size([1, 4, 2]), False)]

    Source: SVG 2, chapter 9 (paths).
    """
    found: list[tuple[list[list[complex]], bool]] = []
    place, command, start, here, before = 0, "", 0j, 0j, ("", 0j)
    while step := re.compile(r"[\s,]*([MLHVCSQTAZmlhvcsqtaz])?").match(data, place):
        repeated = not step[1]
        if repeated and (command in ("", "Z", "z") or not VALUE.match(data, place)):
            break
        command, place = step[1] or command, step.end()
        kind = command.upper()
        if repeated and kind == "M":
            kind, command = "L", "l" if command == "m" else "L"
        if not found and kind != "M":
            break
        values = []
        for number in range(ARGUMENTS[kind]):
            value = (FLAG if kind == "A" and number in (3, 4) else VALUE).match(data, place)
            if value is None:
                return _tensors(found)
            values.append(float(value[1]))
            place = value.end()
        origin = here if command.islower() else 0j
        if kind == "Z":
            if here != start:
                found[-1][0].append(_straight(here, start))
            found[-1] = (found[-1][0] or [_straight(here, here)], True)
            here, before = start, ("", 0j)
            continue
        if kind == "H":
            points = [complex(origin.real + values[0], here.imag)]
        elif kind == "V":
            points = [complex(here.real, origin.imag + values[0])]
        else:
            pairs = values[5:] if kind == "A" else values
            points = [origin + complex(*pair) for pair in zip(pairs[::2], pairs[1::2], strict=True)]
        end = points[-1]
        if kind == "M" or found[-1][1]:
            found.append(([], False))
        curves = found[-1][0]
        mirrored = 2 * here - before[1] if before[0] == {"S": "C", "T": "Q"}.get(kind) else here
        if kind == "M":
            start = end
        elif kind in "LHV":
            curves.append(_straight(here, end))
        elif kind in "CS":
            points = points if kind == "C" else [mirrored, *points]
            curves.append([here, *points])
            before = ("C", points[1])
        elif kind in "QT":
            middle = points[0] if kind == "Q" else mirrored
            curves.append([here, here + (middle - here) * 2 / 3, end + (middle - end) * 2 / 3, end])
            before = ("Q", middle)
        else:
            curves += _arc(here, *values[:5], end)
        if kind not in "CSQT":
            before = ("", 0j)
        here = end
    return _tensors(found)


def _tensors(found: list[tuple[list[list[complex]], bool]]) -> list[Line]:
    return [
        (torch.view_as_real(torch.tensor(curves, dtype=torch.complex128)), closed)
        for curves, closed in found
        if curves
    ]


def _straight(a: complex, b: complex) -> list[complex]:
    return [a, a + (b - a) / 3, a + (b - a) * 2 / 3, b]


def _arc(
    a: complex, rx: float, ry: float, turn: float, large: float, sweep: float, b: complex
) -> list[list[complex]]:
    """An elliptical arc as cubic curves of at most a quarter each (SVG 2, appendix B.2)."""
    rx, ry = abs(rx), abs(ry)
    if not rx or not ry or a == b:
        return [_straight(a, b)]
    axis = cmath.rect(1, math.radians(turn))

    def inward(p: complex) -> complex:  # to where the ellipse is a unit circle
        p *= axis.conjugate()
        return complex(p.real / rx, p.imag / ry)

    p, q = inward(a), inward(b)
    half = abs(q - p) / 2
    if half > 1:  # too small to reach: scaled up
        rx, ry, p, q, half = rx * half, ry * half, p / half, q / half, 1.0
    side = math.sqrt(1 - half**2) * (1 if large != sweep else -1)
    center = (p + q) / 2 + side * 1j * (q - p) / (2 * half)
    first = cmath.phase(p - center)
    angle = (cmath.phase(q - center) - first) % math.tau - (0 if sweep else math.tau)
    count = max(1, math.ceil(abs(angle) / (math.pi / 2) - 1e-6))
    handle = 4 / 3 * math.tan(angle / count / 4)
    curves = []
    for k in range(count):
        u, v = (cmath.rect(1, first + angle * n / count) for n in (k, k + 1))
        circle = [u, u + handle * 1j * u, v - handle * 1j * v, v]
        turned = [center + each for each in circle]
        curves.append([complex(z.real * rx, z.imag * ry) * axis for z in turned])
    curves[0][0], curves[-1][3] = a, b
    return curves
