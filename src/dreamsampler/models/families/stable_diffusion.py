"""Stable Diffusion 1.x and 2.x, their inpainting networks, and latent consistency models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from dreamsampler.maths import Latent, Level, Target
from dreamsampler.models.family import (
    Guidance,
    TextCondition,
    Told,
    numbers_of,
    place_of,
    rows_of,
    table_of,
)
from dreamsampler.models.prompt import Tokens, clip_tokens, unwatched
from dreamsampler.models.support import check_scheduler, check_text_encoder, check_unet, target_of


@final
class StableDiffusion:
    """A UNet that attends to one CLIP text encoder.

        output = unet(z, n, text),  n = level.t N - 1

    The rates are the level's own; only its time is told to the network. The clean level, t = 0, is
    asked at the network's first time. An inpainting network (9 channels) is also shown the mask
    and the picture without what is under it; if nobody said which (`NetworkPrior.under`), all of
    it is hidden. A latent consistency model is told its guidance scale.

    Args:
        parts: unet, text_encoder, tokenizer and scheduler (any with alphas_cumprod; only the table
            and prediction_type are read), and vae, whose number of channels is looked at.
        settings: further entries of model_index.json; none is read.

    Raises:
        ModelError: a UNet, scheduler or text encoder of another kind.

    Source: Rombach et al., "High-resolution image synthesis with latent diffusion models",
    CVPR 2022; Luo et al., "Latent consistency models" (arXiv:2310.04378) for the told scale.
    """

    title: ClassVar[str] = "Stable Diffusion 1.x and 2.x"
    flow: ClassVar[bool] = False
    half: ClassVar[torch.dtype] = torch.float16
    pipelines: ClassVar[tuple[str, ...]] = (
        "StableDiffusionPipeline",
        "StableDiffusionImg2ImgPipeline",
        "StableDiffusionInpaintPipeline",
        "LatentConsistencyModelPipeline",
        "LatentConsistencyModelImg2ImgPipeline",
    )
    classes: ClassVar[dict[str, tuple[str, ...]]] = {
        "unet": ("UNet2DConditionModel",),
        "vae": ("AutoencoderKL", "AutoencoderTiny"),
        "text_encoder": ("CLIPTextModel",),
        "tokenizer": ("CLIPTokenizer",),
    }
    optional: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        del settings  # this family has none
        self.network: Any = parts["unet"]
        self.encoders: dict[str, Any] = {"text_encoder": parts["text_encoder"]}
        self.tokenizer: Any = parts["tokenizer"]
        config, scheduler = self.network.config, parts["scheduler"]
        self.check({name: parts[name].config for name in ("unet", "vae", "text_encoder")})
        check_scheduler(scheduler)
        self.schedule = table_of(scheduler)
        self.target: Target = target_of(scheduler.config)
        self.latent_channels: int = config.out_channels
        self.cells: int = 2 ** (len(config.block_out_channels) - 1)
        size = config.sample_size or 64
        self.native_cells: int = size if isinstance(size, int) else max(size)
        self.guidance: Guidance = "told" if config.time_cond_proj_dim else "free"
        self.default_scale = 8.5 if config.time_cond_proj_dim else 5.0

    @staticmethod
    def check(configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise ModelError if the configurations are not of this family."""
        check_unet(configs["unet"], configs["vae"])
        check_text_encoder(configs["text_encoder"], configs["unet"])

    def read(self, prompt: str) -> tuple[TextCondition, Tokens]:
        """The text encoder's last hidden states; None and "" are the null prompt."""
        encoder = self.encoders["text_encoder"]
        tokens = clip_tokens(prompt, self.tokenizer, encoder)
        where = place_of(encoder)
        masked = getattr(encoder.config, "use_attention_mask", False)
        with unwatched():
            mask = tokens.mask.to(where) if masked else None
            embeddings = encoder(tokens.ids.to(where), attention_mask=mask)[0]
        return TextCondition(prompt, embeddings), tokens

    def ask(self, z: Latent, level: Level, told: Told) -> Tensor:
        """The UNet's output."""
        return self.network(
            beside(z, told, self.network.config.in_channels),
            rows_of(network_time(self.schedule.timestep(level.t)), z),
            encoder_hidden_states=told.embeddings,
            timestep_cond=guidance_embedding(told, self.network.config.time_cond_proj_dim),
            return_dict=False,
        )[0]


def network_time(timestep: float) -> float:
    """A UNet's time is 0 at least: it was never trained on a clean picture."""
    return max(timestep, 0)


def beside(z: Latent, told: Told, channels: int) -> Tensor:
    """A latent with what an inpainting network wants to see beside it.

    The mask (1: to be painted) and the latent of the picture without what is under it; where
    nobody said which, all is to be painted and nothing is known.
    """
    more = channels - z.shape[1]
    if not more:
        return z
    shown = told.beside
    if shown is None:
        shown = z.new_zeros(len(z), more, *z.shape[2:])
        shown[:, 0] = 1
    return torch.cat([z, shown], dim=1)


def guidance_embedding(told: Told, width: int | None) -> Tensor | None:
    """The guidance scale as a latent consistency model is told it; None for other models.

        (sin, cos)(1000 (w - 1) 10000^(-i / (width/2 - 1)))

    Source: Kingma et al., "Variational diffusion models", for the embedding; w - 1 is the scale
    of the guided distillation that w means here.
    """
    if width is None or told.scales is None:
        return None
    scales = numbers_of(told.scales, told.embeddings)
    half = width // 2
    steps = torch.arange(half, device=scales.device) * -(math.log(10000.0) / (half - 1))
    angles = 1000.0 * (scales - 1)[:, None] * steps.exp()
    return torch.cat([angles.sin(), angles.cos()], dim=1).to(told.embeddings)
