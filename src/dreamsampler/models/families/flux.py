"""FLUX.1 dev and schnell."""

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
    numbers_of,
    pack,
    place_of,
    rows_of,
    unpack,
)
from dreamsampler.models.prompt import Tokens, clip_tokens, tokenize, unwatched

_WORDS = 512
_NATIVE = 128  # cells: 1024 pixels; the configuration does not say


@final
class Flux:
    """A transformer on rectified flow that sees latents as tokens of 2 x 2 cells, and reads T5.

        eps - z0 = transformer(tokens of z, u, t5, pooled clip, told guidance scale)

    dev was distilled to be told its guidance scale; schnell has it baked in.

    Args:
        parts: transformer, text_encoder (CLIP), text_encoder_2 (T5), their tokenizers, scheduler.
        settings: further entries of model_index.json; none is read.

    Raises:
        ModelError: a transformer that also wants a picture (Fill, Canny, Depth).

    Source: the published program of FLUX.1, Black Forest Labs, 2024 (Apache-2.0).
    """

    title: ClassVar[str] = "FLUX.1"
    flow: ClassVar[bool] = True
    half: ClassVar[torch.dtype] = torch.bfloat16
    pipelines: ClassVar[tuple[str, ...]] = (
        "FluxPipeline",
        "FluxImg2ImgPipeline",
        "FluxInpaintPipeline",
    )
    classes: ClassVar[dict[str, tuple[str, ...]]] = {
        "transformer": ("FluxTransformer2DModel",),
        "vae": ("AutoencoderKL", "AutoencoderTiny"),
        "text_encoder": ("CLIPTextModel",),
        "text_encoder_2": ("T5EncoderModel",),
        "tokenizer": ("CLIPTokenizer",),
        "tokenizer_2": ("T5Tokenizer",),
    }
    optional: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        del settings
        self.network: Any = parts["transformer"]
        names = ("text_encoder", "text_encoder_2")
        self.encoders: dict[str, Any] = {name: parts[name] for name in names}
        self._tokenizers: list[Any] = [parts["tokenizer"], parts["tokenizer_2"]]
        self.check({"transformer": self.network.config})
        self.latent_channels: int = self.network.config.in_channels // 4
        self.cells, self.native_cells = 2, _NATIVE
        self.schedule = flow_of(parts["scheduler"].config, (_NATIVE // 2) ** 2)
        self.target: Target = "flow"
        told = self.network.config.guidance_embeds
        self.guidance: Guidance = "told" if told else "baked"
        self.default_scale = 3.5 if told else 1.0

    @staticmethod
    def check(configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise ModelError if the transformer wants more than a latent and a text."""
        config = configs["transformer"]
        if config.get("out_channels") not in (None, config["in_channels"]):
            raise ModelError(
                f"the transformer takes {config['in_channels']} channels and makes "
                f"{config['out_channels']} (FLUX Fill, Canny or Depth), and what it wants to see "
                "beside the latent is not fed: pass FLUX.1 dev or schnell"
            )

    def read(self, prompt: str) -> tuple[TextCondition, Tokens]:
        """T5's tokens, and CLIP's pooled output."""
        clip, t5 = self.encoders.values()
        short = clip_tokens(prompt, self._tokenizers[0], clip)
        tokens = tokenize(prompt, self._tokenizers[1], _WORDS)
        with unwatched():
            pooled = clip(short.ids.to(place_of(clip))).pooler_output
            embeddings = t5(tokens.ids.to(place_of(t5)))[0]
        return TextCondition(prompt, embeddings, pooled), tokens

    def ask(self, z: Latent, level: Level, told: Told) -> Tensor:
        """The transformer's velocity."""
        h, w = z.shape[2:]
        places = torch.zeros(h // 2, w // 2, 3, device=z.device, dtype=z.dtype)
        places[..., 1] += torch.arange(h // 2, device=z.device)[:, None]
        places[..., 2] += torch.arange(w // 2, device=z.device)[None]
        scales = told.scales
        tokens = self.network(
            hidden_states=pack(z),
            timestep=rows_of(level.flow, z),
            guidance=None if scales is None else numbers_of(scales, z),
            pooled_projections=told.pooled,
            encoder_hidden_states=told.embeddings,
            txt_ids=z.new_zeros(told.embeddings.shape[1], 3),
            img_ids=places.view(-1, 3),
            return_dict=False,
        )[0]
        return unpack(tokens, h, w)
