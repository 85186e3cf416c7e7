"""Regularizers in words."""

import pytest
import torch
from oracles import normal

from dreamsampler.maths import Cosine, Estimate, Step
from dreamsampler.regularizers import (
    chain,
    palette,
    palette_of,
    reference_style,
    symmetry,
    tileable,
    total_variation,
)
from dreamsampler.regularizers.parse import REGULARIZERS, read_regularizers

X = normal(1, 3, 8, 8)
NOW = Step(0, Cosine()(0.5), X, X, X, Estimate(X, X), X)
REFERENCE = normal(1, 3, 16, 16, seed=4)
SIGHTS = {"autoencoder": lambda x: [x.tanh()], "clip-folder": lambda x: [x.square()]}


def built(text):
    return read_regularizers(text).build(lambda path: REFERENCE, SIGHTS.get)(X, NOW)


@pytest.mark.parametrize(
    ("text", "map_"),
    [
        ("flattened", total_variation(0.2)),
        ("flattened(0.5)", total_variation(0.5)),
        ("mirrored", symmetry()),
        ("mirrored(axis=horizontal, weight=2)", symmetry(2.0, axis="horizontal")),
        ("seamless(3)", tileable(3.0)),
        ("palette(a.png)", palette(palette_of(REFERENCE, 8), 4.0)),
        ("palette('my colors.png', 3, weight=1)", palette(palette_of(REFERENCE, 3), 1.0)),
        ("resembling(a.png)", reference_style(SIGHTS["autoencoder"], REFERENCE)),
        (
            "resembling(a.png, content, 2, network=clip-folder)",
            reference_style(SIGHTS["clip-folder"], REFERENCE, 2.0, by="content"),
        ),
        ("mirrored | flattened(0.1)", chain(symmetry(), total_variation(0.1))),
    ],
)
def test_words_are_the_map(text, map_):
    torch.testing.assert_close(built(text), map_(X, NOW))


def test_every_one_has_a_builder():
    for name, table in REGULARIZERS.items():
        assert built(f"{name}(a.png)" if "path" in table else name).shape == X.shape


def test_it_knows_the_files_it_needs():
    found = read_regularizers("mirrored | palette(a.png) | palette('b c.png', 2)").inputs()
    assert [str(path) for path in found] == ["a.png", "b c.png"]


def test_resemblance_needs_something_that_sees():
    with pytest.raises(ValueError, match="needs a network that sees"):
        read_regularizers("resembling(a.png)").build(lambda path: REFERENCE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "regularize is empty"),
        ("miror", "there is no regularizer 'miror': did you mean mirrored"),
        ("palette", "palette needs path"),
        ("resembling", "resembling needs path"),
        ("resembling(a.png, colors)", "by of resembling is colors, but must be one of style"),
        ("flattened(x)", "weight of flattened is x, but must be a number"),
        ("flattened(-1)", "must be above 0"),
        ("mirrored(axis=diagonal)", "must be one of vertical, horizontal"),
        ("mirrored(", "has no partner"),
        ("palette(a.png, 1)", "must be at least 2"),
        ("seamless(1, 2)", "one argument too many"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(text, words):
    with pytest.raises(ValueError, match=words) as caught:
        read_regularizers(text)
    assert "\n" not in str(caught.value)
