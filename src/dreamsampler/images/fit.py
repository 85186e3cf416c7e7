"""How a picture of any size meets a model that knows one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from torch import Tensor
from torch.nn import functional

from dreamsampler.files import InputError
from dreamsampler.images.header import MOST_PIXELS

NEAR = 1.25
"""A picture whose area is within this factor of the model's is not resampled."""


@final
@dataclass(frozen=True)
class Fit:
    """One scale for both sides, then padding by reflection: nothing is ever stretched.

        down:  [0, 1] (h, w)  ->  inner  ->  padded, [-1, 1]
        up:    [-1, 1] padded  ->  inner  ->  (h, w), [0, 1]

    A picture that already has the model's size passes both ways unchanged, up to the change of
    range (which every 8-bit and 16-bit value survives).

    Args:
        outer: height and width of the picture.
        inner: height and width of the picture as the model sees it.
        padded: height and width of the model's canvas, multiples of what it asks for.

    Example:
        >>> Fit.to((600, 800), native_size=512, multiple=8)
        Fit(outer=(600, 800), inner=(443, 591), padded=(448, 592))
    """

    outer: tuple[int, int]
    inner: tuple[int, int]
    padded: tuple[int, int]

    @classmethod
    def to(
        cls, size_hw: tuple[int, int], native_size: int, multiple: int, size: int | None = None
    ) -> Fit:
        """Fit a picture to a model: about the area the model knows best, or a given longer side.

        Args:
            native_size: side of the square pictures that the model knows best.
            size: longer side in the model, in pixels; None chooses by area.

        Raises:
            InputError: if the picture would be thinner than one multiple in the model, or larger
                than 64 megapixels.
        """
        height, width = size_hw
        inner = _scaled(size_hw, _scale(size_hw, native_size, size))
        if min(inner) < multiple:
            raise InputError(
                f"the picture is {width}x{height} pixels, {inner[1]}x{inner[0]} in the model, "
                f"which needs at least {multiple} a side: crop the picture, or pass a larger size"
            )
        padded = (
            math.ceil(inner[0] / multiple) * multiple,
            math.ceil(inner[1] / multiple) * multiple,
        )
        if padded[0] * padded[1] > MOST_PIXELS:
            raise InputError(f"size {size} makes {padded[1]}x{padded[0]} pixels: pass less")
        return cls((height, width), inner, padded)

    @property
    def scale(self) -> float:
        """Pixels in the model per pixel of the picture."""
        return max(self.inner) / max(self.outer)

    def down(self, x: Tensor) -> Tensor:
        """Picture (b, 3, h, w) in [0, 1] to the model's canvas in [-1, 1]."""
        self._check(x, self.outer)
        if self.inner != self.outer:
            x = functional.interpolate(x, self.inner, mode="bicubic", antialias=True).clamp(0, 1)
        return self._pad(x * 2 - 1)

    def up(self, x: Tensor, *, clamp: bool = True) -> Tensor:
        """The model's canvas in [-1, 1] to a picture (b, 3, h, w) in [0, 1] at the old size.

        Args:
            clamp: cut what lies outside of [0, 1]; not where gradients shall pass.
        """
        self._check(x, self.padded)
        left, _, top, _ = self._margins
        x = x[..., top : top + self.inner[0], left : left + self.inner[1]]
        if self.inner != self.outer:
            x = functional.interpolate(
                x, self.outer, mode="bicubic", antialias=self.scale > 1, align_corners=False
            )
        x = (x + 1) / 2
        return x.clamp(0, 1) if clamp else x

    def mask_to_latent(
        self, mask: Tensor, factor: int, *, grow: int = 0, touched: bool = False
    ) -> Tensor:
        """Mask (1, h, w) or (b, 1, h, w) to latent cells, (b, 1, H / factor, W / factor).

        Each cell holds the mean of the mask over its pixels.

        Args:
            mask: at the picture's size, in [0, 1].
            factor: pixels per cell and side.
            touched: 1 for every cell with any white in it, instead of the mean.
        """
        mask = mask[None] if mask.ndim == 3 else mask
        self._check(mask, self.outer)
        if self.inner != self.outer:
            mask = functional.interpolate(mask, self.inner, mode="area")
        cells = functional.avg_pool2d(self._pad(mask), factor)
        if touched:
            cells = (cells > 0).to(cells.dtype)
        if grow:
            cells = functional.max_pool2d(cells, 2 * grow + 1, stride=1, padding=grow)
        return cells

    @property
    def _margins(self) -> tuple[int, int, int, int]:
        """Padding left, right, top and bottom, as torch orders it."""
        down, right = self.padded[0] - self.inner[0], self.padded[1] - self.inner[1]
        return right // 2, right - right // 2, down // 2, down - down // 2

    def _pad(self, x: Tensor) -> Tensor:
        if self.padded == self.inner:
            return x
        return functional.pad(x, self._margins, mode="reflect")

    def _check(self, x: Tensor, size: tuple[int, int]) -> None:
        if tuple(x.shape[-2:]) != size or x.ndim != 4:
            raise ValueError(
                f"the tensor is {tuple(x.shape)} and (b, c, {size[0]}, {size[1]}): "
                "make a Fit for that size"
            )


def _scale(size_hw: tuple[int, int], native_size: int, size: int | None) -> float:
    if size is not None:
        return size / max(size_hw)
    area = native_size**2 / (size_hw[0] * size_hw[1])
    return 1.0 if 1 / NEAR <= area <= NEAR else math.sqrt(area)


def _scaled(size_hw: tuple[int, int], scale: float) -> tuple[int, int]:
    return round(size_hw[0] * scale), round(size_hw[1] * scale)
