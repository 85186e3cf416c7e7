"""The evaluation: fair prompts, right counts, and a card that says what was measured."""

import json

import evaluate_model
import model_card
import numpy as np
import pytest
import torch
from measured import MEASURED

from benchmarks.judge import Judge

LISTS = json.loads(evaluate_model.PROMPTS.read_text())


def test_prompts_are_all_different_and_name_every_concept():
    judge, rows = Judge.load(), LISTS["measure"] + LISTS["choose"]
    assert (len(LISTS["measure"]), len(LISTS["choose"])) == (200, 48)
    assert len({row["prompt"] for row in rows}) == len(rows)
    assert {row["concept"] for row in LISTS["measure"]} == set(judge.concepts)
    for row in rows:
        assert row["background"] is None or f"{row['background']} background" in row["prompt"]


def test_prompts_are_drawn_by_chance_alone():
    """The same seed, the same list; another seed, other prompts of the same kind."""
    pytest.importorskip("resvg_py")
    from evaluate_prompts import draw

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
    found = evaluate_model.judged(Sure(), rows, np.zeros((3, 8, 8, 3), np.uint8))
    assert found["top-1"] == pytest.approx(1 / 3)
    assert found["top-5"] == pytest.approx(2 / 3)
    assert found["background"] == 0.5


def test_the_card_says_what_was_measured():
    card = model_card.CARD.read_text()
    assert model_card.filled(card, json.loads(MEASURED.read_text())) == card


def test_a_card_without_marks_is_refused():
    with pytest.raises(ValueError, match="put both marks"):
        model_card.filled("no marks", {})
