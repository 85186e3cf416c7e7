"""Which networks can be spoken to; all others are refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamsampler.maths import Target
from dreamsampler.models.errors import ModelError

SUPPORTED = (
    "supported are text-to-image models of Stable Diffusion 1.x, 2.x (and their inpainting "
    "networks), XL, 3 and 3.5, FLUX.1, PixArt-Sigma, Sana, Qwen-Image and Z-Image"
)

_TARGETS: dict[str, Target] = {"epsilon": "epsilon", "v_prediction": "v", "sample": "sample"}


def check_unet(unet: Mapping[str, Any], vae: Mapping[str, Any], added: str | None = None) -> None:
    """Raise ModelError if a UNet of this configuration wants what a family does not feed.

    Args:
        unet: configuration of the UNet.
        vae: configuration of the autoencoder.
        added: the addition_embed_type that the family feeds.
    """
    channels = vae.get("latent_channels", 4)
    came, made = unet.get("in_channels", 4), unet.get("out_channels", 4)
    if came not in (channels, 2 * channels + 1):
        kind = {2 * channels: "an instruction-editing or upscaling", channels + 1: "a depth"}
        raise ModelError(
            f"the UNet takes {came} channels and the autoencoder makes {channels} "
            f"({kind.get(came, 'a specialized')} model): {SUPPORTED}"
        )
    if made != channels:
        raise ModelError(f"the UNet outputs {made} channels instead of {channels}: {SUPPORTED}")
    wants = {
        "addition_embed_type": "pooled text and picture sizes in another way than SDXL",
        "class_embed_type": "class labels or image embeddings (upscaler, unCLIP)",
        "num_class_embeds": "class labels (upscaler)",
        "encoder_hid_dim_type": "a projected or image prompt (IP-Adapter, Kandinsky, DeepFloyd)",
    }
    fed = {"addition_embed_type": added}
    for key, meaning in wants.items():
        if unet.get(key) not in (None, fed.get(key)):
            raise ModelError(f"the UNet also wants {meaning}, which is not fed: {SUPPORTED}")
    if added is not None and unet.get("addition_embed_type") != added:
        raise ModelError("the UNet is not told sizes, so it is no Stable Diffusion XL")


def entry(config: Any, key: str) -> Any:
    """An entry of a configuration: a mapping, but in transformers an object."""
    return config.get(key) if isinstance(config, Mapping) else getattr(config, key, None)


def check_text_encoder(text_encoder: Any, unet: Mapping[str, Any]) -> None:
    """Raise ModelError if the text encoder's width is not what the UNet attends to."""
    width, wanted = entry(text_encoder, "hidden_size"), unet.get("cross_attention_dim")
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


def target_of(scheduler: Mapping[str, Any]) -> Target:
    """What the network was trained to output, by its scheduler's configuration."""
    kind = scheduler.get("prediction_type", "epsilon")
    if kind not in _TARGETS:
        raise ModelError(
            f"the scheduler says prediction_type {kind!r}, but must say {' or '.join(_TARGETS)}"
        )
    return _TARGETS[kind]
