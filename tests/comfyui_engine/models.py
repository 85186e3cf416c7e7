"""Tiny models of ComfyUI's own classes with random weights, loaded as its nodes load theirs."""

import sys

import torch

UNET = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,
    "num_res_blocks": [1, 1],
    "transformer_depth": [1, 1],
    "transformer_depth_output": [1, 1, 1, 1],
    "transformer_depth_middle": 1,
    "channel_mult": [1, 2],
    "context_dim": 768,
    "use_linear_in_transformer": False,
    "num_heads": 4,
    "use_spatial_transformer": True,
    "legacy": False,
    "adm_in_channels": None,
    "use_temporal_attention": False,
    "dtype": torch.float32,
}
FLUX = {
    "image_model": "flux",
    "in_channels": 16,
    "out_channels": 16,
    "patch_size": 2,
    "vec_in_dim": 32,
    "context_in_dim": 48,
    "hidden_size": 64,
    "mlp_ratio": 2.0,
    "num_heads": 2,
    "depth": 1,
    "depth_single_blocks": 1,
    "axes_dim": [8, 12, 12],
    "theta": 10000,
    "qkv_bias": True,
    "guidance_embed": True,
    "dtype": torch.float32,
}
SD3 = {
    "in_channels": 16,
    "patch_size": 2,
    "depth": 1,
    "input_size": None,
    "adm_in_channels": 32,
    "context_embedder_config": {
        "target": "torch.nn.Linear",
        "params": {"in_features": 48, "out_features": 64},
    },
    "num_patches": 64,
    "pos_embed_max_size": 8,
    "pos_embed_scaling_factor": None,
    "dtype": torch.float32,
}
QWEN = {
    "image_model": "qwen_image",
    "in_channels": 64,
    "num_layers": 1,
    "attention_head_dim": 32,
    "num_attention_heads": 2,
    "joint_attention_dim": 48,
    "axes_dims_rope": (8, 12, 12),
    "dtype": torch.float32,
}
AUTOENCODER = {
    "double_z": True,
    "z_channels": 4,
    "resolution": 64,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 32,
    "ch_mult": [1, 1, 1, 1],
    "num_res_blocks": 1,
    "attn_resolutions": [],
    "dropout": 0.0,
}


def start(path):
    """ComfyUI's modules from its folder, on the CPU; before any of them is imported."""
    sys.path.insert(0, path)
    sys.argv = [sys.argv[0], "--cpu", "--use-pytorch-cross-attention"]
    from comfy import options

    options.enable_args_parsing()
    import comfy.model_management  # noqa: F401 - reads the arguments


def filled(network, seed=0):
    """Random weights, so small that the output is finite and depends on everything."""
    rng = torch.Generator().manual_seed(seed)
    for weight in (each for each in network.parameters() if each.numel()):
        scale = weight[0].numel() ** -0.5 if weight.ndim > 1 else 0.1
        weight.data.copy_(scale * torch.randn(weight.shape, generator=rng))
    return network


@torch.inference_mode()
def model(kind, **changes):
    """A MODEL of a class of `comfy.supported_models`."""
    import comfy.model_patcher
    import comfy.supported_models

    unet = {"Flux": FLUX, "SD3": SD3, "QwenImage": QWEN}.get(kind, UNET)
    config = getattr(comfy.supported_models, kind)({**unet, **changes})
    made = config.get_model({})
    filled(made.diffusion_model)
    cpu = torch.device("cpu")
    return comfy.model_patcher.ModelPatcher(made, cpu, cpu)


@torch.inference_mode()
def video():
    """A MODEL whose latents have frames; it is never run."""
    made = model("SD15")
    made.model.latent_format = __import__("comfy.latent_formats").latent_formats.HunyuanVideo()
    return made


@torch.inference_mode()
def vae(channels=4, frames=False):
    """A VAE of eight pixels a cell."""
    import comfy.ldm.wan.vae
    import comfy.model_patcher
    import comfy.sd

    details = {**AUTOENCODER, "z_channels": channels}
    params = {"ddconfig": details, "embed_dim": channels}
    made = comfy.sd.VAE(sd={}, config={"params": params})
    made.latent_channels = channels
    if frames:
        made.first_stage_model = comfy.ldm.wan.vae.WanVAE(8, channels, num_res_blocks=1)
        made.latent_dim, ratio = 3, (lambda count: count, 8, 8)
        made.upscale_ratio = made.downscale_ratio = ratio
        cpu = torch.device("cpu")
        made.patcher = comfy.model_patcher.ModelPatcher(made.first_stage_model, cpu, cpu)
    filled(made.first_stage_model, 1)
    return made


def conditioning(seed, width=768, pooled=None):
    """CONDITIONING of random numbers."""
    rng = torch.Generator().manual_seed(seed)
    more = {} if pooled is None else {"pooled_output": torch.randn(1, pooled, generator=rng)}
    return [[torch.randn(1, 77, width, generator=rng), more]]
