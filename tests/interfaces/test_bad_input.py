"""Every bad input that the command line must survive: one line, exit code 2, no file left."""

import errno
import os
import resource
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import TINY

from dreamsampler import files
from dreamsampler.images.record import FILES
from dreamsampler.images.save import read_recipe
from dreamsampler.interfaces.model_options import ModelOptions

FAST = ("--num-inference-steps", 2, "--model", TINY, "--size", 64)


@pytest.fixture
def refused(cli, tmp_path, monkeypatch):
    """Run an edit that must fail in one line, leave no file behind, and not even load a model."""

    def load(self):
        raise AssertionError("the model was loaded for nothing")

    def run(image, *options, prompt="dog", output="out.png", match="", cheap=True):
        before = sorted(tmp_path.rglob("*"))
        if cheap:
            monkeypatch.setattr(ModelOptions, "load", load)
        result = cli("edit", image, "--prompt", prompt, "-o", output, *FAST, *options)
        assert (result.code, result.out) == (2, ""), result.err
        assert len(result.lines) == 1, result.err
        assert result.lines[0].startswith("dreamsampler: ")
        assert match in result.err
        assert sorted(tmp_path.rglob("*")) == before
        return result.err

    return run


# --- pictures -------------------------------------------------------------------------------------


def test_missing_picture(refused):
    refused("missing.png", match="there is no file missing.png")
    refused("folder/missing.png", match="there is no file")


def test_folder_instead_of_a_picture(refused, picture):
    refused(picture.parent, match="is a folder")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"hello\n", "is not a picture but text"),
        (b"\x89PNG\r\n\x1a\n", "bad.png"),
    ],
)
def test_files_that_are_no_pictures(refused, tmp_path, content, match):
    (tmp_path / "bad.png").write_bytes(content)
    refused("bad.png", match=match)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_truncated_picture(refused, tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / f"cut.{suffix}")
    data = (tmp_path / f"cut.{suffix}").read_bytes()
    (tmp_path / f"cut.{suffix}").write_bytes(data[: len(data) // 2])
    refused(f"cut.{suffix}", match="damaged or cut short", cheap=False)


@pytest.mark.parametrize(("side", "match"), [(1, "1x1 pixels"), (20000, "400 megapixels")])
def test_far_too_small_and_far_too_large(refused, tmp_path, side, match):
    Image.new("1", (side, side)).save(tmp_path / "in.png")
    refused("in.png", match=match)


def test_mask_of_another_size(refused, picture, tmp_path):
    Image.new("L", (40, 48), 255).save(tmp_path / "mask.png")
    refused(picture, "--mask-image", "mask.png", match="40x48 pixels but the picture is 48x40")
    refused(picture, "--mask-image", "nomask.png", match="there is no file nomask.png")


# --- words and numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["", "  \n "])
def test_empty_prompt(refused, picture, prompt):
    refused(picture, prompt=prompt, match="prompt is empty")


def test_too_long_a_prompt_warns_and_names_the_lost_words(cli, picture):
    words = " ".join(f"dog{i}" for i in range(120))
    result = cli("edit", picture, "--prompt", f"{words} zebra", "-o", "out.png", *FAST)
    assert result.code == 0
    warned = [line for line in result.lines if line.startswith("warning: ")]
    assert len(warned) == len(result.lines) == 1
    assert "zebra" in warned[0]
    assert "dog1 " not in warned[0]


@pytest.mark.parametrize(
    "option", [("--strength", 2), ("--num-images", 0), ("--num-inference-steps", 0), ("--size", -5)]
)
def test_numbers_out_of_range(refused, picture, option):
    refused(picture, *option, match=option[0][2:].replace("-", "_"))


def test_a_decimal_comma_is_named(refused, picture):
    refused(picture, "--strength", "0,5", match="with a decimal point instead of a comma")


# --- models ---------------------------------------------------------------------------------------


def test_unknown_model(refused, picture):
    refused(picture, "--model", "sd-15", match="did you mean sd", cheap=False)
    refused(picture, "--model", "./nowhere", match="nowhere", cheap=False)


@pytest.mark.parametrize("switch", ["option", "environment"])
def test_no_network(refused, picture, monkeypatch, tmp_path, switch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", switch == "environment")
    options = ["--local-files-only"] if switch == "option" else []
    refused(picture, "--model", "nobody/nothing", *options, match="network", cheap=False)


@pytest.mark.parametrize("suffix", ["ckpt", "pt", "bin"])
def test_pickle_checkpoint(refused, picture, tmp_path, suffix):
    (tmp_path / f"model.{suffix}").write_bytes(b"\x80\x04.")
    refused(picture, "--model", f"model.{suffix}", match="safetensors", cheap=False)


def test_nan_from_the_network(refused, picture, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(TINY, tmp_path / "broken")
    path = next((tmp_path / "broken" / "unet").glob("*.safetensors"))
    weights = load_file(path)
    weights["conv_out.bias"] = torch.full_like(weights["conv_out.bias"], torch.nan)
    save_file(weights, path, {"format": "pt"})
    refused(picture, "--model", tmp_path / "broken", match="NaN", cheap=False)


# --- outputs --------------------------------------------------------------------------------------


def test_unwritable_outputs_are_found_before_the_work(refused, picture, tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "folder.png").mkdir()
    refused(picture, output="file/out.png", match="a part of that path is a file")
    refused(picture, output="folder.png", match="is a folder")
    refused(picture, output="out.bmp", match=".png")
    refused(picture, output=picture, match="would replace its own input")
    refused(picture, "--record", "file", match="is a file")
    if sys.platform == "linux":
        refused(picture, output="/proc/nowhere/out.png", match="cannot write")


def test_a_record_replaces_neither_the_input_nor_the_output(refused, picture, tmp_path):
    (tmp_path / "film").mkdir()
    shutil.copy(picture, tmp_path / "film" / FILES[0])
    refused(f"film/{FILES[0]}", "--record", "film", match="would replace its own input")
    refused(picture, "--record", "film", output=f"film/../film/{FILES[0]}", match="of the record")


def test_folders_that_were_tried_do_not_stay(refused, picture):
    refused(
        picture, "--record", "new", "--model", "nope", output="a/b/out.png", match="no model",
        cheap=False,
    )  # fmt: skip


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(refused, picture, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    refused(picture, output="locked/out.png", match="may not be written")


def test_a_name_that_is_too_long(refused, picture):
    refused(picture, output=300 * "x" + ".png", match="the name is too long: choose a shorter one")


def test_a_full_disk_is_found_before_the_work(refused, picture):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        refused(picture, match="cannot write")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_up_during_the_work(refused, picture, monkeypatch, tmp_path):
    (tmp_path / "out.png").write_bytes(b"older")

    def full(number):  # what is checked before is not written
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    refused(picture, match="the disk is full", cheap=False)
    assert (tmp_path / "out.png").read_bytes() == b"older"


@pytest.mark.parametrize("sweep", [(), ("--sweep", "seed=0..1")])
def test_a_result_that_its_disk_does_not_take_is_written_elsewhere(
    refused, picture, monkeypatch, tmp_path, sweep
):
    def full(path, data, write=files._write):
        if path.absolute().is_relative_to(tmp_path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, data)

    monkeypatch.setattr(files, "_write", full)
    said = refused(picture, *sweep, match=".png: the disk is full", cheap=False)
    saved = Path(said.split("the result is in ")[1].strip())
    assert read_recipe(saved)["options"]["prompt"] == "dog"
    shutil.rmtree(saved.parent)


def test_a_method_for_editors_with_a_model_that_is_none(refused, picture):
    refused(
        picture, "--method", "instruct", cheap=False, match="take a model that edits by instruction"
    )
