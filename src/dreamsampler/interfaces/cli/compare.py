"""Two results of one recipe, compared: samples of pictures, the drawing of SVG files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from PIL import Image

from dreamsampler.images.decode import decode
from dreamsampler.interfaces.sheet import Cell, draw_grid, render_svg

GAIN = 8
"""How much a difference is amplified where it is drawn."""
_SIDE = 512
"""Pixels at which drawings are compared."""


@final
@dataclass(frozen=True)
class Comparison:
    """How far two results are apart.

    Args:
        same: every sample is; of drawings, every path.
        psnr: dB; infinite if they are the same.
        changed: share of the samples that differ.
        most: largest difference, in levels of 255; None if there is none.
    """

    same: bool
    psnr: float
    changed: float
    most: float | None


def compare(one: Path, other: Path) -> Comparison:
    """Compare what two files show; metadata do not count."""
    if one.suffix.lower() == ".svg" and _drawing(one) == _drawing(other):
        return Comparison(True, math.inf, 0.0, None)
    a, b = samples(one), samples(other)
    if a.shape != b.shape:
        return Comparison(False, 0.0, 1.0, 255.0)
    off = np.abs(a - b)
    if not off.any():  # two drawings may look alike and be made of other paths
        return Comparison(one.suffix.lower() != ".svg", math.inf, 0.0, None)
    psnr = -10 * math.log10(float((off.astype(np.float64) ** 2).mean()))
    return Comparison(False, psnr, float((off > 0).mean()), round(255 * float(off.max()), 2))


def samples(path: Path) -> Any:
    """(h, w, 3 or 4), float64 in [0, 1]."""
    if path.suffix.lower() == ".svg":
        return np.asarray(render_svg(path, _SIDE)).astype(np.float64) / 255
    found = decode(path)
    top = {"u1": 255.0, "u2": 65535.0}.get(found.rgb.dtype.str[1:], 1.0)
    planes = [found.rgb] if found.alpha is None else [found.rgb, found.alpha[..., None]]
    return np.concatenate(planes, -1).astype(np.float64) / top


def draw_difference(one: Path, other: Path) -> bytes:
    """A PNG: before, again, and eight times the difference on gray."""
    a, b = samples(one)[..., :3], samples(other)[..., :3]
    pictures = [_image(a), _image(b)]
    if a.shape == b.shape:
        pictures.append(_image((0.5 + GAIN * (b - a)).clip(0, 1)))
    cells = [Cell(each) for each in pictures]
    return draw_grid(cells, len(cells), columns=("before", "again", f"difference x {GAIN}"))


def _image(rgb: Any) -> Image.Image:
    return Image.fromarray(np.rint(255 * rgb).astype(np.uint8))


def _drawing(path: Path) -> str:
    """An SVG's text without its metadata."""
    text = path.read_text(encoding="utf-8", errors="replace")
    begin, _, rest = text.partition("<metadata")
    return begin + rest.partition("</metadata>")[2] if rest else text
