"""Z-Image and Z-Image-Turbo."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.maths import Latent, Level
from dreamsampler.models.family import Family, TextCondition, TextInputs, per_row
from dreamsampler.models.prompt import Tokens, run_encoder, tokenize

_TOKENS = 512
_NATIVE = 128  # cells: 1024 pixels; the configuration does not say


@final
class ZImage(Family):
    """A transformer on rectified flow that counts time backwards, with Qwen3.

        z0 - eps = transformer(z, 1 - u, qwen)

    diffusers' own pipeline counts its guidance_scale from 0; here 1 is the prompt alone, as in all
    families, so its 3 is 4 here.

    Source: Z-Image team, "Z-Image", 2025 (arXiv:2511.22699).
    """

    title = "Z-Image"
    pipelines = ("ZImagePipeline", "ZImageImg2ImgPipeline")
    denoisers = ("ZImageTransformer2DModel",)
    text_encoders = (("Qwen3Model", "Qwen3ForCausalLM"),)

    def sizes(self, config: Any) -> tuple[int, int, int]:
        """Channels, cells and native cells."""
        return config.in_channels, 2, _NATIVE

    def encode_prompt(self, prompt: str) -> tuple[TextCondition, Tokens]:
        """The encoder's last but one states of the prompt as a conversation, without padding."""
        tokens = tokenize(prompt, self.tokenizer, _TOKENS, template=self._conversation)
        mask = tokens.mask.bool()
        output = run_encoder(self.encoders["text_encoder"], tokens, mask, hidden_states=True)
        states = output.hidden_states[-2]
        return TextCondition(prompt, states[:, mask[0].to(states.device)]), tokens

    def _conversation(self, words: str) -> str:
        return self.tokenizer.apply_chat_template(
            [{"role": "user", "content": words}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=True,
        )

    def forward(self, z: Latent, level: Level, inputs: TextInputs) -> Tensor:
        """The transformer's velocity, turned around."""
        words = list(inputs.embeddings)
        if inputs.mask is not None:
            words = [row[kept] for row, kept in zip(inputs.embeddings, inputs.mask, strict=True)]
        output = self.network(
            list(z[:, :, None]), per_row(1 - level.flow, z), words, return_dict=False
        )[0]
        return -torch.stack(list(output))[:, :, 0]
