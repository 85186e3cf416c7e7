"""Pictures of icons and their captions: what is said is what is drawn."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.captions import BACKGROUNDS, PLACES, TEXTURES, caption
from training.data.render import GLYPH, SIZE, affine, backdrop, compose, layout, render_shard


def disk():
    """A red disk as large as drawings are, premultiplied."""
    y, x = np.mgrid[0:GLYPH, 0:GLYPH] - (GLYPH - 1) / 2
    inside = (np.hypot(x, y) < 70).astype(np.float32)
    return np.stack([inside, 0 * inside, 0 * inside, inside], -1)


@given(seed=st.integers(0, 10**6))
def test_a_drawing_lies_where_its_caption_says(seed):
    rng = random.Random(seed)
    found = layout(rng)
    if found is None:
        return
    scale, at, small, place = found
    picture = compose(disk(), np.ones((SIZE, SIZE, 3)), affine(rng, 0.2, scale, at))
    rows, columns = np.nonzero(picture[..., 1] < 128)
    assert rows.min() > 0 and rows.max() < SIZE - 1  # nothing is cut off
    assert columns.min() > 0 and columns.max() < SIZE - 1
    assert (np.ptp(columns) < 77) == small
    off = np.array([columns.mean(), rows.mean()]) - (SIZE - 1) / 2
    assert np.array_equal(np.where(np.abs(off) > 7, np.sign(off), 0), place)
    text = caption("cat-face", "noto", "blue", "plain", rng, small, place)
    assert ("small" in text) == small
    assert place == (0, 0) or PLACES[place] in text


@pytest.mark.parametrize("ground", ["plain", "gradient", *TEXTURES])
def test_a_background_is_nearest_to_its_own_word(ground):
    for word, seed in itertools.product(
        [w for w in BACKGROUNDS if (w, ground) != ("white", "gradient")], range(4)
    ):
        mean = backdrop(word, ground, random.Random(seed)).mean((0, 1)) * 255
        distance = {w: np.abs(np.array(c) - mean).sum() for w, (c, _) in BACKGROUNDS.items()}
        assert min(distance, key=lambda w: distance[w]) == word


def test_the_kind_of_a_background_is_never_said_wrongly():
    rng = random.Random(0)
    for ground in ("plain", "gradient", *TEXTURES):
        texts = [caption("lemon", "noto", "blue", ground, rng) for _ in range(300)]
        kinds = {k for k in ("gradient", *TEXTURES) for text in texts if k in text}
        assert kinds == ({ground} - {"plain"})
        assert all("blue" in text for text in texts if "background" in text)


def test_a_shard_is_a_function_of_its_seed():
    from training.data.concepts import icon_names
    from training.data.icons import SETS

    drawing = (disk() * 255).astype(np.uint8)
    glyphs = {(style, name): [drawing] for style in SETS for name in icon_names()}
    one, labels = render_shard(glyphs, 12, 3, 0.2)
    two, again = render_shard(glyphs, 12, 3, 0.2)
    assert np.array_equal(one, two) and labels == again
    assert one.shape == (12, SIZE, SIZE, 3)
