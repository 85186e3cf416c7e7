"""Masks: some pixels are measured, others are not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dreamsampler.files import InputError
from dreamsampler.images.decode import decode
from dreamsampler.operators.registry import Parameter, Size, Values, named


def _read(given: Values, size: Size | None, device: str) -> Mask:
    mask = read_mask(given["path"]).to(device)
    if size is not None and tuple(mask.shape[-2:]) != size:
        came, expected = (f"{w}x{h}" for h, w in (mask.shape[-2:], size))
        raise ValueError(
            f"mask {given['path']} is {came} and the picture {expected} (width x height): "
            "make them the same size"
        )
    return Mask(mask)


@named("mask", "lost pixels", {"path": Parameter(str)}, build=_read, values=lambda op: None)
@final
@dataclass(frozen=True, eq=False)
class Mask:
    """Keep what was measured; the rest comes out 0 (black).

        A x = m x,   prox = (gamma m y + z) / (gamma m^2 + 1)

    Args:
        mask: 1 where measured, 0 where not, (1 or b, 1 or 3, h, w) in [0, 1]. A mask *file* is
            white where something may change, so that it is read as 1 - mask.

    Raises:
        ValueError: for a mask of another shape or range.

    Example:
        >>> half = Mask(torch.tensor([1.0, 0.0]).view(1, 1, 1, 2))
        >>> half.A(torch.full((1, 1, 1, 2), 0.5)).tolist()
        [[[[0.5, 0.0]]]]
    """

    mask: Tensor

    def __post_init__(self) -> None:
        shape = tuple(self.mask.shape)
        if len(shape) != 4 or not self.mask.numel():
            raise ValueError(f"the mask is {shape}, but must be (1 or b, 1 or 3, h, w)")
        if not bool(((self.mask >= 0) & (self.mask <= 1)).all()):
            raise ValueError("the mask holds numbers outside of 0 (not measured) to 1 (measured)")

    def A(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Multiply by the mask."""
        return self._like(x) * x

    def A_adjoint(self, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The same: a mask is its own transpose."""
        return self._like(y) * y

    def prox_l2(
        self, z: Float[Tensor, "b c h w"], y: Float[Tensor, "b c h w"], gamma: float | Tensor
    ) -> Float[Tensor, "b c h w"]:
        """Pixel by pixel."""
        m = self._like(z)
        return (gamma * m * y + z) / (gamma * m**2 + 1)

    def _like(self, x: Tensor) -> Tensor:
        if self.mask.shape[-2:] != x.shape[-2:]:
            came, expected = ("x".join(map(str, t.shape[:-3:-1])) for t in (self.mask, x))
            raise ValueError(
                f"the mask is {came} and the picture {expected} (width x height): pass a mask of "
                "the picture's size"
            )
        if any(own not in (1, of) for own, of in zip(self.mask.shape, x.shape, strict=True)):
            came, expected = tuple(self.mask.shape[:2]), tuple(x.shape[:2])
            raise ValueError(
                f"the mask is for {came} and the picture has {expected} (rows, channels): pass a "
                "mask with 1 of each, or as many as the picture"
            )
        return self.mask.to(dtype=x.dtype).to(x.device)


def read_mask(path: str | Path) -> Float[Tensor, "1 1 h w"]:
    """What was measured, from a mask file: 1 where it is black, 0 where it is anything else.

    White marks what may change in every mask file; here these pixels are lost. Soft edges count as
    lost, up to 4 % as black (JPEG's traces); transparent pixels are black; EXIF's rotation is
    applied.

    Raises:
        InputError: for a file that is missing or no picture.
    """
    if not Path(path).is_file():
        raise InputError(f"there is no mask file {path}: check the name")
    found = decode(path, least=1)
    light = found.light()
    if found.rgb.dtype == np.uint16 and found.rgb.max() <= 255:  # 8 bits in a file of 16
        light = light * 257
    return torch.from_numpy((light <= 0.04).astype(np.float32))[None, None]
