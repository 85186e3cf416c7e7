"""SVG files that are changed in a few places: the rest of their text stays as it is."""

from __future__ import annotations

import re
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final
from xml.parsers import expat

import torch
from torch import Tensor

from dreamsampler.files import InputError
from dreamsampler.generators.vector.coordinates import IDENTITY, inverse, times, transform
from dreamsampler.generators.vector.loops import mapped
from dreamsampler.generators.vector.markup import LARGEST_TEXT, Element
from dreamsampler.generators.vector.read import read_with_sources
from dreamsampler.generators.vector.reader import Source
from dreamsampler.generators.vector.scene import Scene
from dreamsampler.generators.vector.write import METADATA, head_of, hexadecimal, path_data

HARMLESS = {
    "svg", "g", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "defs", "use",
    "symbol", "linearGradient", "radialGradient", "stop", "title", "desc", "metadata", "clipPath",
    "style",
}  # fmt: skip
"""Elements that a copied file may have."""
OUTSIDE = re.compile(
    r"@import|@font-face|url\(\s*[\"']?(?![\s\"'#])|javascript:|expression\(|\\", re.IGNORECASE
)
"""What style text may not hold; a backslash can spell all of it."""


@final
@dataclass(frozen=True, eq=False)
class Document:
    """An SVG file with the places in its text of the elements that were drawn.

    Args:
        text: of the file.
        scene: what it draws.
        units: the number of the element that each path was drawn by, in their order.
        sources: by what each path was drawn.
        spans: begin, end of the start tag, and end of each element of the text.
        order: the elements in the order of the text.
        rewritten: why the text cannot be kept, so that all paths must be written anew.
    """

    text: str
    scene: Scene
    units: Tensor
    sources: list[Source]
    spans: list[tuple[int, int, int]]
    order: list[Element]
    rewritten: str | None = None

    @property
    def fixed(self) -> Tensor:
        """(p,) which paths cannot take another color: those that a `use` draws, and the ground."""
        known = [each.paint in ("fill", "stroke") for each in self.sources[:-1]]
        return ~torch.tensor(known, dtype=torch.bool)

    @classmethod
    def read(cls, path: Path, size: int | None) -> Document:
        """A file; one line of warning where its text cannot be kept and paths are written anew.

        Raises:
            InputError: as `read_svg`.
        """
        try:
            data = path.read_bytes()
            scene, sources, root, matrix = read_with_sources(data, size)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        text, spans, why = _text_of(data)
        order = [*root.iter()]
        if why is None:
            why = _harm(root, text) or (None if len(order) == len(spans) else "its elements")
        if why is not None:
            warnings.warn(f"paths of {path} are written anew, not copied: {why}", stacklevel=2)
        ends, number = [], -1
        for before, source in zip([None, *sources], sources, strict=False):
            number += before is None or before.element is not source.element
            ends.append(number)
        whole = times(matrix, transform(root.get("transform", "")) or IDENTITY)
        top = Source(root, "root", whole)
        return cls(text, scene, torch.tensor(ends), [*sources, top], spans, order, why)

    def changed(
        self,
        colors: Mapping[int, Tensor],
        removed: set[int],
        new: Scene,
        position: int,
        title: str | None = None,
        recipe: Mapping[str, object] | None = None,
    ) -> str:
        """The text with other colors, without some paths, with new ones.

        Args:
            colors: path -> RGB in [0, 1].
            removed: paths that go; those of one element go together.
            new: opaque paths, in pixels of the scene.
            position: how many of the old paths lie below the new ones: a border between elements.
            title: shown by viewers; the file's own stays if left out.
            recipe: how the result was made, for `<metadata>`.
        """
        place = {id(element): k for k, element in enumerate(self.order)}
        edits: list[tuple[int, int, str]] = []
        sheet = any(each.tag == "style" for each in self.order)
        gone = {id(self.sources[k].element) for k in removed if self.sources[k].paint != "back"}
        for key in gone:
            begin, _, end = self.spans[place[key]]
            names = [each.get("id") for each in self.order[place[key]].iter() if each.get("id")]
            kept = any(f"#{name}" in self.text for name in names)
            edits.append((begin, end, f"<defs>{self.text[begin:end]}</defs>" if kept else ""))
        tags: dict[int, str] = {}
        for k, color in colors.items():
            source = self.sources[k]
            begin, end, _ = self.spans[place[id(source.element)]]
            if id(source.element) not in gone:
                old = tags.get(begin, self.text[begin:end])
                tags[begin] = _painted(old, source.paint, hexadecimal(color.tolist()), sheet)
        edits += [(b, next(e for c, e, _ in self.spans if c == b), t) for b, t in tags.items()]
        if new.paths:
            source = self.sources[position]
            begin, _, end = self.spans[place[id(source.element)]]
            at = self.text.rindex("<", 0, end) if source.paint in ("root", "back") else begin
            edits.append((at, at, self._written(new, source)))
        edits += self._heading(title, recipe)
        text = self.text
        for begin, end, instead in sorted(edits, key=lambda each: (each[0], each[1]), reverse=True):
            text = text[:begin] + instead + text[end:]
        return text

    def _written(self, new: Scene, source: Source) -> str:
        """New paths in the coordinates of what is around an element."""
        back = inverse(source.matrix)
        unit = abs(back[0] * back[3] - back[1] * back[2]) ** 0.5
        digits = max(0, min(6, 2 - round(torch.tensor(unit).log10().item())))
        local = new.moved(mapped(new.points, back))
        lines = []
        for data, color in zip(path_data(local, digits), new.color.tolist(), strict=True):
            paint = f"fill:{hexadecimal(color[:3])};stroke:none;fill-opacity:1"
            lines.append(f'<path d="{data}" style="{paint}"/>\n')
        return "".join(lines)

    def _heading(
        self, title: str | None, recipe: Mapping[str, object] | None
    ) -> list[tuple[int, int, str]]:
        """Edits that write title and recipe in place of those that are there."""
        if title is None and recipe is None:
            return []
        edits = []
        for element, (begin, _, end) in zip(self.order, self.spans, strict=True):
            own = element.tag == "metadata" and element.get("id") == METADATA
            if own or (element.tag == "title" and element in [*self.order[0]]):
                edits.append((begin, end, ""))
        after = self.spans[0][1]
        return [*edits, (after, after, "\n" + "\n".join(head_of(title, recipe)) + "\n")]


def _text_of(data: bytes) -> tuple[str, list[tuple[int, int, int]], str | None]:
    """The text, where its elements begin, their start tags end and they end, and what is wrong."""
    if data.startswith(b"\x1f\x8b"):
        data = zlib.decompressobj(31).decompress(data, LARGEST_TEXT)
    data = data.lstrip()
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        # one byte a character keeps places; what is not ASCII is written as references
        try:
            text = data.decode("utf-8-sig").encode("ascii", "xmlcharrefreplace").decode()
        except UnicodeDecodeError:
            return "", [], "it is not in UTF-8"
    if "<!DOCTYPE" in text:
        return text, [], "it has a document type"
    spans: list[list[int]] = []
    opened: list[int] = []
    reader = expat.ParserCreate()

    def start(name: str, attributes: Mapping[str, str]) -> None:
        begin = reader.CurrentByteIndex
        tag = re.compile(r"<(?:[^>\"']|\"[^\"]*\"|'[^']*')*>").match(text, begin)
        assert tag is not None
        opened.append(len(spans))
        spans.append([begin, tag.end(), tag.end()])

    def end(name: str) -> None:
        span = spans[opened.pop()]
        if not text[span[0] : span[1]].endswith("/>"):
            span[2] = text.index(">", reader.CurrentByteIndex) + 1

    reader.StartElementHandler, reader.EndElementHandler = start, end
    try:
        reader.Parse(
            re.sub(r"(<\?xml[^>]*?)encoding=(\"[^\"]*\"|'[^']*')", _blank, text, count=1), True
        )
    except expat.ExpatError:  # references stand for no letters of a name
        return text, [], "it has names beyond ASCII"
    return text, [(a, b, c) for a, b, c in spans], None


def _blank(found: re.Match[str]) -> str:
    """A declaration without its encoding, of the same length: the text is ASCII by now."""
    return found[1] + " " * (len(found[0]) - len(found[1]))


def _harm(root: Element, text: str) -> str | None:
    """What a copy of a file may not hold: programs, and what is fetched from elsewhere."""
    if "<?xml-stylesheet" in text:
        return "it has <?xml-stylesheet"
    for element in root.iter():
        if element.tag not in HARMLESS:
            return f"it has <{element.tag}>"
        # as viewers read them, without references such as &#117;
        said = [*element.attrib.values(), (element.text or "") if element.tag == "style" else ""]
        if found := next(filter(None, map(OUTSIDE.search, said)), None):
            return f"it has {found[0]!r}"
        for name, value in element.attrib.items():
            short = name.rpartition("}")[2]
            if short.startswith("on") or (short == "href" and not value.strip().startswith("#")):
                return f"it has {short}"
    return None


def _painted(tag: str, paint: str, color: str, sheet: bool) -> str:
    """A start tag with another fill or stroke."""
    style = re.search(r"\sstyle\s*=\s*(\"[^\"]*\"|'[^']*')", tag)
    if style is None and not sheet:
        given = re.search(rf"\s{paint}\s*=\s*(\"[^\"]*\"|'[^']*')", tag)
        if given:
            return f'{tag[: given.start(1)]}"{color}"{tag[given.end(1) :]}'
        return re.sub(r"^<[^\s/>]+", lambda m: f'{m[0]} {paint}="{color}"', tag)
    if style is None:
        return re.sub(r"^<[^\s/>]+", lambda m: f'{m[0]} style="{paint}:{color}"', tag)
    words = style[1][1:-1].rstrip().rstrip(";")
    quote = style[1][0]
    return f"{tag[: style.start(1)]}{quote}{words};{paint}:{color}{quote}{tag[style.end(1) :]}"
