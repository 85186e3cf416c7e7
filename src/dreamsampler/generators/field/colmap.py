"""COLMAP's models: cameras and images, as text or binary, beside the pictures."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias, final

import numpy as np

from dreamsampler.files import InputError, text_encoding
from dreamsampler.generators.field.camera import check_matrix
from dreamsampler.generators.field.lens import COEFFICIENTS, MODELS, Lens
from dreamsampler.generators.field.shot import Shot, picture_of

PLACES: Final = ("", "sparse/0", "sparse", "colmap/sparse/0")
"""Where a model is, in the folder of a scene."""
FILES: Final = (("cameras.bin", "images.bin"), ("cameras.txt", "images.txt"))
WORLD: Final = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""COLMAP's world (y down, as its first camera mostly is) to ours (z up), as nerfstudio turns it."""
_FOCAL: Final = {"f": "fl_x", "fx": "fl_x", "fy": "fl_y", "cx": "cx", "cy": "cy"}
_POINT, _LONGEST = 24, 4096
"""Bytes of a point of an image, and most of an image's name."""
_Camera: TypeAlias = tuple[tuple[tuple[str, float], ...], Lens | None]
_Image: TypeAlias = tuple[list[float], int, str]
"""Quaternion (w, x, y, z) and translation, world to camera; the camera; the picture."""


def model_files(scene: Path) -> tuple[Path, Path] | None:
    """The two files of a COLMAP model that are read, cameras and images; None where none is."""
    more = sorted(scene.glob("sparse/*")) if (scene / "sparse").is_dir() else []
    for folder in (*(scene / place for place in PLACES), *more):
        for cameras, images in FILES:
            if (folder / cameras).is_file() and (folder / images).is_file():
                return folder / cameras, folder / images
    return None


def read_colmap(scene: Path) -> list[Shot]:
    """The registered images of a COLMAP model, by name.

        world (x, y, z) -> (x, z, -y);   camera: x right, y up, along -z, of COLMAP's x, -y, -z

    Pictures are looked for in `images` beside the model or in a folder above it, then there
    without `images`; a picture's mask, where there is one, is masks/NAME.png, black where ignored.

    Args:
        scene: the folder of a model, or one with sparse/0.

    Raises:
        InputError: no model, files that are damaged, a camera model that is not understood, or a
            missing picture.
    """
    file, cameras, images = _read(scene)
    return [_shot(file, scene, cameras, image) for image in images]


def image_names(scene: Path) -> list[str]:
    """The pictures that a COLMAP model names, whether they are there or not; InputError."""
    return [name for _, _, name in _read(scene)[2]]


def _read(scene: Path) -> tuple[Path, dict[int, _Camera], list[_Image]]:
    """The file of the images, the cameras, and the images by name."""
    files = model_files(scene)
    if files is None:
        raise InputError(f"{scene} holds no COLMAP model: give a folder with sparse/0 and images")
    binary = files[0].suffix == ".bin"
    read_cameras, read_images = (
        (_binary_cameras, _binary_images) if binary else (_text_cameras, _text_images)
    )
    try:
        cameras, images = dict(read_cameras(files[0])), list(read_images(files[1]))
    except OSError as error:
        raise InputError(f"{files[0].parent} cannot be read ({error})") from error
    if not images:
        raise InputError(f"{files[1]} has no images: register some first")
    return files[1], cameras, sorted(images, key=lambda i: i[2])


def _shot(file: Path, scene: Path, cameras: dict[int, _Camera], image: _Image) -> Shot:
    pose, number, name = image
    if number not in cameras:
        raise InputError(f"{file}, image {name}: there is no camera {number}: export it again")
    length = math.sqrt(sum(each * each for each in pose[:4]))
    if not all(map(math.isfinite, pose)) or not 1e-6 < length < 1e6:
        raise InputError(f"{file}, image {name}: {pose} is no pose: export it again")
    w, x, y, z = (each / length for each in pose[:4])
    back = np.array(  # of the camera's axes to the world's
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)],
            [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)],
            [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    rows = WORLD @ np.column_stack([back * (1, -1, -1), -back @ np.array(pose[4:])])
    model = file.parent.absolute()
    near = dict.fromkeys([scene, model, model.parent, model.parent.parent])
    places = [folder / inside for folder in near for inside in ("images", "")]
    found = [folder for folder in places if (folder / name).is_file()]
    masks = [folder / "masks" / f"{name}.png" for folder in near]
    intrinsics, lens = cameras[number]
    return Shot(
        picture_of((found or [each for each in places if each.is_dir()])[0], name),
        check_matrix(rows.tolist()),
        intrinsics,
        name,
        mask=next((mask for mask in masks if mask.is_file()), None),
        lens=lens,
    )


def _camera(where: str, model: str, size: tuple[int, int], values: list[float]) -> _Camera:
    names = MODELS[model].split()
    if len(values) != len(names) or not all(map(math.isfinite, values)):
        raise InputError(f"{where}: {model} takes finite numbers {', '.join(names)}: export again")
    given = dict(zip(names, values, strict=True))
    numbers = {_FOCAL[key]: value for key, value in given.items() if key in _FOCAL}
    numbers |= {"w": float(size[0]), "h": float(size[1])}
    found = tuple((key, given[key]) for key in COEFFICIENTS if given.get(key))
    fisheye = model.endswith("FISHEYE")
    return tuple(numbers.items()), Lens(fisheye, found) if fisheye or found else None


def _known_model(where: str, model: str) -> str:
    if model not in MODELS:
        raise InputError(
            f"{where}: the camera model {model} is not understood (known are {', '.join(MODELS)}): "
            "run colmap image_undistorter first"
        )
    return model


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding=text_encoding(path)).lstrip("\ufeff").splitlines()


def _text_cameras(path: Path) -> Iterator[tuple[int, _Camera]]:
    for i, line in enumerate(_lines(path), 1):
        words, where = line.split(), f"{path}, line {i}"
        if not words or words[0].startswith("#"):
            continue
        try:
            number, model, width, height, *values = words
            size, numbers = (int(width), int(height)), [float(value) for value in values]
            identity = int(number)
        except ValueError as error:
            raise InputError(
                f"{where} is no camera (CAMERA_ID MODEL WIDTH HEIGHT PARAMS): export it again"
            ) from error
        yield identity, _camera(where, _known_model(where, model), size, numbers)


def _text_images(path: Path) -> Iterator[_Image]:
    lines = enumerate(_lines(path), 1)
    for i, line in lines:
        words = line.split(maxsplit=9)
        if not words or words[0].startswith("#"):
            continue
        try:
            pose = [float(word) for word in words[1:8]]
            yield pose, int(words[8]), words[9].strip()
        except (ValueError, IndexError) as error:
            raise InputError(
                f"{path}, line {i} is no image (IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME), "
                "after which a line of points follows, or an empty one: export it again"
            ) from error
        next(lines, None)  # its points


@final
class _Binary:
    """Little-endian numbers of a file, of which none is believed before its bytes are there."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file = path, file
        self.left = os.fstat(file.fileno()).st_size

    def take(self, count: int) -> bytes:
        """So many bytes."""
        if count > self.left:
            raise InputError(
                f"{self.path} is cut short or damaged: {count} bytes should follow and "
                f"{self.left} do: export it again"
            )
        self.left -= count
        return self.file.read(count)

    def skip(self, count: int) -> None:
        """Leave out so many bytes, which are there."""
        self.left -= count
        self.file.seek(count, os.SEEK_CUR)

    def numbers(self, layout: str) -> tuple[Any, ...]:
        """Numbers as struct's layout says."""
        return struct.unpack(f"<{layout}", self.take(struct.calcsize(f"<{layout}")))

    def count(self, least: int) -> int:
        """How many entries of at least so many bytes follow."""
        (count,) = self.numbers("Q")
        if count * least > self.left:
            raise InputError(
                f"{self.path} is cut short or damaged: it says {count} entries and has "
                f"{self.left} bytes of them: export it again"
            )
        return count

    def text(self) -> str:
        """Up to a zero."""
        found = bytearray()
        while (byte := self.take(1)) != b"\0":
            found += byte
            if len(found) > _LONGEST:
                raise InputError(f"{self.path} is damaged: a name does not end: export it again")
        try:
            return found.decode()
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.path} names a picture that is no UTF-8 ({bytes(found)!r}): rename it"
            ) from error

    def end(self) -> None:
        """Refuse what follows."""
        if self.left:
            raise InputError(
                f"{self.path} is damaged: {self.left} bytes follow its last entry: export it again"
            )


def _binary_cameras(path: Path) -> Iterator[tuple[int, _Camera]]:
    with open(path, "rb") as opened:
        file = _Binary(path, opened)
        for _ in range(file.count(48)):
            number, index, width, height = file.numbers("IiQQ")
            where = f"{path}, camera {number}"
            names = dict(enumerate(MODELS))
            model = _known_model(where, names.get(index, f"number {index}"))
            values = file.numbers(f"{len(MODELS[model].split())}d")
            yield number, _camera(where, model, (width, height), list(values))
        file.end()


def _binary_images(path: Path) -> Iterator[_Image]:
    with open(path, "rb") as opened:
        file = _Binary(path, opened)
        for _ in range(file.count(73)):
            _, *pose, number = file.numbers("I7dI")
            yield pose, number, file.text()
            file.skip(_POINT * file.count(_POINT))
        file.end()
