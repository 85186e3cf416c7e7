"""A field as a safetensors file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from dreamsampler.files import InputError, write_whole
from dreamsampler.generators.field.grid import Grid

FORMAT: Final = "dreamsampler-field-1"


def save_field(path: str | Path, grid: Grid, recipe: dict[str, Any] | None = None) -> None:
    """Write a field: raw_density and raw_color, and in the metadata its box, ball, degree and unit.

    Args:
        path: where to, .safetensors.
        grid: the field.
        recipe: anything JSON can say about its making.

    Raises:
        OutputError: if the file cannot be written.
    """
    told = {"format": FORMAT, "box": json.dumps(grid.box), "unit": repr(grid.unit)}
    told |= {"degree": str(grid.degree), "recipe": json.dumps(recipe or {})}
    told |= {"ball": json.dumps(grid.ball)}
    tensors = {name: p.detach().cpu().contiguous() for name, p in grid.named_parameters()}
    write_whole(path, save(tensors, metadata=told))


def load_field(path: str | Path) -> Grid:
    """Read a field that `save_field` wrote.

    Raises:
        InputError: if the file is something else.
    """
    try:
        with safe_open(path, "pt") as file:
            told = file.metadata() or {}
            if told.get("format") != FORMAT:
                raise InputError(
                    f"{path} holds no field: give a field.safetensors of `reconstruct`"
                )
            density, color = file.get_tensor("raw_density"), file.get_tensor("raw_color")
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read ({error}): give a .safetensors file") from error
    low, high = json.loads(told["box"])
    depth, height, width = density.shape[2:]
    grid = Grid((width, height, depth), ((*low,), (*high,)), int(told["degree"])).to(density)
    grid.unit = float(told["unit"])
    if ball := json.loads(told.get("ball", "null")):
        (x, y, z), radius = ball
        grid.ball = ((x, y, z), radius)
    grid.raw_density.data, grid.raw_color.data = density, color
    return grid
