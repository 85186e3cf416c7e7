"""The command line's options of the model: each does what from_pretrained does."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tiny import TINY

from dreamsampler.images.record import FILES

EDIT = ("--prompt", "a dog", "--model", TINY, "--num-inference-steps", 2, "--size", 128)
PLACE = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


@pytest.fixture
def edited(cli, picture):
    """Pixels and recipe of an edit with further options."""

    def run(*options):
        result = cli("edit", picture, "-o", "out.png", *EDIT, *options, "--json")
        assert result.code == 0, result.err
        with Image.open("out.png") as image:
            return np.asarray(image.convert("RGB")).astype(int), json.loads(result.out)

    return run


@pytest.fixture
def style(tmp_path):
    rng = torch.Generator().manual_seed(0)
    down, up = (torch.randn(shape, generator=rng) for shape in ((2, 32), (32, 2)))
    names = {f"{PLACE}.lora_A.weight": down, f"{PLACE}.lora_B.weight": up}
    save_file(names, tmp_path / "style.safetensors")
    return tmp_path / "style.safetensors"


def test_means_of_memory_and_speed_change_no_picture(edited):
    plain, _ = edited()
    for options in (
        ["--offload", "model", "--release-text-encoders"],
        ["--offload", "sequential"],
        ["--channels-last", "--gradient-checkpointing"],
    ):
        assert abs(edited(*options)[0] - plain).max() <= 1
    tiled, _ = edited("--tiling", 64)
    assert (tiled != plain).any()  # its autoencoder looks at the whole picture


def test_a_lora_acts_at_its_strength_and_is_in_the_recipe(edited, style):
    plain, without = edited()
    full, recipe = edited("--lora", style)
    nothing, _ = edited("--lora", f"{style}=0")
    assert (full != plain).any()
    assert (nothing == plain).all()
    assert recipe["model"]["lora"][0]["name"] == "style.safetensors"
    assert recipe["model"]["lora"][0]["strength"] == 1.0
    assert len(recipe["model"]["lora"][0]["sha256"]) == 64
    assert "lora" not in without["model"]


def test_a_learned_word_is_known_by_its_file(edited, tmp_path):
    rng = torch.Generator().manual_seed(0)
    save_file({"emb_params": torch.randn(1, 32, generator=rng)}, tmp_path / "thing.safetensors")
    word = ("--textual-inversion", tmp_path / "thing.safetensors")
    plain, _ = edited("--prompt", "a <thing>")
    learned, recipe = edited("--prompt", "a <thing>", *word)
    assert (plain != learned).any()
    assert recipe["model"]["textual_inversion"][0]["name"] == "thing.safetensors"


def test_a_distilled_model_takes_its_few_steps(edited):
    _, recipe = edited("--distilled", "turbo", "--num-inference-steps", 16)
    assert recipe["evaluations"] <= 3 * 4


def test_steps_are_drawn_by_the_tiny_autoencoder(cli, picture, tmp_path):
    from diffusers import AutoencoderTiny

    widths = {f"{side}_block_out_channels": (8,) * 4 for side in ("encoder", "decoder")}
    blocks = {f"num_{side}_blocks": (1,) * 4 for side in ("encoder", "decoder")}
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        AutoencoderTiny(**widths, **blocks).save_pretrained(tmp_path / "taesd")
        AutoencoderTiny(**widths, **blocks, latent_channels=16).save_pretrained(tmp_path / "other")
    strips = []
    for options in ((), ("--preview", tmp_path / "taesd")):
        result = cli("edit", picture, "-o", "out.png", *EDIT, "--record", "record", *options)
        assert result.code == 0, result.err
        with Image.open(f"record/{FILES[0]}") as image:
            strips.append(np.asarray(image))
    assert (strips[0] != strips[1]).any()
    result = cli("edit", picture, "-o", "out.png", *EDIT, "--preview", tmp_path / "other")
    assert result.code == 2 and "latents of 16 channels" in result.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lora", "style.safetensors=much"], "FILE=STRENGTH"),
        (["--lora", "nothing.safetensors"], "nothing.safetensors"),
        (["--compile", "--offload", "sequential"], "leave compile out"),
        (["--tiling", "12"], "tiling is 12"),
        (["--preview", "nowhere"], "there is no folder nowhere"),
    ],
)
def test_what_cannot_be_meant_is_one_line(cli, picture, options, message):
    result = cli("edit", picture, "-o", "out.png", *EDIT, *options)
    assert result.code == 2
    assert message in result.err and len(result.lines) == 1
