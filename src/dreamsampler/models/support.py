"""Which networks the Stable Diffusion prior can speak to; all others are refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamsampler.maths import Target
from dreamsampler.models.errors import ModelError

PIPELINES = ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline")
"""Names of the diffusers pipelines whose folders are read."""

SUPPORTED = "supported now are Stable Diffusion 1.x and 2.x text-to-image models (epsilon and v)"

_TARGETS: dict[str, Target] = {"epsilon": "epsilon", "v_prediction": "v", "sample": "sample"}


def check_unet(unet: Mapping[str, Any], vae: Mapping[str, Any]) -> None:
    """Raise ModelError if a UNet of this configuration wants more than a latent and a text.

    Args:
        unet: configuration of the UNet.
        vae: configuration of the autoencoder.
    """
    channels = vae.get("latent_channels", 4)
    came, made = unet.get("in_channels", 4), unet.get("out_channels", 4)
    if came != channels:
        kind = {9: "an inpainting", 8: "an instruction-editing or upscaling", 5: "a depth"}
        raise ModelError(
            f"the UNet takes {came} channels and the autoencoder makes {channels} "
            f"({kind.get(came, 'a specialized')} model): {SUPPORTED}"
        )
    if made != channels:
        raise ModelError(f"the UNet outputs {made} channels instead of {channels}: {SUPPORTED}")
    wants = {
        "addition_embed_type": "pooled text and picture sizes (SDXL)",
        "class_embed_type": "class labels or image embeddings (upscaler, unCLIP)",
        "num_class_embeds": "class labels (upscaler)",
        "encoder_hid_dim_type": "a projected or image prompt (IP-Adapter, Kandinsky, DeepFloyd)",
        "time_cond_proj_dim": "its guidance scale (latent consistency model)",
    }
    for key, meaning in wants.items():
        if unet.get(key) is not None:
            raise ModelError(f"the UNet also wants {meaning}, which is not fed yet: {SUPPORTED}")


def check_text_encoder(text_encoder: Any, unet: Mapping[str, Any]) -> None:
    """Raise ModelError if the text encoder's width is not what the UNet attends to."""
    width, wanted = getattr(text_encoder, "hidden_size", None), unet.get("cross_attention_dim")
    if width != wanted:
        raise ModelError(
            f"the text encoder is {width} wide but the UNet attends to {wanted}: "
            "the parts belong to different models"
        )


def check_scheduler(scheduler: Any) -> None:
    """Raise ModelError if a scheduler holds no variance-preserving table."""
    if getattr(scheduler, "alphas_cumprod", None) is None:
        raise ModelError(
            f"{type(scheduler).__name__} holds no alphas_cumprod, so it is no scheduler of a "
            f"variance-preserving model: {SUPPORTED}"
        )
    target_of(scheduler.config)


def check_pipeline(name: object) -> None:
    """Raise ModelError if a folder's pipeline is of another family.

    Args:
        name: what model_index.json calls its class.
    """
    if name not in PIPELINES:
        raise ModelError(f"the model is for {name}, which cannot be used yet: {SUPPORTED}")


def target_of(scheduler: Mapping[str, Any]) -> Target:
    """What the network was trained to output, by its scheduler's configuration."""
    kind = scheduler.get("prediction_type", "epsilon")
    if kind not in _TARGETS:
        raise ModelError(
            f"the scheduler says prediction_type {kind!r}, but must say {' or '.join(_TARGETS)}"
        )
    return _TARGETS[kind]
