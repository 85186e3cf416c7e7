"""The pairs of styles that nothing was trained on: their words and their masks."""

import torch
from PIL import Image

from benchmarks.metrics import background, read
from benchmarks.protocol import listed
from benchmarks.suites.pie_bench import _ground
from training.data.captions import BACKGROUNDS
from training.data.concepts import icon_names, title
from training.data.icons import SETS, UNSEEN
from training.data.unseen import runs


def test_the_model_knows_every_word_and_none_of_the_sets():
    known = {title(name) for name in icon_names()}
    for row in listed("unseen_pairs.json"):
        assert {row["source"], row["target"]} <= known, row
        assert {row["background"], row.get("target_background", "white")} <= BACKGROUNDS.keys()
        assert row["set"] in UNSEEN.keys() - SETS.keys()


def test_the_edited_region_is_all_that_is_no_background(tmp_path):
    page = Image.new("RGB", (128, 128), "white")
    page.paste("red", (30, 40, 70, 90))
    page.paste("blue", (100, 5, 120, 60))
    page.save(tmp_path / "a.png")
    kept = _ground(runs(tmp_path / "a.png"), (128, 128))
    expected = background(read(tmp_path / "a.png"))
    inner = (slice(None), slice(1, -1), slice(1, -1))  # the rim counts as edited there
    assert torch.equal(kept[inner], expected[inner]) and 0 < expected.mean() < 1
