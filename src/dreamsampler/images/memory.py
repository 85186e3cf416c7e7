"""Pictures that are in memory: Pillow's, arrays and tensors, as tasks read them from files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from dreamsampler.files import InputError
from dreamsampler.images.decode import Decoded, decoded
from dreamsampler.images.header import check_size
from dreamsampler.images.picture import Picture, picture_from

_SHAPES = "(h, w), (h, w, 1), (h, w, 3) or (h, w, 4)"


def picture_of(image: Any, name: str = "the picture") -> Picture:
    """A picture that is in memory already, ready to be handed to `task.start`.

    A Pillow image is read as its file would be: every mode, turned upright, with its color profile.
    Numbers of an array or a tensor are taken as they are, so that a float keeps all its digits.

    Args:
        image: a Pillow image; a NumPy array (h, w), (h, w, 1), (h, w, 3) or (h, w, 4), of uint8,
            uint16, bool or of floats in [0, 1]; a tensor with the channels first, (h, w),
            (c, h, w) or (1, c, h, w); or a `Picture`, which is returned as it is.

    Raises:
        InputError: something else, values out of range, less than 16 pixels a side or more than
            64 megapixels.

    Example:
        >>> picture_of(np.zeros((20, 30, 3), np.uint8)).size
        (20, 30)
    """
    if isinstance(image, Picture):
        return image
    if isinstance(image, Image.Image):
        check_size(name, *image.size)
        return picture_from(decoded(image, name), hashed=True)
    if isinstance(image, Tensor):
        rows = image.detach().cpu()
        rows = rows[0] if rows.ndim == 4 and len(rows) == 1 else rows
        rows = rows[None] if rows.ndim == 2 else rows
        if rows.ndim != 3 or rows.shape[0] not in (1, 3, 4):
            raise _shape(name, image)
        samples = rows.permute(1, 2, 0)
        return _of_samples(samples.float() if samples.is_floating_point() else samples, name)
    if isinstance(image, np.ndarray):
        single = image.ndim == 4 or (image.ndim == 3 and image.shape[-1] not in (1, 3, 4))
        return _of_samples(image[0] if single and len(image) == 1 else image, name)
    if image is None:
        raise InputError(f"{name} is missing (None): pass a picture or the path of a file")
    raise InputError(
        f"{name} is of type {type(image).__name__}, but must be a picture: pass a Pillow image, a "
        "NumPy array, a tensor or the path of a file"
    )


def _shape(name: str, image: Tensor) -> InputError:
    return InputError(
        f"{name} is a tensor of {tuple(image.shape)}, but must be (c, h, w): pass one picture with "
        "its channels first"
    )


def _of_samples(given: Tensor | np.ndarray, name: str) -> Picture:
    """(h, w, c) numbers to a picture."""
    samples = np.asarray(given)
    samples = samples[..., None] if samples.ndim == 2 else samples
    if samples.ndim != 3 or samples.shape[-1] not in (1, 3, 4):
        raise InputError(
            f"{name} is an array of {np.shape(given)}, but must be {_SHAPES}: pass one picture "
            "with its channels last"
        )
    check_size(name, samples.shape[1], samples.shape[0])
    samples = samples * np.uint8(255) if samples.dtype == bool else samples
    if samples.dtype.kind == "f":
        samples, depth = _floats(samples, name)
    elif samples.dtype in (np.uint8, np.uint16):
        depth = 8 if samples.dtype == np.uint8 else 16
    else:
        raise InputError(
            f"{name} holds {samples.dtype} numbers: pass uint8, uint16, bool, or floats from 0 to 1"
        )
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[samples.shape[-1]]
    rgb = np.repeat(samples, 3, -1) if mode == "L" else samples[..., :3]
    alpha = samples[..., 3] if mode == "RGBA" else None
    return replace(picture_from(Decoded(rgb, alpha, mode, None, False), hashed=True), depth=depth)


def _floats(samples: np.ndarray, name: str) -> tuple[np.ndarray, int]:
    """Floats in [0, 1], and 8 if they came from bytes, else 16."""
    if not np.isfinite(samples).all():
        raise InputError(f"{name} holds NaN or infinite values: repair them first")
    low, high = float(samples.min()), float(samples.max())
    if low < -1e-6 or high > 1 + 1e-6:
        do = "pass (x + 1) / 2" if low >= -1 - 1e-6 and high <= 1 + 1e-6 else "scale them first"
        raise InputError(
            f"{name} has values from {low:g} to {high:g} but must be from 0 to 1: {do}"
        )
    samples = samples.astype(np.float32).clip(0, 1)
    steps = samples * np.float32(255)
    return samples, 8 if bool((np.abs(steps - np.rint(steps)) < 1e-3).all()) else 16
