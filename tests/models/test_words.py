"""Words that the bundled model was not trained on are named, and no others."""

import warnings

import pytest

from dreamsampler import from_pretrained
from dreamsampler.models.source import config_folder
from dreamsampler.models.words import read_words, split_words, unknown_words
from training.data.words import write_words
from training.evaluation.prompts import draw

WORDS = read_words(config_folder("iconic"))


def test_the_list_in_the_package_is_that_of_the_captions(tmp_path):
    write_words(tmp_path)
    assert read_words(tmp_path) == WORDS
    shipped = (config_folder("iconic") / "concepts.txt").read_text("utf-8")
    assert (tmp_path / "concepts.txt").read_text("utf-8") == shipped
    assert [each for each in shipped.splitlines() if unknown_words(each, WORDS)] == []


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "a cat face on a light-blue background, Noto style",
        "cats, the strawberries with roses; a dog's face!",
        "Cherry and the foxes' tomatoes",
    ],
)
def test_known_words_are_silent(prompt):
    assert unknown_words(prompt, WORDS) == {}


def test_evaluated_prompts_are_silent():
    prompts = [each["prompt"] for rows in draw().values() for each in rows]
    assert len(prompts) > 100
    assert [each for each in prompts if unknown_words(each, WORDS)] == []


def test_others_are_named_with_the_nearest():
    found = unknown_words("a girafe, castle in watercolor: catt fase 🐱 grey", WORDS)
    assert list(found) == ["girafe", "castle", "watercolor", "catt", "fase", "🐱", "grey"]
    assert (found["catt"], found["fase"], found["grey"], found["🐱"]) == ("cat", "face", "gray", "")
    odd = unknown_words("make the castle a smile, leaf at night without glasses: elefant", WORDS)
    assert {w: n for w, n in odd.items() if n} == {
        "smile": "smiling",
        "glasses": "sunglasses",
        "elefant": "elephant",
    }
    assert split_words("jack-o-lantern/3D (1.2)") == ["jack", "o", "lantern", "3d", "1", "2"]


def test_the_model_says_so_each_time_and_others_do_not(tmp_path):
    prior = from_pretrained(device="cpu")
    for _ in range(2):  # the second time from what it remembers
        with pytest.warns(UserWarning, match=r"iconic was not trained on 'giraffe'.*lists its"):
            prior.condition("giraffe face")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prior.condition("cat face")
    assert read_words(tmp_path) == frozenset()
