"""transforms.json: cameras and pictures in a folder, the format of nerfstudio and Blender."""

from __future__ import annotations

import contextlib
import difflib
import json
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from typing import Any, Final

import torch

from dreamsampler.files import InputError, text_encoding, write_whole
from dreamsampler.generators.field.camera import Camera, Vector, check_matrix
from dreamsampler.generators.field.lens import COEFFICIENTS, MODELS, Lens
from dreamsampler.generators.field.shot import Shot, picture_of

FILE: Final = "transforms.json"
TRAIN, TEST = "transforms_train.json", "transforms_test.json"
_SIZES = ("fl_x", "fl_y", "cx", "cy", "w", "h", "camera_angle_x", "camera_angle_y")
_DEGREES = {"x_fov": "camera_angle_x", "y_fov": "camera_angle_y"}
_LISTS = ("train_filenames", "val_filenames", "test_filenames")
_CAMERA = (
    *(*_SIZES, *_DEGREES, *COEFFICIENTS, *_LISTS, "camera_model", "is_fisheye"),
    *("frames", "file_path", "mask_path", "transform_matrix"),
)
_OTHERS: Final = (
    *("aabb", "aabb_scale", "render_aabb", "offset", "scale", "up", "from_na", "sharpness"),
    *("applied_scale", "applied_transform", "orientation_override", "auto_scale_poses_override"),
    *("depth_file_path", "depth_path", "depth_unit_scale_factor", "enable_depth_loading"),
    *("integer_depth_scale", "ply_file_path", "colmap_im_id", "name", "rotation", "time"),
    "timestamp",
)
"""Keys that say nothing of a picture's camera. The rotation is Blender's, of its turntable."""
_ABOUT_CAMERAS = re.compile(
    r"camera|lens|focal|fov|width|height|center|^f_?[xy]$|distort|fisheye|shutter|intrinsic|extrinsic|matrix|pose|skew|principal"
    r"|mask|mitsuba|latlong|equirect|ortho|ftheta|c2w|w2c|^([kps][xy]?\d*|[rt])$"
)
_LABEL = re.compile(r"_(id|idx|index|name|label|make|uid)$")


def transforms_files(scene: Path) -> list[Path]:
    """The files that describe a scene: itself, or transforms.json in its folder; none if none is.

    transforms_train.json is followed by transforms_test.json beside it.
    """
    for path in (scene, scene / FILE, scene / TRAIN):
        if path.is_file():
            beside = [path.with_name(TEST)] if path.name == TRAIN else []
            return [path, *(each for each in beside if each.is_file())]
    return []


def read_transforms(scene: str | Path) -> list[Shot]:
    """Every view of a scene, those that are held out at the end.

    Args:
        scene: a folder with transforms.json or transforms_train.json (then transforms_test.json
            beside it is held out), or such a file itself.

    Raises:
        InputError: no such file, no JSON, no views, a camera matrix that is not a rigid motion, a
            key or a lens that is not understood, or a missing picture.
    """
    files = transforms_files(Path(scene))
    if not files:
        raise InputError(f"{scene} is no scene: give a folder with {FILE} or {TRAIN}")
    shots, *tests = map(_read, files)
    shots += [replace(shot, held_out=True) for test in tests for shot in test]
    return sorted(shots, key=lambda shot: shot.held_out)


def _read(path: Path) -> list[Shot]:
    try:
        content = json.loads(path.read_text(encoding=text_encoding(path)).lstrip("\ufeff"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON ({error}): write it anew") from error
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, list) or not frames:
        raise InputError(
            f'{path} has no views: give a list "frames" of file_path, transform_matrix'
        )
    unused = _check_keys(str(path), content)
    held_out = set()
    for key in _LISTS:
        names = content.get(key) or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{path}: {key} is no list of file names: write it anew")
        held_out |= set(map(_posix, names)) if key != _LISTS[0] else set()
    shots = []
    for frame in frames:
        if not isinstance(frame, dict) or not isinstance(frame.get("file_path"), str):
            raise InputError(f"{path} has a view without a file_path: name its picture")
        where = f"{path}, view {frame['file_path']}"
        unused |= _check_keys(where, frame)
        known = {key: value for key, value in frame.items() if value is not None}
        shots.append(_shot(path.parent, where, {**content, **known}, held_out))
    if unused:
        warnings.warn(f"{path}: not used: {', '.join(unused)}", stacklevel=2)
    return shots


def _posix(name: str) -> str:
    return PureWindowsPath(name).as_posix()


def _check_keys(where: str, table: Mapping[str, Any]) -> dict[str, None]:
    """Refuse keys that may say something of a camera; the others that nobody knows."""
    unused: dict[str, None] = {}
    for key, value in table.items():
        if key in _CAMERA or key in _OTHERS or value in (None, False, 0, "", [], {}):
            continue
        near = difflib.get_close_matches(key.lower(), _CAMERA, 1, 0.75)
        if (near or _ABOUT_CAMERAS.search(key.lower())) and not _LABEL.search(key):
            near = near or difflib.get_close_matches(key.lower(), _CAMERA, 1, 0.6)
            hint = f"did you mean {near[0]}?" if near else "remove it if views do not need it"
            raise InputError(f"{where}: the key {key} is not understood: {hint}")
        unused[key] = None
    return unused


def _shot(folder: Path, where: str, given: dict[str, Any], held_out: set[str]) -> Shot:
    name, mask = given["file_path"], given.get("mask_path") or None
    try:
        matrix = check_matrix(given.get("transform_matrix"))
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    if not isinstance(mask, str | None):
        raise InputError(f"{where}: mask_path is {mask!r}: name a picture")
    numbers = {
        key: _number(where, key, given[key])
        for key in (*_SIZES, *_DEGREES, *COEFFICIENTS)
        if given.get(key) is not None
    }
    for key, radians in _DEGREES.items():
        if key in numbers:
            numbers.setdefault(radians, math.radians(numbers.pop(key)))
    return Shot(
        picture_of(folder, name),
        matrix,
        tuple((key, numbers[key]) for key in _SIZES if key in numbers),
        name,
        _posix(name) in held_out,
        None if mask is None else picture_of(folder, mask),
        _lens(where, given, numbers),
    )


def _number(where: str, key: str, value: Any) -> float:
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            number = float(value)
    if not math.isfinite(number):
        raise InputError(f"{where}: {key} is {str(value)[:40]!r}: give a finite number")
    return number


def _lens(where: str, given: Mapping[str, Any], numbers: Mapping[str, float]) -> Lens | None:
    """The lens of a view: coefficients count whatever perspective model is named, as elsewhere."""
    model, fisheye = given.get("camera_model"), given.get("is_fisheye")
    if model is not None and model not in MODELS:
        near = difflib.get_close_matches(str(model).upper(), MODELS, 1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(MODELS)}"
        raise InputError(f"{where}: the camera_model {model} is not understood: {hint}")
    if not isinstance(fisheye, bool | int | None):
        raise InputError(f"{where}: is_fisheye is {fisheye!r}: give true or false")
    named = None if model is None else model.endswith("FISHEYE")
    if None not in (named, fisheye) and named != bool(fisheye):
        raise InputError(
            f"{where}: is_fisheye is {fisheye}, but the camera_model is {model}: remove one of them"
        )
    round_lens = bool(named or fisheye)
    taken = MODELS["OPENCV_FISHEYE"] if round_lens else MODELS["OPENCV"] + " k3"
    if model in ("FULL_OPENCV", "FOV", "THIN_PRISM_FISHEYE"):
        taken = MODELS[model]
    found = {key: numbers[key] for key in COEFFICIENTS if numbers.get(key)}
    wrong = [key for key in found if key not in taken.split()]
    if wrong:
        kind = model or ("a fisheye" if round_lens else "OPENCV")
        raise InputError(
            f"{where}: {', '.join(wrong)} is no coefficient of {kind}: name the camera_model that "
            "it belongs to, or undistort the pictures first"
        )
    if round_lens and "fl_x" not in numbers:
        raise InputError(f"{where}: a fisheye needs its focal length: give fl_x in pixels")
    return Lens(round_lens, tuple(found.items())) if round_lens or found else None


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
