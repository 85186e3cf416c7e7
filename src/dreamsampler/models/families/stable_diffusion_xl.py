"""Stable Diffusion XL, without refiner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from dreamsampler.maths import Latent, Level, Target
from dreamsampler.models.errors import ModelError
from dreamsampler.models.families.stable_diffusion import beside, guidance_embedding, network_time
from dreamsampler.models.family import Guidance, TextCondition, Told, place_of, rows_of, table_of
from dreamsampler.models.prompt import Tokens, clip_tokens, unwatched
from dreamsampler.models.support import check_scheduler, check_unet, entry, target_of


@final
class StableDiffusionXL:
    """A UNet that attends to two CLIP text encoders and is told the size of the picture.

        output = unet(z, n, [text 1, text 2], pooled text 2, (height, width, top, left, h, w))

    Height and width are those of the picture that the latents were cut from, top and left where
    it was cut, h and w the latents' own size in pixels. They follow the latents: a picture that
    was not cut, at the size it is seen at, unless `framing` says otherwise.

    Args:
        parts: unet, text_encoder, text_encoder_2, their tokenizers, scheduler, vae.
        settings: force_zeros_for_empty_prompt, whether the null prompt is zeros (it is for the
            published model) or the words of no words.

    Attributes:
        framing: (height, width, top, left) of the source, in pixels, or None to follow the
            latents. A small height and width make SDXL paint what small pictures look like.

    Raises:
        ModelError: a UNet or scheduler of another kind, such as the refiner's.

    Source: Podell et al., "SDXL", ICLR 2024 (arXiv:2307.01952), section 2.2 for size and crop.
    """

    title: ClassVar[str] = "Stable Diffusion XL"
    flow: ClassVar[bool] = False
    half: ClassVar[torch.dtype] = torch.float16
    pipelines: ClassVar[tuple[str, ...]] = (
        "StableDiffusionXLPipeline",
        "StableDiffusionXLImg2ImgPipeline",
        "StableDiffusionXLInpaintPipeline",
    )
    classes: ClassVar[dict[str, tuple[str, ...]]] = {
        "unet": ("UNet2DConditionModel",),
        "vae": ("AutoencoderKL", "AutoencoderTiny"),
        "text_encoder": ("CLIPTextModel",),
        "text_encoder_2": ("CLIPTextModelWithProjection",),
        "tokenizer": ("CLIPTokenizer",),
        "tokenizer_2": ("CLIPTokenizer",),
    }
    optional: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        self.network: Any = parts["unet"]
        names = ("text_encoder", "text_encoder_2")
        self.encoders: dict[str, Any] = {name: parts[name] for name in names}
        self.tokenizers: list[Any] = [parts["tokenizer"], parts["tokenizer_2"]]
        self.check({name: parts[name].config for name in ("unet", "vae", *names)})
        check_scheduler(parts["scheduler"])
        self.schedule = table_of(parts["scheduler"])
        self.target: Target = target_of(parts["scheduler"].config)
        config = self.network.config
        self.latent_channels: int = config.out_channels
        self.cells: int = 2 ** (len(config.block_out_channels) - 1)
        self.native_cells: int = config.sample_size or 128
        self.guidance: Guidance = "told" if config.time_cond_proj_dim else "free"
        self.default_scale = 5.0
        self.framing: tuple[int, int, int, int] | None = None
        self._told_sizes: tuple[tuple[int, ...], Tensor] | None = None
        self._zeros = bool(settings.get("force_zeros_for_empty_prompt", True))
        self._factor = 2 ** (len(parts["vae"].config.block_out_channels) - 1)

    @staticmethod
    def check(configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise ModelError if the configurations are not of this family."""
        unet = configs["unet"]
        check_unet(unet, configs["vae"], added="text_time")
        pooled = entry(configs["text_encoder_2"], "projection_dim")
        sizes = unet["projection_class_embeddings_input_dim"] - pooled
        if sizes != 6 * unet["addition_time_embed_dim"]:
            raise ModelError(
                "the UNet is told five numbers about the picture instead of six (the refiner of "
                "Stable Diffusion XL): pass the base model"
            )

    def read(self, prompt: str) -> tuple[TextCondition, Tokens]:
        """Last but one hidden states of both encoders, and the second one's pooled output."""
        tokens = [
            clip_tokens(prompt, tokenizer, encoder)
            for tokenizer, encoder in zip(self.tokenizers, self.encoders.values(), strict=True)
        ]
        with unwatched():
            one, two = (
                encoder(each.ids.to(place_of(encoder)), output_hidden_states=True)
                for each, encoder in zip(tokens, self.encoders.values(), strict=True)
            )
        first, second, pooled = one.hidden_states[-2], two.hidden_states[-2], two[0]
        embeddings = torch.cat([first.to(second), second], dim=-1)
        if not prompt and self._zeros:
            embeddings, pooled = torch.zeros_like(embeddings), torch.zeros_like(pooled)
        return TextCondition(prompt, embeddings, pooled), tokens[-1]

    def ask(self, z: Latent, level: Level, told: Told) -> Tensor:
        """The UNet's output."""
        h, w = z.shape[2] * self._factor, z.shape[3] * self._factor
        sizes = self._sizes((*(self.framing or (h, w, 0, 0)), h, w), z)
        return self.network(
            beside(z, told, self.network.config.in_channels),
            rows_of(network_time(self.schedule.timestep(level.t)), z),
            encoder_hidden_states=told.embeddings,
            timestep_cond=guidance_embedding(told, self.network.config.time_cond_proj_dim),
            added_cond_kwargs={"text_embeds": told.pooled, "time_ids": sizes.expand(len(z), -1)},
            return_dict=False,
        )[0]

    def _sizes(self, numbers: tuple[int, ...], z: Latent) -> Tensor:
        """Six numbers, copied to the device once: a GPU finishes everything before a copy."""
        known = self._told_sizes
        if known is None or known[0] != numbers or known[1].device != z.device:
            known = (numbers, torch.tensor([numbers], device=z.device, dtype=torch.float32))
            self._told_sizes = known
        return known[1].to(z.dtype)
