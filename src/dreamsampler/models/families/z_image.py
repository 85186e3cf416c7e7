"""Z-Image and Z-Image-Turbo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from dreamsampler.maths import Latent, Level, Target
from dreamsampler.models.family import (
    Guidance,
    TextCondition,
    Told,
    flow_of,
    place_of,
    rows_of,
)
from dreamsampler.models.prompt import Tokens, tokenize, unwatched

_WORDS = 512
_NATIVE = 128  # cells: 1024 pixels; the configuration does not say


@final
class ZImage:
    """A transformer on rectified flow that counts time backwards and reads Qwen3.

        z0 - eps = transformer(z, 1 - u, qwen)

    diffusers' own pipeline counts its guidance_scale from 0; here 1 is the prompt alone, as
    everywhere, so its 3 is 4 here.

    Args:
        parts: transformer, text_encoder, tokenizer, scheduler.
        settings: further entries of model_index.json; none is read.

    Source: Z-Image team, "Z-Image", 2025 (arXiv:2511.22699).
    """

    title: ClassVar[str] = "Z-Image"
    flow: ClassVar[bool] = True
    half: ClassVar[torch.dtype] = torch.bfloat16
    pipelines: ClassVar[tuple[str, ...]] = ("ZImagePipeline", "ZImageImg2ImgPipeline")
    classes: ClassVar[dict[str, tuple[str, ...]]] = {
        "transformer": ("ZImageTransformer2DModel",),
        "vae": ("AutoencoderKL", "AutoencoderTiny"),
        "text_encoder": ("Qwen3Model", "Qwen3ForCausalLM"),
        "tokenizer": ("Qwen2Tokenizer",),
    }
    optional: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        del settings
        self.network: Any = parts["transformer"]
        self.encoders: dict[str, Any] = {"text_encoder": parts["text_encoder"]}
        self.tokenizer: Any = parts["tokenizer"]
        self.latent_channels: int = self.network.config.in_channels
        self.cells, self.native_cells = 2, _NATIVE
        self.schedule = flow_of(parts["scheduler"].config, (_NATIVE // 2) ** 2)
        self.target: Target = "flow"
        self.guidance: Guidance = "free"
        self.default_scale = 5.0

    @staticmethod
    def check(configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Every transformer of the class is of this family."""

    def read(self, prompt: str) -> tuple[TextCondition, Tokens]:
        """The encoder's last but one states of the prompt as a conversation, without padding."""
        encoder = self.encoders["text_encoder"]
        tokens = tokenize(prompt, self.tokenizer, _WORDS, frame=self._framed, padding="max_length")
        where = place_of(encoder)
        with unwatched():
            said = encoder(
                input_ids=tokens.ids.to(where),
                attention_mask=tokens.mask.bool().to(where),
                output_hidden_states=True,
            )
        kept = tokens.mask[0].bool().to(where)
        return TextCondition(prompt, said.hidden_states[-2][:, kept]), tokens

    def _framed(self, words: str) -> str:
        said = [{"role": "user", "content": words}]
        return self.tokenizer.apply_chat_template(
            said, tokenize=False, add_generation_prompt=True, enable_thinking=True
        )

    def ask(self, z: Latent, level: Level, told: Told) -> Tensor:
        """The transformer's velocity, turned around."""
        words = list(told.embeddings)
        if told.mask is not None:
            words = [row[kept] for row, kept in zip(told.embeddings, told.mask, strict=True)]
        output = self.network(
            list(z[:, :, None]), rows_of(1 - level.flow, z), words, return_dict=False
        )[0]
        return -torch.stack(list(output))[:, :, 0]
