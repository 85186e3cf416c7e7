"""Stable Diffusion 3 and 3.5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

import torch
from torch import Tensor
from torch.nn.functional import pad

from dreamsampler.maths import Latent, Level, Target
from dreamsampler.models.family import Guidance, TextCondition, Told, flow_of, place_of, rows_of
from dreamsampler.models.prompt import Tokens, clip_tokens, tokenize, unwatched

_WORDS = 256


@final
class StableDiffusion3:
    """A transformer on rectified flow that reads two CLIP text encoders and T5.

        eps - z0 = transformer(z, 1000 u, [clip 1 | clip 2, t5], [pooled 1 | pooled 2])

    Args:
        parts: transformer, text_encoder, text_encoder_2, their tokenizers, scheduler; T5 as
            text_encoder_3 with tokenizer_3 is optional, zeros stand in for it as published.
        settings: further entries of model_index.json; none is read.

    Source: Esser et al., "Scaling rectified flow transformers for high-resolution image
    synthesis", ICML 2024 (arXiv:2403.03206).
    """

    title: ClassVar[str] = "Stable Diffusion 3 and 3.5"
    flow: ClassVar[bool] = True
    half: ClassVar[torch.dtype] = torch.bfloat16
    pipelines: ClassVar[tuple[str, ...]] = (
        "StableDiffusion3Pipeline",
        "StableDiffusion3Img2ImgPipeline",
        "StableDiffusion3InpaintPipeline",
    )
    classes: ClassVar[dict[str, tuple[str, ...]]] = {
        "transformer": ("SD3Transformer2DModel",),
        "vae": ("AutoencoderKL", "AutoencoderTiny"),
        "text_encoder": ("CLIPTextModelWithProjection",),
        "text_encoder_2": ("CLIPTextModelWithProjection",),
        "text_encoder_3": ("T5EncoderModel",),
        "tokenizer": ("CLIPTokenizer",),
        "tokenizer_2": ("CLIPTokenizer",),
        "tokenizer_3": ("T5Tokenizer",),
    }
    optional: ClassVar[tuple[str, ...]] = ("text_encoder_3", "tokenizer_3")

    def __init__(self, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        del settings
        self.network: Any = parts["transformer"]
        names = [n for n in self.classes if n.startswith("text_encoder")]
        self.encoders: dict[str, Any] = {n: parts[n] for n in names if parts.get(n) is not None}
        self._tokenizers = {n: parts.get(n.replace("text_encoder", "tokenizer")) for n in names}
        config = self.network.config
        self.latent_channels: int = config.in_channels
        self.cells: int = config.patch_size
        self.native_cells: int = config.sample_size
        self.schedule = flow_of(
            parts["scheduler"].config, (config.sample_size // config.patch_size) ** 2
        )
        self.target: Target = "flow"
        self.guidance: Guidance = "free"
        self.default_scale = 5.0

    @staticmethod
    def check(configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Every transformer of the class is of this family."""

    def read(self, prompt: str) -> tuple[TextCondition, Tokens]:
        """The tokens of both CLIP encoders side by side, those of T5 after them."""
        states: list[Tensor] = []
        pooled: list[Tensor] = []
        for name in ("text_encoder", "text_encoder_2"):
            encoder = self.encoders[name]
            tokens = clip_tokens(prompt, self._tokenizers[name], encoder)
            with unwatched():
                said = encoder(tokens.ids.to(place_of(encoder)), output_hidden_states=True)
            states.append(said.hidden_states[-2])
            pooled.append(said[0])
        clip = torch.cat(states, dim=-1)
        width = self.network.config.joint_attention_dim
        t5 = clip.new_zeros(1, _WORDS, width)
        if "text_encoder_3" in self.encoders:
            encoder = self.encoders["text_encoder_3"]
            tokens = tokenize(prompt, self._tokenizers["text_encoder_3"], _WORDS)
            with unwatched():
                t5 = encoder(tokens.ids.to(place_of(encoder)))[0].to(clip)
        embeddings = torch.cat([pad(clip, (0, width - clip.shape[-1])), t5], dim=1)
        return TextCondition(prompt, embeddings, torch.cat(pooled, dim=-1)), tokens

    def ask(self, z: Latent, level: Level, told: Told) -> Tensor:
        """The transformer's velocity."""
        return self.network(
            hidden_states=z,
            timestep=rows_of(1000 * level.flow, z),
            encoder_hidden_states=told.embeddings,
            pooled_projections=told.pooled,
            return_dict=False,
        )[0]
