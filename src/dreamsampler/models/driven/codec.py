"""The autoencoder of a driven pipeline, its latents as the pipeline's loop has them."""

from __future__ import annotations

from typing import Any, final

import torch

from dreamsampler.files import one_line
from dreamsampler.maths import Image, Latent
from dreamsampler.models.device import device_of
from dreamsampler.models.driven.family import DrivenFamily


@final
class DrivenCodec:
    """The autoencoder of a driven pipeline, its latents scaled and ordered as the loop has them.

        z = (mode(E(x)) - offset) / scale,   x = D(scale z + offset)

    For a model of pixels both are the identity.
    """

    def __init__(self, family: DrivenFamily) -> None:
        self._family, self.factor = family, family.factor

    @property
    def vae(self) -> Any:
        """The autoencoder; for a model of pixels its network."""
        name = self._family.pipeline.autoencoder
        return self._family.network if name is None else self._family.pipeline.part(name)

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""
        return self.vae.dtype

    def encode(self, x: Image) -> Latent:
        """Picture to latent; never a sample."""
        if self._family.pipeline.autoencoder is None:
            return x
        layout = self._family.layout(x.shape[2] // self.factor, x.shape[3] // self.factor)
        inputs = x.to(device_of(self.vae), self.dtype)
        if self.vae.config.get("in_channels") == 4:  # and transparency: all is opaque
            inputs = torch.cat([inputs, torch.ones_like(inputs[:, :1])], 1)
        try:
            output = self.vae.encode(inputs[:, :, None] if layout.video else inputs)
        except RuntimeError as error:
            if "channels" not in str(error):
                raise
            raise self._family.pipeline.refused(f"its autoencoder: {one_line(error)}") from None
        if "latent_dist" in output:
            mode = output.latent_dist.mode()
        else:
            mode = output.latents if "latents" in output else output.latent
        return layout.from_code(mode.to(x)) / self._family.levels.scale

    def decode(self, z: Latent) -> Image:
        """Latent to picture."""
        if self._family.pipeline.autoencoder is None:
            return z
        layout = self._family.layout(z.shape[2], z.shape[3])
        code = layout.to_code(z * self._family.levels.scale).to(device_of(self.vae), self.dtype)
        output = self.vae.decode(code, return_dict=False)[0]
        return (output[:, :, 0] if layout.video else output)[:, :3].to(z)
