"""SVG text that may come from anyone: parsed within bounds, its style sheets applied.

Nothing is fetched: external entities and style sheets are not read, references are looked up in the
same text, and size, depth and expanded entities are bounded.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable
from typing import Any, final
from xml.etree import ElementTree

from dreamsampler.files import InputError

LARGEST_TEXT = 5_000_000
MOST_ELEMENTS = 50_000
DEEPEST = 100
MOST_MATCHES = 20_000_000
"""Steps of matching selectors to elements at worst; rules beyond are left out."""

COSTLY = re.compile(r"~(?!=)|\(|:(?!(?:first-child|last-child|root|hover|focus|active|link)\b)")
"""Parts of a selector that look through siblings or descendants."""

Element = ElementTree.Element

INHERITED = {
    "clip-rule", "color", "fill", "fill-opacity", "fill-rule", "font-size", "marker-end",
    "marker-mid", "marker-start", "paint-order", "shape-rendering", "stroke", "stroke-dasharray",
    "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "stroke-opacity", "stroke-width",
    "visibility",
}  # fmt: skip
"""Properties that elements inherit from those around them."""
PROPERTIES = INHERITED | {
    "background", "background-color", "clip-path", "display", "filter", "mask", "mix-blend-mode",
    "opacity", "overflow", "stop-color", "stop-opacity", "transform", "transform-origin",
    "vector-effect",
}  # fmt: skip
"""What a style sheet can say; resvg takes geometry (x, width, d) from attributes alone."""
WITHOUT_EFFECT = ("charset", "font-face", "keyframes", "namespace", "page")
"""At-rules that change no shape."""


def parsed(data: bytes | str, left_out: Counter[str]) -> Element:
    """The root element; what style sheets and `style` say stands in the attributes.

    Names are without namespace; elements of other namespaces are called "foreign".

    Args:
        data: of an SVG file, gzipped or not, in the encoding that it declares; or text.
        left_out: counts rules that were not understood.

    Raises:
        InputError: for what is no SVG, or is too large or too deep.
    """
    if isinstance(data, bytes) and data.startswith(b"\x1f\x8b"):
        try:
            data = zlib.decompressobj(31).decompress(data, LARGEST_TEXT + 1)
        except zlib.error as error:
            raise InputError(f"this is no SVG: it begins like gzip, but {error}") from error
    _check_size(len(data))
    tree = _Builder()
    reader = ElementTree.XMLParser(target=tree)
    try:
        reader.feed(data.lstrip())
        root = reader.close()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(f"this is no SVG, since it is no XML: {error}") from error
    if root.tag != "svg":
        raise InputError(f"this is no SVG: its first element is <{root.tag}>, not <svg>")
    try:
        _apply_style_sheets(root, tree, left_out)
    except RecursionError as error:
        raise InputError("the SVG has styles that are nested too deep: simplify them") from error
    return root


def reference(element: Element) -> str | None:
    """The id that `href` points to in the same text."""
    href = element.get("href", element.get("{http://www.w3.org/1999/xlink}href", "")).strip()
    return href[1:] if href.startswith("#") else None


def _check_size(size: int) -> None:
    if size > LARGEST_TEXT:
        raise InputError(
            f"the SVG has more than {LARGEST_TEXT:,} characters (entities expanded): simplify it"
        )


@final
class _Builder(ElementTree.TreeBuilder):
    """A tree of local names that stops where it grows too large."""

    elements = depth = deepest = characters = 0

    def start(self, tag: str, attrs: dict[str, str]) -> Element:
        self.elements += 1
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)
        if self.elements > MOST_ELEMENTS:
            raise InputError(f"the SVG has more than {MOST_ELEMENTS:,} elements: simplify it")
        if self.depth > DEEPEST:
            raise InputError(f"the SVG is nested more than {DEEPEST} deep: flatten its groups")
        self._counted(sum(map(len, attrs.values())))
        space, _, name = tag.rpartition("}")
        known = space in ("", "{http://www.w3.org/2000/svg")
        return super().start(name if known else "foreign", attrs)

    def end(self, tag: str) -> Element:
        self.depth -= 1
        return super().end(tag)

    def data(self, data: str) -> None:
        self._counted(len(data))
        super().data(data)

    def _counted(self, more: int) -> None:
        self.characters += more
        _check_size(self.characters)


def _apply_style_sheets(root: Element, tree: _Builder, left_out: Counter[str]) -> None:
    """Write declarations into attributes: `!important` ones over `style` over style sheets."""
    import cssselect2
    import tinycss2

    matcher, matches = cssselect2.Matcher(), 0
    elements = cssselect2.ElementWrapper.from_xml_root(root)
    siblings = max(len(element) for element in root.iter())
    for sheet in root.iter("style"):
        if sheet.get("type", "text/css").strip() not in ("", "text/css"):
            continue
        text = "".join(sheet.itertext())
        for rule in tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True):
            if rule.type == "at-rule" and rule.lower_at_keyword not in WITHOUT_EFFECT:
                left_out[f"@{rule.lower_at_keyword}"] += 1
            if rule.type != "qualified-rule":
                continue
            cost = tree.elements * _steps(tinycss2.serialize(rule.prelude), tree.deepest, siblings)
            if matches + cost > MOST_MATCHES:
                left_out["style rules that take too long"] += 1
                continue
            try:
                selectors = cssselect2.compile_selector_list(rule.prelude)
            except cssselect2.SelectorError:
                left_out["unknown selector"] += 1
                continue
            matches += cost
            content = _declarations(rule.content)
            for selector in selectors:
                if selector.pseudo_element is None:  # ::before is no element
                    matcher.add_selector(selector, content)
    styled = elements.iter_subtree() if matches else ()
    found_by = {id(each.etree_element): matcher.match(each) for each in styled}
    for element in root.iter():
        found = [each for match in found_by.get(id(element), ()) for each in match[-1]]
        if "style" in element.attrib:
            found += _declarations(tinycss2.parse_component_value_list(element.attrib["style"]))
        for name, value, _ in sorted(found, key=lambda declaration: declaration[2]):
            element.attrib[name] = value


def _steps(selectors: str, depth: int, siblings: int) -> int:
    """How many elements selectors visit at worst to decide on one."""
    steps = 0
    for text in re.sub(r"\s*([>,+~])\s*", r"\1", selectors.strip()).split(","):
        ancestors, others = len(re.findall(r"\s+", text)), len(COSTLY.findall(text))
        steps += depth**ancestors * (depth + siblings) ** others
    return steps


def _declarations(tokens: Iterable[Any]) -> list[tuple[str, str, bool]]:
    """Name, value and importance of known properties."""
    import tinycss2

    found = []
    for each in tinycss2.parse_declaration_list(tokens, skip_comments=True, skip_whitespace=True):
        if each.type != "declaration":
            continue
        value = tinycss2.serialize([token for token in each.value if token.type != "comment"])
        value = re.sub(r"\s+", " ", value).strip()
        marker = ("marker-start", "marker-mid", "marker-end")
        for name in marker if each.lower_name == "marker" else (each.lower_name,):
            if name in PROPERTIES:
                found.append((name, value, each.important))
    return found
