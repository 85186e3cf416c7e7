"""The judge: its two encoders agree, it is small, and its figures are counted right."""

import argparse
import json

import pytest
import torch

pytest.importorskip("resvg_py")

from benchmarks.judge import HERE, Judge
from benchmarks.metrics import read
from benchmarks.protocol import HERE as BENCHMARKS
from benchmarks.protocol import listed
from training.data.concepts import icon_names, title
from training.judge import train as train_judge
from training.judge.data import blur
from training.judge.evaluate import mean, retrieval


@pytest.fixture(scope="module")
def judge():
    return Judge.load()


def test_it_is_small_and_knows_the_concepts(judge):
    assert sum(path.stat().st_size for path in HERE.iterdir()) < 10e6
    assert judge.concepts == [title(name) for name in icon_names()]


def test_ranks_are_cosines_of_its_embedding(judge, rng):
    x = torch.rand(3, 3, 64, 64, generator=rng)
    told = judge.network.text(judge.concepts)
    cosines = judge.embed(x) @ told.T
    assert torch.allclose(judge.embed(x).norm(dim=1), torch.ones(3), atol=1e-5)
    assert torch.allclose(judge.rank(x), judge.network.temperature.exp() * cosines, atol=1e-4)


def test_its_accuracy_is_told_with_what_it_cannot_do():
    rows = json.loads((HERE / "judge.json").read_text())["accuracy"]
    assert any("held-out augmentations" in words for words in rows)
    assert any("never trained" in words for words in rows)


def test_retrieval_counts_own_rows(rng):
    gallery = torch.eye(8)
    assert retrieval(gallery, gallery) == {"top1": 100.0, "top5": 100.0}
    swapped = gallery[[1, 0, 2, 3, 4, 5, 6, 7]] + 0.5 * gallery
    assert retrieval(swapped, gallery)["top1"] == 75.0
    assert retrieval(swapped, gallery)["top5"] == 100.0
    assert mean([{"a": 1.0}, {"a": 2.0}]) == {"a": 1.5}


def test_blur_keeps_flat_pictures_and_variance_of_a_point():
    flat = torch.full((1, 3, 9, 9), 0.3)
    assert torch.allclose(blur(flat, 1.5), flat, atol=1e-6)
    point = torch.zeros(1, 3, 41, 41)
    point[..., 20, 20] = 1
    spread = blur(point, 1.5)[0, 0]
    places = torch.arange(41.0) - 20
    assert (spread.sum(0) * places**2).sum().item() == pytest.approx(1.5**2, rel=0.12)


def test_a_killed_judge_goes_on_as_if_nothing_had_been(tmp_path):
    names, words = ["cat face", "red apple"], ["white", "blue"]
    images = torch.randint(0, 256, (12, 3, 64, 64), dtype=torch.uint8)
    data = (images, torch.arange(12) % 2, torch.arange(12) % 2)
    args = argparse.Namespace(run=tmp_path, device="cpu", minutes=1.0, lr=1e-3, batch=4)
    whole = train_judge.Trainer(data, (names, words), args)
    for _ in range(4):
        whole.update()
    first = train_judge.Trainer(data, (names, words), args)
    for _ in range(2):
        first.update()
    first.save()
    second = train_judge.Trainer(data, (names, words), args)
    for _ in range(2):
        second.update()
    for part in ("network", "late"):
        one, two = (getattr(trainer, part).state_dict() for trainer in (whole, second))
        assert all(torch.equal(one[key], two[key]) for key in one)


def test_real_drawings_lie_near_their_own_concept_and_farther_when_damaged(judge):
    """Committed sources of edits, each to its own concept, to another one, and smeared."""
    pairs = listed("edit_pairs.json")[:60:6]
    pictures = torch.stack([read(BENCHMARKS / pair["image"]) for pair in pairs])
    names = [pair["source"] for pair in pairs]
    smeared = blur(pictures, 12)
    for i, name in enumerate(names):
        own, other, worse = judge.drawing_distance(
            torch.stack([pictures[i], pictures[i - 1], smeared[i]]), name
        ).tolist()
        assert own < 0.4 and own < worse
        assert other > 2 * own or names[i - 1] == name
