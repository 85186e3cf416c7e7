"""Draws the elements of an SVG, one after another, as paths."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, final

import torch

from dreamsampler.files import InputError
from dreamsampler.generators.vector.coordinates import (
    IDENTITY,
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
from dreamsampler.generators.vector.loops import filled, mapped, overlap, stroked
from dreamsampler.generators.vector.markup import (
    DEEPEST,
    INHERITED,
    MOST_ELEMENTS,
    PROPERTIES,
    Element,
    reference,
)
from dreamsampler.generators.vector.paint import BLACK, RGBA, color, share, target
from dreamsampler.generators.vector.pathdata import SHAPES, Line, lines_of, outline
from dreamsampler.generators.vector.scene import FillRule, Loop

LARGEST_COORDINATE = 1e5
"""Pixels; a canvas has at most 16384."""
MOST_SEGMENTS = 500_000
FONT_SIZE = 16.0
"""Pixels of an em where no size is given; as browsers have it."""
UNSUPPORTED = ("text", "image", "foreignObject", "video", "audio", "canvas", "iframe")
CONTAINERS = ("g", "a", "svg", "symbol", "switch", "use")
DRAWN = {*SHAPES, *UNSUPPORTED, *CONTAINERS}
CHOSEN = DRAWN - {"foreignObject"} | {
    "clipPath", "defs", "filter", "linearGradient", "marker", "mask", "pattern", "radialGradient",
    "stop", "tspan",
}  # fmt: skip
"""What a `switch` can choose, also to draw nothing."""
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
@dataclass(frozen=True, eq=False)
class Source:
    """What a path was drawn by.

    Args:
        element: the shape, or the outermost `use` through which it is drawn.
        paint: "fill" or "stroke" of a shape, "use", or "back" of the canvas.
        matrix: of what is around the element, to pixels.
    """

    element: Element
    paint: str
    matrix: Matrix


@final
class Reader:
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
        self.sources: list[Source] = []
        self._source = Source(root, "back", IDENTITY)
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
            self._shape(element, state, around.matrix)
        elif tag == "use":
            outer, inside = self._source, self._source.paint == "use"
            self._source = outer if inside else Source(element, "use", around.matrix)
            self._use(element, state)
            self._source = outer
        elif tag == "symbol" or (tag == "svg" and around.above):
            self._view(element, state, sides or (None, None))
        else:
            shown = [child for child in element if child.tag in CHOSEN and _applies(child.attrib)]
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
        if element.tag == "symbol" and own.pop("transform", None):
            self.left_out["transform of <symbol>"] += 1
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
        value, (width, height) = root.get("background-color", "none"), self.canvas
        if ink := color(value, "black", self.named, self.left_out):
            self._append(filled(lines_of(f"M0 0h{width}v{height}h{-width}z")), ink, "nonzero")
        self.left_out["background"] += "background" in root.attrib

    # --- references and views ---------------------------------------------------------------------

    def _use(self, element: Element, state: State) -> None:
        linked = self.named.get(reference(element) or "")
        if linked is None:
            self.left_out["use of something that is not in the file"] += 1
        elif id(linked) in state.above or any(each is element for each in linked.iter("use")):
            self.left_out["use of itself"] += 1
        else:
            x, y, *sides = (self._length(name, state) for name in ("x", "y", "width", "height"))
            moved = replace(state, matrix=times(state.matrix, shift(x or 0.0, y or 0.0)))
            self.draw(linked, moved, (sides[0], sides[1]))

    def _view(self, element: Element, state: State, sides: Sides) -> None:
        """A nested `svg`, or a `symbol` with the sides of its `use`."""
        nested, sized, x, y = element.tag == "svg", sides != (None, None), 0.0, 0.0
        if nested:
            x, y, *own = (self._length(name, state) for name in ("x", "y", "width", "height"))
            x, y, sized = x or 0.0, y or 0.0, sized or None not in own
            sides = (_given(sides[0], own[0]), _given(sides[1], own[1]))
        width, height = (_given(*each) or 0.0 for each in zip(sides, state.view, strict=True))
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
            if name == "clip-path" and linked is not None:
                box = self._rectangle(linked, state)
                if box and self._covers(box, state.matrix, first):
                    continue
            self.left_out[name] += 1
        if 0 < share(state.own.get("opacity")) < 1 and overlap(self.paths[first:]):
            self.left_out["opacity of overlapping shapes"] += 1

    def _rectangle(self, clip: Element, state: State) -> Box | None:
        """The rectangle that a `clipPath` is; None for another one."""
        shapes = [child for child in clip if child.tag in SHAPES]
        changed = {"transform", "clip-path", "clipPathUnits", "display"}
        if len(shapes) != 1 or any(changed & {*each.keys()} for each in (clip, *shapes)):
            return None
        lines = self._lines(shapes[0], replace(state, own=shapes[0].attrib))
        if len(lines) != 1:
            return None
        points = lines[0][0][:, :3].reshape(-1, 2)
        low, high = points.aminmax(dim=0)
        (x, y), (width, height) = low.tolist(), (high - low).tolist()
        along = points.roll(-1, 0)
        area = abs(float((points[:, 0] * along[:, 1] - points[:, 1] * along[:, 0]).sum())) / 2
        return (x, y, width, height) if math.isclose(area, width * height) else None

    def _covers(self, box: Box, matrix: Matrix, first: int) -> bool:
        """Whether a rectangle covers what was drawn since `first`, within the canvas."""
        loops = [loop for path in self.paths[first:] for loop in path]
        if not loops:
            return True
        points = torch.cat(loops).clamp(min=0).minimum(torch.tensor(self.canvas))
        x, y = mapped(points, inverse(matrix)).unbind(1)
        slack = 0.02 * math.hypot(*inverse(matrix)[:4])
        inside = (x - box[0] >= -slack) & (x - box[0] <= box[2] + slack)
        inside &= (y - box[1] >= -slack) & (y - box[1] <= box[3] + slack)
        return bool(inside.all())

    # --- shapes -----------------------------------------------------------------------------------

    def _lines(self, element: Element, state: State) -> list[Line]:
        return outline(element.tag, state.own, lambda name: self._length(name, state))

    def _shape(self, element: Element, state: State, around: Matrix) -> None:
        """The fill of a shape, and its stroke as one more path."""
        style, lines = state.style, self._lines(element, state)
        pixels = [(mapped(curves, state.matrix), closed) for curves, closed in lines]
        if not self._fit(pixels) or style.get("visibility") in ("hidden", "collapse"):
            return
        order = [*style.get("paint-order", "").split(), "fill", "stroke"]
        for name in sorted(("fill", "stroke"), key=order.index):
            ink = self._ink(name, style)
            if ink is None:
                continue
            width = self._length("stroke-width", state)
            width = 1.0 if width is None else width
            loops, rule = filled(pixels), style.get("fill-rule", "nonzero")
            if name == "stroke":
                self._name_values(style, "stroke-dasharray", "stroke-linejoin")
                loops = stroked(lines, state.matrix, width, style) if width > 0 else []
                rule = "nonzero"
            self._name_values(style, "shape-rendering")
            opacity = ink[3] * share(style.get(f"{name}-opacity")) * state.opacity
            if self._source.paint != "use":
                self._source = Source(element, name, around)
            self._append(loops, (*ink[:3], opacity), "evenodd" if rule == "evenodd" else "nonzero")
        for name in ("marker-start", "marker-mid", "marker-end"):
            self.left_out["marker"] += target(style.get(name, "")) in self.named

    def _ink(self, name: str, style: Mapping[str, str]) -> RGBA | None:
        """The color of a fill or a stroke."""
        default, invalid = ("black", BLACK) if name == "fill" else ("none", None)
        current = style.get("color") or "black"
        return color(style.get(name) or default, current, self.named, self.left_out, invalid)

    def _append(self, loops: list[Loop], ink: RGBA, rule: FillRule) -> None:
        if loops:
            far = LARGEST_COORDINATE
            self.paths.append([loop.clamp(-far, far).float() for loop in loops])
            self.colors.append(ink)
            self.rules.append(rule)
            self.sources.append(self._source)

    def _name_values(self, style: Mapping[str, str], *names: str) -> None:
        for name in names:
            self.left_out[name] += style.get(name, "") not in ("", *HARMLESS[name])

    def _fit(self, lines: list[Line]) -> bool:
        """Whether there are lines of finite points; refuses too many segments."""
        self.segments += sum(len(curves) for curves, _ in lines)
        if self.segments > MOST_SEGMENTS:
            raise InputError(f"the SVG has more than {MOST_SEGMENTS:,} segments: simplify it")
        if not lines:
            return False
        points = torch.cat([curves for curves, _ in lines])
        x, y = points.amax((0, 1)).tolist()
        self.reach = (max(x, self.reach[0]), max(y, self.reach[1]))
        if float(points.abs().max()) > LARGEST_COORDINATE:
            self.left_out[f"points beyond {LARGEST_COORDINATE:.0f} pixels"] += 1
        return bool(points.isfinite().all())


def _given(a: float | None, b: float | None) -> float | None:
    return b if a is None else a


def _applies(own: Mapping[str, str]) -> bool:
    """Whether conditions like those of `switch` hold, for a reader of English."""
    tongues = own.get("systemLanguage")
    if tongues is not None and not any(t.strip().split("-")[0] == "en" for t in tongues.split(",")):
        return False
    return "requiredExtensions" not in own
