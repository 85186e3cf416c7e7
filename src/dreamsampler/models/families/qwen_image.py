"""Qwen-Image."""

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
    pack,
    place_of,
    rows_of,
    unpack,
)
from dreamsampler.models.prompt import Tokens, tokenize, unwatched

_WORDS = 1024
_NATIVE = 166  # cells: 1328 pixels; the configuration does not say
_ASKED = (
    "Describe the image by detailing the color, shape, size, texture, quantity, text, spatial "
    "relationships of the objects and background:"
)  # the sentence the published model was trained with
_DROPPED = 34  # tokens of the sentence before the prompt


@final
class QwenImage:
    """A transformer on rectified flow that sees tokens of 2 x 2 cells and reads Qwen2.5-VL.

        eps - z0 = transformer(tokens of z, u, qwen, mask)

    Guidance is linear here as everywhere in the house; diffusers' own pipeline scales the guided
    tokens back to the length of the prompt's, so at one number it guides less.

    Args:
        parts: transformer, text_encoder, tokenizer, scheduler.
        settings: further entries of model_index.json; none is read.

    Raises:
        ModelError: a transformer that is told its guidance scale.

    Source: Qwen team, "Qwen-Image technical report", 2025 (arXiv:2508.02324).
    """

    title: ClassVar[str] = "Qwen-Image"
    flow: ClassVar[bool] = True
    half: ClassVar[torch.dtype] = torch.bfloat16
    pipelines: ClassVar[tuple[str, ...]] = ("QwenImagePipeline", "QwenImageImg2ImgPipeline")
    classes: ClassVar[dict[str, tuple[str, ...]]] = {
        "transformer": ("QwenImageTransformer2DModel",),
        "vae": ("AutoencoderKLQwenImage",),
        "text_encoder": ("Qwen2_5_VLForConditionalGeneration",),
        "tokenizer": ("Qwen2Tokenizer",),
    }
    optional: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        del settings
        self.network: Any = parts["transformer"]
        self.encoders: dict[str, Any] = {"text_encoder": parts["text_encoder"]}
        self.tokenizer: Any = parts["tokenizer"]
        self.check({"transformer": self.network.config})
        self.latent_channels: int = self.network.config.in_channels // 4
        self.cells, self.native_cells = 2, _NATIVE
        self.schedule = flow_of(parts["scheduler"].config, (_NATIVE // 2) ** 2)
        self.target: Target = "flow"
        self.guidance: Guidance = "free"
        self.default_scale = 4.0

    @staticmethod
    def check(configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise ModelError if the transformer wants more than a latent and a text."""
        if configs["transformer"].get("guidance_embeds"):
            raise ModelError("a Qwen-Image that is told its guidance scale cannot be used yet")

    def read(self, prompt: str) -> tuple[TextCondition, Tokens]:
        """The encoder's states after its instruction; the null prompt is one space."""
        encoder = self.encoders["text_encoder"]
        length = _WORDS + _DROPPED
        words = prompt or " "
        tokens = tokenize(words, self.tokenizer, length, frame=_framed, padding=False)
        where = place_of(encoder)
        with unwatched():
            said = encoder(
                input_ids=tokens.ids.to(where),
                attention_mask=tokens.mask.to(where),
                output_hidden_states=True,
            )
        return TextCondition(prompt, said.hidden_states[-1][:, _DROPPED:]), tokens

    def ask(self, z: Latent, level: Level, told: Told) -> Tensor:
        """The transformer's velocity."""
        h, w = z.shape[2:]
        tokens = self.network(
            hidden_states=pack(z),
            timestep=rows_of(level.flow, z),
            encoder_hidden_states=told.embeddings,
            encoder_hidden_states_mask=told.mask,
            img_shapes=[[(1, h // 2, w // 2)]] * len(z),
            return_dict=False,
        )[0]
        return unpack(tokens, h, w)


def _framed(words: str) -> str:
    """A prompt as the encoder's conversation."""
    asked = f"<|im_start|>system\n{_ASKED}<|im_end|>\n"
    return f"{asked}<|im_start|>user\n{words}<|im_end|>\n<|im_start|>assistant\n"
