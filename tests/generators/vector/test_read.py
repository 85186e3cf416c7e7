"""SVG files in: the picture that a viewer shows, from untrusted text."""

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
        assert back.fill_rule == scene.fill_rule


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
    text = svg('<text>a</text><text>b</text><image href="x.png"/><rect width="9" height="9" '
               'clip-path="url(#c)"/>')  # fmt: skip
    with pytest.warns(UserWarning) as caught:
        from_svg(text)
    assert len(caught) == 1
    words = "not drawn from this SVG: clip-path (1), image (1), text (2)"
    assert str(caught[0].message) == words


def test_hidden_shapes_are_not_drawn():
    hidden = '<rect width="9" height="9" display="none"/><rect width="9" height="9" fill="none"/>'
    scene = from_svg(svg(hidden + '<rect x="1" width="2" height="2"/>'))
    assert scene.paths == 1


LAUGHS = "".join(f'<g id="l{n}">' + f'<use href="#l{n - 1}"/>' * 10 + "</g>" for n in range(1, 12))
BAD = {
    "": "no XML",
    "hello": "no XML",
    "<svg><rect": "no XML",
    "<html/>": "its first element is <html>",
    '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>': "document type",
    "<!doctype svg><svg/>": "document type",
    "<svg>&x;</svg>": "no XML",
    svg(""): "nothing to draw",
    svg('<rect width="9" height="9"/>', 'width="0" height="5"'): "nothing to draw|give it a width",
    svg('<rect width="9" height="9"/>', 'width="1e9" height="5"'): "choose a size",
    svg('<rect width="9e99" height="9"/>'): "points beyond",
    svg('<path d="M0 0L1e400 5L5 5z"/>'): "points beyond",
    svg("<g>" * 120 + "</g>" * 120): "nested",
    svg('<g id="a"><use href="#a"/></g>'): "nested|more than",
    svg(f'<rect id="l0" width="1" height="1"/>{LAUGHS}'): "more than",
    svg('<g transform="rotate(a)"><rect width="5" height="5"/></g>'): "cannot be understood",
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
    with pytest.raises(InputError, match="100 are the most"):
        from_svg(many)
    monkeypatch.undo()
    monkeypatch.setattr("dreamsampler.generators.vector.read.MOST_SEGMENTS", 30)
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
    with pytest.raises(InputError, match="not text in UTF-8"):
        read_svg(path)
    path.write_text("<svg/>")
    with pytest.raises(InputError, match=r"a\.svg: the SVG"):
        read_svg(path)
    scene = Scene.random(2, 16, 16, torch.Generator().manual_seed(0))
    path.write_text("\ufeff" + to_svg(scene))
    assert read_svg(path, size=32).width == 32
