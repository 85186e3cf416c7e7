"""PixArt-Sigma."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from dreamsampler.maths import Latent, Level, Target
from dreamsampler.models.errors import ModelError
from dreamsampler.models.families.stable_diffusion import network_time
from dreamsampler.models.family import (
    Guidance,
    TextCondition,
    Told,
    place_of,
    rows_of,
    table_of,
)
from dreamsampler.models.prompt import Tokens, tokenize, unwatched
from dreamsampler.models.support import check_scheduler, target_of

_WORDS = 300


@final
class PixArtSigma:
    """A transformer with a table of noise levels that attends to T5.

        output = first half of transformer(z, n, t5, mask);  the other half is a learned variance

    Prompts are read in lower case and without white space around them, as in training.

    Args:
        parts: transformer, text_encoder (T5), tokenizer, scheduler.
        settings: further entries of model_index.json; none is read.

    Raises:
        ModelError: a transformer that is also told the picture's size (PixArt-alpha at 1024).

    Source: Chen et al., "PixArt-Sigma", ECCV 2024 (arXiv:2403.04692).
    """

    title: ClassVar[str] = "PixArt-Sigma"
    flow: ClassVar[bool] = False
    half: ClassVar[torch.dtype] = torch.float16
    pipelines: ClassVar[tuple[str, ...]] = ("PixArtSigmaPipeline",)
    classes: ClassVar[dict[str, tuple[str, ...]]] = {
        "transformer": ("PixArtTransformer2DModel", "Transformer2DModel"),
        "vae": ("AutoencoderKL", "AutoencoderTiny"),
        "text_encoder": ("T5EncoderModel",),
        "tokenizer": ("T5Tokenizer",),
    }
    optional: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        del settings
        self.network: Any = parts["transformer"]
        self.encoders: dict[str, Any] = {"text_encoder": parts["text_encoder"]}
        self.tokenizer: Any = parts["tokenizer"]
        self.check({"transformer": self.network.config})
        check_scheduler(parts["scheduler"])
        self.schedule = table_of(parts["scheduler"])
        self.target: Target = target_of(parts["scheduler"].config)
        self.latent_channels: int = self.network.config.in_channels
        self.cells: int = self.network.config.patch_size
        self.native_cells: int = self.network.config.sample_size
        self.guidance: Guidance = "free"
        self.default_scale = 4.5

    @staticmethod
    def check(configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise ModelError if the transformer wants more than a latent and a text."""
        if configs["transformer"].get("use_additional_conditions"):
            raise ModelError(
                "the transformer also wants the picture's size and aspect (PixArt-alpha), which "
                "are not fed: pass PixArt-Sigma"
            )

    def read(self, prompt: str) -> tuple[TextCondition, Tokens]:
        """T5's tokens, and which of them are words."""
        encoder = self.encoders["text_encoder"]
        tokens = tokenize(prompt.lower().strip(), self.tokenizer, _WORDS)
        where = place_of(encoder)
        with unwatched():
            embeddings = encoder(tokens.ids.to(where), attention_mask=tokens.mask.to(where))[0]
        return TextCondition(prompt, embeddings, mask=tokens.mask.bool()), tokens

    def ask(self, z: Latent, level: Level, told: Told) -> Tensor:
        """The transformer's output without its learned variance."""
        output = self.network(
            z,
            encoder_hidden_states=told.embeddings,
            encoder_attention_mask=told.words().to(z.dtype),
            timestep=rows_of(network_time(self.schedule.timestep(level.t)), z),
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
            return_dict=False,
        )[0]
        return output[:, : z.shape[1]]
