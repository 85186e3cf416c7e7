"""Stable Diffusion 1.x and 2.x, their inpainting networks, and latent consistency models."""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.maths import Latent, Level
from dreamsampler.models.errors import SUPPORTED, ModelError
from dreamsampler.models.family import Family, TextCondition, TextInputs, per_row
from dreamsampler.models.prompt import Tokens, clip_tokens, run_encoder

_UNSUPPORTED = {
    "addition_embed_type": "pooled text and picture sizes in another way than SDXL",
    "class_embed_type": "class labels or image embeddings (upscaler, unCLIP)",
    "num_class_embeds": "class labels (upscaler)",
    "encoder_hid_dim_type": "a projected or image prompt (IP-Adapter, Kandinsky, DeepFloyd)",
}


class UNetFamily(Family, ABC):
    """A UNet with a table of noise levels; 9 channels for inpainting networks.

        output = unet(z, n, text),  n = max(level.t N - 1, 0)

    The rates are the level's own; the network only sees its time. An inpainting network also sees
    the mask and the picture without what is under it (`NetworkPrior.inpainting_condition`); without
    them, everything is to be painted. A latent consistency model has an input for its guidance
    scale.

    Args:
        parts: unet, text encoders, tokenizers, vae (for its number of channels) and scheduler (any
            with alphas_cumprod; only the table and prediction_type are read).
        settings: further entries of model_index.json.
    """

    half = torch.float16
    native = 64

    def __init__(self, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        super().__init__(parts, settings)
        config = self.network.config
        size = config.sample_size or self.native
        self.native_cells = size if isinstance(size, int) else max(size)
        self.latent_channels = config.out_channels
        self.cells = 2 ** (len(config.block_out_channels) - 1)
        if config.time_cond_proj_dim:
            self.guidance = "embedded"

    def forward(
        self, z: Latent, level: Level, inputs: TextInputs, added: dict[str, Tensor] | None = None
    ) -> Tensor:
        """The UNet's output; SDXL's has added inputs."""
        config = self.network.config
        return self.network(
            _with_extra_channels(z, inputs, config.in_channels),
            per_row(network_time(self.schedule.timestep(level.t)), z),
            encoder_hidden_states=inputs.embeddings,
            timestep_cond=_guidance_embedding(inputs, config.time_cond_proj_dim),
            added_cond_kwargs=added,
            return_dict=False,
        )[0]


@final
class StableDiffusion(UNetFamily):
    """A UNet that attends to one CLIP text encoder.

    Source: Rombach et al., "High-resolution image synthesis with latent diffusion models",
    CVPR 2022; Luo et al., "Latent consistency models" (arXiv:2310.04378) for the embedded scale.
    """

    title = "Stable Diffusion 1.x and 2.x"
    pipelines = (
        "StableDiffusionPipeline",
        "StableDiffusionImg2ImgPipeline",
        "StableDiffusionInpaintPipeline",
        "LatentConsistencyModelPipeline",
        "LatentConsistencyModelImg2ImgPipeline",
    )
    parts = ("unet", "vae", "text_encoder", "tokenizer")

    def __init__(self, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        super().__init__(parts, settings)
        if self.guidance == "embedded":
            self.default_scale = 8.5

    @classmethod
    def check(cls, configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise ModelError if the configurations are not of this family."""
        unet = configs["unet"]
        check_unet(unet, configs["vae"])
        width = config_entry(configs["text_encoder"], "hidden_size")
        if width != unet.get("cross_attention_dim"):
            raise ModelError(
                f"the text encoder is {width} wide but the UNet attends to "
                f"{unet.get('cross_attention_dim')}: the parts belong to different models"
            )

    def encode_prompt(self, prompt: str) -> tuple[TextCondition, Tokens]:
        """The text encoder's last hidden states."""
        encoder = self.encoders["text_encoder"]
        tokens = clip_tokens(prompt, self.tokenizer, encoder)
        masked = getattr(encoder.config, "use_attention_mask", False)
        states = run_encoder(encoder, tokens, tokens.mask if masked else None)[0]
        return TextCondition(prompt, states), tokens


def network_time(timestep: float) -> float:
    """A network's time is 0 at least: it was never trained on a clean picture."""
    return max(timestep, 0)


def config_entry(config: Any, key: str) -> Any:
    """An entry of a configuration: a mapping, but in transformers an object."""
    return config.get(key) if isinstance(config, Mapping) else getattr(config, key, None)


def check_unet(unet: Mapping[str, Any], vae: Mapping[str, Any], added: str | None = None) -> None:
    """Raise ModelError if a UNet of this configuration needs inputs that a family does not have.

    Args:
        added: the addition_embed_type of the family.
    """
    latent = vae.get("latent_channels", 4)
    inputs, outputs = unet.get("in_channels", 4), unet.get("out_channels", 4)
    if inputs not in (latent, 2 * latent + 1):
        kind = {2 * latent: "an instruction-editing or upscaling", latent + 1: "a depth"}
        raise ModelError(
            f"the UNet takes {inputs} channels and the autoencoder makes {latent} "
            f"({kind.get(inputs, 'a specialized')} model): {SUPPORTED}"
        )
    if outputs != latent:
        raise ModelError(f"the UNet outputs {outputs} channels instead of {latent}: {SUPPORTED}")
    for key, meaning in _UNSUPPORTED.items():
        if unet.get(key) not in (None, added if key == "addition_embed_type" else None):
            raise ModelError(f"the UNet also needs {meaning}, which is not supported: {SUPPORTED}")
    if added is not None and unet.get("addition_embed_type") != added:
        raise ModelError("the UNet has no input for sizes, so it is no Stable Diffusion XL")


def _with_extra_channels(z: Latent, inputs: TextInputs, channels: int) -> Tensor:
    """A latent with the further channels of an inpainting network; by default all is painted."""
    missing = channels - z.shape[1]
    if not missing:
        return z
    extra = inputs.extra_channels
    if extra is None:
        extra = z.new_zeros(len(z), missing, *z.shape[2:])
        extra[:, 0] = 1
    return torch.cat([z, extra], dim=1)


def _guidance_embedding(inputs: TextInputs, width: int | None) -> Tensor | None:
    """The embedded guidance scale of a latent consistency model; None for other models.

        (sin, cos)(1000 (w - 1) 10000^(-i / (width/2 - 1)))

    Source: Kingma et al., "Variational diffusion models", for the embedding; w - 1 is the scale
    of the guided distillation that w means here.
    """
    if width is None or inputs.guidance_scales is None:
        return None
    scales = per_row(inputs.guidance_scales, inputs.embeddings)
    half = width // 2
    steps = torch.arange(half, device=scales.device) * -(math.log(10000.0) / (half - 1))
    angles = 1000.0 * (scales - 1)[:, None] * steps.exp()
    return torch.cat([angles.sin(), angles.cos()], dim=1).to(inputs.embeddings)
