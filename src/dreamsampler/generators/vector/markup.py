"""SVG text that may come from anyone: checked, and reduced to what is drawn here.

Nothing is fetched and nothing is defined: a document type (it may define external entities and
"billion laughs") is refused, references are resolved within the text, and every size is bounded.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from dataclasses import dataclass
from typing import final
from xml.etree import ElementTree

from dreamsampler.files import InputError

LARGEST_TEXT = 5_000_000
MOST_ELEMENTS = 50_000
DEEPEST = 100
OPACITY = "data-opacity"
"""The attribute that holds a shape's opacity times that of its groups."""

Element = ElementTree.Element
HREF = ("href", "{http://www.w3.org/1999/xlink}href")
INVISIBLE = {"defs", "symbol", "title", "desc", "metadata", "script", "linearGradient", "view",
          "radialGradient", "marker", "animate", "animateTransform", "set"}  # fmt: skip
UNSUPPORTED = {"text", "image", "foreignObject", "clipPath", "mask", "filter", "pattern", "video"}
GRADIENTS = ("linearGradient", "radialGradient")


@final
@dataclass(frozen=True)
class Markup:
    """An SVG without references: its text, the stops of its gradients, what is left out."""

    text: str
    stops: dict[str, list[dict[str, str]]]
    left_out: list[str]


def reduce(text: str) -> Markup:
    """Check an SVG's text and take out what shapes do not need.

    Copies stand where `use` elements stood; opacities of groups are multiplied into their shapes.

    Raises:
        InputError: for what is no SVG, holds a document type, or is too large or too deep.
    """
    root = _parsed(text)
    named = {e.attrib["id"]: e for e in root.iter() if "id" in e.attrib}
    left_out: Counter[str] = Counter()
    stops = {
        name: _stops(element, named)
        for name, element in named.items()
        if _tag(element) in GRADIENTS
    }
    _Reduction(named, left_out).children(root, 1.0, 1)
    known = [f"{name} ({count})" for name, count in sorted(left_out.items())]
    return Markup(ElementTree.tostring(root, encoding="unicode"), stops, known)


def declarations(element: Element) -> dict[str, str]:
    """Attributes of an element, with those of its style attribute on top."""
    found = dict(element.attrib)
    for part in element.attrib.get("style", "").split(";"):
        name, colon, value = part.partition(":")
        if colon:
            found[name.strip()] = value.strip()
    return found


def share(value: str | None, otherwise: float = 1.0) -> float:
    """A number or a percentage as a share in [0, 1].

    Example:
        >>> share("25%"), share("7"), share("half"), share(None)
        (0.25, 1.0, 1.0, 1.0)
    """
    try:
        number = float(value.rstrip("%")) / 100 if value and "%" in value else float(value or "")
    except ValueError:
        return otherwise
    return min(1.0, max(0.0, number)) if number == number else otherwise


def _parsed(text: str) -> Element:
    if len(text) > LARGEST_TEXT:
        raise InputError(
            f"the SVG has {len(text):,} characters, but {LARGEST_TEXT:,} are the most: simplify it"
        )
    if re.search(r"<!\s*(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise InputError(
            "the SVG has a document type (<!DOCTYPE ...>), which is not read because it may define "
            "entities: delete that line"
        )
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise InputError(f"this is no SVG, since it is no XML: {error}") from error
    if _tag(root) != "svg":
        raise InputError(f"this is no SVG: its first element is <{_tag(root)}>, not <svg>")
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise InputError(f"the SVG is nested more than {DEEPEST} deep: flatten its groups")
        level = [child for element in level for child in element]
    return root


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _target(element: Element) -> str | None:
    """What a reference of this element points to, if it lies in the same text."""
    href = next((element.attrib[name] for name in HREF if name in element.attrib), "")
    return href[1:] if href.startswith("#") else None


def _stops(gradient: Element, named: dict[str, Element]) -> list[dict[str, str]]:
    """The stops of a gradient, or of the one that it refers to."""
    visited: set[int] = set()
    element: Element | None = gradient
    while element is not None and id(element) not in visited:
        visited.add(id(element))
        if stops := [declarations(stop) for stop in element if _tag(stop) == "stop"]:
            return stops
        element = named.get(_target(element) or "")
    return []


@final
@dataclass
class _Reduction:
    """Removes and replaces elements, and counts those that stay."""

    named: dict[str, Element]
    left_out: Counter[str]
    kept: int = 0

    def children(self, parent: Element, opacity: float, depth: int) -> None:
        """Reduce everything below an element that is kept."""
        opacity *= self._opacity(parent)
        parent.attrib[OPACITY] = repr(opacity)
        if depth > DEEPEST:
            raise InputError(f"the SVG is nested more than {DEEPEST} deep: it may use itself")
        for child in list(parent):
            tag = _tag(child)
            if tag in UNSUPPORTED or tag in INVISIBLE or not tag:
                if tag in UNSUPPORTED:
                    self.left_out[tag] += 1
                parent.remove(child)
                continue
            self._count(1)
            if tag == "use":
                self._copy(child)
            self.children(child, opacity, depth + 1)

    def _count(self, more: int) -> None:
        self.kept += more
        if self.kept > MOST_ELEMENTS:
            raise InputError(
                f"the SVG draws more than {MOST_ELEMENTS:,} elements (references counted as often "
                "as they are used): simplify it"
            )

    def _copy(self, use: Element) -> None:
        """Make a `use` element a group around a copy of what it refers to."""
        target = self.named.get(_target(use) or "")
        if target is None:
            self.left_out["use of something that is not in the file"] += 1
        else:
            self._count(sum(1 for _ in target.iter()))  # before the copy takes its memory
            inner = copy.deepcopy(target)
            if _tag(inner) == "symbol":
                inner.tag = "{http://www.w3.org/2000/svg}g"
            use.append(inner)
        x, y = (use.attrib.pop(name, "0") for name in "xy")
        move = f"translate({x},{y})"
        use.attrib["transform"] = f"{use.attrib.get('transform', '')} {move}".strip()
        for name in (*HREF, "width", "height"):
            use.attrib.pop(name, None)
        use.tag = "{http://www.w3.org/2000/svg}g"

    def _opacity(self, element: Element) -> float:
        """An element's own opacity; also counts attributes that are not supported."""
        found = declarations(element)
        for name in ("clip-path", "mask", "filter", "stroke-dasharray", "marker-end"):
            if found.get(name, "none") != "none":
                self.left_out[name] += 1
        element.attrib.pop("opacity", None)
        return share(found.get("opacity"))
