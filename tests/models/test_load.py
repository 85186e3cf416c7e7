"""Loading a model from a folder, and the messages where that fails."""

import json
import logging
import subprocess
import sys

import pytest
import torch
from tiny import edit_json, latents

from dreamsampler.files import one_line
from dreamsampler.models import libraries, source
from dreamsampler.models.errors import ModelError
from dreamsampler.models.load import Pretrained, choose_device, choose_dtype, from_pretrained
from dreamsampler.models.pipeline import load_pipeline

UNET = "unet/diffusion_pytorch_model.safetensors"


def refusal(*args, **options):
    """The one line of a refusal."""
    with pytest.raises(ModelError) as caught:
        from_pretrained(*args, device="cpu", **options)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__ in (True, False)
    return str(caught.value)


def test_a_folder_gives_a_frozen_prior(tiny, tiny_folder):
    assert isinstance(tiny, Pretrained)
    for module in (tiny.network, tiny.vae, tiny.family.encoders["text_encoder"]):
        assert not module.training
        assert not any(weight.requires_grad for weight in module.parameters())
    assert tiny.name == str(tiny_folder)
    assert tiny.name in repr(tiny) and tiny.revision in repr(tiny)


def test_the_package_brings_a_model():
    prior = from_pretrained(device="cpu")
    assert prior.name == "iconic"
    assert len(prior.revision) == 16


START = """
import json, sys
import dreamsampler.models.load as load
loader = list(sys.modules)
load.from_pretrained(device="cpu")
json.dump([loader, list(sys.modules)], sys.stdout)
"""


def test_start_up_imports_what_the_model_needs():
    """The loader imports no library, and the bundled model neither compiler nor peft."""
    run = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    loader, loaded = map(set, json.loads(run.stdout))
    assert not {"diffusers", "transformers", "huggingface_hub", "accelerate"} & loader
    assert {"diffusers", "transformers"} <= loaded
    heavy = (
        "torch._dynamo",
        "torch._inductor",
        "torchvision",
        "scipy",
        "sklearn",
        "pandas",
        "peft",
    )
    assert not {*heavy} & loaded


def test_who_needs_the_compiler_has_it(tiny):
    assert libraries._Compiler.disable(lambda x: x + 1)(1) == 2
    modules = tiny.network.modules()
    block = next(m for m in modules if type(m).__name__ == "BasicTransformerBlock")
    compiled = torch.compile(block, backend="eager", fullgraph=True)
    x, text = torch.ones(1, 4, block.dim), tiny.condition("cat").embeddings
    with torch.no_grad():
        assert torch.equal(compiled(x, None, text), block(x, None, text))


def test_loading_is_silent_and_leaves_logging_as_it_was(tiny_folder, capfd):
    import diffusers.utils.logging as diffusers_log
    import transformers.utils.logging as transformers_log

    libraries = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    levels = [library.level for library in libraries]
    bars = [log.is_progress_bar_enabled() for log in (diffusers_log, transformers_log)]
    from_pretrained(tiny_folder, device="cpu")
    assert capfd.readouterr() == ("", "")
    assert [library.level for library in libraries] == levels
    assert [log.is_progress_bar_enabled() for log in (diffusers_log, transformers_log)] == bars


def test_the_version_follows_the_weights(tiny, own_folder):
    assert from_pretrained(own_folder, device="cpu").revision == tiny.revision
    assert from_pretrained(own_folder, device="cpu", revision=tiny.revision).evaluations == 0
    data = bytearray((own_folder / UNET).read_bytes())
    data[-1] ^= 1
    (own_folder / UNET).write_bytes(data)
    assert from_pretrained(own_folder, device="cpu").revision != tiny.revision
    assert tiny.revision in refusal(own_folder, revision=tiny.revision)


@pytest.mark.parametrize("dtype", ["bfloat16", "bf16", torch.bfloat16, "torch.bfloat16"])
def test_dtypes_have_names(dtype):
    assert choose_dtype(dtype, torch.device("cpu")) == torch.bfloat16


def test_default_dtypes():
    assert choose_dtype(None, torch.device("cpu")) == torch.float32
    assert choose_dtype("auto", torch.device("mps")) == torch.float32
    assert choose_dtype("auto", torch.device("cuda")) == torch.float16
    assert choose_dtype(None, torch.device("cuda"), small=True) == torch.float32
    assert choose_dtype("float16", torch.device("cuda")) == torch.float16


def test_bad_dtypes_and_devices(monkeypatch):
    assert "bfloat16 (fast" in refusal(dtype="float16")
    assert "must be float32" in refusal(dtype="int8")
    with pytest.raises(ModelError, match="must be cpu"):
        choose_device("kuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="sees none"):
        choose_device("cuda:1")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device(None) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device(None) == torch.device("cuda")


def test_a_float16_model_keeps_its_autoencoder_in_float32(own_folder):
    pipe = load_pipeline(own_folder, dtype=torch.float16)
    assert pipe.unet.dtype == pipe.text_encoder.dtype == torch.float16
    assert pipe.vae.dtype == torch.float32
    edit_json(own_folder / "vae/config.json", force_upcast=False)
    assert load_pipeline(own_folder, dtype=torch.float16).vae.dtype == torch.float16


def test_variants(own_folder, tiny):
    for file in own_folder.glob("*/*.safetensors"):
        file.rename(file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))
    with pytest.warns(UserWarning, match="available in fp16 only"):
        prior = from_pretrained(own_folder, device="cpu")
    assert prior.revision == from_pretrained(own_folder, device="cpu", variant="fp16").revision
    z = latents(prior, 1)
    with torch.no_grad():
        (got,) = prior.predict(z, prior.schedule(0.5), [prior.condition("")])
        (expected,) = tiny.predict(z, tiny.schedule(0.5), [tiny.condition("")])
    assert torch.equal(got.z0, expected.z0)
    assert "no files of variant 'bf16'" in refusal(own_folder, variant="bf16")


def test_epsilon_says_nothing_in_noise_alone(own_folder):
    """A scheduler that ends at a signal-to-noise ratio of zero is refused before any weight."""
    edit_json(own_folder / "scheduler/scheduler_config.json", rescale_betas_zero_snr=True)
    (own_folder / UNET).unlink()
    assert "set rescale_betas_zero_snr to false" in refusal(own_folder)


def test_autoencoders_with_the_names_of_2022(own_folder, tiny):
    from safetensors.torch import load_file, save_file

    path = own_folder / "vae/diffusion_pytorch_model.safetensors"
    old = {"to_q.": "query.", "to_k.": "key.", "to_v.": "value.", "to_out.0.": "proj_attn."}
    weights = load_file(path)
    for new, name in old.items():
        weights = {k.replace(new, name): v for k, v in weights.items()}
    save_file(weights, path, {"format": "pt"})
    prior = from_pretrained(own_folder, device="cpu")
    with torch.no_grad():
        assert torch.equal(prior.decode(latents(prior, 1)), tiny.decode(latents(tiny, 1)))


def test_the_schedulers_that_old_models_came_with(own_folder, tiny):
    table = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    config = {**table, "_class_name": "PNDMScheduler", "skip_prk_steps": True, "steps_offset": 1}
    (own_folder / "scheduler/scheduler_config.json").write_text(json.dumps(config))
    prior = from_pretrained(own_folder, device="cpu")
    assert (prior.target, prior.schedule) == ("epsilon", tiny.schedule)


def test_shards_are_read(own_folder, tiny):
    from safetensors.torch import load_file, save_file

    weights = load_file(own_folder / UNET)
    (own_folder / UNET).unlink()
    names = [f"diffusion_pytorch_model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    where = {key: names[n % 2] for n, key in enumerate(sorted(weights))}
    for name in names:
        part = {key: weights[key] for key in weights if where[key] == name}
        save_file(part, own_folder / "unet" / name, metadata={"format": "pt"})
    index = {"metadata": {"total_size": 0}, "weight_map": where}
    (own_folder / f"{UNET}.index.json").write_text(json.dumps(index))
    prior = from_pretrained(own_folder, device="cpu")
    assert torch.equal(prior.network.conv_in.weight, tiny.network.conv_in.weight)
    (own_folder / "unet" / names[1]).unlink()
    assert "download or copy" in refusal(own_folder)


def test_unknown_models():
    assert "did you mean sd15" in refusal("sd-15")
    assert "Known names: iconic, photo, sd14" in refusal("Stable Diffusion")
    assert "no file or folder ./nowhere" in refusal("./nowhere")
    assert "no file or folder models/a.safetensors" in refusal("models/a.safetensors")
    assert "there is no model ''" in refusal("")
    assert "there is no model" in refusal("x" * 5000)


@pytest.mark.parametrize("name", ["old.ckpt", "some/where.pt", "x.PTH", "unet.bin"])
def test_pickles_are_refused_whether_they_exist_or_not(name, tmp_path):
    (tmp_path / "old.ckpt").write_bytes(b"\x80\x04")
    assert "save_pretrained" in refusal(name)
    assert "save_pretrained" in refusal(tmp_path / "old.ckpt")


def test_a_folder_of_pickles_is_refused(own_folder):
    (own_folder / UNET).rename((own_folder / UNET).with_suffix(".bin"))
    assert "safe_serialization=True" in refusal(own_folder)


def test_a_folder_that_is_no_model(tmp_path, own_folder):
    assert "no model_index.json" in refusal(tmp_path)
    (tmp_path / "a.safetensors").touch()
    assert "a.safetensors itself" in refusal(tmp_path)
    assert "no model_index.json" in refusal(own_folder / "unet")


@pytest.mark.parametrize(
    ("file", "word"),
    [
        (UNET, "holds no diffusion_pytorch_model.safetensors"),
        ("text_encoder/model.safetensors", "holds no model.safetensors"),
        ("vae/config.json", "config.json is missing"),
        ("scheduler/scheduler_config.json", "scheduler is missing"),
    ],
)
def test_missing_files_are_named(own_folder, file, word):
    (own_folder / file).unlink()
    assert word in refusal(own_folder)


def test_a_missing_tokenizer(own_folder):
    for file in (own_folder / "tokenizer").iterdir():
        file.unlink()
    assert "tokenizer is missing" in refusal(own_folder)


def test_files_that_are_not_whole(own_folder):
    whole = (own_folder / UNET).read_bytes()
    damaged = {
        b"": "no safetensors header",
        b"not a model at all": "no safetensors header",
        whole[: len(whole) // 2]: "bytes long instead of",
        whole + b"more": "bytes long instead of",
        (20).to_bytes(8, "little") + b'{"a": {"shape": 1}}x': "is invalid",
        (4).to_bytes(8, "little") + b"[1]]": "is invalid",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n": "git lfs pull",
    }
    for content, word in damaged.items():
        (own_folder / UNET).write_bytes(content)
        assert word in refusal(own_folder)


def test_broken_configurations(own_folder):
    (own_folder / "unet/config.json").write_text("{")
    assert "cannot be read" in refusal(own_folder)
    (own_folder / "unet/config.json").write_text("[]")
    assert "no JSON object" in refusal(own_folder)


def test_weights_of_another_size(own_folder):
    edit_json(own_folder / "unet/config.json", block_out_channels=[32, 32])
    assert "cannot be loaded" in refusal(own_folder)


def test_weights_that_are_not_all_there(own_folder):
    from safetensors.torch import load_file, save_file

    for part, file in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        path = own_folder / part / f"{file}.safetensors"
        weights = load_file(path)
        lost = sorted(key for key in weights if key.endswith("weight"))[0]
        save_file({k: v for k, v in weights.items() if k != lost}, path, {"format": "pt"})
        assert lost.split(".")[-2] in refusal(own_folder)


@pytest.mark.parametrize("name", ["StableDifusionPipeline", None])
def test_a_pipeline_that_diffusers_does_not_have(own_folder, name):
    edit_json(own_folder / "model_index.json", _class_name=name)
    text = refusal(own_folder)
    assert f"has no pipeline '{name}'" in text
    assert name is None or "did you mean StableDiffusionPipeline?" in text


def test_special_unets_are_refused_before_their_weights_are_read(own_folder):
    edit_json(own_folder / "unet/config.json", in_channels=8)
    (own_folder / UNET).unlink()
    assert "instruction-editing" in refusal(own_folder)


def test_a_flow_scheduler(own_folder):
    edit_json(
        own_folder / "scheduler/scheduler_config.json",
        _class_name="FlowMatchEulerDiscreteScheduler",
        beta_schedule=None,
        trained_betas=None,
    )
    assert "FlowMatchEulerDiscreteScheduler" in refusal(own_folder)


def test_a_table_that_ends_in_pure_noise(own_folder):
    config = own_folder / "scheduler/scheduler_config.json"
    edit_json(config, prediction_type="v_prediction", rescale_betas_zero_snr=True)
    prior = from_pretrained(own_folder, device="cpu")
    assert prior.schedule(1.0).alpha < 1e-6
    z = latents(prior, 1)
    with torch.no_grad():
        (estimate,) = prior.predict(z, prior.schedule(1.0), [prior.condition("")])
    assert estimate.z0.isfinite().all() and estimate.eps.isfinite().all()


def test_the_small_autoencoder_fits_too(own_folder):
    from diffusers import AutoencoderTiny

    for file in (own_folder / "vae").iterdir():
        file.unlink()
    blocks = {"encoder_block_out_channels": (8,) * 4, "decoder_block_out_channels": (8,) * 4}
    AutoencoderTiny(**blocks).save_pretrained(own_folder / "vae")
    prior = from_pretrained(own_folder, device="cpu")
    with torch.no_grad():
        z = prior.encode(torch.zeros(1, 3, 64, 64))
        assert z.shape == (1, 4, 8, 8) and prior.decode(z).shape == (1, 3, 64, 64)


def test_a_package_without_its_model(monkeypatch, tmp_path):
    monkeypatch.setattr(source, "_SHIPPED", {"iconic": tmp_path})
    assert "'iconic' is not in this installation" in refusal()


def test_memory_that_does_not_suffice_is_one_line(own_folder, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")

    monkeypatch.setattr(torch.nn.Module, "to", full)
    assert "does not fit" in refusal(own_folder)


def test_config_is_for_single_files(tiny_folder):
    assert "single files" in refusal(tiny_folder, config="sd15")


def test_messages_of_others_become_one_line():
    assert one_line(ValueError("a\n   b")) == "a b"
    assert one_line(ValueError()) == "ValueError"
    assert len(one_line(ValueError("x" * 999))) == 240
