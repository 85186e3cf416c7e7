"""How far a redrawing was moved, scaled and tinted, against pictures drawn where they should be."""

import pytest
import torch
from drawn import redrawing
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamsampler.images.register import Alignment, register

SIZES = [(128, 128), (96, 288), (131, 167)]


def errors(found, scale, shift):
    return max(abs(a - b) for a, b in zip(found.shift, shift, strict=True)), abs(
        found.scale - scale
    )


@settings(max_examples=10)
@given(
    st.integers(0, 50),
    st.sampled_from(SIZES),
    st.booleans(),
    st.floats(0.97, 1.03),
    st.tuples(st.floats(-6, 6), st.floats(-6, 6)),
)
def test_it_is_found_under_a_change_of_a_quarter_and_a_tint(seed, size, rich, scale, shift):
    picture, redrawn, _ = redrawing(size, seed, rich, scale, shift, tint=0.02)
    off, wider = errors(register(picture, redrawn), scale, shift)
    assert (off < 0.1 and wider < 0.0005) or Alignment(scale, shift).far(size) < 0.1


@pytest.mark.parametrize(("size", "rich"), [((341, 1024), False), ((256, 200), True)])
def test_the_shift_of_known_editors_is_found_in_large_pictures(size, rich):
    picture, redrawn, _ = redrawing(size, 3, rich, 1.01, (3.4, -3.4), tint=0.02)
    off, wider = errors(register(picture, redrawn), 1.01, (3.4, -3.4))
    assert off < 0.05 and wider < 0.0002


def test_noise_as_of_an_autoencoder_does_not_hide_it(rng):
    picture, redrawn, _ = redrawing((128, 128), 3, True, 1.01, (3.4, -3.4), tint=0.02)
    noisy = redrawn + 0.04 * torch.randn(redrawn.shape, generator=rng)
    off, wider = errors(register(picture, noisy), 1.01, (3.4, -3.4))
    assert off < 0.1 and wider < 0.001


def test_undoing_it_gives_the_picture_back():
    picture, redrawn, _ = redrawing((128, 160), 5, True, 1.02, (-2.3, 1.6), tint=0.02, changed=0.0)
    found = register(picture, redrawn)
    inside = slice(None), slice(8, -8), slice(20, -8)
    back = found.untinted(found.in_place(redrawn))
    assert (back - picture)[inside].abs().max() < 0.02
    assert (redrawn - picture)[inside].abs().max() > 0.3


def test_pictures_that_do_not_say_give_the_identity(rng):
    blank = torch.full((3, 60, 90), 0.4)
    grain = lambda: (blank + 0.02 * torch.randn(blank.shape, generator=rng)).clamp(0, 1)
    one, _, _ = redrawing((96, 96), 1, True, 1.0, (0, 0))
    other, _, _ = redrawing((96, 96), 2, True, 1.0, (0, 0))
    for pair in ((blank, blank), (blank, 1 - blank), (grain(), grain()), (one, other)):
        found = register(*pair)
        assert (found.scale, found.shift) == (1.0, (0.0, 0.0))


def test_an_axis_that_says_nothing_stays(rng):
    lines = torch.rand(3, 1, 40, generator=rng).repeat_interleave(3, 2).expand(3, 96, 120)
    found = register(lines, lines.roll(2, 2))
    assert found.shift == pytest.approx((0, 2), abs=0.01)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.02, -0.03)])
def test_what_is_still_is_not_resampled(shift):
    picture, redrawn, _ = redrawing((128, 128), 4, True, 1.0, shift, tint=0.02)
    found = register(picture, redrawn)
    assert found.in_place(redrawn) is redrawn
    assert found.gain == pytest.approx((1.02, 0.98, 1.0), abs=0.003)
    assert found.offset == pytest.approx((-0.01, 0.01, 0.02), abs=0.003)


def test_what_is_to_go_by_finds_it_where_most_is_another_picture():
    picture, redrawn, where = redrawing((128, 128), 6, True, 1.01, (3.4, -3.4), changed=0.7)
    assert register(picture, redrawn).shift == (0, 0)
    off, wider = errors(register(picture, redrawn, keep=1 - where), 1.01, (3.4, -3.4))
    assert off < 0.1 and wider < 0.0005
