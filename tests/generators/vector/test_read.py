"""SVG files in: the picture that a viewer shows, from untrusted text."""

import gzip
import warnings

import pytest
import torch
from outlines import blobs, box, psnr, resvg

from dreamsampler.files import InputError
from dreamsampler.generators.vector import (
    Scene,
    compound,
    from_svg,
    markup,
    rasterize,
    read_svg,
    to_svg,
)

WHITE = torch.ones(3)


def svg(inner, head='viewBox="0 0 64 48" width="64" height="48"'):
    space = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f"<svg {space} {head}>{inner}</svg>"


def test_what_was_written_is_read():
    """Points within rounding, colors within 8 bits, rules, holes and the order of paths."""
    rings = [[box(4, 4, 40, 40), box(10.5, 12, 30, 33)], [box(20, 20, 44, 44)]]
    color = torch.tensor([[1.0, 0.2, 0, 1], [0, 0.4, 1, 0.6125]], dtype=torch.float64)
    holes = compound(rings, color, 48, 48, ("evenodd", "nonzero"))
    for scene in (blobs(9, 64, seed=3), holes):
        back = from_svg(to_svg(scene, digits=4))
        assert torch.equal(back.segments, scene.segments)
        assert torch.equal(back.path_of_segment, scene.path_of_segment)
        assert (back.width, back.height) == (scene.width, scene.height)
        assert (back.points - scene.points).abs().max() < 1e-4
        assert (back.color[:, :3] - scene.color[:, :3]).abs().max() < 0.5 / 255 + 1e-6
        assert (back.color[:, 3] - scene.color[:, 3]).abs().max() < 1e-4
        assert back.rules == scene.rules


DRAWN = {
    "basic shapes": '<rect x="3.5" y="4" width="20" height="13" rx="4" fill="#f80"/>'
    '<circle cx="40" cy="15" r="9.3" fill="teal"/><ellipse cx="20" cy="35" rx="14" ry="7"/>'
    '<polygon points="50,30 60,45 35,44" fill="rgb(120,20,200)"/>',
    "arcs, curves, open and compound paths": '<path d="M5 5h20v12a6 4 30 0 1-9 3z'
    'm4 3v6h6v-6z" fill="#159" fill-rule="evenodd"/><path d="M35 5q8 20 20 4t5 20" fill="#c31"/>'
    '<path d="M10 30c5-8 20 20 30 0S55 40 60 42" fill="green" fill-opacity=".5"/>',
    "groups, transforms and styles": "<style>.b{fill:#00f} .c{fill-opacity:.5}</style>"
    '<g transform="translate(30 20) rotate(30) scale(1.5 .8)" fill="red">'
    '<rect x="-8" y="-6" width="16" height="12"/><g transform="skewX(20)" style="fill:#0a0">'
    '<circle r="5"/></g></g><rect class="b c" x="45" y="5" width="12" height="30"/>',
    "opacity of groups": '<g opacity=".5"><rect width="20" height="20" fill="red"/>'
    '<g style="opacity:50%"><rect x="30" width="20" height="20" opacity="0.8"/></g></g>',
    "use and symbol": '<defs><g id="a"><rect width="9" height="9" fill="#a0c"/></g>'
    '<symbol id="s"><circle cx="6" cy="6" r="5"/></symbol></defs><use href="#a" x="8" y="5"/>'
    '<use xlink:href="#a" transform="translate(30 8) rotate(45)"/><use href="#s" x="40" y="25"/>',
    "strokes": '<path d="M6 8L28 12 20 36" fill="none" stroke="#036" stroke-width="5" '
    'stroke-linejoin="round" stroke-linecap="round"/><rect x="36" y="8" width="20" height="14" '
    'fill="#fc0" stroke="#333" stroke-width="3"/><g transform="scale(2)">'
    '<path d="M18 15L28 21" stroke="red" stroke-linecap="square" stroke-width="2"/></g>',
}


@pytest.mark.parametrize("what", DRAWN)
def test_it_is_what_a_viewer_shows(what):
    text = svg(DRAWN[what])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = rasterize(from_svg(text), WHITE)
    backed = text.replace(">", '><rect width="64" height="48" fill="#fff"/>', 1)
    assert psnr(picture, resvg(backed, 64, 48, 8)) > 42


def test_a_view_box_is_fitted_to_the_canvas():
    text = svg('<rect x="10" y="20" width="5" height="10"/>', 'viewBox="10 20 10 10"')
    scene = from_svg(text, size=40)
    assert (scene.width, scene.height) == (40, 40)
    assert scene.points.amin(0).tolist() == [0, 0] and scene.points.amax(0).tolist() == [20, 40]


def test_a_gradient_becomes_its_mean_with_a_warning():
    stops = '<stop offset=".5" stop-color="#000"/><stop offset="1" stop-color="#fff"/>'
    text = svg(
        f'<linearGradient id="g">{stops}</linearGradient><radialGradient id="h" href="#g"/>'
        '<rect width="9" height="9" fill="url(#g)"/><rect width="9" height="9" fill="url(#h)"/>'
    )
    with pytest.warns(UserWarning, match="gradients as their mean color"):
        scene = from_svg(text)
    assert scene.color[:, 0].tolist() == pytest.approx([0.25, 0.25])


def test_what_is_left_out_is_one_warning():
    clip = '<clipPath id="c"><circle r="5"/></clipPath>'
    clip += '<rect width="9" height="9" clip-path="url(#c)"/>'
    text = svg(f'<text>a</text><text>b</text><image href="x.png"/>{clip}')
    with pytest.warns(UserWarning) as caught:
        from_svg(text)
    assert len(caught) == 1
    words = "not drawn from this SVG: clip-path (1), image (1), text (2)"
    assert str(caught[0].message) == words


def test_what_lies_far_away_is_drawn_as_far_as_the_canvas_goes():
    with pytest.warns(UserWarning, match=r"points beyond 100000 pixels \(1\)"):
        picture = rasterize(from_svg(svg('<rect x="-1e6" y="9" width="9e99" height="30"/>')), WHITE)
    assert picture[:, 9:39].max() < 1e-4 and picture[:, :9].min() > 1 - 1e-4


def test_hidden_shapes_are_not_drawn():
    hidden = '<rect width="9" height="9" display="none"/><rect width="9" height="9" fill="none"/>'
    scene = from_svg(svg(hidden + '<rect x="1" width="2" height="2"/>'))
    assert scene.paths == 1


LEVELS = ['<!ENTITY l0 "ha">']
LEVELS += [f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)]
LAUGHS = "".join(f'<g id="l{n}">' + f'<use href="#l{n - 1}"/>' * 10 + "</g>" for n in range(1, 12))
BAD = {
    "": "no XML",
    "hello": "no XML",
    "<svg><rect": "no XML",
    "<html/>": "its first element is <html>",
    '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>': "undefined entity",
    '<!DOCTYPE svg [<!ENTITY % x SYSTEM "http://a.b/x"> %x;]><svg>&y;</svg>': "no XML|nothing",
    f"<!DOCTYPE svg [{''.join(LEVELS)}]><svg><text>&l9;</text></svg>": "no XML|expanded",
    f"<!DOCTYPE svg [<!ENTITY l '{'x' * 9000}'>]><svg><text>{'&l;' * 900}</text></svg>": "expanded",
    "<svg>&x;</svg>": "no XML",
    svg(""): "nothing to draw",
    svg('<rect width="9" height="9"/>', 'width="0" height="5"'): "nothing to draw|give it a width",
    svg('<rect width="9" height="9"/>', 'width="1e9" height="5"'): "choose a size",
    svg('<rect width="1e999" height="9"/>'): "nothing to draw.*length '1e999'",
    svg('<path d="M0 0L1e400 5L5 5z"/>'): "nothing to draw",
    svg('<path d="M0 0h1e200v9z" transform="scale(1e200)"/>'): "nothing to draw.*points beyond",
    svg("<g>" * 120 + "</g>" * 120): "nested",
    svg('<g id="a"><use href="#a"/></g>'): "nothing to draw.*not drawn: use of itself",
    svg(f'<rect id="l0" width="1" height="1"/>{LAUGHS}'): "more than",
    svg("<text>a</text>"): r"nothing to draw.*not drawn: text \(1\)",
    b"\x1f\x8b not gzip": "begins like gzip",
    b"<svg>\xff</svg>": "no XML",
}


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_bad_text_is_refused_in_one_line(text):
    with pytest.raises(InputError, match=BAD[text]) as caught:
        from_svg(text)
    assert "\n" not in str(caught.value)


def test_sizes_are_bounded(monkeypatch):
    many = svg('<path d="M0 0L5 5L5 0z"/>' * 40)
    monkeypatch.setattr(markup, "MOST_ELEMENTS", 30)
    with pytest.raises(InputError, match="more than 30 elements"):
        from_svg(many)
    monkeypatch.setattr(markup, "LARGEST_TEXT", 100)
    with pytest.raises(InputError, match="more than 100 characters"):
        from_svg(many)
    with pytest.raises(InputError, match="more than 100 characters"):
        from_svg(gzip.compress(many.encode()))
    monkeypatch.undo()
    monkeypatch.setattr("dreamsampler.generators.vector.reader.MOST_SEGMENTS", 30)
    with pytest.raises(InputError, match="more than 30 segments"):
        from_svg(many)


def test_nothing_is_fetched(monkeypatch):
    """References to other files and hosts are not followed."""
    import socket

    monkeypatch.setattr(socket, "socket", lambda *_, **__: pytest.fail("opened a socket"))
    inner = '<use href="http://example.com/a.svg#x"/><use href="other.svg#x"/>'
    with pytest.warns(UserWarning, match="not in the file"):
        scene = from_svg(svg(inner + '<rect width="2" height="2" fill="url(http://a/b#c)"/>'
                             '<rect width="3" height="3"/>'))  # fmt: skip
    assert scene.paths == 1


def test_errors_name_the_file(tmp_path):
    path = tmp_path / "a.svg"
    with pytest.raises(InputError, match=r"a\.svg cannot be read"):
        read_svg(path)
    path.write_bytes(b"\xff\xfe<\x00")
    with pytest.raises(InputError, match=r"a\.svg: this is no SVG"):
        read_svg(path)
    path.write_text("<svg/>")
    with pytest.raises(InputError, match=r"a\.svg: the SVG"):
        read_svg(path)
    scene = Scene.random(2, 16, 16, torch.Generator().manual_seed(0))
    path.write_text("\ufeff" + to_svg(scene))
    assert read_svg(path, size=32).width == 32


ILLUSTRATOR = """<?xml version="1.0" encoding="{}"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd" [
<!ENTITY space "http://www.w3.org/2000/svg"> <!ENTITY red "#e23b3b">]>
<svg xmlns="&space;" viewBox="0 0 24 24"><!-- \u00e9 --><path id="\u00e9" fill="&red;"
d="M4 4h16v16H4z"/></svg>"""


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "windows-1252"])
def test_files_in_their_encodings_with_a_document_type(coding, tmp_path):
    text = ILLUSTRATOR.format(coding.removesuffix("-sig"))
    path = tmp_path / "a.svg"
    for data in (text.encode(coding), gzip.compress(text.encode(coding))):
        path.write_bytes(data)
        scene = read_svg(path, size=48)
        assert scene.color.tolist() == [pytest.approx([0xE2 / 255, 0x3B / 255, 0x3B / 255, 1])]
        assert (scene.points.min().item(), scene.points.max().item()) == (8, 40)


def test_nothing_of_a_document_type_is_fetched(tmp_path):
    """Neither the subset in another file nor its entities."""
    (tmp_path / "a.dtd").write_text('<!ENTITY red "#f00">')
    kind = f'<!DOCTYPE svg SYSTEM "{(tmp_path / "a.dtd").as_uri()}">'
    scene = from_svg(f'{kind}<svg><path d="M0 0h1v1z"/></svg>')
    assert scene.color.tolist() == [[0, 0, 0, 1]]
    with pytest.raises(InputError, match=r"nothing to draw|undefined entity"):
        from_svg(f"{kind}<svg>&red;</svg>")


SAME = {
    "rgb(0 170 90 / 50%)": "rgba(0,170,90,.5)",
    "rgba(0, 170, 90, 50%)": "rgba(0,170,90,.5)",
    "hsl(120 50% 50% / 20%)": "hsla(120,50%,50%,.2)",
    "hsl(120deg 200% 25%)": "rgb(0,127.5,0)",
    "hwb(120 10% 20%)": "rgb(25.5,204,25.5)",
    "rebeccapurple": "#639",
    "red icc-color(a, 1)": "red",
    "initial": "black",
}
"""Colors that resvg 0.48 takes for black, and how CSS Color 4 has them in older words."""


@pytest.mark.parametrize("color", SAME)
def test_colors_of_today(color):
    """Drawn, and named, since other programs draw something else."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        new, old = (
            from_svg(svg(f'<rect width="9" height="9" fill="{c}"/>')) for c in (color, SAME[color])
        )
    told = [str(each.message) for each in said]
    words = f"drawn from this SVG, but not by all other programs: the color {color[:40]!r} (1)"
    assert told == ([] if color == "initial" else [words])
    assert new.color.tolist() == [pytest.approx(old.color[0].tolist(), abs=1e-3)]


SIZES = {
    'viewBox="0 0 100 50"': (100, 50),
    'viewBox="0 0 100 50" width="64"': (64, 32),
    'viewBox="0 0 100 50" height="64"': (128, 64),
    'viewBox="0 0 100 50" width="50%" height="100%"': (50, 50),
    'viewBox="0 0 24 24" width="1em" height="2em"': (16, 32),
    'viewBox="0 0 24 24" width="1in" height="72pt"': (96, 96),
    'width="30" height="20"': (30, 20),
    'viewBox="0 0 0 0" width="30" height="20"': (30, 20),
    'x="30" y="10" viewBox="0 0 24 12"': (24, 12),
    'style="width:5px" viewBox="0 0 24 12"': (24, 12),
    "": (41, 62),
}


@pytest.mark.parametrize("head", SIZES)
def test_the_canvas_has_the_size_that_resvg_gives_it(head):
    text = svg('<rect x="11" y="22" width="30" height="40" stroke="red"/>', head)
    scene = from_svg(text)
    assert (scene.width, scene.height) == SIZES[head]
    assert psnr(rasterize(scene, WHITE), resvg(text, *SIZES[head], background="#fff")) > 30


def test_a_canvas_of_odd_shape_is_filled():
    """Its sides are whole pixels; as in resvg, the drawing is stretched by less than one."""
    scene = from_svg(svg('<rect width="30" height="17.2"/>', 'viewBox="0 0 30 17.2"'), size=100)
    assert (scene.width, scene.height) == (100, 58)
    assert scene.points.amax(0).tolist() == pytest.approx([100, 58])


def test_an_illustrator_file_keeps_its_colors():
    """Classes of a `<style>` inside `<defs>`."""
    styles = "".join(
        f".cls-{n}{{fill:{c};}}" for n, c in enumerate(("#35548a", "#e23b3b", "none"), 1)
    )
    text = svg(
        f"<defs><style>{styles}.cls-3{{stroke:#3aa655;stroke-width:6px}}</style></defs>"
        '<rect class="cls-1" x="9" y="6" width="36" height="30" rx="8"/>'
        '<circle class="cls-2" cx="30" cy="20" r="9"/><circle class="cls-3" cx="48" cy="30" r="9"/>'
    )
    levels = (255 * from_svg(text).color[:, :3]).round().int().tolist()
    assert levels == [[0x35, 0x54, 0x8A], [0xE2, 0x3B, 0x3B], [0x3A, 0xA6, 0x55]]


def test_selectors_that_resvg_does_not_know():
    """Those of CSS Selectors 4 as browsers have them."""
    sheet = "<style>rect:nth-child(3){fill:red} rect ~ circle{fill:#00f} [id^=x]{fill:lime}</style>"
    shapes = '<rect width="9" height="9"/><rect width="9" height="9"/><circle r="9"/>'
    scene = from_svg(svg(f'{sheet}{shapes}<path id="xy" d="M0 0h9v9z"/>'))
    assert scene.color[:, :3].tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]]
