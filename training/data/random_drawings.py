"""Random vector drawings: pictures of nothing, so that the autoencoder learns more than icons.

Curves, outlines, gradients and thin strokes, drawn by chance and rasterized by resvg. They belong
to no icon set; they are there because a style that was never trained on has such edges too.
"""

import io
import math
import random

import numpy as np
import resvg_py
from PIL import Image

SIDE = 128


def color(rng: random.Random, near: tuple[float, ...] | None = None) -> tuple[float, ...]:
    """RGB in 0 .. 255; with `near`, a lighter or darker shade of it, as shading in drawings is."""
    if near is None or rng.random() < 0.3:
        level = rng.choice((0.0, 0.0, 0.5, 1.0))
        return tuple(255 * ((1 - level) * rng.random() + level * rng.random()) for _ in range(3))
    gain, shift = rng.uniform(0.6, 1.3), rng.uniform(-25, 25)
    return tuple(min(255.0, max(0.0, c * gain + shift + rng.uniform(-20, 20))) for c in near)


def css(rgb: tuple[float, ...]) -> str:
    """An SVG color."""
    return "rgb({:.0f},{:.0f},{:.0f})".format(*rgb)


def smooth(points: list[tuple[float, float]], closed: bool) -> str:
    """An SVG path through the points: a Catmull-Rom spline as cubic Bezier curves."""
    n, text = len(points), "M{:.1f} {:.1f}".format(*points[0])
    for i in range(n if closed else n - 1):
        a, b, c, d = (
            points[(i + k) % n if closed else min(max(i + k, 0), n - 1)] for k in range(-1, 3)
        )
        first = (b[0] + (c[0] - a[0]) / 6, b[1] + (c[1] - a[1]) / 6)
        second = (c[0] - (d[0] - b[0]) / 6, c[1] - (d[1] - b[1]) / 6)
        text += "C" + " ".join(f"{x:.1f} {y:.1f}" for x, y in (first, second, c))
    return text + ("Z" if closed else "")


def around(rng: random.Random, x: float, y: float, size: float) -> list[tuple[float, float]]:
    """Points around a center, at changing distance: blobs, stars, petals."""
    count, spread = rng.randint(3, 9), rng.uniform(0, 0.6)
    turn, output = rng.uniform(0, 2 * math.pi), []
    for k in range(count):
        far = size * (1 - (spread * rng.random() if rng.random() < 0.5 else spread * (k % 2)))
        angle = turn + 2 * math.pi * k / count
        output.append((x + far * math.cos(angle), y + far * math.sin(angle)))
    return output


def outline(rng: random.Random, size: float) -> str:
    """The geometry of one closed element, as SVG without its closing bracket."""
    x, y = rng.uniform(0, SIDE), rng.uniform(0, SIDE)
    kind = rng.randrange(4)
    if kind == 0:
        rx, ry = size, size * rng.choice((1.0, rng.uniform(0.3, 1)))
        turn = rng.uniform(0, 180)
        return (
            f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{rx:.1f}" ry="{ry:.1f}" '
            f'transform="rotate({turn:.0f} {x:.1f} {y:.1f})"'
        )
    if kind == 1:
        w, h, r = 2 * size, 2 * size * rng.uniform(0.15, 1), rng.uniform(0, 0.5) * size
        turn = rng.choice((0.0, rng.uniform(0, 180)))
        return (
            f'<rect x="{x - w / 2:.1f}" y="{y - h / 2:.1f}" width="{w:.1f}" height="{h:.1f}" '
            f'rx="{r:.1f}" transform="rotate({turn:.0f} {x:.1f} {y:.1f})"'
        )
    points = around(rng, x, y, size)
    if kind == 2:
        return '<polygon points="' + " ".join(f"{a:.1f},{b:.1f}" for a, b in points) + '"'
    return f'<path d="{smooth(points, closed=True)}"'


def gradient(rng: random.Random, name: str, base: tuple[float, ...]) -> str:
    """A linear or radial gradient between shades of a color."""
    stops = "".join(
        f'<stop offset="{place}" stop-color="{css(color(rng, base))}"/>' for place in (0, 1)
    )
    if rng.random() < 0.5:
        turn = rng.uniform(0, 360)
        head = f'linearGradient id="{name}" gradientTransform="rotate({turn:.0f} 0.5 0.5)"'
        return f"<{head}>{stops}</linearGradient>"
    cx, cy = rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8)
    return f'<radialGradient id="{name}" cx="{cx:.2f}" cy="{cy:.2f}">{stops}</radialGradient>'


def stroke(rng: random.Random, base: tuple[float, ...]) -> str:
    """An open curve or broken line with round or butt ends."""
    x, y, points = rng.uniform(0, SIDE), rng.uniform(0, SIDE), []
    for _ in range(rng.randint(2, 6)):
        points.append((x, y))
        x, y = x + rng.gauss(0, 25), y + rng.gauss(0, 25)
    if rng.random() < 0.6:
        path = smooth(points, closed=False)
    else:
        path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
    ends = rng.choice(("round", "butt"))
    return (
        f'<path d="{path}" fill="none" stroke="{css(color(rng, base))}" stroke-linecap="{ends}" '
        f'stroke-linejoin="round" stroke-width="{math.exp(rng.uniform(-0.3, 2.3)):.1f}"/>'
    )


def drawing(rng: random.Random) -> str:
    """One random SVG document of 128 x 128."""
    base = color(rng)
    parts = [gradient(rng, "g", base), f'<rect width="{SIDE}" height="{SIDE}" fill="{css(base)}"/>']
    if rng.random() < 0.25:
        parts.append(f'<rect width="{SIDE}" height="{SIDE}" fill="url(#g)"/>')
    last = base
    for k in range(rng.randint(3, 22)):
        if rng.random() < 0.3:
            parts.append(stroke(rng, last))
            continue
        last = color(rng, last if rng.random() < 0.6 else None)
        paint = css(last)
        if rng.random() < 0.25:
            parts.append(gradient(rng, f"g{k}", last))
            paint = f"url(#g{k})"
        edge = ""
        if rng.random() < 0.25:
            width = math.exp(rng.uniform(-0.3, 1.6))
            edge = f' stroke="{css(color(rng, last))}" stroke-width="{width:.1f}"'
        veil = f' opacity="{rng.uniform(0.3, 1):.2f}"' if rng.random() < 0.15 else ""
        size = math.exp(rng.uniform(0.5, 3.9)) / (1 + k / 20)
        parts.append(f'{outline(rng, size)} fill="{paint}"{edge}{veil}/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIDE}" height="{SIDE}" '
        f'viewBox="0 0 {SIDE} {SIDE}">{"".join(parts)}</svg>'
    )


def textured(picture: np.ndarray, rng: random.Random) -> np.ndarray:
    """Random cells of 4 to 32 a side, faintly laid over the picture: uint8."""
    side = 2 ** rng.randint(2, 5)
    cells = np.random.default_rng(rng.randrange(2**31)).uniform(0, 255, (side, side, 3))
    smoothed = Image.fromarray(cells.astype(np.uint8)).resize(picture.shape[:2])
    veil = (np.asarray(smoothed).astype(np.float32) - 128) * rng.uniform(0.05, 0.4)
    return np.clip(picture + veil, 0, 255).astype(np.uint8)


def shapes(rng: random.Random, side: int = SIDE) -> np.ndarray:
    """One picture of random shapes, one in eight of them textured: uint8 [side, side, 3]."""
    png = bytes(resvg_py.svg_to_bytes(svg_string=drawing(rng), width=side, height=side))
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    return textured(picture, rng) if rng.random() < 1 / 8 else picture
