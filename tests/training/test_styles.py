"""Outlined and flat drawings, and the names of further sets."""

import pytest

from training.data.concepts import icon_names
from training.data.icons import UNSEEN, drawing
from training.data.styles import FXEMOJI, TRAINED, WRONG, flat, names_of, outlined

SQUARE = '<path fill="#ff0000" d="M20 20h60v60h-60z"/>'
GRADIENT = (
    '<defs><linearGradient id="a"><stop stop-color="#000"/><stop offset="1" stop-color="#fe0000"/>'
    '</linearGradient><linearGradient id="b" xlink:href="#a"/></defs>'
    '<path fill="url(#b)" d="M20 20h60v60h-60z"/>'
)


def package(**bodies):
    icons = {name: {"body": body} for name, body in bodies.items()}
    return {"icons": icons, "width": 100, "height": 100}


def test_an_outlined_square_keeps_its_color_inside_and_gets_a_dark_line():
    pytest.importorskip("resvg_py")
    data = package(square=SQUARE)
    before = drawing(data, "square")
    after = drawing(data, "square", 1, outlined(data, "square", 0.05))
    assert tuple(after[80, 80]) == tuple(before[80, 80]) == (255, 0, 0, 255)
    edge = 10 + round(1.4 * (2 + 0.96 * 20))  # margin, and the shape drawn at 0.96
    assert after[80, edge].tolist()[:3] == [29, 29, 27]


def test_a_line_is_drawn_around_what_is_painted_only():
    data = package(square='<path fill="none" d="M0 0h100v100H0z"/>' + SQUARE)
    assert outlined(data, "square").count("<path") == 1


def test_flat_paints_the_mean_of_the_stops_through_links():
    assert 'fill="#7f0000"' in flat(package(square=GRADIENT), "square")
    gone = GRADIENT.replace("/>", ' stop-opacity="0"/>', 2)
    assert 'fill="none"' in flat(package(square=gone), "square")


def test_names_are_found_by_rule_and_wrong_ones_left_out():
    data = package(**{"bear-face": "", "fox-face-1": "", "fox-face-2": "", "lemon": "", "cat": ""})
    assert names_of("streamline", data) == {
        "bear": ["bear-face"],
        "fox": ["fox-face-1", "fox-face-2"],
        "lemon": ["lemon"],
        "cat": ["cat"],
    }
    fx = package(cat="", catside="", heartblue="")
    assert names_of("fxemoji", fx) == {"cat-face": ["cat"], "cat": ["catside"]}


def test_nothing_is_trained_on_the_set_that_validates():
    assert not TRAINED.keys() & UNSEEN.keys()
    assert FXEMOJI.keys() <= set(icon_names()) and WRONG.keys() <= TRAINED.keys()
