"""Any pipeline of diffusers from a folder, with control networks and quantization, or one line."""

import shutil
from pathlib import Path

import families
import pytest
import torch
from conformance import folder_of, noise
from PIL import Image
from tiny import edit_json

from dreamsampler.models.errors import ModelError
from dreamsampler.models.libraries import quiet
from dreamsampler.models.load import from_pretrained
from dreamsampler.models.pipe import from_pipe


def refusal(*args, **options):
    with pytest.raises(ModelError) as caught:
        from_pretrained(*args, device="cpu", local_files_only=True, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    """The folder of a control network whose additions are not zero, and a picture for it."""
    import diffusers

    with families.seeded():
        net = diffusers.ControlNetModel.from_unet(families.build("sd15").unet)
        for weight in net.parameters():
            torch.nn.init.normal_(weight, std=0.1)
    folder = tmp_path_factory.mktemp("control")
    net.save_pretrained(folder)
    rng = torch.Generator().manual_seed(0)
    pixels = (torch.rand(64, 64, 3, generator=rng) * 255).byte().numpy()
    return folder, Image.fromarray(pixels)


def asked(prior):
    z = noise(prior, 1)
    with torch.no_grad():
        return prior.predict(z, prior.schedule(0.5), [prior.condition("a cat")])[0].z0


def test_a_control_network_is_that_of_the_pipeline(control):
    """The class that takes it follows from the model's."""
    import diffusers

    folder, picture = control
    got = from_pretrained(folder_of("sd15"), device="cpu", controlnet=folder, image=picture)
    base = diffusers.StableDiffusionPipeline.from_pretrained(folder_of("sd15"))
    with quiet():
        net = diffusers.ControlNetModel.from_pretrained(folder)
        pipe = diffusers.StableDiffusionControlNetPipeline(**base.components, controlnet=net)
    assert torch.equal(asked(got), asked(from_pipe(pipe, image=picture)))
    plain = from_pretrained(folder_of("sd15"), device="cpu")
    assert not torch.allclose(asked(got), asked(plain), atol=1e-3)


def test_control_networks_of_other_models_are_refused(control, tmp_path):
    folder, picture = control
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    options = {"controlnet": folder, "image": picture}
    assert "another model than this one (cross_attention_dim is 32 instead of 80)" in refusal(
        folder_of("sdxl"), **options
    )
    assert "takes" in refusal(folder_of("flux-dev"), controlnet=folder)
    edit_json(other / "config.json", _class_name="UNet2DConditionModel")
    assert "is a UNet2DConditionModel" in refusal(folder_of("sd15"), controlnet=other)
    (other / "diffusion_pytorch_model.safetensors").rename(other / "diffusion_pytorch_model.bin")
    assert "only pickles" in refusal(folder_of("sd15"), controlnet=other)


def test_a_pipeline_is_named_by_its_class():
    named = from_pretrained(
        folder_of("sdxl"), device="cpu", pipeline="StableDiffusionXLPAGPipeline"
    )
    plain = from_pretrained(folder_of("sdxl"), device="cpu")
    assert type(named.family).__name__ == "DrivenFamily"
    assert torch.allclose(asked(named), asked(plain), atol=1e-4)
    assert named.added == {"pipeline": "StableDiffusionXLPAGPipeline"}


def test_what_cannot_be_a_pipeline():
    folder = folder_of("sd15")
    assert "did you mean StableDiffusionPipeline?" in refusal(
        folder, pipeline="StableDifusionPipeline"
    )
    assert "no pipeline 'UNet2DModel'" in refusal(folder, pipeline="UNet2DModel")
    assert "needs a" in refusal(folder, pipeline="FluxPipeline")
    assert "pass controlnet" in refusal(folder, pipeline="StableDiffusionControlNetPipeline")
    assert "no 'imag'" in refusal(folder, imag=1)
    assert "takes no IP-Adapter" in refusal(folder_of("pixart"), ip_adapter="a.safetensors")
    assert "cannot be released" in refusal(folder_of("sd3"), release_text_encoders=True)


def test_text_encoders_are_not_loaded_for_prompts_that_are_encoded_already():
    whole = from_pretrained(folder_of("sd3"), device="cpu")
    with torch.no_grad():
        encoded = whole.family.pipeline.pipe.encode_prompt(*["a cat"] * 3, "cpu")
    kinds = ("", "negative_", "pooled_", "negative_pooled_")
    call = dict(zip((f"{kind}prompt_embeds" for kind in kinds), encoded, strict=True))
    prior = from_pretrained(folder_of("sd3"), device="cpu", release_text_encoders=True, **call)
    assert whole.family.encoders and not prior.family.encoders
    z = noise(prior, 1)
    with torch.no_grad():
        ask = [(whole, "a cat"), (prior, "")]
        got = [p.predict(z, p.schedule(0.5), [p.condition(text)])[0].z0 for p, text in ask]
    assert torch.allclose(*got, atol=1e-5)


def test_no_code_that_comes_with_a_model_is_run(tmp_path):
    folder = Path(shutil.copytree(folder_of("sd3"), tmp_path / "model"))
    edit_json(folder / "model_index.json", transformer=["my_model", "Transformer"])
    (folder / "transformer/my_model.py").write_text("raise SystemExit('run')")
    assert "no code that comes with a model" in refusal(folder)
    edit_json(folder / "model_index.json", transformer=["os", "system"])
    assert "is a os.system" in refusal(folder)


@pytest.mark.parametrize("part", ["transformer", "text_encoder_2", "tokenizer"])
def test_a_folder_that_lacks_a_component(part, tmp_path):
    folder = Path(shutil.copytree(folder_of("flux-dev"), tmp_path / "model"))
    shutil.rmtree(folder / part)
    assert f"{folder / part}" in refusal(folder) and "missing" in refusal(folder)
    edit_json(folder / "model_index.json", **{part: [None, None]})
    if part == "transformer":
        assert "FluxPipeline" in refusal(folder)


def test_the_memory_options_of_a_pipeline():
    prior = from_pretrained(folder_of("sd3"), device="cpu", tiling=64)
    vae = prior.vae
    assert vae.use_tiling and (vae.tile_sample_min_size, vae.tile_latent_min_size) == (64, 8)
    assert not any(weight.requires_grad for weight in prior.network.parameters())
