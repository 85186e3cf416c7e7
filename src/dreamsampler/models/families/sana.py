"""Sana."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, final

from torch import Tensor

from dreamsampler.maths import Latent, Level
from dreamsampler.models.errors import ModelError
from dreamsampler.models.family import Family, TextCondition, TextInputs, per_row
from dreamsampler.models.prompt import Tokens, run_encoder, tokenize

_TOKENS = 300


@final
class Sana(Family):
    """A linear transformer on rectified flow, with latents of 32 x 32 pixels and Gemma.

        eps - z0 = transformer(z, 1000 u, gemma, mask)

    Every prompt but the null prompt is encoded after the instruction that the model was trained
    with. diffusers' own pipeline leaves it out of negative prompts; here a negative prompt is a
    prompt.

    Attributes:
        instruction: what is put before a prompt; that of diffusers' pipeline.

    Source: Xie et al., "SANA", ICLR 2025 (arXiv:2410.10629), section 3.3 for the instruction.
    """

    title = "Sana"
    pipelines = ("SanaPipeline",)
    denoisers = ("SanaTransformer2DModel",)
    autoencoders = ("AutoencoderDC",)
    text_encoders = (("Gemma2Model",),)
    default_scale = 4.5

    def __init__(self, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        super().__init__(parts, settings)
        self.tokenizer.padding_side = "right"
        from diffusers.pipelines.sana.pipeline_sana import SanaPipeline

        options = inspect.signature(SanaPipeline.__call__).parameters
        self.instruction = "\n".join(options["complex_human_instruction"].default)

    @classmethod
    def check(cls, configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise ModelError if the transformer needs more than a latent and a text."""
        if configs["transformer"].get("guidance_embeds"):
            raise ModelError(
                "the transformer has Sana-Sprint's input for the guidance scale, which is not "
                "supported: pass Sana itself"
            )

    def encode_prompt(self, prompt: str) -> tuple[TextCondition, Tokens]:
        """Gemma's tokens: the first one, and the last 299 of instruction and prompt."""
        before = self.instruction if prompt else ""
        length = _TOKENS + (len(self.tokenizer.encode(before)) - 2 if before else 0)
        tokens = tokenize(
            prompt.lower().strip(), self.tokenizer, length, template=lambda words: before + words
        )
        states = run_encoder(self.encoders["text_encoder"], tokens, tokens.mask)[0]
        chosen = [0, *range(-_TOKENS + 1, 0)]
        mask = tokens.mask[:, chosen].bool()
        return TextCondition(prompt, states[:, chosen], mask=mask), tokens

    def forward(self, z: Latent, level: Level, inputs: TextInputs) -> Tensor:
        """The transformer's velocity, without a learned variance."""
        output = self.network(
            z,
            encoder_hidden_states=inputs.embeddings,
            encoder_attention_mask=inputs.token_mask().to(z.dtype),
            timestep=per_row(1000 * level.flow * self.network.config.timestep_scale, z),
            return_dict=False,
        )[0]
        return output[:, : z.shape[1]]
