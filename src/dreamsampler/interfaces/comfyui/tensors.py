"""ComfyUI's tensors as pictures and back: IMAGE is (b, h, w, c) in [0, 1], MASK (b, h, w)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from dreamsampler.images.memory import picture_of
from dreamsampler.images.picture import Picture


def pictures_of(image: Tensor) -> list[Picture]:
    """The pictures of an IMAGE.

    Args:
        image: (b, h, w, 1, 3 or 4), floats; values a little outside of [0, 1] are cut off, as
            ComfyUI does when it saves.
    """
    if not isinstance(image, Tensor) or image.ndim != 4:
        raise ValueError(f"image is {_shape(image)}, but must be an IMAGE (b, h, w, c)")
    rows = image.detach().float().cpu().clamp(0, 1)
    return [picture_of(row.permute(2, 0, 1), "the image") for row in rows]


def masks_of(mask: Tensor, pictures: Sequence[Picture]) -> list[list[Picture]]:
    """The masks of each picture: white, 1, may change.

    One picture takes every mask of the batch; of several pictures, each takes its own mask, or all
    of them the only one. A mask of another size and the picture's proportions is scaled to it; one
    of a single color, such as the 64 x 64 black of an opaque picture's Load Image, has no size.

    Args:
        mask: (b, h, w), (b, 1, h, w) or (h, w), floats in [0, 1].
    """
    rows = mask.detach().float().cpu().clamp(0, 1) if isinstance(mask, Tensor) else torch.zeros(0)
    rows = rows[None] if rows.ndim == 2 else rows
    rows = rows[:, 0] if rows.ndim == 4 and rows.shape[1] == 1 else rows
    if rows.ndim != 3:
        raise ValueError(f"mask is {_shape(mask)}, but must be a MASK (b, h, w)")
    if len(pictures) > 1 and len(rows) not in (1, len(pictures)):
        raise ValueError(
            f"{len(rows)} masks came for {len(pictures)} images: pass one for each, or a single one"
        )
    if len(pictures) == 1:
        return [[_mask(row, pictures[0]) for row in rows]]
    rows = rows.expand(len(pictures), -1, -1)
    return [[_mask(row, picture)] for row, picture in zip(rows, pictures, strict=True)]


def _mask(row: Tensor, picture: Picture) -> Picture:
    height, width = picture.size
    h, w = row.shape
    if bool((row == row[0, 0]).all()):
        row = row[:1, :1].expand(height, width)
    elif (h, w) != (height, width) and abs(h * width - w * height) < max(height, width):
        row = functional.interpolate(row[None, None], (height, width), mode="bilinear")[0, 0]
    return picture_of(row[None], "the mask")


def image_of(pictures: list[Tensor]) -> Tensor:
    """Pictures (3, h, w) as one IMAGE, (b, h, w, 3); with (4, h, w) among them (b, h, w, 4)."""
    if len({picture.shape[1:] for picture in pictures}) > 1:
        raise ValueError("the pictures are of several sizes, which one IMAGE cannot hold")
    most = max(len(picture) for picture in pictures)
    opaque = torch.ones_like(pictures[0][:1])
    planes = [torch.cat([each, opaque]) if len(each) < most else each for each in pictures]
    return torch.stack([each.permute(1, 2, 0) for each in planes]).contiguous()


def _shape(value: object) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else f"a {type(value).__name__}"
