"""Uploads: copied into the folder of a run under safe names, if they are not too large."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, final

from dreamsampler.files import InputError, named_like
from dreamsampler.images.header import check_picture
from dreamsampler.tasks.base import Task
from dreamsampler.tasks.options import options_of

TRANSFORMS = re.compile(r"transforms(_train|_val|_test)?\.json")
"""The files that describe the cameras of a scene."""
MOST_FILES = 512
"""Of one scene."""


@final
@dataclass(frozen=True)
class Limits:
    """How much one submission may take.

    Args:
        bytes: of one file.
        pixels: of one picture, going in or coming out.
    """

    bytes: int
    pixels: int

    def check_picture(self, path: Path) -> None:
        """Refuse a picture of too many pixels by its header; InputError."""
        height, width = check_picture(path)
        self.check_size(height, width, path.name)

    def check_size(self, height: int, width: int, what: str) -> None:
        """Refuse too many pixels; InputError."""
        if height * width > self.pixels:
            raise InputError(
                f"{what} has {width}x{height} pixels, and this studio takes at most "
                f"{self.pixels / 1e6:g} megapixels: scale it down first"
            )


def is_scene(kind: type[Task], name: str) -> bool:
    """Whether an option of a task is a folder of views, of which a browser sends the files.

    Example:
        >>> from dreamsampler import Edit, Reconstruct
        >>> is_scene(Edit, "image"), is_scene(Reconstruct, "image")
        (False, True)
    """
    return options_of(kind)[name].kind == "file" and name not in kind.PICTURES


def copy(upload: Path | str, folder: Path, limits: Limits, name: str | None = None) -> Path:
    """Copy a file that the server has received into a folder, which is made."""
    upload = Path(upload)
    target = folder / (name or safe_name(upload.name))
    if upload.stat().st_size > limits.bytes:
        raise InputError(
            f"{upload.name} is larger than {limits.bytes / 1e6:g} MB, which is the most here"
        )
    if target.exists():
        raise InputError(f"two files are called {target.name}: rename one of them")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(upload, target)
    return target


def safe_name(name: str) -> str:
    """A file name without folders, leading dots or odd signs.

    Example:
        >>> safe_name("../.my cat?.png")
        'my cat-.png'
    """
    kept = re.sub(r"[^\w .()+-]", "-", Path(name.replace("\\", "/")).name).lstrip(". ")
    stem, suffix = Path(kept).stem[:80], Path(kept).suffix[:16]
    return f"{stem or 'file'}{suffix}"


def copy_scene(uploads: Iterable[Path | str], folder: Path, limits: Limits) -> Path:
    """Copy the files of a scene to where its transforms.json expects them.

    Browsers send files without their folders: a frame called "images/view_000.png" is matched with
    the upload called view_000.png.
    """
    given = {Path(each).name: Path(each) for each in uploads}
    tables = [name for name in given if TRANSFORMS.fullmatch(name)]
    if not tables:
        raise InputError("a scene needs its transforms.json: upload it together with the pictures")
    if len(given) > MOST_FILES:
        raise InputError(f"{len(given)} files are too many: {MOST_FILES} is the most")
    named = {relative for name in tables for relative in _named(given[name])}
    for name in tables:
        copy(given[name], folder, limits, name)
    for relative in sorted(named):
        path = Path(relative)
        if path.is_absolute() or ".." in path.parts:
            raise InputError(f"{relative} leaves the folder of its scene: name pictures inside it")
        like = named_like(path.name, given)
        if like is None:
            raise InputError(f"transforms.json names {path.name}, which was not uploaded")
        upload = given[like]
        limits.check_picture(upload)
        copy(upload, folder / path.parent, limits, upload.name)
    return folder


def _named(table: Path) -> Iterable[str]:
    """Every picture and mask that a transforms.json names."""
    try:
        document: Any = json.loads(table.read_bytes())
        frames = document["frames"]
        names = [f.get(key) for f in frames for key in ("file_path", "mask_path")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{table.name} is no description of a scene: it needs frames") from error
    return [PureWindowsPath(n).as_posix() for n in names if isinstance(n, str) and n]
