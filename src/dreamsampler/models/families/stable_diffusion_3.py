"""Stable Diffusion 3 and 3.5."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn.functional import pad

from dreamsampler.maths import Latent, Level
from dreamsampler.models.family import Family, TextCondition, TextInputs, per_row
from dreamsampler.models.prompt import Tokens, clip_tokens, run_encoder, tokenize

_TOKENS = 256


@final
class StableDiffusion3(Family):
    """A transformer on rectified flow with two CLIP text encoders and T5.

        eps - z0 = transformer(z, 1000 u, [clip 1 | clip 2, t5], [pooled 1 | pooled 2])

    T5 is optional; zeros take its place, as published.

    Source: Esser et al., "Scaling rectified flow transformers for high-resolution image
    synthesis", ICML 2024 (arXiv:2403.03206).
    """

    title = "Stable Diffusion 3 and 3.5"
    pipelines = (
        "StableDiffusion3Pipeline",
        "StableDiffusion3Img2ImgPipeline",
        "StableDiffusion3InpaintPipeline",
    )
    denoisers = ("SD3Transformer2DModel",)
    text_encoders = (
        ("CLIPTextModelWithProjection",),
        ("CLIPTextModelWithProjection",),
        ("T5EncoderModel",),
    )
    optional = ("text_encoder_3", "tokenizer_3")

    def encode_prompt(self, prompt: str) -> tuple[TextCondition, Tokens]:
        """The tokens of both CLIP encoders side by side, those of T5 after them."""
        states: list[Tensor] = []
        pooled: list[Tensor] = []
        for name, tokenizer in (("text_encoder", "tokenizer"), ("text_encoder_2", "tokenizer_2")):
            tokens = clip_tokens(prompt, self.tokenizers[tokenizer], self.encoders[name])
            output = run_encoder(self.encoders[name], tokens, hidden_states=True)
            states.append(output.hidden_states[-2])
            pooled.append(output[0])
        clip = torch.cat(states, dim=-1)
        width = self.network.config.joint_attention_dim
        t5 = clip.new_zeros(1, _TOKENS, width)
        if "text_encoder_3" in self.encoders:
            tokens = tokenize(prompt, self.tokenizers["tokenizer_3"], _TOKENS)
            t5 = run_encoder(self.encoders["text_encoder_3"], tokens)[0].to(clip)
        embeddings = torch.cat([pad(clip, (0, width - clip.shape[-1])), t5], dim=1)
        return TextCondition(prompt, embeddings, torch.cat(pooled, dim=-1)), tokens

    def forward(self, z: Latent, level: Level, inputs: TextInputs) -> Tensor:
        """The transformer's velocity."""
        return self.network(
            hidden_states=z,
            timestep=per_row(1000 * level.flow, z),
            encoder_hidden_states=inputs.embeddings,
            pooled_projections=inputs.pooled,
            return_dict=False,
        )[0]
