"""Control pictures (edges, depth, ...) laid where the picture lies in the model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from PIL import Image
from torch.nn.functional import interpolate

from dreamsampler.files import InputError
from dreamsampler.images.crop import Window
from dreamsampler.images.fit import Fit
from dreamsampler.images.memory import picture_of
from dreamsampler.images.save import as_pil
from dreamsampler.models.prior import Condition, Prior


def reader(
    model: Prior, fit: Fit, size_hw: tuple[int, int], window: Window | None = None
) -> Callable[..., Condition]:
    """`Prior.condition`, under control pictures that are scaled, cut and padded as the picture is.

    A pipeline by itself stretches them to its canvas, with the margins that were added to the
    picture.

    Args:
        model: its `condition` is returned if it has no control pictures.
        window: the part of it that the model sees; None for all.

    Raises:
        InputError: one has other proportions than the picture.
    """

    def placed(name: str, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(placed(name, each) for each in value)
        if not isinstance(value, Image.Image):
            return value
        (height, width), (w, h) = size_hw, value.size
        if abs(w * height / width - h) > 1:
            raise InputError(
                f"{name} is {w}x{h} pixels, but the picture {width}x{height}: pass one of the "
                "same proportions"
            )
        x = picture_of(value, name).flat()[None]
        if (h, w) != size_hw:
            x = interpolate(x, size_hw, mode="bicubic", antialias=True).clamp(0, 1)
        return as_pil((fit.down(window.cut(x) if window else x)[0] + 1) / 2)

    controls = {n: placed(n, value) for n, value in getattr(model, "controls", {}).items()}
    return partial(model.condition, **controls) if controls else model.condition
