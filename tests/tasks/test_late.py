"""What a format, a name or a disk cannot hold is found before the work; no result is lost."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from dreamsampler import Degrade, Edit, Restore
from dreamsampler.files import InputError, OutputError, check_writable
from dreamsampler.images.save import read_recipe, save_picture
from dreamsampler.tasks.execute import check_paths


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "in.png"
    Image.new("RGB", (48, 40), (90, 100, 110)).save(path)
    return path


@pytest.mark.parametrize(("suffix", "side"), [("webp", 16384), ("jpg", 65501)])
def test_too_many_pixels_a_side_are_refused_first(tmp_path, suffix, side):
    Image.new("RGB", (side, 16)).save(tmp_path / "wide.png")
    task = Edit(tmp_path / "wide.png", "dog")
    with pytest.raises(
        OutputError, match=rf"at most {side - 1} pixels a side.*{side}x16: write a .png"
    ):
        check_paths(task, tmp_path / f"out.{suffix}")
    assert not list(tmp_path.glob("out*"))
    Image.new("RGB", (side - 1, 16)).save(tmp_path / "wide.png")
    assert check_paths(task, tmp_path / f"out.{suffix}")


def test_a_recipe_that_a_jpeg_cannot_hold_is_refused_first(picture, tmp_path):
    task = Edit(picture, "word " * 14000)
    with pytest.raises(OutputError, match=r"room for a recipe of 60000 characters"):
        check_paths(task, tmp_path / "out.jpg")
    for name, metadata in (("out.png", True), ("out.webp", True), ("out.jpg", False)):
        assert check_paths(task, tmp_path / name, metadata=metadata)


def test_transparency_in_a_jpeg_is_warned_of_first(tmp_path):
    Image.new("RGBA", (48, 40), (9, 9, 9, 90)).save(tmp_path / "clear.png")
    for task in (Edit(tmp_path / "clear.png", "dog"), Degrade(tmp_path / "clear.png", "blur(1)")):
        with pytest.warns(UserWarning, match="JPEG has no transparency"):
            check_paths(task, tmp_path / "out.jpg")


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_what_the_format_cannot_hold_after_all_is_a_png_beside(tmp_path, suffix):
    """Nobody asked before: the result is written all the same."""
    recipe, wide = {"a": "b"}, torch.rand(3, 16, 66000)
    with pytest.warns(UserWarning, match=r"cannot hold the result .*: it is in .*out\..*\.png"):
        png = save_picture(tmp_path / f"out{suffix}", wide, None, recipe)
    assert png == tmp_path / f"out{suffix}.png"
    assert Image.open(png).size == (66000, 16)
    assert read_recipe(png) == recipe
    assert not (tmp_path / f"out{suffix}").exists()


def test_a_task_says_where_its_result_is(picture, prior, tmp_path, monkeypatch):
    out = Edit(picture, "dog", num_inference_steps=1)(prior)
    monkeypatch.setitem(out.recipe, "long", "word " * 20000)
    with pytest.warns(UserWarning, match="it is in"):
        (path,) = out.save(tmp_path / "out.jpg")
    assert path == tmp_path / "out.jpg.png" and path.exists()


def test_all_outputs_together_must_fit_the_disk(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(os, "posix_fallocate", lambda file, start, size: asked.append(size))
    Image.new("RGB", (480, 400)).save(tmp_path / "in.png")
    check_paths(Edit(tmp_path / "in.png", "dog", num_images=8), tmp_path / "out.png")
    assert min(asked) >= 8 * 480 * 400 * 3


def test_a_disk_without_room_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"the disk is full|not allowed here"):
        check_writable(tmp_path / "out.png", 1 << 60)
    assert not list(tmp_path.iterdir())


def test_files_of_operators_are_read_before_the_work(picture, tmp_path):
    Image.new("L", (30, 20)).save(tmp_path / "small.png")
    (tmp_path / "kernel.txt").write_text("no numbers")
    cases = ((f"mask({tmp_path}/small.png)", "30x20 and the picture 48x40"),
             (f"kernel({tmp_path}/kernel.txt)", "cannot be used as a kernel"))  # fmt: skip
    for operator, words in cases:
        for task in (Degrade(picture, operator), Restore(picture, operator)):
            with pytest.raises(ValueError, match=words):
                task.check_files()
    Image.fromarray(np.eye(24, 20, dtype=np.uint8) * 255).save(tmp_path / "half.png")
    with pytest.raises(InputError, match="there is no file"):
        Degrade(picture, f"downsample(2) | mask({tmp_path}/none.png)").check_files()
    Image.new("L", (24, 20)).save(tmp_path / "half.png")
    Degrade(picture, f"downsample(2) | mask({tmp_path}/half.png)").check_files()
