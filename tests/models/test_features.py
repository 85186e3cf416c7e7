"""What networks see: the layers of the model's own autoencoder, of a CLIP model, of anything."""

import pytest
import torch
from conformance import prior_of
from oracles import mixture
from tiny import TINY
from torch import nn

from dreamsampler.models import ModelError
from dreamsampler.models.features import clip_features, encoder_features, layer_features
from dreamsampler.models.load import from_pretrained

X = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def looks(see):
    """Layers, and that rows are independent and gradients reach the picture."""
    x = X.clone().requires_grad_()
    layers = see(x)
    for each, alone in zip(layers, see(X[:1]), strict=True):
        assert len(each) == 2 and each.dtype == X.dtype
        torch.testing.assert_close(each[:1], alone, rtol=1e-3, atol=1e-3)
    (gradient,) = torch.autograd.grad(sum(each.square().sum() for each in layers), x)
    assert gradient.abs().sum() > 0
    return layers


def test_any_layers_of_any_network():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())
    layers = looks(layer_features([network[0], network[2]], network))
    assert torch.equal(layers[0], network[0](X)) and torch.equal(layers[1], network(X))
    assert not network[0]._forward_hooks, "nothing is left behind"
    with pytest.raises(ModelError, match="at least one module"):
        layer_features([], network)

    def halt(x):
        raise RuntimeError("halt")

    with pytest.raises(RuntimeError, match="halt"):
        layer_features([network[0]], halt)(X)
    assert not network[0]._forward_hooks


def test_the_stages_of_a_models_own_autoencoder():
    prior = from_pretrained(TINY, device="cpu", dtype="float32")
    layers = looks(encoder_features(prior))
    stages = prior.vae.encoder.down_blocks
    assert [each.shape[1] for each in layers] == [s.resnets[-1].out_channels for s in stages]
    assert not any(stage._forward_hooks for stage in stages)
    with pytest.raises(ModelError, match="GaussianMixture has no autoencoder with stages"):
        encoder_features(mixture())
    with pytest.raises(ModelError, match="leave tiling out"):
        encoder_features(from_pretrained(TINY, device="cpu", tiling=64))


@pytest.mark.parametrize("name", ["sdxl", "flux-dev", "sana", "qwen-image"])
def test_autoencoders_of_other_families_see_as_well(name):
    looks(encoder_features(prior_of(name)))


def test_a_clip_model_from_its_folder(tmp_path):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    sizes = {"hidden_size": 16, "intermediate_size": 32, "projection_dim": 8}
    config = CLIPVisionConfig(
        **sizes, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
    )
    CLIPVisionModelWithProjection(config).save_pretrained(tmp_path / "clip")
    layers = looks(clip_features(tmp_path / "clip"))
    assert [tuple(each.shape) for each in layers] == [(2, 16, 16), (2, 16, 16), (2, 8)]
    with pytest.raises(ModelError, match=r"holds no config\.json"):
        clip_features(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot be loaded as a CLIP model"):
        clip_features(tmp_path)
