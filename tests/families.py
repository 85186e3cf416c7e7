"""A tiny pipeline of every family: random weights from a seed, nothing downloaded.

Each is built in memory as its own diffusers pipeline, so that the pipeline's call can be compared
with our loop.
"""

import contextlib
from dataclasses import dataclass, field

import torch
from texts import (
    clip,
    clip_tokenizer,
    gemma,
    gemma_tokenizer,
    qwen,
    qwen_tokenizer,
    qwen_vl,
    t5,
    t5_tokenizer,
)

from dreamsampler.models.libraries import quiet

SD = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
DYNAMIC = {
    "use_dynamic_shifting": True,
    "base_shift": 0.5,
    "max_shift": 1.15,
    "base_image_seq_len": 256,
    "max_image_seq_len": 4096,
}


@dataclass(frozen=True)
class Tiny:
    """How one family's pipeline is built, and what its own call takes.

    Args:
        build: makes it.
        call: options of its call beside prompt, size, latents and steps.
        scale: the option that means guidance, or None.
        offset: what is added to it to mean our guidance_scale.
    """

    build: object
    call: dict = field(default_factory=dict)
    scale: str | None = "guidance_scale"
    offset: float = 0.0


@contextlib.contextmanager
def seeded():
    """Random weights without touching the generator of anybody else."""
    with torch.random.fork_rng(devices=[]), quiet():
        torch.random.default_generator.manual_seed(0)
        yield


def autoencoder(latents=4, scale=0.18215, shift=None):
    from diffusers import AutoencoderKL

    widths = (8, 8, 16, 16)
    return AutoencoderKL(
        block_out_channels=widths,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        latent_channels=latents,
        norm_num_groups=4,
        sample_size=64,
        scaling_factor=scale,
        shift_factor=shift,
        use_quant_conv=shift is None,
        use_post_quant_conv=shift is None,
        layers_per_block=1,
    )


def unet(channels=4, cross=32, **more):
    from diffusers import UNet2DConditionModel

    options = {
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "sample_size": 32,
        "in_channels": channels,
        "out_channels": 4,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": cross,
        "attention_head_dim": 4,
        "norm_num_groups": 8,
    }
    return UNet2DConditionModel(**{**options, **more})


def stable_diffusion(target="epsilon", channels=4, embedded=None):
    import diffusers as d

    tokenizer = clip_tokenizer()
    kind = d.StableDiffusionPipeline
    if channels == 9:
        kind = d.StableDiffusionInpaintPipeline
    if embedded:
        kind = d.LatentConsistencyModelPipeline
    schedulers = {True: d.LCMScheduler, False: d.DDIMScheduler}
    return kind(
        vae=autoencoder(),
        text_encoder=clip(tokenizer, act="gelu" if target == "v_prediction" else "quick_gelu"),
        tokenizer=tokenizer,
        unet=unet(channels, time_cond_proj_dim=embedded),
        scheduler=schedulers[bool(embedded)](prediction_type=target, **SD),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_xl():
    import diffusers as d

    one, two = clip_tokenizer(), clip_tokenizer()
    table = {k: SD[k] for k in ("beta_start", "beta_end", "beta_schedule", "steps_offset")}
    return d.StableDiffusionXLPipeline(
        vae=autoencoder(scale=0.13025),
        text_encoder=clip(one),
        text_encoder_2=clip(two, True, "gelu", width=48),
        tokenizer=one,
        tokenizer_2=two,
        unet=unet(
            cross=80,
            use_linear_projection=True,
            transformer_layers_per_block=(1, 2),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=(2, 4),
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=80,
        ),
        scheduler=d.EulerDiscreteScheduler(**table, timestep_spacing="leading"),
        add_watermarker=False,
    )


def stable_diffusion_3():
    import diffusers as d

    one, two, three = clip_tokenizer(), clip_tokenizer(), t5_tokenizer()
    return d.StableDiffusion3Pipeline(
        transformer=d.SD3Transformer2DModel(
            sample_size=32,
            patch_size=2,
            in_channels=16,
            out_channels=16,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_projection_dim=32,
            joint_attention_dim=64,
            pooled_projection_dim=64,
            pos_embed_max_size=32,
        ),
        scheduler=d.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=autoencoder(16, 1.5305, 0.0609),
        text_encoder=clip(one, True),
        tokenizer=one,
        text_encoder_2=clip(two, True),
        tokenizer_2=two,
        text_encoder_3=t5(three, 64),
        tokenizer_3=three,
    )


def flux(embedded=True):
    import diffusers as d

    one, two = clip_tokenizer(), t5_tokenizer()
    shift = {"shift": 3.0, **DYNAMIC} if embedded else {"shift": 1.0}
    return d.FluxPipeline(
        scheduler=d.FlowMatchEulerDiscreteScheduler(**shift),
        vae=autoencoder(16, 0.3611, 0.1159),
        text_encoder=clip(one),
        tokenizer=one,
        text_encoder_2=t5(two),
        tokenizer_2=two,
        transformer=d.FluxTransformer2DModel(
            patch_size=1,
            in_channels=64,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=embedded,
        ),
    )


def pixart():
    import diffusers as d

    tokenizer = t5_tokenizer()
    return d.PixArtSigmaPipeline(
        tokenizer=tokenizer,
        text_encoder=t5(tokenizer),
        vae=autoencoder(scale=0.13025),
        transformer=d.PixArtTransformer2DModel(
            sample_size=32,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_channels=32,
            in_channels=4,
            out_channels=8,
            cross_attention_dim=32,
            use_additional_conditions=False,
        ),
        scheduler=d.DPMSolverMultistepScheduler(
            beta_start=0.0001, beta_end=0.02, beta_schedule="linear"
        ),
    )


def sana():
    import diffusers as d

    tokenizer = gemma_tokenizer()
    blocks, widths = ("ResBlock", "EfficientViTBlock"), (8, 8)
    return d.SanaPipeline(
        tokenizer=tokenizer,
        text_encoder=gemma(tokenizer),
        vae=d.AutoencoderDC(
            latent_channels=4,
            attention_head_dim=2,
            encoder_block_types=blocks,
            decoder_block_types=blocks,
            encoder_block_out_channels=widths,
            decoder_block_out_channels=widths,
            encoder_qkv_multiscales=((), (5,)),
            decoder_qkv_multiscales=((), (5,)),
            encoder_layers_per_block=(1, 1),
            decoder_layers_per_block=(1, 1),
            downsample_block_type="conv",
            upsample_block_type="interpolate",
            decoder_norm_types="rms_norm",
            decoder_act_fns="silu",
            scaling_factor=0.41407,
        ),
        transformer=d.SanaTransformer2DModel(
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=4,
            num_cross_attention_heads=2,
            cross_attention_head_dim=4,
            cross_attention_dim=8,
            caption_channels=16,
            sample_size=32,
        ),
        scheduler=d.FlowMatchEulerDiscreteScheduler(shift=3.0),
    )


def qwen_image():
    import diffusers as d

    tokenizer = qwen_tokenizer()
    return d.QwenImagePipeline(
        scheduler=d.FlowMatchEulerDiscreteScheduler(
            **{**DYNAMIC, "max_shift": 0.9, "max_image_seq_len": 8192},
            shift_terminal=0.02,
            time_shift_type="exponential",
        ),
        vae=d.AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=4,
            dim_mult=[1, 1, 2, 2],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
            latents_mean=[0.1, -0.2, 0.3, 0.0],
            latents_std=[1.1, 0.9, 2.0, 1.0],
        ),
        text_encoder=qwen_vl(tokenizer),
        tokenizer=tokenizer,
        transformer=d.QwenImageTransformer2DModel(
            patch_size=2,
            in_channels=16,
            out_channels=4,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            axes_dims_rope=(8, 4, 4),
        ),
    )


def z_image():
    import diffusers as d

    tokenizer = qwen_tokenizer()
    transformer = d.ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=16,
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[768, 32, 32],
    )
    for name, weight in transformer.named_parameters():
        if "pad_token" in name:  # left as the memory was
            torch.nn.init.normal_(weight, std=0.02)
    return d.ZImagePipeline(
        scheduler=d.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=autoencoder(16, 0.3611, 0.1159),
        text_encoder=qwen(tokenizer),
        tokenizer=tokenizer,
        transformer=transformer,
    )


NO_BINS = {"use_resolution_binning": False}
FAMILIES = {
    "sd15": Tiny(stable_diffusion),
    "sd21-v": Tiny(lambda: stable_diffusion("v_prediction")),
    "sd15-inpaint": Tiny(lambda: stable_diffusion(channels=9)),
    "lcm": Tiny(lambda: stable_diffusion(embedded=16)),
    "sdxl": Tiny(stable_diffusion_xl),
    "sd3": Tiny(stable_diffusion_3),
    "flux-dev": Tiny(flux, {"guidance_scale": 3.5}, "true_cfg_scale"),
    "flux-schnell": Tiny(lambda: flux(embedded=False), {}, "true_cfg_scale"),
    "pixart": Tiny(pixart, NO_BINS),
    "sana": Tiny(sana, {**NO_BINS, "complex_human_instruction": None}),
    "qwen-image": Tiny(qwen_image, {"max_sequence_length": 1024}, "true_cfg_scale"),
    "z-image": Tiny(z_image, {}, "guidance_scale", 1.0),
}


def build(name):
    """The tiny pipeline of a family."""
    with seeded():
        pipe = FAMILIES[name].build()
        for part in pipe.components.values():
            if isinstance(part, torch.nn.Module):
                part.eval()
        if name == "sd15-inpaint":  # its pipeline samples: leave it nothing to draw
            half = pipe.vae.quant_conv.out_channels // 2
            pipe.vae.quant_conv.weight.data[half:] = 0
            pipe.vae.quant_conv.bias.data[half:] = -30
        pipe.set_progress_bar_config(disable=True)
        pipe.register_to_config(_name_or_path=f"tiny/{name}")
    return pipe


def store(pipe, folder):
    """Save a pipeline, silently."""
    with quiet():
        pipe.save_pretrained(folder)
