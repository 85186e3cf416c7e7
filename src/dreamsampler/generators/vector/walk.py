"""The walk through an SVG's elements that collects the paths they draw."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, final

import torch
from torch import Tensor

from dreamsampler.files import InputError
from dreamsampler.generators.vector.coordinates import (
    IDENTITY,
    NUMBER,
    Box,
    Matrix,
    along,
    fitted_to,
    inverse,
    length,
    origin,
    shift,
    times,
    transform,
    view_box,
)
from dreamsampler.generators.vector.markup import (
    DEEPEST,
    INHERITED,
    MOST_ELEMENTS,
    PROPERTIES,
    Element,
    reference,
)
from dreamsampler.generators.vector.paint import BLACK, RGBA, color, share, target
from dreamsampler.generators.vector.pathdata import SHAPES, Line, outline
from dreamsampler.generators.vector.scene import FillRule, Loop
from dreamsampler.generators.vector.stroke import stroke

LARGEST_COORDINATE = 1e5
"""Pixels; a canvas has at most 16384."""
MOST_SEGMENTS = 500_000
FONT_SIZE = 12.0
"""Pixels of an em where no size is given; resvg's."""
UNSUPPORTED = ("text", "image", "foreignObject", "video", "audio", "canvas", "iframe")
CONTAINERS = ("g", "a", "svg", "symbol", "switch", "use")
DRAWN = {*SHAPES, *UNSUPPORTED, *CONTAINERS}
EFFECTS = ("clip-path", "mask", "filter", "mix-blend-mode", "vector-effect")

HARMLESS = {
    "shape-rendering": ("auto", "geometricPrecision"),
    "stroke-dasharray": ("none",),
    "stroke-linejoin": ("miter", "round", "bevel"),
}
"""Values of properties that are drawn as they should be."""

Sides: TypeAlias = tuple[float | None, float | None]


@final
@dataclass(frozen=True)
class State:
    """What an element is drawn with: its attributes, and what it has from those around it."""

    matrix: Matrix = IDENTITY
    view: tuple[float, float] = (100.0, 100.0)
    own: Mapping[str, str] = field(default_factory=dict)
    style: Mapping[str, str] = field(default_factory=dict)
    font_size: float = FONT_SIZE
    opacity: float = 1.0
    above: tuple[int, ...] = ()


@final
class Walk:
    """Collects the paths of a document.

    Args:
        root: its first element.
        canvas: width and height in pixels.
        left_out: counts what is not drawn.
    """

    def __init__(self, root: Element, canvas: tuple[float, float], left_out: Counter[str]) -> None:
        self.named = {e.attrib["id"]: e for e in reversed([*root.iter()]) if "id" in e.attrib}
        self.canvas, self.left_out = canvas, left_out
        self.paths: list[list[Loop]] = []
        self.colors: list[RGBA] = []
        self.rules: list[FillRule] = []
        self.reach = (0.0, 0.0)
        self.segments = self.elements = 0

    def draw(self, element: Element, around: State, sides: Sides | None = None) -> None:
        """Draw an element and what it holds; `sides` are those of a `use` that refers to it."""
        tag = element.tag
        if tag not in DRAWN or (tag == "symbol" and sides is None):
            return
        self.elements += 1
        if self.elements > MOST_ELEMENTS:
            raise InputError(
                f"the SVG draws more than {MOST_ELEMENTS:,} elements (references counted as often "
                "as they are used): simplify it"
            )
        if len(around.above) >= DEEPEST:
            raise InputError(f"the SVG is nested more than {DEEPEST} deep: flatten its groups")
        state = self._inside(element, around)
        if state is None:
            return
        first = len(self.paths)
        if tag in UNSUPPORTED:
            if tag != "text" or "".join(element.itertext()).strip():
                self.left_out[tag] += 1
        elif tag in SHAPES:
            self._shape(tag, state)
        elif tag == "use":
            self._use(element, state)
        elif tag == "symbol" or (tag == "svg" and around.above):
            self._view(element, state, sides or (None, None))
        else:
            known = [c for c in element if c.tag in DRAWN and c.tag != "foreignObject"]
            shown = [child for child in known if _applies(child.attrib)]
            for child in shown[:1] if tag == "switch" else element:
                self.draw(child, state)
        self._name_effects(state, first)

    def _inside(self, element: Element, around: State) -> State | None:
        """The state of an element; None if it is not drawn."""
        own = {}
        for name, value in element.attrib.items():
            if name in PROPERTIES and value in ("inherit", "initial", "revert", "unset"):
                if name in INHERITED and value != "initial":
                    continue
                value = around.own.get(name, "") if value == "inherit" else ""
            own[name] = value
        if own.get("display") == "none" or not _applies(own):
            return None
        size = around.font_size
        size = length(own.get("font-size", ""), size, size) or size
        matrix = transform(own.get("transform", ""))
        if matrix is None:
            self.left_out[f"transform {own['transform'][:40]!r}"] += 1
            matrix = IDENTITY
        if place := origin(own.get("transform-origin", ""), around.view, size):
            matrix = times(times(shift(*place), matrix), shift(-place[0], -place[1]))
        if matrix[0] * matrix[3] == matrix[1] * matrix[2]:
            return None
        return State(
            times(around.matrix, matrix),
            around.view,
            own,
            {**around.style, **{name: own[name] for name in own.keys() & INHERITED}},
            size,
            around.opacity * share(own.get("opacity")),
            (*around.above, id(element)),
        )

    def _length(self, name: str, state: State) -> float | None:
        """A length of an element; None if it has none."""
        text = state.own.get(name, state.style.get(name, "")).strip()
        found = length(text, along(name, state.view), state.font_size)
        if found is None and text not in ("", "auto"):
            self.left_out[f"length {text[:40]!r}"] += 1
        return found

    def back(self, root: Element) -> None:
        """The canvas in the root's `background-color`."""
        width, height = self.canvas
        value = root.get("background-color", "none")
        if ink := color(value, "black", self.named, self.left_out):
            lines = outline("path", {"d": f"M0 0h{width}v{height}h{-width}z"}, lambda _: None)
            self.paths.append([_loop(curves).float() for curves, _ in lines])
            self.colors.append(ink)
            self.rules.append("nonzero")
        self.left_out["background"] += "background" in root.attrib

    # --- references and views ---------------------------------------------------------------------

    def _use(self, element: Element, state: State) -> None:
        linked = self.named.get(reference(element) or "")
        if linked is None:
            self.left_out["use of something that is not in the file"] += 1
        elif id(linked) in state.above:
            self.left_out["use of itself"] += 1
        else:
            x, y, *sides = (self._length(name, state) for name in ("x", "y", "width", "height"))
            moved = replace(state, matrix=times(state.matrix, shift(x or 0.0, y or 0.0)))
            self.draw(linked, moved, (sides[0], sides[1]))

    def _view(self, element: Element, state: State, sides: Sides) -> None:
        """A nested `svg`, or a `symbol` with the sides of its `use`."""
        nested, sized = element.tag == "svg", sides != (None, None)
        x = y = 0.0
        if nested:
            x, y = (self._length(name, state) or 0.0 for name in ("x", "y"))
            own = (self._length("width", state), self._length("height", state))
            sized = sized or None not in own
            sides = (
                own[0] if sides[0] is None else sides[0],
                own[1] if sides[1] is None else sides[1],
            )
        width = state.view[0] if sides[0] is None else sides[0]
        height = state.view[1] if sides[1] is None else sides[1]
        if not (width > 0 and height > 0):
            return
        box, matrix = view_box(state.own.get("viewBox")), times(state.matrix, shift(x, y))
        if box:
            aspect = state.own.get("preserveAspectRatio")
            matrix = times(matrix, fitted_to(box, width, height, aspect))
        view = box[2:] if box and nested else (width, height)
        first = len(self.paths)
        for child in element:
            self.draw(child, replace(state, matrix=matrix, view=view))
        clips = state.own.get("overflow") not in ("visible", "auto") and (sized or not nested)
        if clips and not self._covers((x, y, width, height), state.matrix, first):
            self.left_out[f"clip of <{element.tag}>"] += 1

    # --- effects ----------------------------------------------------------------------------------

    def _name_effects(self, state: State, first: int) -> None:
        """Count the effects of an element on what was drawn since `first`."""
        for name in EFFECTS:
            value = state.own.get(name, "none")
            if value in ("", "none", "normal"):
                continue
            linked = self.named.get(target(value) or "")
            if name in ("clip-path", "mask") and value.startswith("url(") and linked is None:
                continue  # viewers ignore it
            if name == "clip-path" and linked is not None and len(linked) == 1:
                (shape,), whole = linked, {"id", "x", "y", "width", "height", "fill", "style"}
                inner = replace(state, own=shape.attrib)
                x, y, *sides = (
                    self._length(n, inner) or 0.0 for n in ("x", "y", "width", "height")
                )
                simple = (
                    shape.tag == "rect" and {*linked.keys()} <= {"id"} and {*shape.keys()} <= whole
                )
                if simple and self._covers((x, y, *sides), state.matrix, first):
                    continue
            self.left_out[name] += 1
        if 0 < share(state.own.get("opacity")) < 1 and _overlap(self.paths[first:]):
            self.left_out["opacity of overlapping shapes"] += 1

    def _covers(self, box: Box, matrix: Matrix, first: int) -> bool:
        """Whether a rectangle covers what was drawn since `first`, within the canvas."""
        back = inverse(matrix)
        for loops in self.paths[first:]:
            low, high = torch.cat(loops).aminmax(dim=0)
            (left, top), (right, bottom) = low.tolist(), high.tolist()
            left, top = max(left, 0.0), max(top, 0.0)
            right, bottom = min(right, self.canvas[0]), min(bottom, self.canvas[1])
            if left >= right or top >= bottom:
                continue
            for x, y in ((left, top), (left, bottom), (right, top), (right, bottom)):
                *_, u, v = times(back, shift(x, y))
                slack = 0.02 * math.hypot(*back[:4])
                if not (
                    -slack <= u - box[0] <= box[2] + slack
                    and -slack <= v - box[1] <= box[3] + slack
                ):
                    return False
        return True

    # --- shapes -----------------------------------------------------------------------------------

    def _shape(self, tag: str, state: State) -> None:
        """The fill of a shape, and its stroke as one more path."""
        lines = outline(tag, state.own, lambda name: self._length(name, state))
        pixels = [
            (self._checked(_mapped(curves, state.matrix)), closed) for curves, closed in lines
        ]
        self.segments += sum(len(curves) for curves, _ in lines)
        if self.segments > MOST_SEGMENTS:
            raise InputError(f"the SVG has more than {MOST_SEGMENTS:,} segments: simplify it")
        style = state.style
        if not lines or style.get("visibility") in ("hidden", "collapse"):
            return
        order = style.get("paint-order", "").split()
        order += [name for name in ("fill", "stroke") if name not in order]
        loops: list[Loop] = []
        for name in sorted(("fill", "stroke"), key=order.index):
            default, invalid = ("black", BLACK) if name == "fill" else ("none", None)
            ink = color(
                style.get(name) or default,
                style.get("color") or "black",
                self.named,
                self.left_out,
                invalid,
            )
            if ink is None:
                continue
            if name == "fill":
                loops = [loop for curves, _ in pixels if not _flat(loop := _loop(curves))]
                rule = "evenodd" if style.get("fill-rule") == "evenodd" else "nonzero"
            else:
                loops, rule = self._strokes(lines, state), "nonzero"
            if loops:
                self.paths.append([loop.float() for loop in loops])
                self.colors.append(
                    (*ink[:3], ink[3] * share(style.get(f"{name}-opacity")) * state.opacity)
                )
                self.rules.append(rule)
        if loops:
            self._name_values(style, "shape-rendering")
        for name in ("marker-start", "marker-mid", "marker-end"):
            self.left_out["marker"] += target(style.get(name, "")) in self.named

    def _name_values(self, style: Mapping[str, str], *names: str) -> None:
        for name in names:
            if style.get(name) and style[name] not in HARMLESS[name]:
                self.left_out[name] += 1

    def _checked(self, points: Tensor) -> Tensor:
        if not bool((points.abs() <= LARGEST_COORDINATE).all()):
            raise InputError(
                f"the SVG has points beyond {LARGEST_COORDINATE:g} pixels, or numbers that are "
                "none: move or scale its shapes"
            )
        x, y = points.amax((0, 1)).tolist()
        self.reach = (max(x, self.reach[0]), max(y, self.reach[1]))
        return points

    def _strokes(self, lines: list[Line], state: State) -> list[Loop]:
        """Outlines of a stroke, made where its width is the same in all directions."""
        style, (a, b, c, d, e, f) = state.style, state.matrix
        scale = float(torch.linalg.matrix_norm(torch.tensor([[a, c], [b, d]]), 2))
        width = self._length("stroke-width", state)
        width = (1.0 if width is None else width) * scale
        if not 0 < width < LARGEST_COORDINATE:
            return []
        cap, join = style.get("stroke-linecap"), style.get("stroke-linejoin")
        limit = style.get("stroke-miterlimit", "").strip()
        self._name_values(style, "stroke-dasharray", "stroke-linejoin")
        loops = []
        for curves, closed in lines:
            loops += stroke(
                _settled(scale * curves),
                torch.tensor(width, dtype=curves.dtype),
                closed=closed,
                cap=cap if cap in ("round", "square") else "butt",
                join=join if join in ("round", "bevel") else "miter",
                miter_limit=max(float(limit), 1.0) if re.fullmatch(NUMBER, limit) else 4.0,
                tol=0.02,
            )
        return [_mapped(loop, (a / scale, b / scale, c / scale, d / scale, e, f)) for loop in loops]


def _applies(own: Mapping[str, str]) -> bool:
    """Whether conditions like those of `switch` hold, for a reader of English."""
    tongues = own.get("systemLanguage")
    if tongues is not None and not any(t.strip().split("-")[0] == "en" for t in tongues.split(",")):
        return False
    return "requiredExtensions" not in own


def _mapped(points: Tensor, matrix: Matrix) -> Tensor:
    a, b, c, d, e, f = torch.tensor(matrix, dtype=points.dtype)
    x, y = points.unbind(-1)
    return torch.stack([a * x + c * y + e, b * x + d * y + f], -1)


def _settled(curves: Tensor) -> Tensor:
    """Curves without those of no length and handles that all but meet their anchor."""
    near = curves.new_tensor(1 / 4096)
    a, b, c, d = curves.unbind(1)
    b = torch.where((b - a).norm(dim=1, keepdim=True) < near, a, b)
    c = torch.where((d - c).norm(dim=1, keepdim=True) < near, d, c)
    moves = (curves - curves[:, :1]).abs().amax((1, 2)) > 1e-9
    curves = torch.stack([a, b, c, d], 1)
    return curves[moves] if bool(moves.any()) else curves[:1]


def _loop(curves: Tensor) -> Loop:
    """A line as a loop, closed by a straight segment where it is open."""
    if float((curves[-1, 3] - curves[0, 0]).abs().max()) > 1e-6:
        a, b = curves[-1, 3], curves[0, 0]
        back = torch.stack([a, a + (b - a) / 3, a + (b - a) * 2 / 3, b])
        curves = torch.cat([curves, back[None]])
    return curves[:, :3].reshape(-1, 2)


def _flat(loop: Loop) -> bool:
    """Whether a loop is a straight line back and forth, or a point."""
    arms = loop - loop[0]
    x, y = arms.unbind(1)
    longest = arms[arms.norm(dim=1).argmax()]
    return bool((x * longest[1] - y * longest[0]).abs().max() <= 1e-6 * longest.norm())


def _overlap(paths: list[list[Loop]]) -> bool:
    """Whether the boxes of two paths overlap; of very many it is taken for granted."""
    if not 1 < len(paths) < 1000:
        return len(paths) > 1
    low, high = (
        torch.stack(each)
        for each in zip(*(torch.cat(p).aminmax(dim=0) for p in paths), strict=True)
    )
    apart = (low[:, None] >= high[None] - 0.01).any(2)
    return bool((~(apart | apart.T)).sum() > len(paths))
