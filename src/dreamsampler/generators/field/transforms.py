"""transforms.json: cameras and pictures in a folder, the format of nerfstudio and Blender."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, final

import torch

from dreamsampler.files import InputError, write_whole
from dreamsampler.generators.field.camera import Camera, Vector, check_matrix

FILE: Final = "transforms.json"
TRAIN, TEST = "transforms_train.json", "transforms_test.json"
DISTORTION: Final = ("k1", "k2", "k3", "k4", "p1", "p2")
SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")


@final
@dataclass(frozen=True)
class Shot:
    """One entry of a transforms.json: a picture file, and its camera before its size is known.

    Args:
        path: of the picture.
        matrix: camera to world.
        intrinsics: those of fl_x, fl_y, cx, cy, w, h and camera_angle_x that the file gives.
        name: what the file calls it.
        held_out: whether it is kept for testing (nerfstudio's test_filenames or val_filenames,
            Blender's transforms_test.json).
        mask: nerfstudio's mask_path, a picture that is black where the view shall be ignored.
    """

    path: Path
    matrix: tuple[tuple[float, ...], ...]
    intrinsics: tuple[tuple[str, float], ...]
    name: str
    held_out: bool = False
    mask: Path | None = None

    def camera(self, size: tuple[int, int]) -> Camera:
        """The camera of the picture, (height, width) pixels.

        The intrinsics belong to a picture of w x h; where `size` is another, because the picture
        was resized, so is the camera.

        Raises:
            InputError: if there is no focal length, or the sizes are not in proportion.
        """
        given = dict(self.intrinsics)
        height, width = given.get("h", size[0]), given.get("w", size[1])
        if abs(height / width * size[1] / size[0] - 1) > 0.02:
            raise InputError(
                f"{self.path} is {size[1]}x{size[0]}, but transforms.json says "
                f"{width:g}x{height:g}: give pictures in that proportion, or remove w and h"
            )
        if "fl_x" in given:
            across = given["fl_x"]
        elif 0 < given.get("camera_angle_x", 0) < math.pi:
            across = width / 2 / math.tan(given["camera_angle_x"] / 2)
        else:
            raise InputError(
                f"{self.name} has no focal length: give fl_x in pixels, or camera_angle_x in "
                "radians between 0 and pi"
            )
        focal = (across, given.get("fl_y", across))
        center = (given.get("cx", width / 2), given.get("cy", height / 2))
        try:
            camera = Camera(self.matrix, focal, center, (round(height), round(width)))
        except ValueError as error:
            raise InputError(f"{self.name}: {error}") from error
        return camera.resized(size)


def transforms_file(scene: str | Path) -> Path:
    """The file that describes a scene: itself, or transforms.json in its folder.

    Raises:
        InputError: if there is none.
    """
    scene = Path(scene)
    for path in (scene, scene / FILE, scene / TRAIN):
        if path.is_file():
            return path
    raise InputError(
        f"{scene} is no scene: give a folder with {FILE} (or {TRAIN}) and its pictures; "
        "`dreamsampler make-scene` renders one"
    )


def read_transforms(scene: str | Path) -> list[Shot]:
    """Every view of a scene, those that are held out at the end.

    Args:
        scene: a folder with transforms.json or transforms_train.json (then transforms_test.json
            beside it is held out), or such a file itself.

    Raises:
        InputError: no such file, no JSON, no views, a camera matrix that is not a rigid motion, a
            lens with distortion, or a missing picture.
    """
    path = transforms_file(scene)
    shots = _read(path)
    if path.name == TRAIN and path.with_name(TEST).is_file():
        shots += [replace(shot, held_out=True) for shot in _read(path.with_name(TEST))]
    return sorted(shots, key=lambda shot: shot.held_out)


def _read(path: Path) -> list[Shot]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no JSON ({error}): write it anew") from error
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, list) or not frames:
        raise InputError(
            f'{path} has no views: give a list "frames" of file_path, transform_matrix'
        )
    held_out = {
        Path(n).as_posix()
        for key in ("test_filenames", "val_filenames")
        for n in content.get(key, [])
    }
    return [_shot(path, content, frame, held_out) for frame in frames]


def _shot(path: Path, content: dict[str, Any], frame: Any, held_out: set[str]) -> Shot:
    if not isinstance(frame, dict) or not isinstance(frame.get("file_path"), str):
        raise InputError(f"{path} has a view without a file_path: name its picture")
    name = frame["file_path"]
    try:
        matrix = check_matrix(frame.get("transform_matrix"))
    except ValueError as error:
        raise InputError(f"{path}, view {name}: {error}") from error
    numbers: dict[str, float] = {}
    for key in ("fl_x", "fl_y", "cx", "cy", "w", "h", "camera_angle_x", *DISTORTION):
        value = frame.get(key, content.get(key))
        if value is None:
            continue
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(f"{path}, view {name}: {key} is {value!r}: give a finite number")
        numbers[key] = float(value)
    distorted = [key for key in DISTORTION if abs(numbers.pop(key, 0.0)) > 1e-6]
    if distorted or content.get("camera_model", "PINHOLE") not in (
        "PINHOLE",
        "SIMPLE_PINHOLE",
        "OPENCV",
    ):
        what = ", ".join(distorted) or content["camera_model"]
        raise InputError(
            f"{path}, view {name}: the lens is no pinhole ({what}): undistort the pictures first"
        )
    mask = frame.get("mask_path")
    return Shot(
        _picture(path.parent, name),
        matrix,
        tuple(numbers.items()),
        name,
        Path(name).as_posix() in held_out,
        None if mask is None else _picture(path.parent, str(mask)),
    )


def _picture(folder: Path, name: str) -> Path:
    """The picture of a view; Blender's files leave the suffix out."""
    path = folder / name
    found = [path, *(path.with_name(path.name + suffix) for suffix in SUFFIXES)]
    for each in found:
        if each.is_file():
            return each
    raise InputError(f"{path} is missing: {folder} names it as the picture of a view")


def write_transforms(
    folder: str | Path,
    cameras: Sequence[Camera],
    names: Sequence[str],
    held_out: Sequence[bool],
    beside: Mapping[str, Sequence[str | None]] | None = None,
) -> Path:
    """Write transforms.json for pictures in a folder; nerfstudio and Blender's readers take it.

    Args:
        folder: where the pictures are.
        cameras: one per picture, all of one kind and size.
        names: of the pictures, relative to the folder.
        held_out: which are for testing.
        beside: further files of the views by their key, such as mask_path or depth_file_path;
            None where a view has none.
    """
    first = cameras[0]
    (fx, fy), (cx, cy), (height, width) = first.focal, first.center, first.size
    content: dict[str, Any] = {
        "camera_model": "PINHOLE",
        "camera_angle_x": 2 * math.atan(width / 2 / fx),
        "fl_x": fx,
        "fl_y": fy,
        "cx": cx,
        "cy": cy,
        "w": width,
        "h": height,
    }
    if any(held_out):
        content["train_filenames"] = [n for n, h in zip(names, held_out, strict=True) if not h]
        content["test_filenames"] = [n for n, h in zip(names, held_out, strict=True) if h]
    frames: list[dict[str, Any]] = [
        {"file_path": name, "transform_matrix": [list(row) for row in camera.matrix]}
        for name, camera in zip(names, cameras, strict=True)
    ]
    for key, files in (beside or {}).items():
        for frame, file in zip(frames, files, strict=True):
            frame |= {} if file is None else {key: file}
    content["frames"] = frames
    path = Path(folder) / FILE
    write_whole(path, (json.dumps(content, indent=1) + "\n").encode())
    return path


def surroundings(cameras: Sequence[Camera]) -> tuple[Vector, float]:
    """The point that the cameras face, and the radius of the sphere there inside all pictures.

    The point nearest to all optical axes, in least squares; the radius is the least distance times
    the sine of half the narrower field of view.

    Raises:
        InputError: fewer than two cameras, parallel axes, or cameras that face away from the point.
    """
    if len(cameras) < 2:
        raise InputError(f"{len(cameras)} views show no depth: give at least two")
    axes = torch.tensor([c.forward for c in cameras], dtype=torch.float64)
    places = torch.tensor([c.position for c in cameras], dtype=torch.float64)
    across = torch.eye(3, dtype=torch.float64) - axes[:, :, None] * axes[:, None, :]
    total = across.sum(0)
    if torch.linalg.eigvalsh(total)[0] < 1e-3 * len(cameras):
        raise InputError("all cameras face one direction: give views from around the object")
    center = torch.linalg.solve(total, (across @ places[:, :, None]).sum(0))[:, 0]
    ahead = ((center - places) * axes).sum(1)
    if (ahead <= 0).any():
        raise InputError(
            f"{int((ahead <= 0).sum())} of {len(cameras)} cameras face away from what the "
            "others face: give views from around an object, along -z of their own axes"
        )
    half = [math.atan(min(c.size[1] / 2 / c.focal[0], c.size[0] / 2 / c.focal[1])) for c in cameras]
    apart = (center - places).norm(dim=1).tolist()
    radius = min(d * math.sin(angle) for d, angle in zip(apart, half, strict=True))
    x, y, z = center.tolist()
    return (x, y, z), radius
