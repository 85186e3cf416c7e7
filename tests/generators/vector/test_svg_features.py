"""SVG files of every feature: drawn as resvg draws them, or named in the warning."""

import pytest

from benchmarks.suites import svg
from benchmarks.suites.svg import LEAST, compared
from benchmarks.suites.svg_features import DRAWN, NAMED, PLACES, file
from dreamsampler.generators.vector import from_svg


def test_there_are_enough_files():
    assert (len(DRAWN) + len(NAMED)) * len(PLACES) >= 300


@pytest.mark.parametrize("what", DRAWN)
def test_it_is_drawn_as_resvg_draws_it(what):
    """Alone, in a transformed group and as a copy, without a warning."""
    for place, (_, sizes) in PLACES.items():
        text = file(DRAWN[what], place)
        for size in sizes:
            found = compared(text, size)
            assert (found.likeness >= LEAST, found.named) == (True, ""), (place, size, found)


WAVES = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">
<path fill="none" stroke="#000" stroke-width="2"
d="M2 5q5-6 10 0t10 0M2 12q5-6 10 0t10 0M2 19q5-6 10 0t10 0"/></svg>"""


def test_resvg_misses_its_own_finer_picture_where_ours_is_below_35_db():
    found = compared(WAVES, 100)
    assert found.likeness < LEAST and found.rounded and found.alike


def test_what_is_drawn_wrongly_is_not_put_down_to_resvg(monkeypatch):
    """Lines that are thicker by a hundredth, 0.08 px."""
    wrong = WAVES.replace('width="2"', 'width="2.02"')
    monkeypatch.setattr(svg, "from_svg", lambda text, size: from_svg(wrong, size))
    found = compared(WAVES, 100)
    assert found.likeness < LEAST and not found.alike


@pytest.mark.parametrize("what", NAMED)
def test_what_is_not_drawn_is_named(what):
    body, words = NAMED[what]
    for place in PLACES:
        with pytest.warns(UserWarning, match=f"not drawn from this SVG: .*{words}"):
            from_svg(file(body, place), 64)
