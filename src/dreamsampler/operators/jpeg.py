"""JPEG: what the file format does to a picture, with a gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, final, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from dreamsampler.operators.registry import Parameter, named

Subsampling: TypeAlias = Literal["4:2:0", "4:4:4"]
"""Chroma at half the resolution, as in most files, or at full resolution."""

_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47),
    (18, 21, 26, 66),
    (24, 26, 56, 99),
    (47, 66, 99, 99),
)


@named(
    "jpeg",
    "compression",
    {
        "quality": Parameter(int, 1, 100, fitted=(1, 100)),
        "subsampling": Parameter(str, default="4:2:0", choices=("4:2:0", "4:4:4")),
    },
)
@final
@dataclass(frozen=True)
class Jpeg:
    """A picture after it was stored as a baseline JPEG file and read again; not linear.

        y = C^-1 U T^-1 q round(T D C x / q)

    C is the color transform of JFIF, D and U halve and double the chroma, T is the cosine transform
    of 8 x 8 blocks, q the standard's tables scaled by the quality as libjpeg does. Pixels are
    clipped to [0, 1] and rounded to 8 bits wherever a file's are. Every rounding has the gradient
    of the identity; clipping has its own.

    Args:
        quality: 1 (worst) to 100, as in Pillow and libjpeg.
        subsampling: "4:2:0", as in most files, or "4:4:4".

    Raises:
        ValueError: for another quality or subsampling.

    Example:
        >>> Jpeg(90).A(torch.full((1, 3, 5, 7), 0.5)).mean().round(decimals=2).item()
        0.5

    Source: ITU-T T.81 (1992), annexes A.3 and K.1; ITU-T T.871 (2011), section 7.
    """

    quality: int
    subsampling: Subsampling = "4:2:0"

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise ValueError(
                f"quality is {self.quality}, but a JPEG has a whole number from 1 (worst) to 100"
            )
        if self.subsampling not in get_args(Subsampling):
            known = " or ".join(get_args(Subsampling))
            raise ValueError(f"there is no chroma subsampling {self.subsampling!r}: choose {known}")

    @property
    def tables(self) -> tuple[Float[Tensor, "8 8"], Float[Tensor, "8 8"]]:
        """Quantization steps of luma and chroma, float64."""
        scale = 5000 // self.quality if self.quality < 50 else 200 - 2 * self.quality
        luma = torch.tensor(_LUMA, dtype=torch.float64)
        chroma = torch.full_like(luma, 99.0)
        chroma[:4, :4] = torch.tensor(_CHROMA, dtype=torch.float64)
        luma, chroma = (((t * scale + 50) / 100).floor().clamp(1, 255) for t in (luma, chroma))
        return luma, chroma

    def A(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Store and read again; (b, 3, h, w), or (b, 1, h, w) as a gray file."""
        luma, chroma = (t.to(x) for t in self.tables)
        x = _round(255 * x.clamp(0, 1))
        if x.shape[1] == 1:
            return _stored(x, luma) / 255
        y, colors = _round(_to_ycc(x)).tensor_split([1], 1)
        y = _stored(y, luma)
        colors = self._colors(colors, chroma)
        return _round(_to_rgb(torch.cat([y, colors], 1))).clamp(0, 255) / 255

    def _colors(self, colors: Tensor, table: Tensor) -> Tensor:
        """Chroma planes as a file keeps them, back at their full size."""
        if self.subsampling == "4:4:4":
            return _stored(colors, table)
        h, w = colors.shape[-2:]
        # encoders continue a picture to whole units on the right, but only to even rows below
        whole = _continued(colors, h + h % 2, 16 * math.ceil(w / 16))
        small = _stored(_halved(whole), table)[..., : (w + 1) // 2]
        # decoders interpolate, except in pictures too narrow for it
        if small.shape[-1] > 2:
            back = F.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
        else:
            back = F.interpolate(small, scale_factor=2, mode="nearest")
        return _round(back)[..., :h, :w]


def _round(x: Tensor) -> Tensor:
    """Rounded as integers are, halves away from zero, with the gradient of the identity."""
    # halves are frequent, and a matrix product in float32 misses them by about 1e-5
    whole = (x.abs() + (0.5 + 1e-4)).floor().copysign(x)
    return x + (whole - x).detach()


def _halved(x: Float[Tensor, "b c h w"]) -> Tensor:
    """Means of 2 x 2 numbers, quarters rounded down and up in turn, as libjpeg does."""
    mean = F.avg_pool2d(x, 2)
    odd = torch.arange(mean.shape[-1], device=x.device) % 2
    whole = (mean + (1 + odd) / 4).floor()
    return mean + (whole - mean).detach()


def _continued(x: Tensor, h: int, w: int) -> Tensor:
    """Continued to a size by its last row and column."""
    return F.pad(x, (0, w - x.shape[-1], 0, h - x.shape[-2]), mode="replicate")


def _stored(plane: Float[Tensor, "b c h w"], table: Tensor) -> Float[Tensor, "b c h w"]:
    """Planes in 0 ... 255 after quantization in blocks of 8 x 8, rounded and clipped."""
    h, w = plane.shape[-2:]
    blocks = _continued(plane, 8 * math.ceil(h / 8), 8 * math.ceil(w / 8)) - 128
    blocks = blocks.unflatten(-1, (-1, 8)).unflatten(-3, (-1, 8)).transpose(-3, -2)
    waves = _cosines(plane)
    levels = _round(waves @ blocks @ waves.mT / table)
    blocks = waves.mT @ (levels * table) @ waves
    whole = blocks.transpose(-3, -2).flatten(-4, -3).flatten(-2)
    return _round((whole + 128)[..., :h, :w]).clamp(0, 255)


def _cosines(like: Tensor) -> Float[Tensor, "8 8"]:
    k = torch.arange(8, dtype=torch.float64)
    waves = torch.cos(math.pi / 16 * k[:, None] * (2 * k + 1)) / 2
    waves[0] /= math.sqrt(2)
    return waves.to(like)


def _to_ycc(x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    r, g, b = x.unbind(1)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return torch.stack([y, (b - y) / 1.772 + 128, (r - y) / 1.402 + 128], 1)


def _to_rgb(x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    y, cb, cr = x.unbind(1)
    r, b = y + 1.402 * (cr - 128), y + 1.772 * (cb - 128)
    return torch.stack([r, (y - 0.299 * r - 0.114 * b) / 0.587, b], 1)
