"""SVG files changed in a few places: all other bytes stay, and what is drawn is what was meant."""

import warnings

import pytest
import torch

from dreamsampler.generators.vector import Scene, from_svg, rasterize
from dreamsampler.generators.vector.document import Document

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {0}">'
SHAPES = """
  <!-- a comment -->
  <circle cx="30%" cy='50%' r="20%" fill="#fcea2b" id="face"/>
  <g transform="translate({1} 0)" stroke="none">
    <rect width="20%" height="20%"
      style="fill:red; stroke:none" />
    <path d="M{1} {1}h{1}v{1}z"></path>
  </g>
"""


def read(tmp_path, body=SHAPES, side=64, size=96):
    path = tmp_path / "in.svg"
    path.write_text(HEAD.format(side) + body.replace("{1}", str(side / 4)) + "</svg>\n")
    return path.read_text(), Document.read(path, size)


def none(document):
    color = torch.zeros(0, 4)
    return document.scene.kept(torch.zeros(document.scene.paths, dtype=torch.bool)).moved(
        torch.zeros(0, 2), color
    )


def disk(document, x, y, r):
    scene, color = document.scene, torch.tensor([[0.0, 0.0, 1.0, 1]])
    center, radius = torch.tensor([[float(x), y]]), torch.tensor([float(r)])
    return Scene.circles(center, radius, scene.width, scene.height, color=color)


def test_a_file_without_changes_comes_back_byte_for_byte(tmp_path):
    text, document = read(tmp_path)
    assert document.changed({}, set(), none(document), 3) == text


def test_only_the_color_of_a_recolored_path_differs(tmp_path):
    text, document = read(tmp_path)
    green = torch.tensor([0.0, 1.0, 0.0])
    changed = document.changed({0: green}, set(), none(document), 3)
    assert changed == text.replace('fill="#fcea2b"', 'fill="#00ff00"')
    changed = document.changed({1: green, 2: green}, set(), none(document), 3)
    expected = text.replace('stroke:none"', 'stroke:none;fill:#00ff00"')
    assert changed == expected.replace("<path d", '<path fill="#00ff00" d')
    assert from_svg(changed, 96).color[1:, :3].tolist() == [[0, 1, 0]] * 2


def test_a_removed_path_takes_its_whole_element_along(tmp_path):
    text, document = read(tmp_path)
    changed = document.changed({}, {2}, none(document), 3)
    assert changed == text.replace('<path d="M16.0 16.0h16.0v16.0z"></path>', "")


@pytest.mark.parametrize("side", [24, 64, 512])
@pytest.mark.parametrize("position", [0, 1, 2, 3])
def test_new_paths_lie_where_they_were_drawn_whatever_the_view_box(tmp_path, side, position):
    text, document = read(tmp_path, side=side)
    new = disk(document, 60.25, 40.5, 12)
    changed = document.changed({}, set(), new, position)
    back = from_svg(changed, 96)
    number = [k for k in range(4) if back.color[k].tolist() == [0, 0, 1, 1]]
    assert number == [position]
    only = back.kept(torch.arange(4) == position)
    assert (only.points - new.points).abs().max() < 0.02
    rest = back.kept(torch.arange(4) != position)
    assert torch.equal(rest.points, document.scene.points)
    for line in text.splitlines():
        assert line.strip().removesuffix("</svg>") in changed


def test_a_shape_that_others_use_is_hidden_not_lost(tmp_path):
    body = '<rect id="a" width="9" height="9"/><use href="#a" x="20"/>'
    _, document = read(tmp_path, body)
    assert document.fixed.tolist() == [False, True]
    back = from_svg(document.changed({}, {0}, none(document), 2), 96)
    assert back.paths == 1 and float(back.points[:, 0].min()) == 30


def test_style_sheets_do_not_win_over_new_colors(tmp_path):
    body = '<style>path{fill:#123456;stroke:#f00}</style><path d="M0 0h9v9z"/>'
    _, document = read(tmp_path, body)
    new = disk(document, 60, 40, 12)
    changed = document.changed({0: torch.ones(3)}, set(), new, 2)
    back = from_svg(changed, 96)
    assert back.color.tolist() == [[1, 1, 1, 1], [1, 0, 0, 1], [0, 0, 1, 1]]


def test_title_and_recipe_take_the_place_of_older_ones(tmp_path):
    text, document = read(tmp_path, "<title>old</title>" + SHAPES)
    once = document.changed({}, set(), none(document), 3, "a < b", {"task": "x"})
    (tmp_path / "in.svg").write_text(once)
    twice = Document.read(tmp_path / "in.svg", 96)
    again = twice.changed({}, set(), none(twice), 3, "c", {"task": "y"})
    assert "old" not in once and "a &lt; b" in once and "a &lt; b" not in again
    assert again.count("<metadata") == again.count("<title") == 1
    assert rasterize(from_svg(again, 96)).equal(rasterize(from_svg(text, 96)))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<script>alert(1)</script>", "<script>"),
        ('<rect width="9" height="9" onclick="alert(1)"/>', "onclick"),
        ('<image href="https://example.org/a.png"/>', "<image>"),
        ("<style>@import 'x.css';</style>", "@import"),
        ('<rect fill="url(http://example.org/#a)" width="9" height="9"/>', "url"),
        ('<rect fill="&#117;rl(http://example.org/#a)" width="9" height="9"/>', "url"),
        ("<style>.a{fill:u\\72l(x)}</style>", "\\\\"),
        ("<?xml-stylesheet href='x.css'?>", "<?xml-stylesheet"),
        ("<\u00e9/>", "ASCII"),
        ('<a href="javascript:alert(1)"><rect width="9" height="9"/></a>', "<a>"),
    ],
)
def test_a_file_that_could_do_harm_is_not_copied(tmp_path, body, words):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        _, document = read(tmp_path, SHAPES + body)
    assert document.rewritten is not None and words in document.rewritten
    assert any("written anew" in str(each.message) for each in found)
