"""Scenes whose files came without their folders, as browsers send them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path, PureWindowsPath
from typing import Any

from dreamsampler.files import InputError, named_like

TRANSFORMS = re.compile(r"transforms(_train|_val|_test)?\.json")
CAMERAS = re.compile(r"(cameras|images)\.(bin|txt)")
"""The files that describe the cameras of a scene: of transforms.json, or of a COLMAP model."""


def safe_name(name: str) -> str:
    """A file name without folders, leading dots or odd signs.

    Example:
        >>> safe_name("../.my cat?.png")
        'my cat-.png'
    """
    kept = re.sub(r"[^\w .()+-]", "-", Path(name.replace("\\", "/")).name).lstrip(". ")
    stem, suffix = Path(kept).stem[:80], Path(kept).suffix[:16]
    return f"{stem or 'file'}{suffix}"


def copy_scene(uploads: Iterable[Path], folder: Path, check: Callable[[Path], Any]) -> Path:
    """Copy the files of a scene to where its transforms.json or COLMAP model expects them.

    A frame called "images/view_000.png" is matched with the upload called view_000.png.

    Args:
        folder: of the scene; it is made.
        check: refuses a picture.

    Raises:
        InputError: files that describe no cameras, or a picture that is missing.
    """
    given = {each.name: each for each in uploads}
    tables = [name for name in given if TRANSFORMS.fullmatch(name)]
    model = [name for name in given if CAMERAS.fullmatch(name)]
    if not tables and not model:
        raise InputError(
            "several files are a scene, which needs transforms.json, or cameras and images of "
            "COLMAP (.bin or .txt): upload them together with the pictures"
        )
    place = folder if tables else folder / "sparse" / "0"
    place.mkdir(parents=True)
    for name in tables or model:
        shutil.copyfile(given[name], place / name)
    for relative in _named(tables, given) if tables else _colmap(folder, given):
        path = Path(relative)
        if path.is_absolute() or ".." in path.parts:
            raise InputError(f"{relative} leaves the folder of its scene: name pictures inside it")
        like = named_like(path.name, given)
        if like is None:
            raise InputError(f"the scene names {path.name}, which was not uploaded with it")
        check(given[like])
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(given[like], (folder / path).with_name(like))
    return folder


def _named(tables: Iterable[str], given: dict[str, Path]) -> Iterable[str]:
    """Every picture and mask that descriptions of cameras name."""
    names: list[Any] = []
    for table in tables:
        try:
            frames = json.loads(given[table].read_bytes())["frames"]
            names += [f.get(key) for f in frames for key in ("file_path", "mask_path")]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{table} is no description of a scene: it needs frames") from error
    return {PureWindowsPath(n).as_posix() for n in names if isinstance(n, str) and n}


def _colmap(folder: Path, given: dict[str, Path]) -> list[str]:
    """Every picture that a COLMAP model names, and the masks that came with them."""
    from dreamsampler.generators.field.colmap import image_names

    names = image_names(folder)
    masks = [f"masks/{name}.png" for name in names if f"{Path(name).name}.png" in given]
    return [f"images/{name}" for name in names] + masks
