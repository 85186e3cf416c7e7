"""Random SVG files, written by a grammar: drawn as resvg draws them, or named in a warning.

`pytest --hypothesis-profile=explore` tries others, and more.
"""

from hypothesis import assume, given
from hypothesis import strategies as st

from benchmarks.suites.svg import compared
from dreamsampler.files import InputError

NAMES = ("a", "b", "c", "d", "e")
COLORS = ("red", "#0a6", "#124", "#fc08", "rgba(10,120,200,.6)", "hsl(150,80%,40%)", "none",
          "currentColor", "inherit", "url(#g)", "url(#h) teal", "url(#a) red",
          "url(#no)")  # fmt: skip
UNITS = ("", "", "", "", "px", "pt", "mm", "em", "%")


def one_of(*values):
    return st.sampled_from(values)


def joined(parts, low, high, by=" "):
    return st.lists(parts, min_size=low, max_size=high).map(by.join)


def number(low, high):
    return st.integers(low * 4, high * 4).map(lambda quarters: f"{quarters / 4:g}")


place, small, side = number(0, 100), number(-40, 40), number(3, 60)
share = one_of("1", ".5", "30%", "0.8", "inherit")


@st.composite
def length(draw, low=0, high=60):
    unit = draw(one_of(*UNITS))
    scale = {"mm": 0.26, "pt": 0.75, "em": 1 / 16}.get(unit, 1.0)
    return f"{draw(st.integers(low, high)) * scale:.4g}{unit}"


@st.composite
def transform(draw):
    steps = {
        "translate({} {})": (small, small),
        "translate({})": (small,),
        "scale({},{})": (one_of("-1", ".6", "1.4", "1"), one_of("1", ".8", "-.7")),
        "rotate({})": (number(-180, 180),),
        "rotate({} {},{})": (number(-90, 90), place, place),
        "skewX({})": (number(-35, 35),),
        "skewY({})": (number(-35, 35),),
        "matrix({} {} {} {} 5 4)": (one_of("1", ".8"), one_of("0", ".3"), one_of("0", "-.4"),
                                    one_of("1", "1.2")),
    }  # fmt: skip
    chosen = draw(st.lists(st.sampled_from(sorted(steps)), max_size=2))
    return " ".join(each.format(*map(draw, steps[each])) for each in chosen)


@st.composite
def path(draw):
    data = f"M{draw(place)} {draw(place)}"
    counts = {"L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "M": 2}
    for kind in draw(st.lists(one_of(*"LHVCSQTMAZlhvcsqtmaz"), min_size=1, max_size=7)):
        value = small if kind.islower() else place
        count = counts.get(kind.upper(), 0)
        data += kind + " ".join(draw(st.lists(value, min_size=count, max_size=count)))
        if kind in "Aa":
            flags = f"{draw(one_of(0, 1))} {draw(one_of(0, 1))}"
            data += f"{draw(side)} {draw(side)} {draw(small)} {flags} {draw(value)} {draw(value)}"
    return data


PROPERTIES = {
    "fill": one_of(*COLORS),
    "stroke": one_of(*COLORS),
    "stroke-width": length(0, 14),
    "fill-opacity": share,
    "stroke-opacity": share,
    "opacity": share,
    "fill-rule": one_of("evenodd", "nonzero"),
    "stroke-linejoin": one_of("miter", "round", "bevel"),
    "stroke-linecap": one_of("butt", "round", "square"),
    "stroke-miterlimit": one_of("1", "2", "10"),
    "stroke-dasharray": one_of("none", "4 2"),
    "paint-order": one_of("stroke", "normal", "markers"),
    "color": one_of("red", "#36c", "inherit"),
    "display": one_of("inline", "inline", "none"),
    "visibility": one_of("visible", "visible", "hidden"),
    "font-size": one_of("20", "1.5em", "50%"),
    "clip-path": one_of("none", "url(#c)", "url(#nothing)"),
    "mask": one_of("none", "url(#d)"),
}
GEOMETRY = {
    "rect": {"x": length(), "y": length(), "width": length(5), "height": length(5),
             "rx": st.none() | length(0, 20), "ry": st.none() | length(0, 20)},
    "circle": {"cx": length(20), "cy": length(20), "r": length(3, 40)},
    "ellipse": {"cx": length(20), "cy": length(20), "rx": length(3, 40), "ry": length(3, 40)},
    "line": {"x1": length(), "y1": length(), "x2": length(), "y2": length()},
    "polyline": {"points": joined(place, 2, 12)},
    "polygon": {"points": joined(place, 2, 12, ",")},
    "path": {"d": path()},
}  # fmt: skip


@st.composite
def attributes(draw, most=4):
    """Properties as attributes, in `style`, and by an id and classes; transforms."""
    names = draw(st.lists(st.sampled_from(sorted(PROPERTIES)), max_size=most, unique=True))
    found, style = "", ""
    for name in names:
        value = draw(PROPERTIES[name])
        if draw(st.booleans()):
            style += f"{name}:{value};"
        else:
            found += f' {name}="{value}"'
    if style:
        found += f' style="{style}"'
    if draw(st.booleans()):
        found += f' transform="{draw(transform())}"'
    if draw(st.integers(0, 3)) == 0:
        found += f' class="{draw(joined(one_of(*NAMES), 1, 2))}"'
    if draw(st.integers(0, 3)) == 0:
        found += f' id="{draw(one_of(*NAMES))}"'
    return found


@st.composite
def shape(draw):
    tag = draw(st.sampled_from(sorted(GEOMETRY)))
    values = {name: draw(value) for name, value in GEOMETRY[tag].items()}
    own = " ".join(f'{name}="{value}"' for name, value in values.items() if value is not None)
    return f"<{tag} {own}{draw(attributes())}/>"


@st.composite
def use(draw):
    sides = f' width="{draw(side)}" height="{draw(side)}"' if draw(st.booleans()) else ""
    at = f'x="{draw(small)}" y="{draw(small)}"' if draw(st.booleans()) else ""
    return f'<use href="#{draw(one_of(*NAMES))}" {at}{sides}{draw(attributes(2))}/>'


@st.composite
def view(draw, inner):
    tag, own = draw(one_of("svg", "symbol")), draw(attributes(1))
    if tag == "symbol":
        own = f' id="{draw(one_of(*NAMES))}"'
    box = f' viewBox="{draw(small)} {draw(small)} {draw(side)} {draw(side)}"'
    aspect = draw(one_of("none", "xMinYMax", "xMidYMid slice", "xMaxYMin meet"))
    parts = (box, f' preserveAspectRatio="{aspect}"', f' width="{draw(length(20))}"',
             f' height="{draw(length(20))}"', ' overflow="visible"')  # fmt: skip
    own += "".join(part for part in parts if draw(st.booleans()))
    return f"<{tag}{own}>{draw(inner)}</{tag}>"


@st.composite
def group(draw, inner):
    tag = draw(one_of("g", "g", "g", "a", "switch", "defs", "clipPath", "mask", "pattern"))
    own = draw(attributes(2))
    if tag in ("clipPath", "mask", "pattern"):
        own = f' id="{draw(one_of(*NAMES))}"'
    return f"<{tag}{own}>{draw(inner)}</{tag}>"


@st.composite
def gradient(draw):
    tag, stops = draw(one_of("linearGradient", "radialGradient")), ""
    units = draw(one_of("", ' gradientUnits="userSpaceOnUse"', ' gradientTransform="rotate(20)"'))
    link = draw(one_of("", "", ' href="#h"'))
    for _ in range(draw(st.integers(0, 3))):
        offset, opacity = draw(one_of("0", ".3", "60%", "1")), draw(one_of("1", "1", ".5"))
        color = draw(one_of("red", "red", "#0a6", "inherit", "currentColor"))
        stops += f'<stop offset="{offset}" stop-color="{color}" stop-opacity="{opacity}"/>'
    return f'<{tag} id="{draw(one_of("g", "h"))}"{units}{link}>{stops}</{tag}>'


@st.composite
def sheet(draw):
    rules = ""
    for _ in range(draw(st.integers(1, 3))):
        names = draw(st.lists(st.sampled_from(sorted(PROPERTIES)), min_size=1, max_size=2))
        selector = draw(one_of(".a", ".b", "rect", "g .a", "g > path", "#a", "*", ".a.b", "svg > g",
                               "circle, .c", ":first-child", "path + rect"))  # fmt: skip
        rules += f"{selector}{{{';'.join(f'{name}:{draw(PROPERTIES[name])}' for name in names)}}}"
    return f"<style>{rules.replace('>', '&gt;')}</style>"


leaf = st.one_of(shape(), shape(), shape(), shape(), use(), gradient(), sheet())
tree = st.recursive(
    leaf,
    lambda inner: st.one_of(group(joined(inner, 1, 3, "")), view(joined(inner, 1, 2, ""))),
    max_leaves=8,
)


@st.composite
def documents(draw):
    sides = ' width="80" height="40" preserveAspectRatio="none"'
    head = draw(one_of("", sides)) + draw(one_of(' viewBox="0 0 100 100"', ' viewBox="-9 5 80 40"'))
    space = 'xmlns="http://www.w3.org/2000/svg"'
    mark = '<path d="M2 60h5v5h-5z" style="fill:#124"/>'  # so that something is drawn
    text = draw(joined(tree, 2, 6, ""))
    assume(text.count('id="g"') < 2 and text.count('id="h"') < 2)  # resvg takes the last one
    return f"<svg {space}{head}>{text}{mark}</svg>"


@given(documents(), one_of(100, 256))
def test_random_files_are_drawn_as_resvg_draws_them_or_named(text, size):
    try:
        found = compared(text, size)
    except InputError as error:
        assert "nothing to draw" in str(error)
        return
    except ValueError as error:
        assert "nodes limit reached" in str(error), "resvg refuses what refers to itself"
        return
    assert found.named or found.alike, found
