"""A checkpoint in one file: found configuration, equal weights, and refusals by its header."""

import shutil

import pytest
import torch
from ldm import blank_checkpoint, write_single_file
from tiny import TINY, edit_json, latents

from dreamsampler.models import load
from dreamsampler.models.errors import ModelError
from dreamsampler.models.load import from_pretrained
from dreamsampler.models.single_file import heard_target
from dreamsampler.models.weights import fingerprint

FIRST = "model.diffusion_model.input_blocks.0.0.weight"
CROSS = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """The tiny model as one file, away from its folder."""
    return write_single_file(TINY, tmp_path_factory.mktemp("single") / "tiny.safetensors")


def refusal(*args, **options):
    with pytest.raises(ModelError) as caught:
        from_pretrained(*args, device="cpu", local_files_only=True, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def same(prior, other):
    z, level = latents(prior, 1), prior.schedule(0.5)
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        (a,) = prior.predict(z, level, [prior.condition("a cat")])
        (b,) = other.predict(z, level, [other.condition("a cat")])
        assert torch.allclose(a.z0, b.z0, atol=1e-6)
        assert torch.allclose(prior.encode(x), other.encode(x), atol=1e-6)
        assert torch.allclose(prior.decode(z), other.decode(z), atol=1e-5)
    return True


def test_a_file_equals_its_folder(single, tiny, capfd):
    prior = from_pretrained(single, config=TINY, device="cpu", local_files_only=True)
    assert capfd.readouterr() == ("", "")
    assert same(prior, tiny)
    assert prior.name == str(single)
    assert prior.revision == fingerprint([single])
    assert not any(weight.requires_grad for weight in prior.network.parameters())


def test_a_file_in_a_folder_finds_the_configuration_there(single, tiny, own_folder):
    edit_json(own_folder / "scheduler/scheduler_config.json", prediction_type="v_prediction")
    shutil.copy(single, own_folder / "mine.safetensors")
    prior = from_pretrained(own_folder / "mine.safetensors", device="cpu", local_files_only=True)
    assert prior.target == "v"
    assert torch.equal(prior.network.conv_in.weight, tiny.network.conv_in.weight)


def test_a_file_finds_its_configuration_in_the_cache(single, tiny, tmp_path):
    home = tmp_path / "models--sd2-community--stable-diffusion-2-1-base"
    (home / "refs").mkdir(parents=True)
    (home / "refs/main").write_text("a" * 40)
    ignore = shutil.ignore_patterns("*.safetensors")
    shutil.copytree(TINY, home / "snapshots" / ("a" * 40), ignore=ignore)
    options = {"config": "sd21-base", "cache_dir": tmp_path, "local_files_only": True}
    assert same(from_pretrained(single, device="cpu", **options), tiny)


@pytest.mark.parametrize(("width", "name"), [(768, "stable-diffusion-v1-5"), (1024, "2-1")])
def test_a_configuration_that_is_not_there_says_how_to_get_it(width, name, tmp_path):
    shapes = {FIRST: (4, 4, 3, 3), CROSS: (4, width)}
    path = blank_checkpoint(tmp_path / "a.safetensors", **shapes)
    text = refusal(path, cache_dir=tmp_path)
    assert f'{name} --include "*.json" "*.txt"` once, or pass a diffusers folder as config' in text


@pytest.mark.parametrize("said", ["epsilon", "v"])
def test_what_a_trained_network_says_is_heard(said):
    prior = from_pretrained(device="cpu")
    truth, prior.target = prior.target, said
    assert heard_target(prior) == truth


def test_second_versions_are_listened_to(single, monkeypatch):
    monkeypatch.setattr(load, "is_second", lambda header: True)
    monkeypatch.setattr(load, "find_config", lambda *_: TINY)
    monkeypatch.setattr(load, "heard_target", lambda prior: "v")
    assert from_pretrained(single, device="cpu").target == "v"
    assert from_pretrained(single, config=TINY, device="cpu").target == "epsilon"


def test_its_dtype(single):
    from dreamsampler.models.single_file import load_file

    parts = load_file(single, torch.float16, TINY)
    assert parts["unet"].dtype == parts["text_encoder"].dtype == torch.float16
    assert parts["vae"].dtype == torch.float32


def test_its_version(single, tiny):
    assert "was asked for" in refusal(single, config=TINY, revision="0" * 16)


@pytest.mark.parametrize(
    ("key", "shape", "word"),
    [
        ("conditioner.embedders.0.x", (1,), "XL"),
        ("model.diffusion_model.joint_blocks.0.x", (1,), "Stable Diffusion 3"),
        ("model.diffusion_model.double_blocks.0.x", (1,), "FLUX"),
        ("lora_unet_x.alpha", (1,), "LoRA"),
        ("control_model.x", (1,), "ControlNet"),
        ("down_blocks.0.x", (1,), "bare UNet"),
        ("encoder.x", (1,), "bare autoencoder"),
        ("x", (1,), "no Stable Diffusion UNet"),
        (FIRST, (4, 9, 3, 3), "9 channels"),
        (FIRST, (4, 4, 3, 3), "not 768 or 1024"),
    ],
)
def test_other_files_are_refused_by_their_header(key, shape, word, tmp_path):
    assert word in refusal(blank_checkpoint(tmp_path / "a.safetensors", **{key: shape}))


def test_files_of_other_kinds(tmp_path, single):
    (tmp_path / "a.txt").touch()
    assert "no model" in refusal(tmp_path / "a.txt")
    (tmp_path / "cut.safetensors").write_bytes(single.read_bytes()[:-5])
    assert "bytes long instead of" in refusal(tmp_path / "cut.safetensors", config=TINY)


def test_a_configuration_of_another_model(single, own_folder):
    edit_json(own_folder / "unet/config.json", block_out_channels=[32, 32])
    assert "cannot be loaded" in refusal(single, config=own_folder)


def test_a_file_without_its_text_encoder(single, tmp_path):
    from safetensors.torch import load_file, save_file

    weights = {k: v for k, v in load_file(single).items() if not k.startswith("cond_stage")}
    save_file(weights, tmp_path / "a.safetensors")
    assert "cannot be loaded" in refusal(tmp_path / "a.safetensors", config=TINY)
