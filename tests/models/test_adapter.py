"""LoRA and learned words: the weights that diffusers' own load gives, under every naming."""

import json
import re
import warnings

import families
import pytest
import torch
from conformance import distance, folder_of, loaded, noise, plain
from safetensors.torch import load_file, save_file

from dreamsampler.models.errors import ModelError
from dreamsampler.models.load import from_pretrained

SD = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
FLUX = "transformer_blocks.0.attn.to_out.0"
RANK, ALPHA = 2, 4.0
TE = "text_model.encoder.layers.0.self_attn"


def matrices(width, out=None, seed=0):
    rng = torch.Generator().manual_seed(seed)
    down = torch.randn(RANK, width, generator=rng)
    return down, torch.randn(out or width, RANK, generator=rng)


def ends(start, down, up, a="lora_A.weight", b="lora_B.weight"):
    """As peft ends the names; such files have alpha = rank."""
    return {f"{start}.{a}": down, f"{start}.{b}": up * ALPHA / RANK}


def kohya(start, down, up):
    """As kohya's programs end the names, with an alpha."""
    alpha = {f"{start}.alpha": torch.tensor(ALPHA)}
    return {f"{start}.lora_down.weight": down, f"{start}.lora_up.weight": up, **alpha}


def flat(place):
    return place.replace(".", "_")


def old(place, down, up):
    """As diffusers wrote it before peft."""
    start = place.replace(".to_q", ".processor.to_q_lora")
    return ends(f"unet.{start}", down, up, "down.weight", "up.weight")


ORIGINAL = "double_blocks.0.img_attn.proj"
NAMINGS = {
    "diffusers": ("sd15", SD, lambda d, u: ends(f"unet.{SD}", d, u)),
    "processors": ("sd15", SD, lambda d, u: old(SD, d, u)),
    "kohya": ("sd15", SD, lambda d, u: kohya(f"lora_unet_{flat(SD)}", d, u)),
    "peft": ("sd15", SD, lambda d, u: ends(f"base_model.model.{SD}", d, u)),
    "no prefix": ("sd15", SD, lambda d, u: ends(SD, d, u, "lora.down.weight", "lora.up.weight")),
    "sgm": (
        "sdxl",
        "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_k",
        lambda d, u: kohya("lora_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_k", d, u),
    ),
    "ai-toolkit": ("flux-dev", FLUX, lambda d, u: ends(f"transformer.{FLUX}", d, u)),
    "no prefix, FLUX": ("flux-dev", FLUX, lambda d, u: ends(FLUX, d, u)),
    "kohya, FLUX": ("flux-dev", FLUX, lambda d, u: kohya(f"lora_unet_{flat(ORIGINAL)}", d, u)),
    "ComfyUI": ("flux-dev", FLUX, lambda d, u: ends(f"diffusion_model.{ORIGINAL}", d, u)),
    "ComfyUI, down": ("flux-dev", FLUX, lambda d, u: kohya(f"diffusion_model.{ORIGINAL}", d, u)),
    "XLabs": (
        "flux-dev",
        FLUX,
        lambda d, u: ends("double_blocks.0.processor.proj_lora1", d, u, "down.weight", "up.weight"),
    ),
}


@pytest.mark.parametrize("naming", NAMINGS)
def test_a_lora_adds_its_product(naming, tmp_path):
    """W + strength alpha / rank B A, in that one weight."""
    name, place, write = NAMINGS[naming]
    weights = plain(name).network.state_dict()
    weight = weights[f"{place}.weight"]
    down, up = matrices(weight.shape[1], len(weight))
    save_file({k: v.contiguous() for k, v in write(down, up).items()}, tmp_path / "a.safetensors")
    got = loaded(name, lora={tmp_path / "a.safetensors": 0.5}).network.state_dict()
    assert got.keys() == weights.keys()
    change = 0.5 * ALPHA / RANK * up @ down
    torch.testing.assert_close(got[f"{place}.weight"], weight + change)
    others = [key for key in weights if key != f"{place}.weight"]
    assert all(torch.equal(got[key], weights[key]) for key in others)


UNREAD = {"peft", "no prefix", "no prefix, FLUX", "ComfyUI"}
"""Namings that diffusers' own load finds nothing in, without an error; ours does."""


@pytest.mark.parametrize("naming", sorted(NAMINGS.keys() - UNREAD))
def test_the_weights_are_those_of_diffusers_own_load(naming, tmp_path):
    """Its LoRA layers, not merged, give what the merged weights give."""
    name, place, write = NAMINGS[naming]
    down, up = matrices(*reversed(plain(name).network.get_submodule(place).weight.shape))
    save_file({k: v.contiguous() for k, v in write(down, up).items()}, tmp_path / "a.safetensors")
    pipe = families.build(name)
    pipe.load_lora_weights(tmp_path / "a.safetensors", adapter_name="a")
    layer = (getattr(pipe, "unet", None) or pipe.transformer).get_submodule(place)
    got = loaded(name, lora=[tmp_path / "a.safetensors"]).network.get_submodule(place)
    x = torch.randn(3, got.weight.shape[1], generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(got(x), layer(x), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("low", [False, True])
def test_a_lokr_where_diffusers_has_it(low, tmp_path):
    """W + strength kron(w1, alpha / rank w2), and as diffusers' own load has it."""
    place, rng = "layers.0.attention.to_q", torch.Generator().manual_seed(0)
    weight = plain("z-image").network.get_submodule(place).weight
    down, up = matrices(len(weight) // 4)
    one, two = torch.randn(4, 4, generator=rng), up @ down
    file = {"lokr_w1": one, "lokr_w2": two, "alpha": torch.tensor(ALPHA)}
    if low:
        file = {**file, "lokr_w2_a": up, "lokr_w2_b": down, "lokr_w2": None}
        two = two * ALPHA / RANK
    start = f"diffusion_model.{place}"
    file = {f"{start}.{end}": value for end, value in file.items() if value is not None}
    save_file(file, tmp_path / "a.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        prior = loaded("z-image", lora={tmp_path / "a.safetensors": 0.5})
    got = prior.network.get_submodule(place).weight
    torch.testing.assert_close(got, weight + 0.5 * torch.kron(one, two))
    pipe = families.build("z-image")
    pipe.load_lora_weights(tmp_path / "a.safetensors", adapter_name="a")
    pipe.set_adapters("a", 0.5)
    pipe.fuse_lora(["transformer"])
    theirs = pipe.transformer.get_submodule(place).base_layer.weight
    torch.testing.assert_close(got, theirs)


def test_a_file_says_its_own_alpha(tmp_path):
    """diffusers writes peft's settings into the header."""
    weight = plain("sd15").network.get_submodule(SD).weight
    down, up = matrices(weight.shape[1])
    file = {f"unet.{SD}.lora_A.weight": down, f"unet.{SD}.lora_B.weight": up}
    settings = {"unet.r": RANK, "unet.lora_alpha": ALPHA, "unet.target_modules": [SD]}
    text = {"lora_adapter_metadata": json.dumps(settings)}
    save_file(file, tmp_path / "a.safetensors", text)
    got = loaded("sd15", lora=[tmp_path / "a.safetensors"]).network.get_submodule(SD).weight
    torch.testing.assert_close(got, weight + ALPHA / RANK * up @ down)


def test_a_dora_under_pefts_names(tmp_path):
    """Its columns have the lengths of the file: m (W + B A) / |W + B A|."""
    weight = plain("sd15").network.get_submodule(SD).weight
    down, up = matrices(weight.shape[1])
    length = torch.linspace(0.5, 1.5, len(weight))
    file = ends(f"unet.{SD}", down, up) | {f"unet.{SD}.lora_magnitude_vector": length}
    save_file(file, tmp_path / "a.safetensors")
    got = loaded("sd15", lora=[tmp_path / "a.safetensors"]).network.get_submodule(SD).weight
    whole = weight + ALPHA / RANK * up @ down
    torch.testing.assert_close(got, length[:, None] * whole / whole.norm(dim=1, keepdim=True))


def test_a_lora_of_a_convolution(tmp_path):
    weight = plain("sd15").network.conv_in.weight
    down, up = torch.randn(RANK, *weight.shape[1:]), torch.randn(len(weight), RANK, 1, 1)
    save_file(ends("unet.conv_in", down, up), tmp_path / "a.safetensors")
    got = loaded("sd15", lora=[tmp_path / "a.safetensors"]).network.conv_in.weight
    change = torch.einsum("or,rikl->oikl", up[..., 0, 0], down) * ALPHA / RANK
    torch.testing.assert_close(got, weight + change)


def test_two_loras_add_up(tmp_path):
    weight = plain("sd15").network.get_submodule(SD).weight
    files, change = {}, torch.zeros_like(weight)
    for seed, strength in ((1, 0.3), (2, -1.0)):
        down, up = matrices(weight.shape[1], seed=seed)
        files[tmp_path / f"{seed}.safetensors"] = strength
        save_file(kohya(f"lora_unet_{flat(SD)}", down, up), tmp_path / f"{seed}.safetensors")
        change += strength * ALPHA / RANK * up @ down
    got = loaded("sd15", lora=files).network.get_submodule(SD).weight
    torch.testing.assert_close(got, weight + change)


def text_lora(places, prefix="lora_te"):
    down, up = matrices(32)
    starts = [f"{prefix}_{flat(TE)}_{place}" for place in places]
    return {k: v for start in starts for k, v in kohya(start, down.clone(), up.clone()).items()}


def test_a_lora_of_the_text_encoder_changes_what_is_read(tmp_path):
    save_file(text_lora(["q_proj", "k_proj", "v_proj", "out_proj"]), tmp_path / "a.safetensors")
    vectors = torch.randn(2, 32, generator=torch.Generator().manual_seed(0))
    save_file({"emb_params": vectors}, tmp_path / "shinycat.safetensors")
    options = {
        "lora": [tmp_path / "a.safetensors"],
        "textual_inversion": [tmp_path / "shinycat.safetensors"],
    }
    changed = loaded("sd15", **options)
    again = loaded("sd15", **options, release_text_encoders=True)
    cat = changed.condition("a shinycat").embeddings
    assert (
        distance(changed.condition("a cat").embeddings, plain("sd15").condition("a cat").embeddings)
        > 1e-4
    )
    z = noise(again, 1)
    with torch.no_grad():
        again.predict(z, again.schedule(0.5), [again.condition("a dog")])
    assert not again.family.encoders
    assert torch.equal(again.condition("a shinycat").embeddings, cat)  # read and merged once more


LEFT = {
    "a bias": {f"lora_unet_{flat(SD)}.diff_b": (16,)},
    "a difference": {f"lora_unet_{flat(SD)[:-1]}k.diff": (16, 16)},
}


@pytest.mark.parametrize("what", LEFT)
def test_what_is_not_applied_is_named(what, tmp_path):
    """Cases that other programs' users report: a part of a file was dropped in silence."""
    more = {key: torch.ones(shape) for key, shape in LEFT[what].items()}
    save_file(kohya(f"lora_unet_{flat(SD)}", *matrices(16)) | more, tmp_path / "a.safetensors")
    with pytest.warns(UserWarning, match=rf"1 of 4 tensors .* {re.escape(next(iter(more)))}$"):
        loaded("sd15", lora=[tmp_path / "a.safetensors"])


def test_a_layer_that_the_model_does_not_have_is_named(tmp_path):
    one, other = (f"transformer.transformer_blocks.{n}.attn.to_q" for n in (0, 9))
    file = ends(one, *matrices(32)) | ends(other, *matrices(32))
    save_file(file, tmp_path / "a.safetensors")
    with pytest.warns(UserWarning, match=r"2 of 4 tensors .*blocks\.9\.attn\.to_q\.lora_A"):
        loaded("flux-dev", lora=[tmp_path / "a.safetensors"])


def test_a_whole_file_warns_of_nothing(tmp_path):
    qkv = kohya("lora_unet_double_blocks_0_img_attn_qkv", *matrices(32, 96))
    save_file(qkv, tmp_path / "a.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        got = loaded("flux-dev", lora=[tmp_path / "a.safetensors"])
    change = ALPHA / RANK * qkv["lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight"]
    change = change @ qkv["lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight"]
    for n, letter in enumerate("qkv"):
        place = f"transformer_blocks.0.attn.to_{letter}.weight"
        before = plain("flux-dev").network.state_dict()[place]
        after = got.network.state_dict()[place]
        torch.testing.assert_close(after, before + change[32 * n : 32 * (n + 1)])


@pytest.mark.parametrize(
    ("file", "word"),
    [
        ({"unet.nowhere.to_q.lora_A.weight": (2, 8), "unet.nowhere.to_q.lora_B.weight": (8, 2)},
         "changes nothing of this model"),
        ({f"unet.{SD}.lora_A.weight": (2, 99), f"unet.{SD}.lora_B.weight": (16, 2)},
         "no LoRA of this model.*size mismatch"),
        ({f"lora_unet_{flat(SD)}.lokr_w1": (2, 8)}, "no LoKr of this model"),
        ({f"lora_unet_{flat(SD)}.hada_w1_a": (2, 8)}, "no LoHa of this model"),
        ({f"unet.{SD}.lora_A.weight": (2, 16)}, "no LoRA of this model"),
        ({f"lora_unet_{flat(SD)}.{end}": shape for end, shape in
          (("lora_down.weight", (2, 16)), ("lora_up.weight", (16, 2)), ("dora_scale", (16, 1)))},
         "is a DoRA"),
        ({"something": (2, 8)}, "changes nothing of this model"),
    ],
)  # fmt: skip
def test_other_files_are_refused(file, word, tmp_path, capfd):
    save_file({k: torch.zeros(v) for k, v in file.items()}, tmp_path / "a.safetensors")
    with pytest.raises(ModelError, match=word) as caught:
        loaded("sd15", lora=[tmp_path / "a.safetensors"])
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_lora_of_another_family_is_refused(tmp_path):
    save_file(ends(f"transformer.{FLUX}", *matrices(32)), tmp_path / "a.safetensors")
    with pytest.raises(ModelError, match="changes nothing of this model"):
        loaded("sd15", lora=[tmp_path / "a.safetensors"])


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
    pipe = families.build("sd15")
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
    with pytest.raises(ModelError, match="takes no learned words"):
        loaded("pixart", textual_inversion=[tmp_path / "a.safetensors"])
    assert load_file(tmp_path / "a.safetensors")
