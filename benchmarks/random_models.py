"""Pipelines of published architectures with random weights, made where they compute.

Denoisers and autoencoders are the published ones, but that those of SD3's and FLUX's shape have
fewer blocks; text encoders have the published widths and, but for SD1.5's, two layers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import nn

from benchmarks.protocol import HERE

TESTS = HERE.parent / "tests"
SCHEDULER: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "steps_offset": 1,
}
TYPES = {
    "sd15": torch.float16,
    "sdxl": torch.float16,
    "sd3": torch.bfloat16,
    "flux": torch.bfloat16,
}
SIZES = {"sd15": 512, "sdxl": 1024, "sd3": 1024, "flux": 1024}


def filled(make: Callable[[], Any], device: str, dtype: torch.dtype) -> Any:
    """A network with small random weights, made on its device in its final type."""
    with torch.device("meta"):
        module: nn.Module = make()
    module = module.to(dtype).to_empty(device=device)
    generator = torch.Generator(device).manual_seed(0)
    for parameter in module.parameters():
        parameter.data.normal_(0, 0.02, generator=generator)
        parameter.requires_grad_(False)
    for name, buffer in module.named_buffers():
        if "position_ids" in name:
            buffer.copy_(torch.arange(buffer.numel()).view_as(buffer))
        else:
            buffer.zero_()
    return module.eval()


class Maker:
    """Builds pipelines on one device.

    Args:
        device: where.
        dtype: of all networks.
    """

    def __init__(self, device: str, dtype: torch.dtype) -> None:
        from transformers import CLIPTokenizer

        self.device, self.dtype = device, dtype
        self.diffusers: Any = import_module("diffusers")
        folder = TESTS / "fixtures" / "tiny-sd"
        self.tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer")

    def made(self, kind: Any, *arguments: Any, **options: Any) -> Any:
        """A network of random weights."""
        return filled(lambda: kind(*arguments, **options), self.device, self.dtype)

    def clip(self, width: int = 768, layers: int = 2, projected: bool = False) -> Any:
        """A CLIP text encoder of a published width."""
        from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

        ends = {f"{e}_token_id": getattr(self.tokenizer, f"{e}_token_id") for e in ("bos", "eos")}
        config = CLIPTextConfig(
            vocab_size=49408,
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=width // 64,
            projection_dim=width,
            **ends,
        )
        return self.made(CLIPTextModelWithProjection if projected else CLIPTextModel, config)

    def vae(self, latents: int = 4, scale: float = 0.18215, shift: float | None = None) -> Any:
        """The autoencoder that all four have, for so many latent channels."""
        return self.made(
            self.diffusers.AutoencoderKL,
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=latents,
            scaling_factor=scale,
            shift_factor=shift,
            force_upcast=False,
            use_quant_conv=shift is None,
            use_post_quant_conv=shift is None,
        )

    def sd15(self) -> Any:
        """Stable Diffusion 1.5, whole."""
        return self.diffusers.StableDiffusionPipeline(
            vae=self.vae(),
            text_encoder=self.clip(layers=12),
            tokenizer=self.tokenizer,
            unet=self.made(
                self.diffusers.UNet2DConditionModel,
                sample_size=64,
                cross_attention_dim=768,
                attention_head_dim=8,
            ),
            scheduler=self.diffusers.DDIMScheduler(**SCHEDULER),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )

    def sdxl(self) -> Any:
        """Stable Diffusion XL; two layers of each text encoder."""
        unet = self.made(
            self.diffusers.UNet2DConditionModel,
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )
        return self.diffusers.StableDiffusionXLPipeline(
            vae=self.vae(scale=0.13025),
            text_encoder=self.clip(),
            text_encoder_2=self.clip(1280, projected=True),
            tokenizer=self.tokenizer,
            tokenizer_2=self.tokenizer,
            unet=unet,
            scheduler=self.diffusers.DDIMScheduler(**SCHEDULER),
            add_watermarker=False,
        )

    def sd3(self) -> Any:
        """Stable Diffusion 3 medium's shape with 6 of its 24 blocks, without T5."""
        transformer = self.made(
            self.diffusers.SD3Transformer2DModel,
            sample_size=128,
            patch_size=2,
            in_channels=16,
            out_channels=16,
            num_layers=6,
            attention_head_dim=64,
            num_attention_heads=24,
            caption_projection_dim=1536,
            joint_attention_dim=4096,
            pooled_projection_dim=2048,
            pos_embed_max_size=192,
        )
        return self.diffusers.StableDiffusion3Pipeline(
            transformer=transformer,
            scheduler=self.diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=self.vae(16, 1.5305, 0.0609),
            text_encoder=self.clip(projected=True),
            tokenizer=self.tokenizer,
            text_encoder_2=self.clip(1280, projected=True),
            tokenizer_2=self.tokenizer,
            text_encoder_3=None,
            tokenizer_3=None,
        )

    def flux(self) -> Any:
        """FLUX.1 dev's shape with 3 of 19 double and 6 of 38 single blocks."""
        from transformers import T5Config, T5EncoderModel

        letters = _tests("texts").t5_tokenizer()
        config = T5Config(
            vocab_size=len(letters),
            d_model=4096,
            d_kv=64,
            d_ff=10240,
            num_layers=2,
            num_heads=64,
            feed_forward_proj="gated-gelu",
            is_encoder_decoder=False,
        )
        return self.diffusers.FluxPipeline(
            scheduler=self.diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=self.vae(16, 0.3611, 0.1159),
            text_encoder=self.clip(),
            tokenizer=self.tokenizer,
            text_encoder_2=self.made(T5EncoderModel, config),
            tokenizer_2=letters,
            transformer=self.made(
                self.diffusers.FluxTransformer2DModel,
                num_layers=3,
                num_single_layers=6,
                guidance_embeds=True,
            ),
        )


def _tests(module: str) -> Any:
    """A module of the tests."""
    sys.path.insert(0, str(TESTS))
    return import_module(module)


def pipeline(
    name: str, device: str, dtype: torch.dtype | None = None, *, tiny: bool = False
) -> Any:
    """A pipeline by its name in TYPES; with `tiny` that of the tests."""
    if tiny:
        pipe = _tests("families").build("flux-dev" if name == "flux" else name).to(device)
    else:
        pipe = getattr(Maker(device, dtype or TYPES[name]), name)()
    pipe.set_progress_bar_config(disable=True)
    return pipe
