"""The inputs of a task: files, and pictures in memory; needs no torch until there is one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from dreamsampler.files import OutputError, check_folder, local, sha256

ImageInput: TypeAlias = Path | str | Any
"""A path, a PIL image, a NumPy array (h, w, c), a tensor (c, h, w), or a `Picture`."""
OperatorInput: TypeAlias = str | Any
"""An operator in words ("blur(sigma=3)"), or an operator object."""
SCENE_FILE: Final = re.compile(
    r"(view|depth|mask|held_out)_\d{3,}\.png|transforms\.json|field\.safetensors"
    r"|mesh\.(ply|glb)|turntable\.(gif|mp4)"
)
"""Names of the files of a scene: what an older one may be replaced by."""


def in_memory(value: Any, name: str) -> Any:
    """A picture that is no path as a `Picture`, text as a path.

    Raises:
        InputError: what is no picture.
    """
    if isinstance(value, Path) or (isinstance(value, str) and value):
        return local(value)
    from dreamsampler.images.memory import picture_of

    return picture_of(value, name)


def files_among(inputs: Sequence[Any]) -> list[Path]:
    """The files of a task's inputs, without pictures in memory."""
    return [Path(each) for each in inputs if isinstance(each, str | Path)]


def check_scene_folder(path: Path, inputs: Sequence[Any]) -> None:
    """Refuse an output folder that holds an input, or what is no file of a scene; OutputError."""
    folder = path.resolve()
    if any(each.resolve().is_relative_to(folder) for each in files_among(inputs)):
        raise OutputError(f"{path} holds the scene that is read: choose another output folder")
    check_folder(path, is_scene_file)


def option_of_input(value: Any, name: str) -> Any:
    """A picture's path, or the option's name for one in memory."""
    if isinstance(value, tuple):
        return [option_of_input(each, f"{name}-{i}") for i, each in enumerate(value)]
    return value if value is None or isinstance(value, str | Path) else name


def describe_input(value: Any) -> dict[str, str | None]:
    """Name and hash of an input; a picture in memory has no name."""
    if isinstance(value, str | Path):
        return {"name": Path(value).name, "sha256": sha256(value)}
    return {"name": None, "sha256": value.sha256}


def is_scene_file(name: str) -> bool:
    """Whether a file of that name is one of a scene."""
    return SCENE_FILE.fullmatch(name) is not None
