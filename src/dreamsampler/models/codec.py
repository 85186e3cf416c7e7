"""Autoencoders: pictures to latents and back, whole or in tiles, with gradients."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.maths import Image, Latent
from dreamsampler.models.device import device_of
from dreamsampler.models.tiles import by_tiles


@final
class Codec:
    """An autoencoder of any family, scaled and shifted as its latents are used.

        z = (mode(E(x)) - shift) scale,   x = D(z / scale + shift)

    Scale and shift are numbers, or one pair a channel (Qwen-Image, whose pictures are videos of
    one frame). Gradients pass.

    Args:
        vae: an AutoencoderKL, AutoencoderTiny, AutoencoderDC or AutoencoderKLQwenImage.
        tiling: side of the tiles in pixels, or None for whole pictures. Neighbors overlap by a
            quarter and are blended; with gradients a tile is computed again in the backward pass,
            so that only one tile's activations are in memory. An autoencoder with normalization
            or attention over the whole picture gets less of it in a tile, so colors can differ a
            little; one without (AutoencoderTiny) gives the same picture.

    Example:
        >>> from dreamsampler.models.load import from_pretrained
        >>> codec = from_pretrained(device="cpu").codec
        >>> codec.factor, codec.decode(codec.encode(torch.zeros(1, 3, 32, 32))).shape
        (16, torch.Size([1, 3, 32, 32]))
    """

    def __init__(self, vae: Any, tiling: int | None = None) -> None:
        self.vae: Any = vae
        self.video = getattr(vae.config, "temperal_downsample", None) is not None
        if tiling is not None and (tiling < 8 * self.factor or tiling % self.factor):
            raise ValueError(
                f"tiling is {tiling}, but a tile's side is a multiple of {self.factor} pixels, "
                f"and at least {8 * self.factor}"
            )
        self.tiling = tiling

    @property
    def factor(self) -> int:
        """Pixels per latent cell and side."""
        config = self.vae.config
        if self.video:
            return 2 ** len(config.temperal_downsample)
        widths = getattr(config, "block_out_channels", None) or config.encoder_block_out_channels
        return 2 ** (len(widths) - 1)

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""
        return self.vae.dtype

    def encode(self, x: Image) -> Latent:
        """Picture to latent, scaled; never a sample."""
        mode = by_tiles(x, self._encode, self.tiling, down=self.factor)
        scale, shift = self._scaling(mode)
        return (mode - shift) * scale

    def decode(self, z: Latent) -> Image:
        """Scaled latent to picture."""
        scale, shift = self._scaling(z)
        side = None if self.tiling is None else self.tiling // self.factor
        return by_tiles(z / scale + shift, self._decode, side, up=self.factor)

    def _encode(self, x: Image) -> Latent:
        inputs = x.to(device_of(self.vae), self.dtype)
        output = self.vae.encode(inputs[:, :, None] if self.video else inputs)
        if "latent_dist" in output:
            mode = output.latent_dist.mode()
        else:
            mode = output.latents if "latents" in output else output.latent
        return (mode[:, :, 0] if self.video else mode).to(x)

    def _decode(self, z: Latent) -> Image:
        inputs = z.to(device_of(self.vae), self.dtype)
        output = self.vae.decode(inputs[:, :, None] if self.video else inputs, return_dict=False)[0]
        return (output[:, :, 0] if self.video else output).to(z)

    def _scaling(self, like: Tensor) -> tuple[Any, Any]:
        config = self.vae.config
        if self.video:
            std = torch.tensor(config.latents_std).view(1, -1, 1, 1).to(like)
            return 1 / std, torch.tensor(config.latents_mean).view(1, -1, 1, 1).to(like)
        scale, shift = (getattr(config, f"{word}_factor", None) for word in ("scaling", "shift"))
        return (1.0 if scale is None else scale), (shift or 0.0)
