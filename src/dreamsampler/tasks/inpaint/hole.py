"""Holes of a picture: read from masks, from transparency, or made around it; and closed for now."""

from __future__ import annotations

import warnings
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from dreamsampler.files import InputError
from dreamsampler.images.picture import ImageSource, Picture, open_picture, read_mask
from dreamsampler.images.pyramid import spread
from dreamsampler.tasks.inpaint.options import MaskMode


def open_hole(path: ImageSource, like: Picture, mode: MaskMode) -> Tensor:
    """Read a mask file as a hole, (1, h, w) in [0, 1]: 1 is painted, 0 stays.

    Args:
        path: a picture file of the size of `like`.
        mode: white: white is painted; black: black is; alpha: transparent pixels are.

    Raises:
        InputError: if the file cannot be read, is of another size, or has no transparency where
            that is asked for.

    Warns:
        UserWarning: a hole that is (nearly) nothing or everything.
    """
    if mode == "alpha":
        light = read_mask(path, like)  # for its size alone
        alpha = open_picture(path).alpha
        if alpha is None:
            raise InputError(
                f"{_name(path)} has no transparency, and mask mode alpha paints transparent "
                "pixels: pass a PNG with an alpha channel, or mask mode white or black"
            )
        hole = torch.ones_like(light) - alpha
    else:
        light = read_mask(path, like)
        hole = light if mode == "white" else 1 - light
    _warn_extent(_name(path), hole, mode)
    return hole


def _name(path: ImageSource) -> str:
    return "mask_image" if isinstance(path, Picture) else f"mask {path}"


def own_hole(source: Picture) -> tuple[Picture, Tensor]:
    """A picture whose transparent pixels are to be painted: (the picture without alpha, hole).

    Raises:
        InputError: an opaque picture.
    """
    if source.alpha is None:
        raise InputError(
            f"{source.path or 'the picture'} has no transparency, so mask mode alpha has nothing "
            "to paint: pass a mask_image, or a picture with a hole cut in it"
        )
    hole = 1 - source.alpha
    _warn_extent(f"mask {source.path or 'of the picture'}", hole, "alpha")
    return replace(source, alpha=None), hole


def widened(source: Picture, expand: tuple[int, int, int, int]) -> tuple[Picture, Tensor]:
    """The picture on a larger canvas, and the hole around it.

    Args:
        expand: pixels to add at left, top, right and bottom.
    """
    left, top, right, bottom = expand
    sides = (left, right, top, bottom)
    hole = functional.pad(torch.zeros_like(source.rgb[:1]), sides, value=1.0)
    alpha = None if source.alpha is None else functional.pad(source.alpha, sides, value=1.0)
    return replace(source, rgb=functional.pad(source.rgb, sides), alpha=alpha), hole


def filled(x: Tensor, hole: Tensor) -> Tensor:
    """The picture with its holes closed by the colors around them, smoothly.

    So that an encoder sees neither what is to be painted over nor an edge that is not there. Grey
    of the hole below a half keeps the picture, since that much is not painted anew.

    Args:
        x: (3, h, w).
        hole: (1, h, w) in [0, 1].
    """
    known = (hole == 0).to(x)[None]
    if not bool(known.any()):
        return x
    return torch.lerp(x, spread(x[None], known)[0], (2 * hole - 1).clamp(0, 1))


def warn_unseen(canvas: Picture, mask: Tensor) -> None:
    """Warn of a hole most of which is transparent in the picture to be written."""
    if canvas.alpha is None:
        return
    hidden = (mask * (canvas.alpha == 0)).sum() / mask.sum().clamp_min(1e-9)
    if hidden > 0.5:
        warnings.warn(
            "most of the hole is transparent in the picture, whose transparency is kept, so that "
            "little of the painting will be seen: mask mode alpha makes it opaque",
            stacklevel=4,
        )


def _warn_extent(name: str, hole: Tensor, mode: MaskMode) -> None:
    share = hole.mean().item()
    if 0.002 < share < 0.998:
        return
    rule = {
        "white": "white is painted, black stays (mask mode black turns it round)",
        "black": "black is painted, white stays (mask mode white turns it round)",
        "alpha": "transparent pixels are painted, opaque ones stay",
    }[mode]
    what = "nothing" if share < 0.5 else "everything"
    warnings.warn(f"{name}: (nearly) {what} is painted; {rule}", stacklevel=4)
