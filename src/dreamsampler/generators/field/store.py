"""A field as a safetensors file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from dreamsampler.files import InputError, write_whole
from dreamsampler.generators.field.camera import Vector
from dreamsampler.generators.field.grid import Grid

FORMAT: Final = "dreamsampler-field-1"


def save_field(path: str | Path, grid: Grid, recipe: dict[str, Any] | None = None) -> None:
    """Write a field: raw_density and raw_color, and in the metadata its box, ball, degree and unit.

    Args:
        path: where to, .safetensors.
        grid: the field.
        recipe: how it was made, anything JSON can hold.

    Raises:
        OutputError: if the file cannot be written.
    """
    metadata = {
        "format": FORMAT,
        "box": json.dumps(grid.box),
        "unit": repr(grid.unit),
        "degree": str(grid.degree),
        "recipe": json.dumps(recipe or {}),
        "ball": json.dumps(grid.ball),
    }
    tensors = {name: p.detach().cpu().contiguous() for name, p in grid.named_parameters()}
    write_whole(path, save(tensors, metadata=metadata))


def load_field(path: str | Path) -> Grid:
    """Read a field that `save_field` wrote.

    Raises:
        InputError: if the file is something else, or damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            entries = file.metadata() or {}
            if entries.get("format") != FORMAT:
                raise InputError(f"{path} holds no field: give a field.safetensors of Reconstruct")
            density, color = file.get_tensor("raw_density"), file.get_tensor("raw_color")
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read ({error}): give a .safetensors file") from error
    try:
        return _grid(entries, density, color)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise InputError(f"{path} is damaged ({reason}): reconstruct it again") from error


def _grid(entries: dict[str, str], density: Tensor, color: Tensor) -> Grid:
    """The field of a file; fields of the first version have no ball."""
    low, high = map(_point, json.loads(entries["box"]))
    ball = json.loads(entries.get("ball", "null"))
    if ball is not None:
        ball = (_point(ball[0]), float(ball[1]))
    depth, height, width = density.shape[2:]
    grid = Grid((width, height, depth), (low, high), int(entries["degree"]), ball=ball)
    grid, grid.unit = grid.to(density), float(entries["unit"])
    if not 0 < grid.unit < math.inf:
        raise ValueError(f"the unit is {grid.unit}")
    for parameter, values in ((grid.raw_density, density), (grid.raw_color, color)):
        if values.shape != parameter.shape or values.dtype != parameter.dtype:
            raise ValueError(f"a tensor is {tuple(values.shape)}, not {tuple(parameter.shape)}")
        parameter.data = values
    return grid


def _point(values: Any) -> Vector:
    x, y, z = map(float, values)
    return x, y, z
