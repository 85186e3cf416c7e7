"""The task Vectorize, end to end on a model of random weights."""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from PIL import Image

from dreamsampler.files import InputError, OutputError
from dreamsampler.generators.vector import Scene, rasterize, read_svg, to_svg
from dreamsampler.operators import GaussianBlur
from dreamsampler.tasks import Vectorize
from dreamsampler.tasks.execute import execute


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
    few = {"paths": 6, "fit_steps": 30, "num_inference_steps": 2, "update_steps": 2, "size": 48}
    return Vectorize(image, **{**few, **options})


def traced(image, **options):
    """Of an SVG file or a prompt alone, whose paths are traced."""
    return Vectorize(image, **{"num_inference_steps": 2, "size": 48, **options})


def psnr(a, b):
    return float(-10 * torch.log10((a - b).square().mean()))


@pytest.mark.parametrize("init", ["component", "random", "trace"])
def test_a_picture_becomes_paths(init, sharp, prior, tmp_path):
    run = quick(sharp, init=init, beta=0.0, fit_steps=50).start(prior).run()
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
    task = quick(sharp, prompt="two disks", seed=5, loss=0.0)
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
        run = quick(sharp, prompt="x", fit_steps=5).start(prior).run()
        texts.append(run.save(tmp_path / f"{name}.svg", recipe={})[0].read_text())
    assert texts[0] == texts[1]


def test_simplifying_leaves_out_paths(sharp, prior):
    run = quick(sharp, init="random", paths=16, beta=0.0, loss=1.0).start(prior).run()
    assert run.report["paths"] < 16


def test_an_unfinished_run_has_no_pictures(sharp, prior):
    run = quick(sharp).start(prior)
    with pytest.raises(ValueError, match="not finished"):
        run.pictures()
    run = quick(sharp, beta=0.0).start(prior)
    with pytest.raises(ValueError, match="not finished"):
        run.pictures()


def test_a_prompt_alone_is_drawn(prior, tmp_path):
    run = traced(None, prompt="cat", size=32).start(prior)
    moments = list(run)
    assert [step.index for step in moments] == list(range(4)) and run.total == 4
    assert run.evaluations == 4 * 2
    assert run.pictures()[0].shape == (3, 32, 32)
    assert run.scene().color[:, 3].tolist() == [1.0] * run.scene().paths
    assert run.report["crossing"] == 0
    assert run.source.path is None
    assert run.preview(moments[0]).shape == run.preview(moments[-1]).shape == (1, 3, 32, 32)
    (path,) = run.save(tmp_path / "o.svg")
    recipe = json.loads(ET.parse(path).getroot()[1].text)
    assert recipe["input"]["name"] is None and recipe["options"]["image"] is None


def test_editing_an_svg_to_what_it_shows_changes_no_path(prior, tmp_path):
    """The same prompt: nothing changes, so every path keeps its place."""
    color = torch.tensor([[0.1, 0.2, 0.9, 1], [0.9, 0.1, 0.1, 0.5]])
    centers = torch.tensor([[20.0, 20.0], [29.0, 16.0]])
    scene = Scene.circles(centers, torch.tensor([14.0, 6.0]), 48, 40, color=color)
    text = to_svg(scene)
    (tmp_path / "in.svg").write_text(text)
    run = traced(tmp_path / "in.svg", prompt="x", source_prompt="x", guidance_scale=1.0)
    run = run.start(prior).run()
    (path,) = run.save(tmp_path / "out.svg", recipe={})
    assert path.read_text() == text
    changes = {name: run.report[name] for name in ("recolored", "removed", "new")}
    assert run.report["paths"] == 2 and changes == {"recolored": 0, "removed": 0, "new": 0}


@pytest.mark.parametrize("side", [24, 64, 512])
def test_the_view_box_of_an_svg_changes_nothing_but_the_scale(prior, tmp_path, side):
    """Two paths, one edited to another place: the same result in every unit."""
    scene = Scene.circles(
        torch.tensor([[30.0, 32.0], [48.0, 32.0]]), torch.tensor([14.0, 6]), 64, 64
    )
    results = []
    for unit in (64, side):
        large = scene.scaled(unit / 64)
        (tmp_path / "in.svg").write_text(to_svg(large, digits=6))
        run = traced(tmp_path / "in.svg", prompt="x", size=64).start(prior).run()
        run.save(tmp_path / "out.svg", recipe={})
        results.append(read_svg(tmp_path / "out.svg", 64))
    one, other = results
    assert one.paths == other.paths > 0 and torch.equal(one.color, other.color)
    assert (one.points - other.points).abs().max() < 0.1


def test_the_record_of_an_svg_shows_it_before_and_after(prior, tmp_path):
    disk = Scene.circles(torch.full((1, 2), 24.0), torch.ones(1) * 9, 48, 48)
    (tmp_path / "in.svg").write_text(to_svg(disk))
    task = traced(tmp_path / "in.svg", prompt="x")
    files = execute(task, prior, tmp_path / "o.svg", record=tmp_path / "record").record
    assert {path.name for path in files} >= {*task.RECORDS, "steps.gif"}


def test_the_record_shows_the_paths_finding_their_shape(sharp, prior, tmp_path):
    task = quick(sharp, prompt="x", loss=0.0)
    files = execute(task, prior, tmp_path / "o.svg", record=tmp_path / "record").record
    assert {path.name for path in files} >= {*task.RECORDS, "steps.gif"}
    with Image.open(tmp_path / "record" / "paths.gif") as animation:
        first = np.asarray(animation.convert("RGB"))
        animation.seek(animation.n_frames - 1)
        assert animation.n_frames >= 10 and (np.asarray(animation.convert("RGB")) != first).any()
    with Image.open(tmp_path / "record" / "beside.png") as page:
        assert page.size == (4 * 244 + 4, 200 + 24)
    with Image.open(tmp_path / "record" / "steps.gif") as animation:  # its steps, not their end
        assert animation.n_frames == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no XML"),
        ("<svg", "no XML"),
        (
            '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
            "undefined entity",
        ),
        ('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "nothing to draw"),
        (
            '<svg xmlns="http://www.w3.org/2000/svg" width="99" height="99">'
            '<path d="M0 0L1e999 5L5 5Z"/></svg>',
            "nothing to draw",
        ),
    ],
)
def test_svg_files_that_cannot_be_used_are_refused(text, words, tmp_path):
    (tmp_path / "in.svg").write_text(text)
    with pytest.raises(InputError, match=words):
        quick(tmp_path / "in.svg", prompt="x").check_files()


def test_pictures_that_show_nothing_are_refused(tmp_path, prior):
    """Transparent everywhere, whatever its hidden colors: on white there is nothing."""
    rgba = np.random.default_rng(0).integers(0, 255, (32, 32, 4), dtype=np.uint8)
    rgba[..., 3] = 0
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    with pytest.raises(InputError, match="one color"):
        quick(tmp_path / "clear.png").start(prior)


def test_an_operator_that_does_not_fit_is_refused(sharp, prior):
    with pytest.raises(ValueError, match=r"none\.png"):
        quick(sharp, operator="mask(none.png)").start(prior)
    with pytest.raises(ValueError, match="operator"):
        quick(sharp, operator="blurr(3)").check()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"paths": 0}, "paths is 0"),
        ({"segments": 1}, "segments is 1"),
        ({"init": "magic"}, "choose one of trace"),
        ({"operator": "blur(?)"}, "leaves sigma open"),
        ({"guidance_scale": 3.0}, "without a prompt"),
        ({"negative_prompt": "x"}, "without a prompt"),
        ({"init": "trace", "segments": 5}, "the tracer decides"),
        ({"beta": float("nan")}, "beta is nan"),
        ({"noise": 2.0}, "noise is 2"),
        ({"source_prompt": "x"}, "source_prompt came with a picture"),
        ({"image": None}, "neither a picture nor a prompt"),
        ({"image": "a.svg"}, "an SVG file came without a prompt"),
        ({"image": "a.svg", "prompt": "x", "operator": "blur(2)"}, "operator came with an SVG"),
        ({"image": None, "prompt": "x", "strength": 0.5}, "strength came with a prompt alone"),
        ({"image": None, "prompt": "x", "beta": 0.0}, "beta came with a prompt alone"),
        ({"image": "a.svg", "prompt": "x", "fit_steps": 9}, "fit_steps came with an SVG"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options, words, sharp):
    with pytest.raises(ValueError, match=words):
        Vectorize(**{"image": sharp, **options}).check()


def test_files_that_cannot_be_used_are_refused(tmp_path, sharp):
    with pytest.raises(InputError):
        quick(tmp_path / "none.png").check_files()
    large = tmp_path / "large.png"
    Image.new("RGB", (1100, 1100)).save(large)
    with pytest.raises(InputError, match="megapixel"):
        quick(large).check_files()
    with pytest.raises(OutputError, match=r"call it o\.svg"):
        quick(sharp).check_output(tmp_path / "o.png")
