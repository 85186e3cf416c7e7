"""Options that make a network of diffusers tiny, by its class.

Two heads of 16 channels, one or two blocks; what they attend to has 32 channels (`encoders.py`).
"""

from .encoders import WIDTH

DOWN = ("CrossAttnDownBlock2D", "DownBlock2D")
UP = ("UpBlock2D", "CrossAttnUpBlock2D")
UNET = {
    "block_out_channels": (16, 32),
    "layers_per_block": 1,
    "down_block_types": DOWN,
    "cross_attention_dim": WIDTH,
    "attention_head_dim": 4,
    "norm_num_groups": 8,
}
DIT = {"num_layers": 2, "attention_head_dim": 16, "num_attention_heads": 2}
MM_DIT = {**DIT, "joint_attention_dim": WIDTH}
FLUX = {
    **MM_DIT,
    "num_layers": 1,
    "num_single_layers": 1,
    "in_channels": 64,
    "axes_dims_rope": (4, 4, 8),
}
SD3 = {
    **MM_DIT,
    "sample_size": 32,
    "pos_embed_max_size": 32,
    "caption_projection_dim": 32,
    "joint_attention_dim": 2 * WIDTH,
    "pooled_projection_dim": 2 * WIDTH,
}
SANA = {
    **DIT,
    "in_channels": 4,
    "out_channels": 4,
    "num_cross_attention_heads": 2,
    "cross_attention_head_dim": 16,
    "cross_attention_dim": 32,
    "caption_channels": WIDTH,
    "sample_size": 32,
}
QWEN = {**MM_DIT, "in_channels": 16, "out_channels": 4, "axes_dims_rope": (8, 4, 4)}
Z_IMAGE = {"dim": 32, "n_heads": 2, "n_kv_heads": 2, "n_refiner_layers": 1}
BLOCKS, WIDTHS = 4, (8, 8, 16, 16)
KL = {
    "block_out_channels": WIDTHS,
    "down_block_types": ["DownEncoderBlock2D"] * BLOCKS,
    "up_block_types": ["UpDecoderBlock2D"] * BLOCKS,
    "norm_num_groups": 4,
    "layers_per_block": 1,
    "sample_size": 64,
}
FLUX_KL = {
    "latent_channels": 16,
    "scaling_factor": 0.3611,
    "shift_factor": 0.1159,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
}
"""Autoencoder of SD3's and FLUX's kind, for AutoencoderKL."""
CAUSAL = {
    "base_dim": 8,
    "z_dim": 4,
    "dim_mult": [1, 1, 2, 2],
    "num_res_blocks": 1,
    "latents_mean": [0.1, -0.2, 0.3, 0.0],
    "latents_std": [1.1, 0.9, 2.0, 1.0],
}
DC = {"encoder": ("ResBlock", "EfficientViTBlock"), "decoder": ("ResBlock", "EfficientViTBlock")}

NETWORKS = {
    "UNet2DConditionModel": {**UNET, "up_block_types": UP, "sample_size": 8},
    "ControlNetModel": {**UNET, "conditioning_embedding_out_channels": (4, 8, 8, 16)},
    "ControlNetUnionModel": UNET,
    "ControlNetXSAdapter": {
        "conditioning_embedding_out_channels": (4, 8, 8, 16),
        "block_out_channels": (8, 8),
        "base_block_out_channels": (16, 32),
        "down_block_types": DOWN,
        "cross_attention_dim": WIDTH,
        "num_attention_heads": 2,
        "max_norm_num_groups": 4,
        "use_linear_projection": False,
        "upcast_attention": False,
    },
    "T2IAdapter": {"channels": [16, 32], "num_res_blocks": 1},
    "SD3Transformer2DModel": SD3,
    "FluxTransformer2DModel": {**FLUX, "pooled_projection_dim": WIDTH, "guidance_embeds": True},
    "SD3ControlNetModel": {**SD3, "num_layers": 1},
    "FluxControlNetModel": {**FLUX, "pooled_projection_dim": WIDTH, "guidance_embeds": True},
    "ChromaTransformer2DModel": {
        **FLUX,
        "approximator_num_channels": 16,
        "approximator_hidden_dim": 16,
        "approximator_layers": 1,
    },
    "Flux2Transformer2DModel": {
        **FLUX,
        "in_channels": 32,
        "joint_attention_dim": 3 * WIDTH,
        "timestep_guidance_channels": 16,
        "axes_dims_rope": (4, 4, 4, 4),
    },
    "PixArtTransformer2DModel": {
        **DIT,
        "caption_channels": WIDTH,
        "cross_attention_dim": 32,
        "sample_size": 32,
        "use_additional_conditions": False,
    },
    "SanaTransformer2DModel": SANA,
    "SanaControlNetModel": {**SANA, "num_layers": 1},
    "QwenImageTransformer2DModel": QWEN,
    "QwenImageControlNetModel": {**QWEN, "num_layers": 1},
    "ZImageControlNetModel": {
        **Z_IMAGE,
        "control_layers_places": [0],
        "control_refiner_layers_places": [0],
        "add_control_noise_refiner": "control_noise_refiner",
    },
    "ZImageTransformer2DModel": {
        **Z_IMAGE,
        "n_layers": 2,
        "cap_feat_dim": WIDTH,
        "axes_dims": [8, 4, 4],
        "axes_lens": [1536, 32, 32],
    },
    "AutoencoderKL": KL,
    "AutoencoderDC": {
        "latent_channels": 4,
        "attention_head_dim": 2,
        **{f"{side}_block_types": blocks for side, blocks in DC.items()},
        **{f"{side}_block_out_channels": (8, 8) for side in DC},
        **{f"{side}_qkv_multiscales": ((), (5,)) for side in DC},
        **{f"{side}_layers_per_block": (1, 1) for side in DC},
        "downsample_block_type": "conv",
        "upsample_block_type": "interpolate",
        "scaling_factor": 0.41407,
    },
    "AutoencoderKLFlux2": {**KL, "latent_channels": 8},
    "AutoencoderKLQwenImage": CAUSAL,
}
