"""PixArt-Sigma."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.maths import Latent, Level
from dreamsampler.models.errors import ModelError
from dreamsampler.models.families.stable_diffusion import network_time
from dreamsampler.models.family import Family, TextCondition, TextInputs, per_row
from dreamsampler.models.prompt import Tokens, run_encoder, tokenize

_TOKENS = 300


@final
class PixArtSigma(Family):
    """A transformer with a table of noise levels that attends to T5.

        output = first half of transformer(z, n, t5, mask);  the other half is a learned variance

    Prompts are encoded in lower case and without white space around them, as in training.

    Source: Chen et al., "PixArt-Sigma", ECCV 2024 (arXiv:2403.04692).
    """

    title = "PixArt-Sigma"
    flow = False
    half = torch.float16
    pipelines = ("PixArtSigmaPipeline",)
    denoisers = ("PixArtTransformer2DModel", "Transformer2DModel")
    text_encoders = (("T5EncoderModel",),)
    default_scale = 4.5

    @classmethod
    def check(cls, configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise ModelError if the transformer needs more than a latent and a text."""
        if configs["transformer"].get("use_additional_conditions"):
            raise ModelError(
                "the transformer also needs the picture's size and aspect (PixArt-alpha), which "
                "are not supported: pass PixArt-Sigma"
            )

    def encode_prompt(self, prompt: str) -> tuple[TextCondition, Tokens]:
        """T5's tokens, and which of them are not padding."""
        tokens = tokenize(prompt.lower().strip(), self.tokenizer, _TOKENS)
        embeddings = run_encoder(self.encoders["text_encoder"], tokens, tokens.mask)[0]
        return TextCondition(prompt, embeddings, mask=tokens.mask.bool()), tokens

    def forward(self, z: Latent, level: Level, inputs: TextInputs) -> Tensor:
        """The transformer's output without its learned variance."""
        output = self.network(
            z,
            encoder_hidden_states=inputs.embeddings,
            encoder_attention_mask=inputs.token_mask().to(z.dtype),
            timestep=per_row(network_time(self.schedule.timestep(level.t)), z),
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
            return_dict=False,
        )[0]
        return output[:, : z.shape[1]]
