"""The evaluation: fair prompts, right counts, and a card that says what was measured."""

import json
import shutil

import numpy as np
import pytest
import torch
from tiny import TINY, edit_json

from benchmarks.judge import Judge
from training.evaluation import __main__ as evaluation
from training.evaluation import card, parts
from training.evaluation.card import MEASURED
from training.evaluation.prompts import LIST

LISTS = json.loads(LIST.read_text())


def test_prompts_are_all_different_and_name_every_concept():
    judge, rows = Judge.load(), LISTS["measure"] + LISTS["choose"]
    assert (len(LISTS["measure"]), len(LISTS["choose"])) == (200, 48)
    assert len({row["prompt"] for row in rows}) == len(rows)
    assert {row["concept"] for row in LISTS["measure"]} == set(judge.concepts)
    for row in rows:
        assert row["background"] is None or f"{row['background']} background" in row["prompt"]


def test_prompts_are_drawn_by_chance_alone():
    """The same seed, the same list; another seed, other prompts of the same kind."""
    from training.evaluation.prompts import draw

    assert draw(5) == draw(5)
    assert draw(5)["measure"] != draw(6)["measure"]


def test_judged_counts_first_places_and_named_backgrounds():
    class Sure:
        concepts, backgrounds = ["a", "b", "c", "d", "e", "f"], ["white", "blue"]

        def rank(self, x):
            return torch.arange(6.0).flip(0).expand(len(x), 6)  # a first, f last

        def rank_backgrounds(self, x):
            return torch.tensor([1.0, 0.0]).expand(len(x), 2)

    rows = [
        {"concept": "a", "background": "white"},
        {"concept": "b", "background": None},
        {"concept": "f", "background": "blue"},
    ]
    found = evaluation.judged(Sure(), rows, np.zeros((3, 8, 8, 3), np.uint8))
    assert found["top-1"] == pytest.approx(1 / 3)
    assert found["top-5"] == pytest.approx(2 / 3)
    assert found["background"] == 0.5


def test_the_card_says_what_was_measured():
    text = card.CARD.read_text()
    assert card.filled(text, json.loads(MEASURED.read_text())) == text


def test_a_card_without_marks_is_refused():
    with pytest.raises(ValueError, match="put both marks"):
        card.filled("no marks", {})


def test_pairs_and_restorations_are_measured_as_the_suite_measures_them(tmp_path):
    """A worker's parts, with the tiny model: what the table's rows are made of."""
    folder = tmp_path / "small"
    shutil.copytree(TINY, folder)
    edit_json(folder / "unet" / "config.json", sample_size=8)
    parts.start(str(folder))
    torch.set_grad_enabled(True)
    (pair,) = parts.edit_pairs(["00"])
    assert pair["words"] == "dog face" and pair["edited"].shape == (256, 256, 3)
    assert pair["top-1"] in (0.0, 1.0) and pair["background dB"] > 0
    pictures = parts.draw_prompts(["cat face", "fox"], [1, 2], 3.0, 2)
    assert pictures.shape[0] == 2 and pictures.dtype == np.uint8
    sharp, blurred, restored = parts.restore_picture("edit_pairs/00_cat-face.png", "cat face")
    assert sharp.shape == blurred.shape == restored.shape == (128, 128, 3)
