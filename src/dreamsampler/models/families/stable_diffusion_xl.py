"""Stable Diffusion XL, without refiner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.maths import Latent, Level
from dreamsampler.models.errors import ModelError
from dreamsampler.models.families.stable_diffusion import UNetFamily, check_unet, config_entry
from dreamsampler.models.family import TextCondition, TextInputs
from dreamsampler.models.prompt import Tokens, clip_tokens, run_encoder


@final
class StableDiffusionXL(UNetFamily):
    """A UNet that attends to two CLIP text encoders and has an input for the size of the picture.

        output = unet(z, n, [text 1, text 2], pooled text 2, (height, width, top, left, h, w))

    Height and width are those of the picture that the latents were cut from, top and left where
    it was cut, h and w the latents' own size in pixels. By default they follow the latents.

    Args:
        parts: see `UNetFamily`.
        settings: force_zeros_for_empty_prompt, whether the null prompt is zeros (it is for the
            published model) or the encoding of the empty prompt.

    Attributes:
        framing: (height, width, top, left) of the source, in pixels, or None to follow the
            latents. With a small height and width SDXL makes what small pictures look like.

    Source: Podell et al., "SDXL", ICLR 2024 (arXiv:2307.01952), section 2.2 for size and crop.
    """

    title = "Stable Diffusion XL"
    native = 128
    pipelines = (
        "StableDiffusionXLPipeline",
        "StableDiffusionXLImg2ImgPipeline",
        "StableDiffusionXLInpaintPipeline",
    )
    parts = ("unet", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")

    def __init__(self, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        super().__init__(parts, settings)
        self.framing: tuple[int, int, int, int] | None = None
        self._last_sizes: tuple[tuple[int, ...], Tensor] | None = None
        self._zeros = bool(settings.get("force_zeros_for_empty_prompt", True))
        self._factor = 2 ** (len(parts["vae"].config.block_out_channels) - 1)

    @classmethod
    def check(cls, configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise ModelError if the configurations are not of this family."""
        unet = configs["unet"]
        check_unet(unet, configs["vae"], added="text_time")
        pooled = config_entry(configs["text_encoder_2"], "projection_dim")
        sizes = unet["projection_class_embeddings_input_dim"] - pooled
        if sizes != 6 * unet["addition_time_embed_dim"]:
            raise ModelError(
                "the UNet has inputs for five numbers about the picture instead of six (the "
                "refiner of Stable Diffusion XL): pass the base model"
            )

    def encode_prompt(self, prompt: str) -> tuple[TextCondition, Tokens]:
        """Last but one hidden states of both encoders, and the second one's pooled output."""
        pairs = zip(self.tokenizers.values(), self.encoders.values(), strict=True)
        tokens = [clip_tokens(prompt, tokenizer, encoder) for tokenizer, encoder in pairs]
        first, second = (
            run_encoder(encoder, each, hidden_states=True)
            for each, encoder in zip(tokens, self.encoders.values(), strict=True)
        )
        states, pooled = second.hidden_states[-2], second[0]
        embeddings = torch.cat([first.hidden_states[-2].to(states), states], dim=-1)
        if not prompt and self._zeros:
            embeddings, pooled = torch.zeros_like(embeddings), torch.zeros_like(pooled)
        return TextCondition(prompt, embeddings, pooled), tokens[-1]

    def forward(
        self, z: Latent, level: Level, inputs: TextInputs, added: dict[str, Tensor] | None = None
    ) -> Tensor:
        """The UNet's output."""
        h, w = z.shape[2] * self._factor, z.shape[3] * self._factor
        sizes = self._sizes((*(self.framing or (h, w, 0, 0)), h, w), z)
        assert inputs.pooled is not None
        own = {"text_embeds": inputs.pooled, "time_ids": sizes.expand(len(z), -1)}
        return super().forward(z, level, inputs, own | (added or {}))

    def _sizes(self, numbers: tuple[int, ...], z: Latent) -> Tensor:
        """Six numbers, copied to the device once: a copy waits for the queue of a GPU."""
        last = self._last_sizes
        if last is None or last[0] != numbers or last[1].device != z.device:
            last = (numbers, torch.tensor([numbers], device=z.device, dtype=torch.float32))
            self._last_sizes = last
        return last[1].to(z.dtype)
