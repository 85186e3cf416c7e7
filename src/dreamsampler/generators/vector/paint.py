"""Paints of SVG as one color each."""

from __future__ import annotations

import colorsys
import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import torch

from dreamsampler.generators.vector.markup import Element, reference

RGBA: TypeAlias = tuple[float, float, float, float]
"""Straight red, green, blue and opacity in [0, 1]."""

BLACK: RGBA = (0.0, 0.0, 0.0, 1.0)
NEWER = "the color "
"""Begins the name of a color that is drawn here, but not by all viewers."""
OLDER = re.compile(
    r"#[\da-f]*|(?!rebeccapurple)[a-z]+|(rgb|hsl)a?\((\s*,?\s*[+-]?[\d.]+%?){3}(\s*,?\s*[\d.]+)?\s*\)",
    re.IGNORECASE,
)
GRADIENTS = ("linearGradient", "radialGradient")


def share(value: str | None, otherwise: float = 1.0) -> float:
    """A number or a percentage as a share in [0, 1].

    Example:
        >>> share("25%"), share("7"), share("half"), share(None)
        (0.25, 1.0, 1.0, 1.0)
    """
    try:
        number = float((value or "").rstrip("% ")) / (100 if value and "%" in value else 1)
    except ValueError:
        return otherwise
    return min(1.0, max(0.0, number)) if number == number else otherwise


def target(value: str) -> str | None:
    """The id in `url(#id)`; None for anything else.

    Example:
        >>> target("url('#a') red"), target("url(b.svg#a)"), target("red")
        ('a', None, None)
    """
    found = re.match(r"url\(\s*['\"]?#([^)'\"]*)['\"]?\s*\)", value)
    return found[1].strip() if found else None


def color(
    paint: str,
    current: str,
    named: Mapping[str, Element],
    left_out: Counter[str],
    invalid: RGBA | None = None,
) -> RGBA | None:
    """The color of a `fill` or `stroke`; None for no paint.

    Args:
        paint: the property's value.
        current: that of `color`.
        named: elements by their id.
        left_out: counts what this color only stands for.
        invalid: what an unknown paint becomes.
    """
    paint = paint.strip()
    if paint.startswith("url("):
        element, fallback = named.get(target(paint) or ""), paint.partition(")")[2].strip()
        if element is not None and element.tag in GRADIENTS:
            if mean := _mean(element, named, left_out):
                return mean
        elif element is not None:  # a fallback is for what is not there
            left_out["pattern"] += element.tag == "pattern"
            fallback = fallback if element.tag == "pattern" else ""
        return color(fallback, current, named, left_out) if fallback else None
    if paint == "none":
        return None
    if paint in ("context-fill", "context-stroke"):
        left_out[paint] += 1
        return None
    if paint.lower() == "currentcolor":
        paint = current
    found = _parsed(re.sub(r"\s*icc-color\(.*", "", paint))
    if found is None:
        left_out[f"color {paint[:40]!r}"] += 1
    elif not OLDER.fullmatch(paint):
        left_out[f"{NEWER}{paint[:40]!r}"] += 1
    return found or invalid


@lru_cache(4096)
def _parsed(text: str) -> RGBA | None:
    from tinycss2.color4 import parse_color

    try:
        found: Any = parse_color(text)
        if found.space == "hsl":
            h, s, l = found.coordinates  # noqa: E741
            s, l = (min(1.0, max(0.0, each / 100)) for each in (s, l))  # noqa: E741
            red, green, blue = colorsys.hls_to_rgb(h / 360, l, s)
        else:
            red, green, blue = found.to("srgb").coordinates
        opacity = found.alpha
    except (AttributeError, NotImplementedError, RecursionError):
        return None
    r, g, b, a = (min(1.0, max(0.0, float(each or 0.0))) for each in (red, green, blue, opacity))
    return (r, g, b, a)


def _mean(gradient: Element, named: Mapping[str, Element], left_out: Counter[str]) -> RGBA | None:
    """The mean color of a gradient along its length, weighted by opacity; None without stops."""
    visited, element = [gradient], gradient
    while not (stops := element.findall("stop")):
        element = named.get(reference(element) or "")
        if element is None or element in visited or element.tag not in GRADIENTS:
            return None
        visited.append(element)
    places, colors = [0.0], []
    for stop in stops:
        value = stop.get("stop-color", "black")
        value = element.get("stop-color", "black") if value == "inherit" else value
        current = stop.get("color", element.get("color", "black"))
        *ink, opacity = color(value, current, {}, left_out, BLACK) or (0.0, 0.0, 0.0, 0.0)
        colors.append((*ink, opacity * share(stop.get("stop-opacity"))))
        places.append(max(places[-1], share(stop.get("offset"), places[-1])))
    if len({*colors}) == 1:
        return colors[0]
    left_out["gradients as their mean color"] += 1
    rows = torch.tensor([colors[0], *colors, colors[-1]])
    rows[:, :3] *= rows[:, 3:]
    *ink, opacity = (torch.tensor([*places, 1.0]).diff() @ (rows[:-1] + rows[1:]) / 2).tolist()
    r, g, b = (value / max(opacity, 1e-9) for value in ink)
    return (r, g, b, opacity)
