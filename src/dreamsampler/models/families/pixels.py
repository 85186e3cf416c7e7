"""Models of pixels: a network that denoises pictures themselves, without an autoencoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from dreamsampler.maths import Image, Latent, Level
from dreamsampler.models.errors import ModelError
from dreamsampler.models.family import Family, TextCondition, per_row
from dreamsampler.models.tiles import by_tiles

TILE = 1024
"""Side of the tiles, in pixels, in which a network of any size sees larger pictures."""
OVERLAP = 64
"""Pixels that a tile shares with its neighbor, a quarter of it at most."""
LEAST = 64
"""Pixels along the side of a tile at least."""


@final
class PixelCodec:
    """The identity: latents are pictures.

    Args:
        network: the denoiser, which stands for the autoencoder that there is none of.
    """

    factor = 1

    def __init__(self, network: Any) -> None:
        self.vae = network

    @property
    def dtype(self) -> torch.dtype:
        """Of the network."""
        return self.vae.dtype

    def encode(self, x: Image) -> Latent:
        """The picture."""
        return x

    def decode(self, z: Latent) -> Image:
        """The picture."""
        return z


class PixelFamily(Family):
    """A network of pictures, of any size: padded to what it divides, in tiles if they are large.

    There are no prompts; a network with classes is prompted by the number of one.
    """

    guidance = "none"
    default_scale = 1.0
    tile: int | None = TILE
    latent_channels = 3
    cells = 1
    native_cells = 0

    def codec(self, parts: Mapping[str, Any], tiling: int | None) -> Any:
        """The identity; `tiling` is the side of the tiles."""
        del parts
        if tiling is not None and tiling < LEAST:
            raise ModelError(f"tiling is {tiling}, but a tile has at least {LEAST} pixels a side")
        self.tile = tiling or self.tile
        return PixelCodec(self.network)

    @property
    def classes_count(self) -> int:
        """How many classes the network knows; 0 if it has none."""
        return 0

    def encode_prompt(self, prompt: str) -> tuple[TextCondition, None]:
        """The number of a class; no words.

        Raises:
            ModelError: words.
        """
        words = prompt.strip()
        if words and not self.classes_count:
            raise ModelError(f"this model knows no words: leave the prompt out ({words!r})")
        if words and not (words.isdigit() and int(words) < self.classes_count):
            raise ModelError(
                f"the prompt is {words!r}, but this model knows {self.classes_count} classes by "
                f"their numbers: pass one from 0 to {self.classes_count - 1}"
            )
        return TextCondition(words, torch.zeros(1, 0, 1)), None

    def batch(
        self,
        conditions: Sequence[TextCondition],
        rows: Sequence[int],
        device: torch.device,
        dtype: torch.dtype,
    ) -> Tensor | None:
        """The class of every row; None for a network without classes."""
        del dtype
        if not self.classes_count:
            return None
        if any(not each.prompt for each in conditions):
            raise ModelError(
                "this model needs a class: pass its number as the prompt, from 0 to "
                f"{self.classes_count - 1}"
            )
        pairs = zip(conditions, rows, strict=True)
        return torch.tensor([int(c.prompt) for c, n in pairs for _ in range(n)], device=device)

    def in_tiles(self, z: Latent, apply: Callable[[Latent], Tensor]) -> Tensor:
        """A map of pictures, in tiles if they are large."""
        return by_tiles(z, apply, self.tile, overlap=min(OVERLAP / (self.tile or TILE), 0.25))

    def padded(self, z: Latent, multiple: int) -> Latent:
        """Pictures with their last rows and columns continued to multiples of a number."""
        down, right = (-n % multiple for n in z.shape[2:])
        if not (down or right):
            return z
        reflects = down < z.shape[2] and right < z.shape[3]
        return functional.pad(z, (0, right, 0, down), "reflect" if reflects else "replicate")


@final
class PixelUNet(PixelFamily):
    """A UNet2DModel with a table of noise levels (DDPM, ADM), and the bundled model of photographs.

        output = shuffle(unet(unshuffle(x), n)),   n = max(level.t N - 1, 0)

    A network of 3 r^2 channels sees the r x r pixels of a cell as channels: an orthonormal map, so
    white noise stays white. Of an output with a learned variance the mean is taken. A network
    without attention takes pictures of any size as they are.

    Source: Ho et al., "Denoising diffusion probabilistic models", NeurIPS 2020; Dhariwal & Nichol,
    "Diffusion models beat GANs", NeurIPS 2021 (learned variance, classes).
    """

    title = "pixel-space diffusion models"
    pipelines = ("DDPMPipeline", "DDIMPipeline")

    def __init__(self, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        super().__init__(parts, settings)
        config = self.network.config
        self.patch = math.isqrt(config.in_channels // 3)
        if config.in_channels != 3 * self.patch**2:
            raise ModelError(
                f"its network has {config.in_channels} channels, but pictures have 3: this model "
                "is not one of color pictures"
            )
        kinds = (*config.down_block_types, *config.up_block_types)
        attends = config.add_attention or any("Attn" in kind for kind in kinds)
        size = config.sample_size or 0
        size = size if isinstance(size, int) else max(size)
        self.native_cells = size * self.patch if attends else 0
        self.tile = None if attends else TILE
        self._multiple = self.patch * 2 ** (len(config.block_out_channels) - 1)

    @property
    def classes_count(self) -> int:
        """How many classes the network knows."""
        return self.network.config.num_class_embeds or 0

    def forward(self, z: Latent, level: Level, inputs: Tensor | None) -> Tensor:
        """The network's output, of the pictures' size."""
        time = max(self.schedule.timestep(level.t), 0)

        def apply(tile: Tensor) -> Tensor:
            cells = functional.pixel_unshuffle(self.padded(tile, self._multiple), self.patch)
            output = self.network(cells, per_row(time, cells), inputs, return_dict=False)[0]
            output = functional.pixel_shuffle(output[:, : cells.shape[1]], self.patch)
            return output[:, :, : tile.shape[2], : tile.shape[3]]

        return self.in_tiles(z, apply)


@final
class Called(nn.Module):
    """Any denoiser(x, sigma) as a module."""

    def __init__(self, denoiser: Any) -> None:
        super().__init__()
        self.denoiser, self.config = denoiser, SimpleNamespace()
        self.nothing = nn.Parameter(torch.zeros(0), requires_grad=False)

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights."""
        floats = (p.dtype for p in self.parameters() if p.is_floating_point() and p.numel())
        return next(floats, torch.float32)

    def forward(self, x: Image, sigma: float) -> Image:
        """The denoised picture."""
        return self.denoiser(x, sigma)


@final
class DenoiserFamily(PixelFamily):
    """Any denoiser(x, sigma) of pictures in [0, 1]: Tweedie's formula makes it a prior.

        z0 = 2 denoiser((z / alpha + 1) / 2, sigma / 2 alpha) - 1

    Args:
        multiple: sides are padded to multiples of it.
    """

    title = "a denoiser"
    pipelines = ()

    def __init__(self, denoiser: Any, schedule: Any, multiple: int) -> None:
        self.network, self.encoders, self.tokenizers = Called(denoiser), {}, {}
        self.schedule, self.target, self._multiple = schedule, "sample", multiple

    def forward(self, z: Latent, level: Level, inputs: Tensor | None) -> Tensor:
        """The denoised pictures, in [-1, 1]."""
        del inputs

        def apply(tile: Tensor) -> Tensor:
            noisy = (self.padded(tile, self._multiple) / level.alpha + 1) / 2
            output = self.network(noisy, level.s / 2)
            return (2 * output - 1)[:, :, : tile.shape[2], : tile.shape[3]]

        return self.in_tiles(z, apply)
