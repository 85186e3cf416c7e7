"""From a description to the operator itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from dreamsampler.operators.blur import GaussianBlur, KernelBlur, MotionBlur
from dreamsampler.operators.color import ColorMatrix, Grey
from dreamsampler.operators.composition import compose
from dreamsampler.operators.jpeg import Jpeg
from dreamsampler.operators.mask import Mask, read_mask
from dreamsampler.operators.operator import Operator, measured
from dreamsampler.operators.resample import Downsample

if TYPE_CHECKING:
    from dreamsampler.operators.spec import Description


def build(description: Description, size: tuple[int, int] | None, device: str) -> Operator:
    """See `Description.build`."""
    if description.unknown:
        names = ", ".join(description.unknown)
        raise ValueError(f"{description} leaves {names} open: fit it, or give it a value")
    ops: list[Operator] = []
    for step in description.steps:
        op = _one(step.name, dict(step.values), size, device)
        ops.append(op)
        size = None if size is None else measured(op, (3, *size))[1:]
    return compose(*ops)


def _one(name: str, values: dict[str, Any], size: tuple[int, int] | None, device: str) -> Operator:
    match name:
        case "blur":
            return GaussianBlur(**values)
        case "motion_blur":
            return MotionBlur(**values)
        case "kernel":
            return KernelBlur.read(values["path"], values["boundary"])
        case "downsample":
            ragged = size is not None and any(n % values["factor"] for n in size)
            return Downsample(**values, size=size if ragged else None)
        case "mask":
            mask = read_mask(values["path"]).to(device)
            if size is not None and tuple(mask.shape[-2:]) != size:
                came, wanted = (f"{w}x{h}" for h, w in (mask.shape[-2:], size))
                raise ValueError(
                    f"mask {values['path']} is {came} and the picture {wanted} (width x height): "
                    "make them the same size"
                )
            return Mask(mask)
        case "grey":
            return Grey()
        case "color_matrix":
            rows = [values[n] for n in ("red", "green", "blue")]
            return ColorMatrix(torch.tensor(rows, dtype=torch.float64))
        case "jpeg":
            return Jpeg(**values)
    raise ValueError(f"{name} is described, but nothing builds it")
