"""Sana."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from dreamsampler.maths import Latent, Level, Target
from dreamsampler.models.errors import ModelError
from dreamsampler.models.family import (
    Guidance,
    TextCondition,
    Told,
    flow_of,
    place_of,
    rows_of,
)
from dreamsampler.models.prompt import Tokens, tokenize, unwatched

_WORDS = 300


@final
class Sana:
    """A linear transformer on rectified flow, with latents of 32 x 32 pixels, that reads Gemma.

        eps - z0 = transformer(z, 1000 u, gemma, mask)

    Every prompt but the null prompt is read after the instruction that the model was trained with.
    diffusers' own pipeline gives negative prompts none; here a negative prompt is a prompt.

    Args:
        parts: transformer, text_encoder (Gemma 2), tokenizer, scheduler.
        settings: further entries of model_index.json; none is read.

    Attributes:
        instruction: what is put before a prompt; that of diffusers' pipeline.

    Raises:
        ModelError: a transformer that is told its guidance scale (Sana-Sprint).

    Source: Xie et al., "SANA", ICLR 2025 (arXiv:2410.10629), section 3.3 for the instruction.
    """

    title: ClassVar[str] = "Sana"
    flow: ClassVar[bool] = True
    half: ClassVar[torch.dtype] = torch.bfloat16
    pipelines: ClassVar[tuple[str, ...]] = ("SanaPipeline",)
    classes: ClassVar[dict[str, tuple[str, ...]]] = {
        "transformer": ("SanaTransformer2DModel",),
        "vae": ("AutoencoderDC",),
        "text_encoder": ("Gemma2Model",),
        "tokenizer": ("GemmaTokenizer",),
    }
    optional: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        del settings
        self.network: Any = parts["transformer"]
        self.encoders: dict[str, Any] = {"text_encoder": parts["text_encoder"]}
        self.tokenizer: Any = parts["tokenizer"]
        self.tokenizer.padding_side = "right"
        config = self.network.config
        self.check({"transformer": config})
        self.latent_channels: int = config.in_channels
        self.cells: int = config.patch_size
        self.native_cells: int = config.sample_size
        tokens = (config.sample_size // config.patch_size) ** 2
        self.schedule = flow_of(parts["scheduler"].config, tokens)
        self.target: Target = "flow"
        self.guidance: Guidance = "free"
        self.default_scale = 4.5
        self.instruction = "\n".join(_published_instruction())

    @staticmethod
    def check(configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise ModelError if the transformer wants more than a latent and a text."""
        if configs["transformer"].get("guidance_embeds"):
            raise ModelError(
                "the transformer is told its guidance scale in Sana-Sprint's own way, which is not "
                "fed: pass Sana itself"
            )

    def read(self, prompt: str) -> tuple[TextCondition, Tokens]:
        """Gemma's tokens: the first one, and the last 299 of instruction and prompt."""
        encoder, before = self.encoders["text_encoder"], self.instruction if prompt else ""
        length = _WORDS + (len(self.tokenizer.encode(before)) - 2 if before else 0)
        tokens = tokenize(
            prompt.lower().strip(), self.tokenizer, length, frame=lambda words: before + words
        )
        where = place_of(encoder)
        with unwatched():
            states = encoder(tokens.ids.to(where), attention_mask=tokens.mask.to(where))[0]
        chosen = [0, *range(-_WORDS + 1, 0)]
        mask = tokens.mask[:, chosen].bool()
        return TextCondition(prompt, states[:, chosen], mask=mask), tokens

    def ask(self, z: Latent, level: Level, told: Told) -> Tensor:
        """The transformer's velocity, without a learned variance."""
        output = self.network(
            z,
            encoder_hidden_states=told.embeddings,
            encoder_attention_mask=told.words().to(z.dtype),
            timestep=rows_of(1000 * level.flow * self.network.config.timestep_scale, z),
            return_dict=False,
        )[0]
        return output[:, : z.shape[1]]


def _published_instruction() -> list[str]:
    """The lines that diffusers' pipeline puts before a prompt, from its own signature."""
    import inspect

    from diffusers.pipelines.sana.pipeline_sana import SanaPipeline

    entry = inspect.signature(SanaPipeline.__call__).parameters["complex_human_instruction"]
    return list(entry.default)
