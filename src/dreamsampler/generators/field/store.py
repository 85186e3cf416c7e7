"""A field as a safetensors file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from dreamsampler.files import InputError, write_whole
from dreamsampler.generators.field.grid import Ball, Box, Grid

FORMAT: Final = "dreamsampler-field-1"

T = TypeVar("T")


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
        InputError: if the file is something else, or damaged.
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
    return _grid(path, told, density, color)


def _grid(path: str | Path, told: dict[str, str], density: Tensor, color: Tensor) -> Grid:
    """The field of what a file says; one line for what it cannot say."""
    box, degree = _told(path, told, "box", _box), _told(path, told, "degree", int)
    if density.ndim != 5 or not density.is_floating_point():
        raise _damaged(path, f"raw_density is {tuple(density.shape)} of {density.dtype}")
    depth, height, width = density.shape[2:]
    try:
        grid = Grid((width, height, depth), box, degree).to(density)
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    grid.unit, grid.ball = _told(path, told, "unit", _unit), _told(path, told, "ball", _ball)
    for name, found in (("raw_density", density), ("raw_color", color)):
        wanted = getattr(grid, name)
        if found.shape != wanted.shape or found.dtype != wanted.dtype:
            raise _damaged(path, f"{name} is {tuple(found.shape)}, not {tuple(wanted.shape)}")
        wanted.data = found
    return grid


def _told(path: str | Path, told: dict[str, str], name: str, read: Callable[[str], T]) -> T:
    """One entry of the metadata; a field of an earlier version has no ball."""
    try:
        return read(told.get(name, "null") if name == "ball" else told[name])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise _damaged(path, f"its {name} is {told.get(name, 'missing')[:60]!r}") from error


def _damaged(path: str | Path, what: str) -> InputError:
    return InputError(f"{path} is damaged ({what}): make it again with `reconstruct`")


def _point(value: Any) -> tuple[float, float, float]:
    x, y, z = map(_number, value)
    return x, y, z


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _box(text: str) -> Box:
    low, high = json.loads(text)
    return _point(low), _point(high)


def _ball(text: str) -> Ball | None:
    held = json.loads(text)
    if held is None:
        return None
    center, radius = held
    if _number(radius) <= 0:
        raise ValueError(f"the radius is {radius}")
    return _point(center), _number(radius)


def _unit(text: str) -> float:
    if not (unit := _number(float(text))) > 0:
        raise ValueError(f"the unit is {unit}")
    return unit
