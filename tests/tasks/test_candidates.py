"""Edits tried at several strengths and seeds: which one is kept, and what is told of the rest."""

import json

import pytest
import torch
from PIL import Image

from dreamsampler import Edit, GaussianMixture
from dreamsampler.files import InputError
from dreamsampler.tasks.edit.candidates import Candidate, least_that_shows, variations


def one(evidence, change):
    return Candidate(0, 0.5, torch.zeros(1), evidence, change)


@pytest.mark.parametrize(
    ("tried", "kept"),
    [
        ([(10.0, 0.3), (9.0, 0.2), (4.0, 0.1)], 1),
        ([(10.0, 0.3), (7.5, 0.2), (7.4, 0.1)], 1),
        ([(-3.0, 0.1), (-1.0, 0.4)], 1),
        ([(0.0, 0.2), (0.0, 0.1)], 0),
        ([(2.0, 0.2), (-5.0, 0.0)], 0),
    ],
    ids=[
        "least of two",
        "three quarters are enough",
        "none shows it",
        "nothing to tell",
        "not the unchanged",
    ],
)
def test_the_least_change_that_shows_the_prompt_is_kept(tried, kept):
    candidates = [one(*each) for each in tried]
    assert least_that_shows(candidates) is candidates[kept]


def test_candidates_differ_in_seed_and_around_the_usual_strength():
    tasks = variations(Edit("x.png", "a", seed=5, candidates=3))
    assert [task.seed for task in tasks] == [5, 6, 7]
    assert [task.strength for task in tasks] == pytest.approx([0.6, 0.75, 0.9])
    given = variations(Edit("x.png", "a", strength=0.9, candidates=4))
    assert {task.strength for task in given} == {0.9} and len(given) == 4
    most = variations(Edit("x.png", "a", method="flowedit", candidates=2))
    assert most[1].strength == 1.0


def test_strength_auto_tries_four_strengths_with_one_seed(world):
    prior, source = world
    tasks = variations(Edit("x.png", "a", strength="auto", seed=5))
    assert [task.strength for task in tasks] == pytest.approx([0.6, 0.7, 0.8, 0.9])
    assert {task.seed for task in tasks} == {5}
    assert len(variations(Edit("x.png", "a", strength="auto", candidates=2))) == 2
    found = Edit(source, "1", "0", strength="auto", seed=2, **FEW)(prior, progress=False)
    kept = found.run.kept
    alone = Edit(source, "1", "0", strength=kept.strength, seed=2, **FEW)(prior, progress=False)
    assert alone.images[0].tobytes() == found.images[0].tobytes()
    assert (
        found.recipe["options"]["strength"] == "auto"
        and found.recipe["report"]["kept"] == kept.name
    )


@pytest.fixture
def world():
    """Two pictures that differ in a corner, and the first of them as a source."""
    means = torch.full((2, 3, 16, 16), -0.5)
    means[1, :, :8, :8] = 0.5
    source = Image.fromarray(((means[0] + 1) * 127.5).byte().permute(1, 2, 0).numpy())
    return GaussianMixture(means, 0.1), source


def test_the_record_and_the_recipe_tell_of_all_and_the_result_is_one_of_them(world, tmp_path):
    prior, source = world
    task = Edit(source, "1", "0", seed=2, candidates=3, num_inference_steps=4, size=16)
    result = task(prior, progress=False)
    report = result.recipe["report"]
    assert json.loads(json.dumps(report)) == report and report["not kept"].count("evidence") == 2
    kept = result.run.kept
    assert report["kept"] == f"strength {kept.strength:g}, seed {kept.seed}"
    assert result.recipe["seeds"] == [kept.seed] and len(result.images) == 1
    alone = Edit(source, "1", "0", seed=kept.seed, strength=kept.strength, **FEW)
    assert alone(prior, progress=False).images[0].tobytes() == result.images[0].tobytes()
    (sheet,) = result.run.record(tmp_path)
    assert Image.open(sheet).size == (3 * 16, 16)
    again = task(prior, progress=False)
    assert again.recipe["report"] == report


FEW = {"num_inference_steps": 4, "size": 16}


def test_what_changed_too_little_is_not_kept_though_it_changed_least(world):
    """At a low strength nothing moves, and the model says so."""
    prior, source = world
    task = Edit(source, "1", "0", candidates=2, guidance_scale=1.0, **FEW)
    run = task.start(prior)
    for _ in run:
        pass
    assert all(each.evidence > 0 for each in run.tried)
    run.tried[0] = Candidate(0, 0.1, run._z_src, -5.0, 0.0)
    assert least_that_shows(run.tried) is run.tried[1]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"candidates": 1}, "candidates"),
        ({"candidates": 3, "num_images": 2}, "leave num_images out"),
        ({"candidates": 3, "method": "ddim_inversion"}, "pass a strength above 0"),
        ({"strength": "auto", "num_images": 2}, "strength is auto and num_images 2"),
        ({"strength": "auto", "method": "ddim_inversion"}, "pass a strength above 0"),
        ({"strength": "much"}, "strength"),
        ({"candidates": 3, "strength": 0.0}, "pass a strength above 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, line):
    with pytest.raises(InputError, match=line):
        Edit("x.png", "a", **options).check()
