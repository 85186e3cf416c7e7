"""Pictures: any file in, the same kind of file out."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeAlias, final

import numpy as np
import torch
from torch import Tensor

from dreamsampler.files import sha256
from dreamsampler.images.decode import Decoded, decode
from dreamsampler.images.header import check_mask_size

LUMA = (0.299, 0.587, 0.114)
"""Rec. 601 weights of red, green and blue."""
CONTRAST = 0.1
"""To white, of what a transparent picture shows; below it the picture is seen on black."""


@final
@dataclass(frozen=True, eq=False)
class Picture:
    """A picture file in memory, with what is needed to give the same kind of file back.

    Samples are kept as numbers in [0, 1]; every 8-bit and every 16-bit value survives the way to
    float32 and back, so a pixel that nobody touches is written bit for bit.

    Args:
        rgb: (3, h, w), float32 in [0, 1], upright. CMYK files are converted, grey ones repeated.
        alpha: (1, h, w), float32 in [0, 1], or None for an opaque picture.
        depth: bits per sample of the file as it was read, 8 or 16.
        mode: Pillow's name of the file's pixel format.
        icc: color profile of the RGB values, or None (sRGB is meant then).
        path: where it came from.
        sha256: of the file, in hexadecimal; of its samples for a picture that came as such.
        lossy: whether it is a JPEG, whose black and white are not quite.
    """

    rgb: Tensor
    alpha: Tensor | None = None
    depth: int = 8
    mode: str = "RGB"
    icc: bytes | None = None
    path: Path | None = None
    sha256: str = ""
    lossy: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        return self.rgb.shape[-2], self.rgb.shape[-1]

    @cached_property
    def ground(self) -> float:
        """What a model sees through transparent parts: 1, white; 0 where all else is white.

        0 if mean(alpha (1 - rgb)) < 0.1 mean(alpha).
        """
        if self.alpha is None:
            return 1.0
        contrast = float((self.alpha * (1 - self.rgb)).mean() / self.alpha.mean().clamp_min(1e-9))
        return float(contrast >= CONTRAST or not self.alpha.any())

    def flat(self, background: float | None = None) -> Tensor:
        """The picture as an opaque one on a gray ground, (3, h, w); what a model is shown.

            flat = alpha rgb + (1 - alpha) background

        Args:
            background: 0 black, 1 white; None for `ground`.
        """
        if self.alpha is None:
            return self.rgb
        background = self.ground if background is None else background
        return self.alpha * self.rgb + (1 - self.alpha) * background

    def unflat(self, flat: Tensor, background: float | None = None) -> Tensor:
        """Colors that give an opaque picture back under this picture's alpha.

            rgb = (flat - (1 - alpha) background) / alpha

        The hidden colors of wholly transparent pixels stay as they were.

        Args:
            flat: (3, h, w) in [0, 1].
            background: what `flat` was called with.
        """
        if self.alpha is None:
            return flat
        background = self.ground if background is None else background
        color = (flat - (1 - self.alpha) * background) / self.alpha.clamp_min(1 / 65535)
        return torch.where(self.alpha == 0, self.rgb, color.clamp(0, 1))


ImageSource: TypeAlias = str | Path | Picture
"""A picture file, or a picture in memory."""


def open_picture(path: ImageSource, *, upright: bool = True) -> Picture:
    """Read a picture of any kind: grey, palette, alpha, CMYK, 8 or 16 bits, rotated by EXIF.

    Of a file with several pictures the first is taken, with a warning. 16 bits are kept for grey
    files and for RGB and RGBA PNG; Pillow reads other 16-bit color files at 8 bits.

    Args:
        path: a file; a picture in memory is returned as it is.
        upright: whether an EXIF orientation is applied; cameras belong to the stored pixels.

    Raises:
        InputError: if the file is missing, no picture, damaged, smaller than 16 pixels a side or
            larger than 64 megapixels.
    """
    if isinstance(path, Picture):
        return path
    return replace(
        picture_from(decode(path, upright=upright)), path=Path(path), sha256=sha256(path)
    )


def picture_from(found: Decoded, *, hashed: bool = False) -> Picture:
    """Decoded samples as a picture, of no file yet.

    Args:
        hashed: take the hash of the samples, for want of a file.
    """
    picture = Picture(
        rgb=_tensor(found.rgb),
        alpha=None if found.alpha is None else _tensor(found.alpha[..., None]),
        depth=found.depth,
        mode=found.mode,
        icc=found.icc,
        lossy=found.lossy,
    )
    if not hashed:
        return picture
    planes = [plane for plane in (picture.rgb, picture.alpha) if plane is not None]
    return replace(picture, sha256=hashlib.sha256(torch.cat(planes).numpy().tobytes()).hexdigest())


def open_mask(path: ImageSource, like: Picture) -> Tensor:
    """Read a mask, (1, h, w) in [0, 1]: white may change, black stays, grey mixes.

    Colors count by their luminance, transparent pixels as black.

    Args:
        path: a picture file of the size of `like`.

    Raises:
        InputError: if the file cannot be read or is of another size.
    """
    mask = read_mask(path, like)
    _warn_polarity(path, mask)
    return mask


def read_mask(path: ImageSource, like: Picture) -> Tensor:
    """The luminance of a mask file, (1, h, w) in [0, 1]; 0 where it is transparent.

    Raises:
        InputError: if the file cannot be read or is of another size.
    """
    found = path if isinstance(path, Picture) else picture_from(decode(path))
    check_mask_size(path, found.size, like.size)
    red, green, blue = found.rgb
    mask = (green + LUMA[0] * (red - green) + LUMA[2] * (blue - green)).clamp(0, 1)[None]
    if found.alpha is not None:
        mask = mask * found.alpha
    if found.lossy:  # JPEG leaves black at 1 or 2 of 255, which would let everything change
        mask = torch.where(mask < 0.04, 0.0, torch.where(mask > 0.96, 1.0, mask))
    return mask


def composite(original: Tensor, edited: Tensor, mask: Tensor) -> Tensor:
    """The edited picture where the mask is white, the original where it is black.

        original + mask (edited - original)

    Where the mask is exactly 0 or 1 the values are copied, not computed.

    Args:
        original: (..., 3, h, w).
        mask: (..., 1, h, w) in [0, 1].
    """
    mixed = original + mask * (edited - original)
    return torch.where(mask == 0, original, torch.where(mask == 1, edited, mixed))


def _tensor(samples: np.ndarray) -> Tensor:
    """(h, w, c) integers or floats to (c, h, w) float32 in [0, 1]."""
    top = {"u1": 255.0, "u2": 65535.0}.get(samples.dtype.str[1:], 1.0)
    numbers = samples.astype(np.float32) / np.float32(top)
    return torch.from_numpy(np.ascontiguousarray(numbers.transpose(2, 0, 1)))


def _warn_polarity(path: ImageSource, mask: Tensor) -> None:
    share = mask.mean().item()
    if 0.002 < share < 0.998:
        return
    name = "mask_image" if isinstance(path, Picture) else f"mask {path}"
    color, what = ("black", "nothing") if share < 0.5 else ("white", "everything")
    warnings.warn(
        f"{name} is (nearly) all {color}, so {what} may change: white may change, black stays",
        stacklevel=3,
    )
