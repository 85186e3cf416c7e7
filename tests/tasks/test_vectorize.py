"""The task Vectorize, end to end on a model of random weights."""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import TINY

from dreamsampler.files import InputError, OutputError
from dreamsampler.generators.vector import Scene, rasterize, read_svg
from dreamsampler.models.load import from_pretrained
from dreamsampler.operators import GaussianBlur
from dreamsampler.tasks.vectorize import Vectorize


@pytest.fixture(scope="module")
def prior():
    return from_pretrained(TINY, device="cpu", dtype="float32")


def icon():
    """Two disks on white, (3, 40, 48)."""
    color = torch.tensor([[0.1, 0.2, 0.9, 1], [0.9, 0.1, 0.1, 1]])
    centers = torch.tensor([[20.0, 20.0], [29.0, 16.0]])
    scene = Scene.circles(centers, torch.tensor([14.0, 6.0]), 48, 40, color=color)
    return rasterize(scene, torch.ones(3))


def write(path, x):
    Image.fromarray((x.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)).save(path)
    return path


@pytest.fixture
def sharp(tmp_path):
    return write(tmp_path / "sharp.png", icon())


def quick(image, **options):
    few = {"paths": 6, "steps": 30, "num_inference_steps": 2, "inner_steps": 2}
    return Vectorize(image, **{**few, **options})


def psnr(a, b):
    return float(-10 * torch.log10((a - b).square().mean()))


@pytest.mark.parametrize("init", ["component", "random", "trace"])
def test_a_picture_becomes_paths(init, sharp, prior, tmp_path):
    run = quick(sharp, init=init, beta=0.0, steps=50).start(prior).run()
    (picture,) = run.pictures()
    assert psnr(picture, icon()) > 18
    assert run.total == 0 and run.evaluations == 0
    (path,) = run.save(tmp_path / "o.svg")
    back = read_svg(path)
    assert (back.width, back.height) == (48, 40)
    assert psnr(rasterize(back, torch.ones(3)), picture) > 40


def test_a_blurred_picture_is_explained(prior, tmp_path):
    y = GaussianBlur(1.5).A(icon()[None])[0]
    blurred = write(tmp_path / "blurred.png", y)
    run = quick(blurred, operator="blur(1.5)", prompt="cat", noise=0.01).start(prior)
    moments = list(run)
    assert len(moments) == run.total == 2
    assert run.evaluations == 2  # plain, as what is measured needs no guidance
    assert run.preview(moments[-1]).shape == (1, 3, 40, 48)
    assert run.report["residual"] < 0.08
    assert 0 < run.report["paths"] <= 6 and 0 <= run.report["crossing"] <= 1


def test_the_file_says_how_it_was_made(sharp, prior, tmp_path):
    task = quick(sharp, prompt="two disks", seed=5)
    run = task.start(prior).run()
    (path,) = run.save(tmp_path / "new" / "o.svg")
    assert [path] == task.outputs(tmp_path / "new" / "o.svg")
    root = ET.parse(path).getroot()
    assert root[0].text == "two disks"
    recipe = json.loads(root[1].text)
    assert recipe["task"] == "vectorize" and recipe["options"]["seed"] == 5
    assert 0 < recipe["report"]["paths"] <= 6


def test_the_same_seed_gives_the_same_file(sharp, prior, tmp_path):
    texts = []
    for name in ("a", "b"):
        run = quick(sharp, prompt="x", steps=5).start(prior).run()
        texts.append(run.save(tmp_path / f"{name}.svg", recipe={})[0].read_text())
    assert texts[0] == texts[1]


def test_simplifying_leaves_out_paths(sharp, prior):
    run = quick(sharp, init="random", paths=30, beta=0.0, loss=1.0).start(prior).run()
    assert run.report["paths"] < 30


def test_an_unfinished_run_has_no_pictures(sharp, prior):
    run = quick(sharp).start(prior)
    with pytest.raises(ValueError, match="not finished"):
        run.pictures()
    run = quick(sharp, beta=0.0).start(prior)
    with pytest.raises(ValueError, match="not finished"):
        run.pictures()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"paths": 0}, "paths is 0"),
        ({"segments": 1}, "segments is 1"),
        ({"init": "magic"}, "trace, component or random"),
        ({"operator": "blur(?)"}, "leaves a number open"),
        ({"guidance_scale": 3.0}, "without a prompt"),
        ({"negative_prompt": "x"}, "without a prompt"),
        ({"init": "trace", "segments": 5}, "the tracer decides"),
        ({"beta": float("nan")}, "beta is nan"),
        ({"noise": 2.0}, "noise is 2"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options, words, sharp):
    with pytest.raises(ValueError, match=words):
        quick(sharp, **options).check()


def test_files_that_cannot_be_used_are_refused(tmp_path, sharp):
    with pytest.raises(InputError):
        quick(tmp_path / "none.png").check_files()
    large = tmp_path / "large.png"
    Image.new("RGB", (1100, 1100)).save(large)
    with pytest.raises(InputError, match="megapixel"):
        quick(large).check_files()
    with pytest.raises(OutputError, match=r"call it o\.svg"):
        quick(sharp).check_output(tmp_path / "o.png")
