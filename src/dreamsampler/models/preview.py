"""Tiny autoencoders, which show a run without the cost of the large one."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from dreamsampler.models.codec import Codec
from dreamsampler.models.errors import ModelError, one_line
from dreamsampler.models.hub import Hub, fetch_network
from dreamsampler.models.libraries import quiet


def load_preview(model: str | Path, hub: Hub, device: torch.device) -> Codec:
    """A TAESD: an autoencoder of a few MB that decodes another one's latents well enough to see."""
    folder = fetch_network(model, hub)
    try:
        with quiet():
            vae: Any = import_module("diffusers").AutoencoderTiny.from_pretrained(
                folder, use_safetensors=True, local_files_only=True
            )
    except Exception as error:
        raise ModelError(f"{model} is no tiny autoencoder: {one_line(error)}") from None
    return Codec(vae.eval().requires_grad_(False).to(device))


def check_preview(small: Codec | None, channels: int) -> None:
    """Raise ModelError if a tiny autoencoder has latents of another number of channels."""
    if small is not None and (own := small.vae.config.latent_channels) != channels:
        raise ModelError(
            f"the tiny autoencoder for previews has latents of {own} channels, but those of the "
            f"model have {channels}: pass the TAESD of its family"
        )
