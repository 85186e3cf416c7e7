"""Random SVG files made of every feature, valid and odd ones alike."""

# ruff: noqa: E501  # lists of values

from __future__ import annotations

import gzip
import random

LENGTHS = ("5", "40", "-3", "12.5", "1e1", "30%", "2em", "3ex", "4mm", "9pt", ".5in", "1pc", "7px",
           "0", "auto", "inherit", "1rem", "nan", "1e999", "", "x")  # fmt: skip
COLORS = ("red", "#0a6", "#0a68", "#00aa6680", "rgb(10,170,90)", "rgb(10 170 90 / 50%)", "none",
          "hsl(150 80% 40%)", "hsla(150,80%,40%,.4)", "currentColor", "inherit", "initial",
          "url(#a)", "url(#b) teal", "url('#c')", "url(x.svg#a)", "transparent", "context-fill",
          "oklch(50% .1 20)", "color-mix(in srgb, red, blue)", "rgb(", "", "red;fill:blue")  # fmt: skip
TRANSFORMS = ("translate(9)", "rotate(20)", "rotate(30 40 50)", "scale(1.5,.7)", "skewX(15)", "none",
              "matrix(1 .2 -.3 1.1 9 -4)", "scale(0)", "scale(1e9)", "rotate(5deg)", "rotate(a)",
              "matrix(1 2 3)", "translate(1e400)", "scale(-1 1)", "")  # fmt: skip
LINKS = (
    "#a",
    "#b",
    "#c",
    "#d",
    "#nothing",
    "x.svg#a",
    "http://a/b#c",
    "data:image/png;base64,",
    "",
)
LINKED = ("url(#a)", "url(#b)", "url(#c)", "url(#nothing)", "none", "circle(50%)", "url(")
PATHS = ("M10 10H80V70H10Z", "m5 50c0-40 50-40 50 0s20 40 30 0", "M10 50Q40 0 50 50T90 50", "M5 5",
         "M20 50A30 20 15 0 1 80 50", "M20 50A0 20 0 0 1 80 60", "M20 50a30 20 0 01 50 10z", "z",
         "M0 0L9 9Z m1 1zl5 5", "M1 1 2 2,,3 3", "M 1e999 0 L 5 5 9 0", "L5 5", "", "M0,0 C oh no")  # fmt: skip
BOXES = ("0 0 100 100", "0,0,50,20", "-10 -10 40 90", "0 0 0 0", "0 0 -5 5", "a", "0 0 1e-9 1e9")
VALUES = {
    **dict.fromkeys(("x", "y", "width", "height", "cx", "cy", "r", "rx", "ry", "x1", "y2", "offset",
                     "stroke-width", "font-size", "stroke-dasharray", "stroke-miterlimit"), LENGTHS),
    **dict.fromkeys(("fill", "stroke", "color", "stop-color", "background-color"), COLORS),
    **dict.fromkeys(("opacity", "fill-opacity", "stroke-opacity", "stop-opacity"),
                    (".5", "40%", "2", "-1", "nan", "inherit", "")),
    **dict.fromkeys(("clip-path", "mask", "filter", "marker-end", "marker"), LINKED),
    **dict.fromkeys(("href", "xlink:href"), LINKS),
    "transform": TRANSFORMS,
    "transform-origin": ("50 50", "50% 10%", "center", "right top", "a", "1 2 3 4"),
    "d": PATHS,
    "points": ("10,12 80 23.5 44-90 1", "5 5", "", "a", "1 2 3 4z"),
    "viewBox": BOXES,
    "preserveAspectRatio": ("none", "xMinYMax", "xMidYMid slice", "meet", ""),
    "class": ("a", "b", "a b"),
    "id": ("a", "b", "c", "d"),
    "display": ("none", "inline", "inherit"),
    "visibility": ("hidden", "visible", "collapse"),
    "overflow": ("visible", "hidden"),
    "fill-rule": ("evenodd", "nonzero", "x"),
    "stroke-linecap": ("round", "square", "x"),
    "stroke-linejoin": ("round", "bevel", "miter-clip"),
    "paint-order": ("stroke", "markers", "fill stroke x", "normal"),
    "systemLanguage": ("de", "en-GB, fr", ""),
    "gradientUnits": ("userSpaceOnUse", "x"),
    "mix-blend-mode": ("multiply", "normal"),
    "xml:space": ("preserve",),
}  # fmt: skip
ELEMENTS = ("rect", "circle", "ellipse", "line", "polyline", "polygon", "path", "path", "use", "g", "g",
            "svg", "symbol", "switch", "a", "defs", "text", "image", "clipPath", "mask", "marker",
            "pattern", "linearGradient", "radialGradient", "stop", "foreignObject", "x:rect", "title")  # fmt: skip
GEOMETRY = {
    "rect": ("x", "y", "width", "height"),
    "circle": ("cx", "cy", "r"),
    "ellipse": ("cx", "cy", "rx", "ry"),
    "line": ("x1", "y2", "stroke"),
    "polyline": ("points",),
    "polygon": ("points",),
    "path": ("d",),
    "use": ("href",),
}
SELECTORS = ("*", "rect", ".a", "#b", "g > .a", "g rect", "[id]", '[class~="b"]', ":first-child", "svg",
             "rect + path", ":hover", "a:not(.b)", "x|rect", "::before", ">", "stop", "g g g .b", "")  # fmt: skip
AROUND = ("@import url(x.css);", "@media print {{{}}}", '@charset "x";', "/* {} */", "<!-- {} -->", "{}",
          "<![CDATA[{}]]>", "@font-face{{}} {}", "{{{{{{ {}", "{} }}}}")  # fmt: skip
KINDS = ("", '<?xml version="1.0"?>', '<?xml version="1.0" encoding="utf-16"?>', "<!DOCTYPE svg>",
         '<!DOCTYPE svg PUBLIC "a" "b">', '<!DOCTYPE svg [<!ENTITY e "red"><!ENTITY f "&e;&e;">]>',
         '<!DOCTYPE svg SYSTEM "file:///x" [<!ENTITY e SYSTEM "file:///etc/passwd">]>')  # fmt: skip


def random_svg(rng: random.Random) -> bytes:
    """An SVG file: elements, attributes, style sheets, encodings and document types by chance."""
    odd = ["viewBox", "width", "height", "style", "fill", "transform", "preserveAspectRatio"]
    head = " ".join(_attributes(rng, odd, 3)) if rng.random() < 0.2 else 'viewBox="0 0 100 100"'
    body = "".join(_element(rng, 0) for _ in range(rng.randint(1, 6)))
    kind = rng.choice(KINDS)
    if "ENTITY" in kind and rng.random() < 0.5:
        body = body.replace('"red"', '"&e;"') + "&f;" * rng.randint(0, 1)
    spaces = 'xmlns:x="urn:x" xmlns:xlink="http://www.w3.org/1999/xlink"'
    text = f'{kind}<svg xmlns="http://www.w3.org/2000/svg" {spaces} {head}>{body}</svg>'
    coding = "utf-16" if "utf-16" in kind else rng.choice(["utf-8", "utf-8", "utf-8-sig"])
    data = text.encode(coding)
    return gzip.compress(data) if rng.random() < 0.1 else data


def _element(rng: random.Random, depth: int) -> str:
    if rng.random() < 0.12:
        return f"<style>{_sheet(rng)}</style>"
    tag = rng.choice(ELEMENTS)
    needed = GEOMETRY.get(tag, ())
    others = [name for name in (*VALUES, "style") if name not in needed]
    own = _attributes(rng, [*needed], 4) + _attributes(rng, others, rng.randint(0, 6))
    attributes = " ".join(own)
    count = rng.randint(0, 3) if depth < 4 else 0
    return f"<{tag} {attributes}>{''.join(_element(rng, depth + 1) for _ in range(count))}</{tag}>"


def _attributes(rng: random.Random, names: list[str], most: int) -> list[str]:
    found = []
    for name in rng.sample(names, min(most, len(names))):
        value = _declarations(rng) if name == "style" else _value(rng, name)
        found.append(f'{name}="{value.replace(chr(34), "&quot;")}"')
    return found


def _declarations(rng: random.Random) -> str:
    names = rng.sample([*VALUES], rng.randint(0, 4))
    ends = (";", ";", " !important;", "/**/;", "", "}")
    return "".join(f"{name}:{_value(rng, name)}{rng.choice(ends)}" for name in names)


def _value(rng: random.Random, name: str) -> str:
    """Mostly one of the first, which are valid."""
    values = VALUES[name]
    return rng.choice(values[: 1 + len(values) // 2] if rng.random() < 0.85 else values)


def _sheet(rng: random.Random) -> str:
    rules = (f"{rng.choice(SELECTORS)}{{{_declarations(rng)}}}" for _ in range(rng.randint(0, 4)))
    text = rng.choice(AROUND).format("".join(rules))
    return text if "CDATA" in text or "<!--" in text else text.replace("<", "").replace("&", "")
