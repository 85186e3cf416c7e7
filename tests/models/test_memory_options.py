"""Memory options: each does what it says, and changes nothing else."""

import pytest
import torch
from conformance import distance, folder_of, loaded, noise, plain
from torch import nn

from dreamsampler.models.codec import Codec
from dreamsampler.models.errors import ModelError
from dreamsampler.models.load import from_pretrained
from dreamsampler.models.tiles import OVERLAP


def outputs(prior, t=0.5):
    """A decoded estimate, and its gradient."""
    z = noise(prior, 1).requires_grad_()
    (estimate,) = prior.predict(z, prior.schedule(t), [prior.condition("a cat")])
    x = prior.decode(estimate.z0)
    (gradient,) = torch.autograd.grad(x.pow(2).mean(), z)
    return x.detach(), gradient


@pytest.fixture(scope="module")
def reference():
    return outputs(plain("sdxl"))


def tiny_autoencoder():
    """A TAESD of random weights: nothing in it looks at the whole picture."""
    from diffusers import AutoencoderTiny

    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        widths = (8,) * 3
        return AutoencoderTiny(
            encoder_block_out_channels=widths,
            decoder_block_out_channels=widths,
            num_encoder_blocks=(1, 1, 1),
            num_decoder_blocks=(1, 1, 1),
        ).eval().requires_grad_(False)  # fmt: skip


@pytest.mark.parametrize("offload", ["model", "sequential"])
def test_offloading_changes_nothing_but_where_weights_wait(offload, reference):
    prior = loaded("sdxl", offload=offload)
    resting = next(prior.network.parameters()).device.type
    assert resting == {"model": "cpu", "sequential": "meta"}[offload]
    assert hasattr(prior.network, "_hf_hook") and hasattr(prior.vae, "_hf_hook")
    x, gradient = outputs(prior)
    assert distance(x, reference[0]) < 1e-5 and distance(gradient, reference[1]) < 1e-4


def test_text_encoders_leave_and_come_back(reference):
    prior = loaded("sdxl", release_text_encoders=True)
    assert len(prior.family.encoders) == 2
    x, _ = outputs(prior)
    assert prior.family.encoders == {}
    assert torch.equal(x, reference[0])
    prior.condition("a cat")  # remembered
    assert prior.family.encoders == {}
    late = prior.condition("a dog")
    assert len(prior.family.encoders) == 2
    assert late == plain("sdxl").condition("a dog")


def test_gradient_checkpointing_keeps_less_and_gives_the_same_gradient(reference):
    def kept(prior):
        held = {}

        def hold(tensor):
            held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
            z = noise(prior, 1, 32, 32).requires_grad_()
            prior.predict(z, prior.schedule(0.5), [prior.condition("a cat")])
        return sum(held.values())

    prior = loaded("sdxl", gradient_checkpointing=True)
    x, gradient = outputs(prior)
    assert distance(x, reference[0]) < 1e-5 and distance(gradient, reference[1]) < 1e-4
    assert kept(prior) < 0.7 * kept(plain("sdxl"))


def test_channels_last_is_a_layout(reference):
    prior = loaded("sdxl", channels_last=True)
    weight = prior.network.conv_in.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert distance(outputs(prior)[0], reference[0]) < 1e-4
    assert loaded("sdxl", dtype="bfloat16").network.conv_in.weight.is_contiguous(
        memory_format=torch.channels_last
    )


def test_compiling_is_asked_for_and_not_done_before_it_is_used(monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(type(self).__name__))
    loaded("sdxl")
    assert compiled == []
    loaded("sdxl", compile=True)
    assert compiled == ["UNet2DConditionModel"]


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(ModelError, match="'model' or 'sequential'"):
        loaded("sd15", offload="disk")
    with pytest.raises(ModelError, match="moves one by one"):
        loaded("sd15", offload="sequential", compile=True)
    with pytest.raises(ValueError, match="multiple of 8"):
        loaded("sd15", tiling=100)


def test_tiles_of_an_autoencoder_without_global_layers_are_exact():
    vae = tiny_autoencoder()
    whole, tiled = Codec(vae), Codec(vae, tiling=512)
    assert whole.factor == 4
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(1, 4, 132, 136, generator=rng)
    x = torch.rand(1, 3, 528, 16, generator=rng) * 2 - 1
    with torch.no_grad():
        assert distance(tiled.decode(z), whole.decode(z)) < 1e-5
        assert distance(tiled.encode(x), whole.encode(x)) < 1e-5


def test_tiles_pass_gradients():
    vae = tiny_autoencoder()
    z = torch.randn(1, 4, 130, 8, generator=torch.Generator().manual_seed(0))
    gradients = []
    for tiling in (None, 512):
        free = z.clone().requires_grad_()
        Codec(vae, tiling).decode(free).pow(2).mean().backward()
        gradients.append(free.grad)
    assert distance(gradients[1], gradients[0]) < 1e-4


def test_tiles_hold_one_tile_of_activations_at_a_time():
    """Saved for the way back: whole, all of them; in tiles, each tile's input alone."""
    vae = tiny_autoencoder()
    z = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    sizes = []
    for tiling in (None, 64):
        held = {}

        def hold(tensor, held=held):
            held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
            Codec(vae, tiling).decode(z)
        sizes.append(sum(held.values()))
    assert sizes[1] < 0.5 * sizes[0]


def test_tiles_of_an_autoencoder_with_global_layers_are_near():
    """Normalization and attention see a tile instead of the picture: near, and not the same."""
    whole, tiled = plain("sd15"), loaded("sd15", tiling=128)
    z = noise(whole, 1, 24, 24)
    with torch.no_grad():
        a, b = whole.decode(z), tiled.decode(z)
    assert a.shape == b.shape
    assert 0 < distance(b, a) < 0.5


def test_a_picture_of_one_tile_is_not_cut():
    whole, tiled = plain("sd15"), loaded("sd15", tiling=128)
    z = noise(whole, 1, 16, 12)
    with torch.no_grad():
        assert torch.equal(tiled.decode(z), whole.decode(z))
    assert 0 < OVERLAP < 0.5


def test_previews_come_from_a_tiny_autoencoder(tmp_path):
    tiny_autoencoder().save_pretrained(tmp_path)
    prior = from_pretrained(folder_of("sd15"), device="cpu", preview=tmp_path)
    z = noise(prior, 1)
    assert prior.preview(z).shape == (1, 3, 32, 32)
    assert torch.equal(prior.preview(z), Codec(tiny_autoencoder()).decode(z))
    without = plain("sd15")
    with torch.no_grad():
        assert torch.equal(without.preview(z), without.decode(z))
    with pytest.raises(ModelError, match=r"no whole network|no tiny autoencoder"):
        from_pretrained(folder_of("sd15"), device="cpu", preview=folder_of("sd15"))


def test_half_precision_keeps_an_autoencoder_that_overflows_in_float32():
    from dreamsampler.models.pipeline import load_pipeline

    parts = load_pipeline(folder_of("sdxl"), dtype=torch.float16).components
    assert {n: p.dtype for n, p in parts.items() if isinstance(p, nn.Module)} == {
        "unet": torch.float16,
        "vae": torch.float32,
        "text_encoder": torch.float16,
        "text_encoder_2": torch.float16,
    }
