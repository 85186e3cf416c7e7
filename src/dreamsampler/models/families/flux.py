"""FLUX.1 dev and schnell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.maths import Latent, Level
from dreamsampler.models.errors import ModelError
from dreamsampler.models.family import (
    Family,
    TextCondition,
    TextInputs,
    pack,
    per_row,
    unpack,
)
from dreamsampler.models.prompt import Tokens, clip_tokens, run_encoder, tokenize

_TOKENS = 512
_NATIVE = 128  # cells: 1024 pixels; the configuration does not say


@final
class Flux(Family):
    """A transformer on rectified flow that sees latents as tokens of 2 x 2 cells, with CLIP and T5.

        eps - z0 = transformer(tokens of z, u, t5, pooled clip, guidance scale)

    dev has an input for its guidance scale; in schnell it is distilled into the weights.

    Source: the published program of FLUX.1, Black Forest Labs, 2024 (Apache-2.0).
    """

    title = "FLUX.1"
    pipelines = ("FluxPipeline", "FluxImg2ImgPipeline", "FluxInpaintPipeline")
    denoisers = ("FluxTransformer2DModel",)
    text_encoders = (("CLIPTextModel",), ("T5EncoderModel",))

    def __init__(self, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        super().__init__(parts, settings)
        embedded = self.network.config.guidance_embeds
        self.guidance = "embedded" if embedded else "distilled"
        self.default_scale = 3.5 if embedded else 1.0

    @classmethod
    def check(cls, configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise ModelError if the transformer needs more than a latent and a text."""
        config = configs["transformer"]
        if config.get("out_channels") not in (None, config["in_channels"]):
            raise ModelError(
                f"the transformer takes {config['in_channels']} channels and makes "
                f"{config['out_channels']} (FLUX Fill, Canny or Depth), which is not supported: "
                "pass FLUX.1 dev or schnell"
            )

    def sizes(self, config: Any) -> tuple[int, int, int]:
        """Channels, cells and native cells."""
        return config.in_channels // 4, 2, _NATIVE

    def encode_prompt(self, prompt: str) -> tuple[TextCondition, Tokens]:
        """T5's tokens, and CLIP's pooled output."""
        clip, t5 = self.encoders.values()
        short = clip_tokens(prompt, self.tokenizer, clip)
        tokens = tokenize(prompt, self.tokenizers["tokenizer_2"], _TOKENS)
        pooled = run_encoder(clip, short).pooler_output
        return TextCondition(prompt, run_encoder(t5, tokens)[0], pooled), tokens

    def forward(self, z: Latent, level: Level, inputs: TextInputs) -> Tensor:
        """The transformer's velocity."""
        h, w = z.shape[2:]
        positions = torch.zeros(h // 2, w // 2, 3, device=z.device, dtype=z.dtype)
        positions[..., 1] += torch.arange(h // 2, device=z.device)[:, None]
        positions[..., 2] += torch.arange(w // 2, device=z.device)[None]
        scales = inputs.guidance_scales
        tokens = self.network(
            hidden_states=pack(z),
            timestep=per_row(level.flow, z),
            guidance=None if scales is None else per_row(scales, z),
            pooled_projections=inputs.pooled,
            encoder_hidden_states=inputs.embeddings,
            txt_ids=z.new_zeros(inputs.embeddings.shape[1], 3),
            img_ids=positions.view(-1, 3),
            return_dict=False,
        )[0]
        return unpack(tokens, h, w)
