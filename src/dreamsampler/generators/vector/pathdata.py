"""Path data and basic shapes of SVG as cubic curves."""

from __future__ import annotations

import cmath
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import torch
from torch import Tensor

from dreamsampler.generators.vector.coordinates import NUMBER

Line: TypeAlias = tuple[Tensor, bool]
"""Cubic segments (n, 4, 2) in float64, and whether they are closed."""
Curve: TypeAlias = list[complex]

SHAPES = ("path", "rect", "circle", "ellipse", "line", "polyline", "polygon")
ARGUMENTS = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7, "Z": 0}
COMMAND = re.compile(r"\s*,?\s*([MLHVCSQTAZmlhvcsqtaz])")
VALUE = re.compile(rf"\s*,?\s*({NUMBER})")
FLAG = re.compile(r"\s*,?\s*([01])")


def outline(tag: str, own: Mapping[str, str], length: Callable[[str], float | None]) -> list[Line]:
    """The lines of an element, none if it is not drawn.

    Args:
        tag: one of `SHAPES`.
        own: its attributes.
        length: of one of them; None where it is missing.
    """
    if tag == "path":
        return lines_of(own.get("d", ""))
    if tag in ("polyline", "polygon"):
        words = re.match(rf"(?:{VALUE.pattern})*", own.get("points", ""))
        values = VALUE.findall(words[0] if words else "")
        points = " ".join(values[: len(values) // 2 * 2])  # an odd number is left out
        return lines_of(f"M{points}{'z' * (tag == 'polygon')}") if len(values) > 3 else []
    names = ("x1", "y1", "x2", "y2") if tag == "line" else ("x", "y", "width", "height")
    x, y, width, height = (length(name) or 0.0 for name in names)
    if tag == "line":
        return lines_of(f"M{x} {y}L{width} {height}")
    rx, ry = (length("r"),) * 2 if tag == "circle" else (length("rx"), length("ry"))
    rx, ry = (None if radius is None or radius < 0 else radius for radius in (rx, ry))
    rx, ry = (ry if rx is None else rx) or 0.0, (rx if ry is None else ry) or 0.0
    if tag != "rect":
        x, y = (length("cx") or 0.0) - rx, (length("cy") or 0.0) - ry
        width, height = 2 * rx, 2 * ry
    if not (width > 0 and height > 0):
        return []
    rx, ry = min(rx, width / 2), min(ry, height / 2)
    if not rx or not ry:
        return lines_of(f"M{x} {y}h{width}v{height}h{-width}z")
    w, h, arc = width - 2 * rx, height - 2 * ry, f"a{rx} {ry} 0 0 1 "
    return lines_of(f"M{x + rx} {y}h{w}{arc}{rx} {ry}v{h}{arc}{-rx} {ry}"
                    f"h{-w}{arc}{-rx} {-ry}v{-h}{arc}{rx} {-ry}z")  # fmt: skip


def lines_of(data: str) -> list[Line]:
    """The lines of path data, up to the first error.

    Example:
        >>> [(curves.shape, closed) for curves, closed in lines_of("M1 1h5v5zm2 2h1 oh no")]
        [(torch.Size([3, 4, 2]), True), (torch.Size([1, 4, 2]), False)]

    Source: SVG 2, chapter 9 (paths).
    """
    found: list[tuple[list[Curve], bool]] = []
    start = here = handle = 0j
    before = ""
    for command, values in _steps(data):
        kind, origin = command.upper(), here if command.islower() else 0j
        if not found and kind != "M":
            break
        if kind == "Z":
            if here != start or not found[-1][0]:
                found[-1][0].append(_straight(here, start))
            found[-1] = (found[-1][0], True)
            here, before = start, kind
            continue
        if kind == "H":
            values = [values[0], here.imag - origin.imag]
        if kind == "V":
            values = [here.real - origin.real, values[0]]
        pairs = values[5:] if kind == "A" else values
        *handles, end = (
            origin + complex(*pair) for pair in zip(pairs[::2], pairs[1::2], strict=True)
        )
        if kind == "M" or found[-1][1]:
            found.append(([], False))
        if kind in "ST":
            smooth = before in ("CS" if kind == "S" else "QT")
            handles.insert(0, 2 * here - handle if smooth and before else here)
        if kind == "M":
            start = end
        elif kind == "A":
            found[-1][0].extend(_arc(here, values, end))
        elif kind in "CS":
            found[-1][0].append([here, *handles, end])
        elif kind in "QT":
            found[-1][0].append([here, *(p + (handles[0] - p) * 2 / 3 for p in (here, end)), end])
        else:
            found[-1][0].append(_straight(here, end))
        here, before, handle = end, kind, handles[-1] if handles else end
    return [
        (torch.view_as_real(torch.tensor(curves, dtype=torch.complex128)), closed)
        for curves, closed in found
        if curves
    ]


def _steps(data: str) -> Iterator[tuple[str, list[float]]]:
    """Commands with their numbers, repeated ones too."""
    place, command = 0, ""
    while True:
        if found := COMMAND.match(data, place):
            command, place = found[1], found.end()
        elif command in ("", "Z", "z"):
            return
        values = []
        for number in range(ARGUMENTS[command.upper()]):
            flag = command in "Aa" and number in (3, 4)
            value = (FLAG if flag else VALUE).match(data, place)
            if value is None or math.isinf(float(value[1])):
                return
            values.append(float(value[1]))
            place = value.end()
        yield command, values
        command = {"M": "L", "m": "l"}.get(command, command)


def _straight(a: complex, b: complex) -> Curve:
    return [a, a + (b - a) / 3, a + (b - a) * 2 / 3, b]


def _arc(a: complex, values: list[float], b: complex) -> list[Curve]:
    """An elliptical arc as curves of at most a quarter each (SVG 2, appendix B.2)."""
    rx, ry, turn, large, sweep, *_ = values
    rx, ry, axis = abs(rx), abs(ry), cmath.rect(1, math.radians(turn))
    if not rx or not ry or a == b:
        return [_straight(a, b)]
    p, q = (complex(z.real / rx, z.imag / ry) for z in (a / axis, b / axis))  # on a unit circle
    half = abs(q - p) / 2
    if half > 1:  # too small to reach: scaled up
        rx, ry, p, q, half = rx * half, ry * half, p / half, q / half, 1.0
    side = math.sqrt(1 - half**2) * (1 if large != sweep else -1)
    center = (p + q) / 2 + side * 1j * (q - p) / (2 * half)
    first = cmath.phase(p - center)
    angle = (cmath.phase(q - center) - first) % math.tau - (0 if sweep else math.tau)
    count = max(1, math.ceil(abs(angle) / (math.pi / 2) - 1e-6))
    handle = 4j / 3 * math.tan(angle / count / 4)
    curves = []
    for k in range(count):
        u, v = (cmath.rect(1, first + angle * n / count) for n in (k, k + 1))
        circle = [center + z for z in (u, u + handle * u, v - handle * v, v)]
        curves.append([complex(z.real * rx, z.imag * ry) * axis for z in circle])
    curves[0][0], curves[-1][3] = a, b
    return curves
