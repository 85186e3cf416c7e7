"""Qwen-Image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from torch import Tensor

from dreamsampler.maths import Latent, Level
from dreamsampler.models.errors import ModelError
from dreamsampler.models.family import Family, TextCondition, TextInputs, pack, per_row, unpack
from dreamsampler.models.prompt import Tokens, run_encoder, tokenize

_TOKENS = 1024
_NATIVE = 166  # cells: 1328 pixels; the configuration does not say
_INSTRUCTION = (  # the one that the published model was trained with
    "Describe the image by detailing the color, shape, size, texture, quantity, text, spatial "
    "relationships of the objects and background:"
)
_TEMPLATE = (
    f"<|im_start|>system\n{_INSTRUCTION}<|im_end|>\n"
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
_BEFORE = 34  # tokens of the template before the prompt


@final
class QwenImage(Family):
    """A transformer on rectified flow that sees tokens of 2 x 2 cells, with Qwen2.5-VL.

        eps - z0 = transformer(tokens of z, u, qwen, mask)

    Guidance is linear here as in all families; diffusers' own pipeline scales the guided tokens
    back to the length of the prompt's, so the same number guides less there.

    Source: Qwen team, "Qwen-Image technical report", 2025 (arXiv:2508.02324).
    """

    title = "Qwen-Image"
    pipelines = ("QwenImagePipeline", "QwenImageImg2ImgPipeline")
    denoisers = ("QwenImageTransformer2DModel",)
    autoencoders = ("AutoencoderKLQwenImage",)
    text_encoders = (("Qwen2_5_VLForConditionalGeneration",),)
    default_scale = 4.0

    @classmethod
    def check(cls, configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise ModelError if the transformer needs more than a latent and a text."""
        if configs["transformer"].get("guidance_embeds"):
            raise ModelError("a Qwen-Image with an input for the guidance scale is not supported")

    def sizes(self, config: Any) -> tuple[int, int, int]:
        """Channels, cells and native cells."""
        return config.in_channels // 4, 2, _NATIVE

    def encode_prompt(self, prompt: str) -> tuple[TextCondition, Tokens]:
        """The encoder's states after its instruction; the null prompt is one space."""
        tokens = tokenize(
            prompt or " ",
            self.tokenizer,
            _TOKENS + _BEFORE,
            template=lambda words: _TEMPLATE.replace("{}", words),
            padding=False,
        )
        encoder = self.encoders["text_encoder"]
        output = run_encoder(encoder, tokens, tokens.mask, hidden_states=True)
        return TextCondition(prompt, output.hidden_states[-1][:, _BEFORE:]), tokens

    def forward(self, z: Latent, level: Level, inputs: TextInputs) -> Tensor:
        """The transformer's velocity."""
        h, w = z.shape[2:]
        tokens = self.network(
            hidden_states=pack(z),
            timestep=per_row(level.flow, z),
            encoder_hidden_states=inputs.embeddings,
            encoder_hidden_states_mask=inputs.mask,
            img_shapes=[[(1, h // 2, w // 2)]] * len(z),
            return_dict=False,
        )[0]
        return unpack(tokens, h, w)
