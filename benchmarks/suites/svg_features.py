"""SVG snippets of every feature, and files made of them."""

# ruff: noqa: E501  # a snippet of SVG is one line

R = '<rect x="18" y="23" width="41" height="37" {}/>'
A, B = R.format('class="a"'), '<circle class="b" cx="70" cy="66" r="17"/>'
STAR = "M50 8L78 88 8 38h84L22 88z"
GREEN = 'fill="#0a6"'


def shape(attributes: str, around: str = "{}") -> str:
    """A rectangle with attributes."""
    return around.format(R.format(attributes))


DRAWN: dict[str, str] = {
    # style sheets
    "class": f"<style>.a{{fill:#0a6}}</style>{A}",
    "in defs": f"<defs><style>.a{{fill:#0a6}}.b{{fill:none;stroke:red;stroke-width:5px}}</style></defs>{A}{B}",
    "after its use": f"{A}{B}<style>.a{{fill:#0a6}} .b{{opacity:.3}}</style>",
    "descendant": f"<style>g .a{{fill:#0a6}}</style><g><g>{A}</g></g>{B}",
    "child": f"<style>g>.a{{fill:#0a6}} g>circle{{fill:red}}</style><g>{A}<a>{B}</a></g>",
    "attribute": '<style>[id]{fill:red} rect[id="x"]{stroke:#00f}</style>' + shape('id="x"') + B,
    "word": '<style>[class~="q"]{stroke:#00f}</style>' + shape('class="p q"'),
    "pseudo-element": f"<style>.a::before{{fill:red}} ::after{{opacity:0}}</style>{A}{B}",
    "first child": f"<style>g :first-child{{fill:#0a6}}</style><g>{A}{B}</g>",
    "list": f"<style>circle, .a{{fill:#0a6}}</style>{A}{B}",
    "universal": f"<style>*{{fill:#0a6}}</style>{A}{B}",
    "two classes": "<style>.a.c{fill:#0a6} .a{fill:red}</style>" + shape('class="a c"'),
    "id over class": "<style>#x{fill:#0a6} .a{fill:red} rect{fill:blue}</style>"
    + shape('id="x" class="a"'),
    "later rule": f"<style>.a{{fill:red}} .a{{fill:#0a6}}</style>{A}",
    "sheet over attribute": "<style>rect{fill:#0a6}</style>" + shape('fill="red"'),
    "style over sheet": "<style>rect{fill:red}</style>" + shape('style="fill:#0a6"'),
    "important": "<style>rect{fill:#0a6 !important}</style>" + shape('style="fill:red"'),
    "important style": "<style>rect{fill:red}</style>" + shape('style="fill:#0a6!important"'),
    "comments": "<style>/*a*/rect/*b*/{/*c*/fill:/*d*/#0a6/*e*/}</style>" + shape(""),
    "comment in style": shape('style="/*x*/fill:#0a6;;stroke:/*y*/red"'),
    "cdata": f"<style><![CDATA[ .a{{fill:#0a6}} g>.b{{fill:red}} ]]></style>{A}<g>{B}</g>",
    "charset": f'<style>@charset "utf-8"; .a{{fill:#0a6}}</style>{A}',
    "font face": f'<style>@font-face{{font-family:x}} .a{{fill:#0a6}}</style>{A}',
    "another type": f'<style type="text/x">.a{{fill:red}}</style>{A}',
    "type text/css": f'<style type="text/css">.a{{fill:#0a6}}</style>{A}',
    "two sheets": f"<style>.a{{fill:red}}</style><style>.a{{fill:#0a6}}</style>{A}",
    "unknown properties": shape('style="fill:#0a6;-inkscape-x:1;font-family:&quot;a;b&quot;"'),
    "broken rules": f"<style>.x{{}} .a{{fill:red;fill}} .a{{fill:#0a6</style>{A}",
    "transform": "<style>.t{transform:translate(20,9)}</style>" + shape('fill="#0a6" class="t"'),
    "of a group": f"<style>.g{{fill:#0a6;stroke:red}}</style><g class='g'>{A}{B}</g>",
    # inheritance
    "inherit": shape('fill="inherit"', "<g fill='#0a6'>{}</g>"),
    "inherit opacity": shape('opacity="inherit"', "<g opacity='.5'>{}</g>"),
    "current color": shape('fill="currentColor"', "<g color='#0a6'>{}</g>"),
    "current color of its own": shape('fill="currentColor" color="#0a6" stroke="currentColor"'),
    "visibility": f'<g visibility="hidden">{A}<circle cx="70" cy="66" r="17" visibility="visible"/></g>',
    "display": f'<g display="none">{A}</g>{B}',
    "display by style": f"<style>.a{{display:none}}</style>{A}{B}",
    "fill rule by style": f'<path d="{STAR}" style="fill-rule:evenodd"/>',
    "fill rule inherited": f'<g fill-rule="evenodd"><path d="{STAR}"/></g>',
    "paint order": shape('fill="#0a6" stroke="red" stroke-width="12" paint-order="stroke"'),
    "paint order by style": shape('style="fill:#0a6;stroke:red;stroke-width:9;paint-order:markers stroke"'),
    # opacity
    "opacity": shape('fill="#0a6" opacity=".4"'),
    "opacity in percent": shape('fill="#0a6" opacity="40%"'),
    "opacity of a group": f'<g opacity=".4">{A}<circle cx="80" cy="80" r="14"/></g>',
    "opacities": shape('fill="#0a6" fill-opacity=".5" stroke="red" stroke-opacity="30%" stroke-width="8"'),
    "opacity of a copy": f'<g opacity=".5" id="o">{shape(GREEN)}</g><use href="#o" x="30" y="25" opacity=".5"/>',
    # colors
    **{
        f"color {color}": shape(f'fill="{color}" stroke="red"')
        for color in ("#0a6", "#00aa66", "#0a68", "#00aa6680", "rgb(10,170,90)", "rgb(10%, 60%, 30%)",
                      "rgba(0,170,90,.5)", "hsl(150,80%,40%)", "hsla(150,80%,40%,.4)", "SeaGreen",
                      "transparent", "none", "url(#nothing) teal", "url(#nothing)", "RGB(1,99,3)")
    },
    # gradients of one color
    "gradient of one stop": '<linearGradient id="g"><stop stop-color="#0a6" stop-opacity=".5"/>'
    "</linearGradient>" + shape('fill="url(#g)"'),
    "gradient of one color by classes": "<style>.s{stop-color:#0a6}</style><radialGradient id='h' href='#g'/>"
    '<linearGradient id="g"><stop class="s"/><stop offset="1" class="s"/></linearGradient>'
    + shape("fill=\"url('#h')\""),
    "gradient without stops": '<linearGradient id="g"/>' + shape('fill="url(#g) teal"'),
    "paint by what is no paint": '<circle id="c" r="9"/>' + shape('fill="url(#c) red" stroke="url(#c) red"') + B,
    # views
    "nested svg": f'<svg x="20" y="30" width="40" height="50" viewBox="0 0 10 10"><rect width="10" height="10" {GREEN}/></svg>',
    "nested svg in percent": f'<svg x="10%" y="20%" width="50%" height="60%"><rect width="50%" height="25%" {GREEN}/></svg>',
    "nested svg without size": f'<svg x="10" y="20"><rect width="30" height="45" {GREEN}/></svg>',
    **{
        f"aspect {aspect}": '<svg x="11" y="13" width="70" height="40" viewBox="0 0 10 10" '
        f'preserveAspectRatio="{aspect}"><rect width="10" height="10" {GREEN}/></svg>'
        for aspect in ("none", "xMinYMin", "xMidYMid meet", "xMaxYMax", "xMinYMax")
    },
    "overflow": f'<svg x="20" y="30" width="20" height="20" overflow="visible">{shape(GREEN)}</svg>',
    "symbol": f'<symbol id="s">{shape(GREEN)}</symbol><use href="#s" x="9" y="4" width="90" height="90"/>',
    "symbol with a view": '<symbol id="s" viewBox="0 0 10 20" preserveAspectRatio="xMaxYMin">'
    f'<rect width="10" height="20" {GREEN}/></symbol><use href="#s" x="20" y="30" width="40" height="40"/>',
    "symbol without size": f'<symbol id="s" viewBox="0 0 10 10"><rect width="7" height="5" {GREEN}/></symbol><use href="#s"/>',
    "symbol alone": f"<symbol>{A}</symbol>{B}",
    "use": f'<defs><g id="d" {GREEN}>{A}</g></defs><use href="#d" x="13" y="8"/>',
    "use of use": f'<defs><g id="d">{A}</g><use id="e" href="#d" x="9"/></defs><use href="#e" y="12" {GREEN}/>',
    "use before": f'<use href="#d" x="20" y="20" fill="red"/><defs><g id="d">{A}</g></defs>',
    "use by xlink": f'<defs><g id="d">{A}</g></defs><use xlink:href="#d" transform="rotate(20)"/>',
    "use of svg": f'<defs><svg id="v" viewBox="0 0 10 10" width="5" height="5"><rect width="9" height="7" {GREEN}/>'
    '</svg></defs><use href="#v" x="10" y="12" width="50" height="60"/>',
    "use in percent": f'<defs><g id="d">{A}</g></defs><use href="#d" x="10%" y="20%"/>',
    "style across use": f"<style>.u rect{{fill:red}} #d rect{{fill:#0a6}}</style><defs><g id='d'>{A}</g></defs><use class='u' href='#d'/>",
    "switch": f'<switch><g systemLanguage="de">{A}</g><g>{B}</g></switch>',
    "switch by extension": f'<switch><foreignObject requiredExtensions="x"/><g>{B}</g>{A}</switch>',
    "switch to nothing": f"<switch><mask/>{A}</switch><switch><title/><x/>{B}</switch>",
    "link": f"<a href='x'>{A}</a>",
    "foreign elements": f'<x:view xmlns:x="urn:x"><rect width="50" height="50"/></x:view>{A}',
    "prefixed": '<s:g xmlns:s="http://www.w3.org/2000/svg" fill="#0a6"><s:circle cx="50" cy="50" r="22"/></s:g>',
    # units
    **{
        f"unit {unit}": f'<rect x="{4 * scale:.4g}{unit}" y="9" width="{60 * scale:.4g}{unit}" height="41" {GREEN}/>'
        for unit, scale in (("px", 1), ("pt", 0.75), ("mm", 0.2646), ("cm", 0.02646), ("in", 0.0104),
                            ("pc", 0.0625), ("em", 0.0625), ("ex", 0.125), ("%", 1))
    },
    "em of a group": f'<g font-size="20"><rect width="2em" height="3ex" {GREEN}/></g>',
    "diagonal": '<line x1="10" y1="50" x2="80" y2="55" stroke="#000" stroke-width="10%"/>',
    "radius in percent": f'<circle cx="50%" cy="40%" r="20%" {GREEN}/>',
    # transforms
    **{
        f"transform {value}": shape(f'{GREEN} transform="{value}"')
        for value in ("translate(9)", "translate(9 -4)", "scale(1.3)", "scale(1.5,.7)", "rotate(20)",
                      "rotate(30, 40, 50)", "skewX(15)", "skewY(-9)", "matrix(1 .2 -.3 1.1 9 -4)",
                      "translate(5,5)rotate(9) scale(.9)", "rotate(10),translate(3 4)", "scale(0 1)", "")
    },
    **{
        f"origin {value}": shape(f'{GREEN} transform="rotate(25)" transform-origin="{value}"')
        for value in ("50 50", "50% 40%", "center", "right top", "20 40px", "bottom")
    },
    "origin by style": shape(f'{GREEN} style="transform:scale(.5);transform-origin:60px 70px"'),
    # shapes
    "rounded": shape(f'{GREEN} rx="9"'),
    "rounded by ry": shape(f'{GREEN} ry="50"'),
    "rounded apart": shape(f'{GREEN} rx="15" ry="4"'),
    "rounded in percent": shape(f'{GREEN} rx="5%" ry="auto"'),
    "negative radius": shape(f'{GREEN} rx="-5"'),
    "ellipse": f'<ellipse cx="50" cy="40" rx="33" ry="17" {GREEN}/>',
    "polygon": f'<polygon points="10,12 80 23.5,44,90" {GREEN}/>',
    "polyline": f'<polyline points="10,12 80 23.5 44-90 1" {GREEN}/>',
    "odd points with a stroke": '<polygon points="10,12 80 23 44 90 7" stroke="red" stroke-width="6"/>',
    "one point": f'<polygon points="10 12" stroke="red" stroke-width="6" stroke-linecap="round"/>{A}',
    "odd points": f'<polygon points="10,12 80 23 44 90 7" {GREEN}/>',
    "nothing in them": f'<path/><path d=""/><polygon/><rect/><circle/><line/><rect width="-5" height="9"/>{A}',
    **{
        f"path {data}": f'<path d="{data}" fill="#0a6" stroke="#024" stroke-width="4"/>'
        for data in (
            "M10 10H80V70H10Z", "m10 10h70v60h-70z", "M10 10 80 20 60 70", "m10 10 70 10-20 50z",
            "M10 50C10 10 60 10 60 50S80 90 90 50", "m10 50c0-40 50-40 50 0s20 40 30 0",
            "M10 50Q40 0 50 50T90 50", "m10 50q30-50 40 0t40 0t-10 30", "M10 50T60 60 90 20",
            "M20 50A30 20 15 0 1 80 50", "M20 50A30 20 15 1 0 70 60", "M20 50a30 20 0 01 50 10z",
            "M20 50a5 5 0 1150 9", "M20 50A0 20 0 0 1 80 60L50 90", "M20 50A9 9 0 0 1 80 60",
            "M20 50A-30 20 0 0 1 70 60z", "M10.5.5L90 9e1 1e1,80z", "M10 10L80 20L60 70 oh no L0 0",
            "M10 10h30v30zm40 40h30v30z", "M10 10h50v50zl30 70", "M10,10 L 50,,90 90 30",
        )
    },
    # strokes
    **{
        f"stroke {options}": f'<g fill="none" stroke="#036" stroke-width="9"><path d="M15 20L80 30 30 80" {options}/></g>'
        for options in ("", 'stroke-linejoin="round"', 'stroke-linejoin="bevel"', 'stroke-linecap="round"',
                        'stroke-linecap="square"', 'stroke-miterlimit="1.2"', 'transform="scale(1.2,.4)"',
                        'transform="skewX(30)"', 'transform="matrix(.3 0 .4 1 9 0)"', 'stroke-width="0"',
                        'style="stroke-width:2mm"', 'stroke="none"')
    },
    "stroke there and back": '<path d="M20 30H70H30M60 80V60l0 30M80 80a9 9 0 0 1 9 9a9 9 0 0 0-9-9" '
    'fill="none" stroke="#036" stroke-width="9" stroke-linejoin="round"/>',
    "stroke of a closed path": '<path d="M15 20L80 30 30 80z" fill="#fc0" stroke="#036" stroke-width="7"/>',
    "points with caps": '<path d="M30 30h0M70 60h0" stroke="#036" stroke-width="20" stroke-linecap="round"/>',
    # clips that clip nothing
    "clip around all": f'<clipPath id="c"><rect width="100" height="100"/></clipPath><g clip-path="url(#c)">{A}</g>',
    "clip by a path around all": f'<clipPath id="c"><path d="M0 0h100v100H0z"/></clipPath><g clip-path="url(#c)">{A}</g>',
    "clip by nothing": shape('clip-path="url(#nothing)" mask="url(#nothing)" filter="none"'),
}  # fmt: skip

GRADIENT = '<stop stop-color="red"/><stop offset="1" stop-color="blue"/>'
NAMED = {
    "text": (f"<text x='9' y='50'>word</text>{A}", "text"),
    "image": (f'<image href="x.png" width="9" height="9"/>{A}', "image"),
    "foreign object": (f"<foreignObject/>{A}", "foreignObject"),
    "linear gradient": (
        f'<linearGradient id="g">{GRADIENT}</linearGradient>' + shape('fill="url(#g)"'),
        "gradients",
    ),
    "radial gradient of a stroke": (
        f'<radialGradient id="h">{GRADIENT}</radialGradient><radialGradient id="g" xlink:href="#h" '
        'gradientUnits="userSpaceOnUse" spreadMethod="repeat"/>' + shape('stroke="url(#g)"'),
        "gradients",
    ),
    "pattern": (
        f'<pattern id="p" width="9" height="9"><rect width="4" height="4"/></pattern>{A}'
        + shape('fill="url(#p)" transform="scale(.4)"'),
        "pattern",
    ),
    "clip": (
        '<clipPath id="c"><circle cx="40" cy="40" r="9"/></clipPath>'
        + shape('clip-path="url(#c)"'),
        "clip-path",
    ),
    "clip by a class": (
        '<style>.k{clip-path:url(#c)}</style><clipPath id="c"><rect width="30" height="30"/>'
        f'</clipPath><g class="k">{A}</g>',
        "clip-path",
    ),
    "mask": (f'<mask id="m">{B}</mask>' + shape('mask="url(#m)"'), "mask"),
    "filter": (
        '<filter id="f"><feGaussianBlur stdDeviation="4"/></filter>'
        + shape('style="filter:url(#f)"'),
        "filter",
    ),
    "blend mode": (shape('style="mix-blend-mode:multiply"'), "mix-blend-mode"),
    "dashes": (shape('stroke="red" stroke-dasharray="5 3"'), "stroke-dasharray"),
    "marker": (
        f'<marker id="m">{B}</marker><path d="M9 9L80 80" stroke="red" marker-end="url(#m)"/>{A}',
        "marker",
    ),
    "marker by style": (
        f'<marker id="m">{B}</marker><path d="M9 9L80 80" stroke="red" style="marker:url(#m)"/>',
        "marker",
    ),
    "media": (f"<style>@media print{{.a{{fill:red}}}}</style>{A}", "@media"),
    "import": (f'<style>@import url("x.css"); .a{{fill:#0a6}}</style>{A}', "@import"),
    "unknown selector": (f"<style>.a:no-such{{fill:red}}</style>{A}", "unknown selector"),
    "copy of nothing": (f'<use href="#nothing"/>{A}', "use of something that is not in the file"),
    "copy of another file": (f'<use href="a.svg#b"/>{A}', "use of something"),
    "copy of itself": (f'<g id="i">{A}<use href="#i"/></g>', "use of itself"),
    "copy of what is around it": (
        f'<g id="i">{A}<pattern><use href="#i" id="k"/></pattern></g><use href="#k" x="9"/>',
        "use of itself",
    ),
    "overlap under opacity": (
        f'<g opacity=".5">{A}{B}</g>',
        "opacity of overl",
    ),
    "stroke under opacity": (shape('opacity=".5" stroke="red"'), "opacity of overlapping"),
    "clip of a nested svg": (f'<svg width="30" height="40">{A}</svg>', "clip of <svg>"),
    "clip of a symbol": (
        f'<symbol id="s">{A}</symbol><use href="#s" width="30" height="30"/>',
        "clip of <symbol>",
    ),
    "transform with units": (shape('style="transform:rotate(5deg)"'), r"transform 'rotate\(5deg"),
    "unknown length": (shape('rx="1.5rem"'), "length '1.5rem'"),
    "unknown color of a stroke": (shape('stroke="nonsense"'), "color 'nonsense'"),
    "unknown color": (shape('fill="oklch(50% .1 20)"'), "color 'oklch"),
    "context": (shape('fill="context-fill"') + B, "context-fill"),
    "hairline": (shape('stroke="red" vector-effect="non-scaling-stroke"'), "vector-effect"),
    "crisp edges": (f'<g shape-rendering="crispEdges">{B}</g>', "shape-rendering"),
}
PLACES = {
    "alone": ("{}", (100, 256)),
    "turned": ('<g transform="translate(11 2) rotate(8) scale(.8)">{}</g>', (256,)),
    "used": ('<defs><g id="whole">{}</g></defs><use href="#whole" x="3" y="2"/>', (100,)),
}
"""Where a feature stands, and sizes in pixels."""


def file(body: str, place: str = "alone") -> str:
    """A snippet as a file, at a place."""
    space = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    frame = '<rect width="100%" height="100%" style="fill:#fff"/>'
    frame += '<rect x="96" y="96" width="3" height="3" style="fill:#124"/>'
    return f'<svg {space} viewBox="0 0 100 100">{frame}{PLACES[place][0].format(body)}</svg>'
