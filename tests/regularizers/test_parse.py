"""Regularizers in text."""

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
FEATURES = {"autoencoder": lambda x: [x.tanh()], "clip-folder": lambda x: [x.square()]}


def built(text):
    return read_regularizers(text).build(lambda path: REFERENCE, FEATURES.get)(X, NOW)


@pytest.mark.parametrize(
    ("text", "map_"),
    [
        ("total_variation", total_variation(0.2)),
        ("total_variation(0.5)", total_variation(0.5)),
        ("symmetry", symmetry()),
        ("symmetry(axis=horizontal, weight=2)", symmetry(2.0, axis="horizontal")),
        ("tileable(3)", tileable(3.0)),
        ("palette(a.png)", palette(palette_of(REFERENCE, 8), 4.0)),
        ("palette('my colors.png', 3, weight=1)", palette(palette_of(REFERENCE, 3), 1.0)),
        ("reference_style(a.png)", reference_style(FEATURES["autoencoder"], REFERENCE)),
        (
            "reference_style(a.png, content, 2, network=clip-folder)",
            reference_style(FEATURES["clip-folder"], REFERENCE, 2.0, by="content"),
        ),
        ("symmetry | total_variation(0.1)", chain(symmetry(), total_variation(0.1))),
    ],
)
def test_words_are_the_map(text, map_):
    torch.testing.assert_close(built(text), map_(X, NOW))


def test_every_one_has_a_builder():
    for name, entry in REGULARIZERS.items():
        assert built(f"{name}(a.png)" if "path" in entry.parameters else name).shape == X.shape


def test_it_knows_the_files_it_needs():
    result = read_regularizers("symmetry | palette(a.png) | palette('b c.png', 2)").inputs()
    assert [str(path) for path in result] == ["a.png", "b c.png"]


def test_a_style_needs_a_network():
    with pytest.raises(ValueError, match="needs a network: pass open_network"):
        read_regularizers("reference_style(a.png)").build(lambda path: REFERENCE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "regularize is empty"),
        ("simetry", "there is no regularizer 'simetry': did you mean symmetry"),
        ("palette", "palette needs path"),
        ("reference_style", "reference_style needs path"),
        (
            "reference_style(a.png, colors)",
            "by of reference_style is colors, but must be one of style",
        ),
        ("total_variation(x)", "weight of total_variation is x, but must be a number"),
        ("total_variation(-1)", "must be above 0"),
        ("symmetry(axis=diagonal)", "must be one of vertical, horizontal"),
        ("symmetry(", "has no partner"),
        ("palette(a.png, 1)", "must be at least 2"),
        ("tileable(1, 2)", "one argument too many"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(text, words):
    with pytest.raises(ValueError, match=words) as caught:
        read_regularizers(text)
    assert "\n" not in str(caught.value)
