"""A quantized pipeline edits: from its loader, in memory, and from the command line."""

import json

import families
import numpy as np
import pytest
import torch
from conformance import folder_of, plain
from PIL import Image

import dreamsampler as ds
from dreamsampler.images.save import read_recipe
from dreamsampler.interfaces.cli.main import main
from dreamsampler.models.errors import ModelError
from dreamsampler.models.libraries import quiet
from dreamsampler.models.load import from_pretrained
from dreamsampler.models.pipe import from_pipe

FEW = {"num_inference_steps": 2, "seed": 3}
INT8 = {"unet": {"quant_method": "torchao", "quant_type": "Int8WeightOnlyConfig"}}


def picture():
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    return Image.fromarray(pixels)


def edited(prior):
    image = ds.Edit(picture(), "a cat", **FEW)(prior).images[0]
    return np.asarray(image, np.float64)


def from_command(tmp_path, *options):
    picture().save(tmp_path / "in.png")
    given = ["--prompt", "a cat", "--num-inference-steps", "2", "--seed", "3", *options]
    assert main(["edit", str(tmp_path / "in.png"), "-o", str(tmp_path / "out.png"), *given]) == 0
    with Image.open(tmp_path / "out.png") as image:
        return np.asarray(image.convert("RGB"), np.float64)


@pytest.fixture(scope="module")
def gguf_file(tmp_path_factory):
    """The transformer of a tiny Stable Diffusion 3 in 8 bits."""
    import gguf

    path, kind = tmp_path_factory.mktemp("gguf") / "a.gguf", gguf.GGMLQuantizationType.Q8_0
    writer = gguf.GGUFWriter(path, "sd3")
    for key, weight in families.build("sd3").transformer.state_dict().items():
        if weight.ndim == 2 and weight.shape[1] % 32 == 0:
            writer.add_tensor(key, gguf.quants.quantize(weight.numpy(), kind), raw_dtype=kind)
        else:
            writer.add_tensor(key, weight.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_gguf_file_edits_from_everywhere(gguf_file, tmp_path):
    """Loaded, around diffusers' own pipeline, and by the command: one picture, near the whole."""
    import diffusers

    prior = from_pretrained(gguf_file, config=folder_of("sd3"), device="cpu")
    kinds = {type(weight).__name__ for weight in prior.network.parameters()}
    assert kinds == {"GGUFParameter", "Parameter"}
    got = edited(prior)
    with quiet():
        transformer = diffusers.SD3Transformer2DModel.from_single_file(
            str(gguf_file),
            config=str(folder_of("sd3")),
            subfolder="transformer",
            quantization_config=diffusers.GGUFQuantizationConfig(compute_dtype=torch.float32),
        )
        parts = {**families.build("sd3").components, "transformer": transformer}
        pipe = diffusers.StableDiffusion3Pipeline(**parts)
    assert np.array_equal(edited(from_pipe(pipe)), got)
    options = ("--model", str(gguf_file), "--config", str(folder_of("sd3")), "--device", "cpu")
    assert np.array_equal(from_command(tmp_path, *options), got)
    apart = np.abs(got - edited(plain("sd3")))
    assert apart.max() > 0 and apart.mean() < 3


def test_int8_weights_edit_from_everywhere(tmp_path):
    """torchao's, by its configuration, in memory, and by the command, whose recipe has it."""
    pytest.importorskip("torchao")
    import diffusers
    from torchao.quantization import Int8WeightOnlyConfig

    config = diffusers.TorchAoConfig(Int8WeightOnlyConfig())
    whole = diffusers.PipelineQuantizationConfig(quant_mapping={"unet": config})
    prior = from_pretrained(folder_of("sd15"), device="cpu", quantization_config=whole)
    assert "Int8Tensor" in {type(weight).__name__ for weight in prior.network.parameters()}
    got = edited(prior)
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(
        folder_of("sd15"), quantization_config=whole, torch_dtype=torch.float32
    )
    made = from_pipe(pipe)
    assert made.revision == from_pipe(pipe).revision != from_pipe(families.build("sd15")).revision
    assert np.array_equal(edited(made), got)
    text = json.dumps({"quant_mapping": INT8})
    options = ("--model", str(folder_of("sd15")), "--device", "cpu", "--quantization-config", text)
    assert np.array_equal(from_command(tmp_path, *options), got)
    recorded = read_recipe(tmp_path / "out.png")["model"]["quantization_config"]
    assert recorded == {"quant_mapping": INT8}
    assert main(["replay", str(tmp_path / "out.png")]) == 0
    again = from_pretrained(
        folder_of("sd15"), device="cpu", quantization_config=prior.added["quantization_config"]
    )
    assert np.array_equal(edited(again), got)


def refusal(config):
    with pytest.raises(ModelError) as caught:
        from_pretrained(folder_of("sd15"), device="cpu", quantization_config=config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_wrong_quantization(tmp_path, capsys):
    assert "is a str, but must be" in refusal("int8")
    assert "quantization_config:" in refusal({"quant_backend": "no"})
    wrong = refusal({"quant_mapping": {"unet": {"quant_method": "int9"}}})
    assert "quant_method of unet is 'int9', but must be" in wrong and "torchao" in wrong
    picture().save(tmp_path / "in.png")
    command = ["edit", str(tmp_path / "in.png"), "--prompt", "a", "-o", str(tmp_path / "o.png")]
    assert main([*command, "--quantization-config", "int8"]) == 2
    assert "but must be a JSON object such as" in capsys.readouterr().err
