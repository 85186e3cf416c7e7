"""LoRA and learned words: merged as their formulas say, under every naming, or refused."""

import conformance
import pytest
import torch
from conformance import distance, folder_of, loaded, noise, plain
from safetensors.torch import save_file

from dreamsampler.models.adapter import Adapters, adapt
from dreamsampler.models.errors import ModelError
from dreamsampler.models.families import StableDiffusion
from dreamsampler.models.load import from_pretrained

PLACE = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
RANK, ALPHA = 2, 4.0


def matrices(width, out=None, seed=0):
    rng = torch.Generator().manual_seed(seed)
    down = torch.randn(RANK, width, generator=rng)
    return down, torch.randn(out or width, RANK, generator=rng)


def dotted(place, down, up):
    """As peft writes it; such files have alpha = rank."""
    start = f"unet.{place}"
    return {f"{start}.lora_A.weight": down, f"{start}.lora_B.weight": up * ALPHA / RANK}


def processors(place, down, up):
    """As diffusers wrote it before peft."""
    start = f"unet.{place.replace('.to_q', '.processor.to_q_lora')}"
    return {f"{start}.down.weight": down, f"{start}.up.weight": up * ALPHA / RANK}


def kohya(place, down, up):
    start = f"lora_unet_{place.replace('.', '_')}"
    alpha = {f"{start}.alpha": torch.tensor(ALPHA)}
    return {f"{start}.lora_down.weight": down, f"{start}.lora_up.weight": up, **alpha}


@pytest.mark.parametrize("naming", [dotted, processors, kohya])
def test_a_lora_adds_its_product(naming, tmp_path):
    weight = plain("sd15").network.get_submodule(PLACE).weight
    down, up = matrices(weight.shape[1])
    save_file(naming(PLACE, down, up), tmp_path / "style.safetensors")
    full = loaded("sd15", lora=[tmp_path / "style.safetensors"])
    half = loaded("sd15", lora={tmp_path / "style.safetensors": 0.5})
    change = ALPHA / RANK * up @ down
    for prior, share in ((full, 1.0), (half, 0.5)):
        got = prior.network.get_submodule(PLACE).weight
        torch.testing.assert_close(got, weight + share * change)
        assert not got.requires_grad


def test_a_lora_of_a_convolution(tmp_path):
    weight = plain("sd15").network.conv_in.weight
    down, up = torch.randn(RANK, *weight.shape[1:]), torch.randn(len(weight), RANK, 1, 1)
    save_file(dotted("conv_in", down, up), tmp_path / "a.safetensors")
    got = loaded("sd15", lora=[tmp_path / "a.safetensors"]).network.conv_in.weight
    change = torch.einsum("or,rikl->oikl", up[..., 0, 0], down) * ALPHA / RANK
    torch.testing.assert_close(got, weight + change)


def test_a_lora_of_the_text_encoder_changes_what_is_read(tmp_path):
    width = 32
    down, up = matrices(width)
    start = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
    file = {f"{start}.lora_down.weight": down, f"{start}.lora_up.weight": up}
    save_file(file, tmp_path / "a.safetensors")
    options = {"lora": [tmp_path / "a.safetensors"]}
    changed = loaded("sd15", **options)
    again = loaded("sd15", **options, release_text_encoders=True)
    cat = changed.condition("a cat").embeddings
    assert distance(cat, plain("sd15").condition("a cat").embeddings) > 1e-4
    z = noise(again, 1)
    with torch.no_grad():
        again.predict(z, again.schedule(0.5), [again.condition("a dog")])
    assert not again.family.encoders
    assert torch.equal(again.condition("a cat").embeddings, cat)  # read and merged once more


def test_a_lora_of_a_transformer(tmp_path):
    place = "transformer_blocks.0.attn.to_q"
    weight = plain("flux-schnell").network.get_submodule(place).weight
    down, up = matrices(weight.shape[1], len(weight))
    file = {f"transformer.{place}.lora_A.weight": down, f"transformer.{place}.lora_B.weight": up}
    save_file(file, tmp_path / "a.safetensors")
    got = loaded("flux-schnell", lora=[tmp_path / "a.safetensors"])
    torch.testing.assert_close(got.network.get_submodule(place).weight, weight + up @ down)


def test_a_lora_with_the_names_of_sdxls_own_program(tmp_path):
    """Its input block 3 is the second level's first layer, in this model of one layer a level."""
    place = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_k"
    weight = plain("sdxl").network.get_submodule(place).weight
    down, up = matrices(weight.shape[1], len(weight))
    file = kohya("input_blocks.3.1.transformer_blocks.0.attn1.to_k", down, up)
    save_file(file, tmp_path / "a.safetensors")
    got = loaded("sdxl", lora=[tmp_path / "a.safetensors"]).network.get_submodule(place).weight
    torch.testing.assert_close(got, weight + ALPHA / RANK * up @ down)


def test_a_lora_with_the_names_of_fluxs_own_program(tmp_path):
    place = "transformer_blocks.0.attn.to_out.0"
    weight = plain("flux-dev").network.get_submodule(place).weight
    down, up = matrices(weight.shape[1], len(weight))
    save_file(kohya("double_blocks.0.img_attn.proj", down, up), tmp_path / "a.safetensors")
    got = loaded("flux-dev", lora=[tmp_path / "a.safetensors"]).network.get_submodule(place).weight
    torch.testing.assert_close(got, weight + ALPHA / RANK * up @ down)


@pytest.mark.parametrize(
    ("file", "word"),
    [
        ({"unet.nowhere.to_q.lora_A.weight": (2, 8), "unet.nowhere.to_q.lora_B.weight": (8, 2)},
         "another model"),
        ({f"unet.{PLACE}.lora_A.weight": (2, 99), f"unet.{PLACE}.lora_B.weight": (16, 2)},
         "another model"),
        ({"lora_unet_nowhere.lora_down.weight": (2, 8)}, "no module 'lora_unet_nowhere'"),
        ({"unet.a.lokr_w1": (2, 8)}, "LoKr"),
        ({"unet.a.lora_A.weight": (2, 8), "unet.a.dora_scale": (2,)}, "DoRA"),
        ({"something": (2, 8)}, "holds no LoRA"),
    ],
)  # fmt: skip
def test_other_files_are_refused(file, word, tmp_path):
    save_file({k: torch.zeros(v) for k, v in file.items()}, tmp_path / "a.safetensors")
    adapters = Adapters.of([tmp_path / "a.safetensors"], [])
    parts = {"unet": plain("sd15").network, **plain("sd15").family.encoders}
    with pytest.raises(ModelError, match=word) as caught:
        adapt(parts, adapters, StableDiffusion)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_or_are_pickles(tmp_path):
    with pytest.raises(ModelError, match=r"there is no file .*no.safetensors"):
        loaded("sd15", lora=[tmp_path / "no.safetensors"])
    with pytest.raises(ModelError, match="pickle"):
        loaded("sd15", textual_inversion=[tmp_path / "word.bin"])
    with pytest.raises(ModelError, match=r"write \[file\]"):
        from_pretrained(folder_of("sd15"), device="cpu", lora="a.safetensors")


def test_a_learned_word(tmp_path):
    vectors = torch.randn(2, 32, generator=torch.Generator().manual_seed(0))
    save_file({"emb_params": vectors}, tmp_path / "shinycat.safetensors")
    prior = loaded("sd15", textual_inversion=[tmp_path / "shinycat.safetensors"])
    pipe = conformance.families.build("sd15")
    pipe.load_textual_inversion({"shinycat": vectors}, token="shinycat")
    with torch.no_grad():
        expected, _ = pipe.encode_prompt("a shinycat", "cpu", 1, False)
    assert distance(prior.condition("a shinycat").embeddings, expected) < 1e-5
    assert distance(prior.condition("a cat").embeddings, expected) > 1e-3


def test_a_learned_word_of_two_encoders(tmp_path):
    save_file(
        {"clip_l": torch.randn(1, 32), "clip_g": torch.randn(1, 48)}, tmp_path / "xyz.safetensors"
    )
    prior = loaded("sdxl", textual_inversion=[tmp_path / "xyz.safetensors"])
    other = plain("sdxl")
    one, two = (p.condition("an xyz") for p in (prior, other))
    assert distance(one.embeddings, two.embeddings) > 1e-3
    assert distance(prior.condition("a dog").pooled, other.condition("a dog").pooled) < 1e-5


def test_a_learned_word_of_another_model(tmp_path):
    save_file({"<thing>": torch.randn(1, 99)}, tmp_path / "a.safetensors")
    with pytest.raises(ModelError, match="vectors of 99 numbers"):
        loaded("sd15", textual_inversion=[tmp_path / "a.safetensors"])
