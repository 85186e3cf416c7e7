"""SVG files of every feature: drawn as resvg draws them, or named in the warning."""

import pytest

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


@pytest.mark.parametrize("what", NAMED)
def test_what_is_not_drawn_is_named(what):
    body, words = NAMED[what]
    for place in PLACES:
        with pytest.warns(UserWarning, match=f"not drawn from this SVG: .*{words}"):
            from_svg(file(body, place), 64)
