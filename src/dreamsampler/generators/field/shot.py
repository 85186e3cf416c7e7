"""A view of a scene: its files, and its camera before the size of its picture is known."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import final

from torch import Tensor

from dreamsampler.files import InputError, named_like
from dreamsampler.generators.field.camera import Camera
from dreamsampler.generators.field.lens import Lens


@final
@dataclass(frozen=True)
class Shot:
    """One view that a scene names.

    Args:
        path: of the picture.
        matrix: camera to world.
        intrinsics: those of fl_x, fl_y, cx, cy, w, h, camera_angle_x and camera_angle_y that the
            scene gives.
        name: what the scene calls it.
        held_out: whether it is kept for testing (nerfstudio's test_filenames or val_filenames,
            Blender's transforms_test.json).
        mask: nerfstudio's mask_path, a picture that is black where the view shall be ignored.
        lens: what distorts the picture; None for a pinhole.
    """

    path: Path
    matrix: tuple[tuple[float, ...], ...]
    intrinsics: tuple[tuple[str, float], ...]
    name: str
    held_out: bool = False
    mask: Path | None = None
    lens: Lens | None = None

    def camera(self, size: tuple[int, int]) -> Camera:
        """The pinhole camera of the undistorted picture, (height, width) pixels.

        The intrinsics belong to a picture of w x h; where `size` is another, because the picture
        was resized, so is the camera. The focal length may grow where the picture is distorted, by
        `Lens.zoom`.

        Raises:
            InputError: if there is no focal length, or the sizes are not in proportion.
        """
        stored = self._stored(size)
        if self.lens is None:
            return stored
        try:
            zoom = self.lens.zoom(stored)
        except ValueError as error:
            raise InputError(f"{self.name}: {error}: undistort the pictures first") from error
        return replace(stored, focal=(stored.focal[0] * zoom, stored.focal[1] * zoom))

    def undistorted(self, samples: Tensor) -> Tensor:
        """What `camera` sees of the picture's samples, (c, h, w)."""
        if self.lens is None:
            return samples
        stored = self._stored((samples.shape[1], samples.shape[2]))
        return self.lens.undistorted(samples, stored, self.lens.zoom(stored))

    def _stored(self, size: tuple[int, int]) -> Camera:
        """Focal length, center and size of the picture as it is stored."""
        given = dict(self.intrinsics)
        height, width = given.get("h", size[0]), given.get("w", size[1])
        if min(height, width) < 1:
            raise InputError(f"{self.name} has w x h {width:g}x{height:g}: give pixels, at least 1")
        if abs(height / width * size[1] / size[0] - 1) > 0.02:
            raise InputError(
                f"{self.path} is {size[1]}x{size[0]}, but its camera is for {width:g}x{height:g}: "
                "give pictures in that proportion (EXIF turns are not applied to views), or remove "
                "w and h"
            )
        across = _focal(given, "x", width)
        down = _focal(given, "y", height)
        if across is None:
            raise InputError(
                f"{self.name} has no focal length: give fl_x in pixels, or camera_angle_x in "
                "radians between 0 and pi"
            )
        focal = (across, across if down is None else down)
        center = (given.get("cx", width / 2), given.get("cy", height / 2))
        try:
            camera = Camera(self.matrix, focal, center, (round(height), round(width)))
        except ValueError as error:
            raise InputError(f"{self.name}: {error}") from error
        return camera.resized(size)


def _focal(given: dict[str, float], axis: str, side: float) -> float | None:
    angle = given.get(f"camera_angle_{axis}", 0.0)
    default = side / 2 / math.tan(angle / 2) if 0 < angle < math.pi else None
    return given.get(f"fl_{axis}", default)


def picture_of(folder: Path, name: str) -> Path:
    """The picture that a scene in a folder names.

    Windows' backslashes are understood; where there is no such file, so are other letter case and
    a suffix that was left out, as Blender does.

    Raises:
        InputError: there is none.
    """
    try:
        for each in (name, PureWindowsPath(name).as_posix()):
            path = folder / each
            if path.is_file():
                return path
            found = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
            like = named_like(path.name, found) if path.name else None
            if like is not None and path.with_name(like).is_file():
                return path.with_name(like)
    except (OSError, ValueError) as error:
        raise InputError(f"{name!r} is no name of a picture: write it anew") from error
    raise InputError(f"{folder / name} is missing: {folder} names it as the picture of a view")
