"""Tasks on stand-in pictures: what a plan counts when there is no picture yet.

Importing this file needs no torch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from dreamsampler.tasks.edit.task import Edit
from dreamsampler.tasks.inpaint.task import Inpaint
from dreamsampler.tasks.make_scene import MakeScene
from dreamsampler.tasks.reconstruct.task import Reconstruct
from dreamsampler.tasks.restore.task import Restore
from dreamsampler.tasks.vectorize.task import Vectorize

if TYPE_CHECKING:
    from dreamsampler.images.picture import InMemoryImages
    from dreamsampler.tasks.base import Task

TaskName: TypeAlias = Literal["edit", "inpaint", "restore", "vectorize", "reconstruct"]

_KINDS: dict[str, type] = {
    "edit": Edit,
    "inpaint": Inpaint,
    "restore": Restore,
    "vectorize": Vectorize,
    "reconstruct": Reconstruct,
}
_SIDE = 64
_SLIGHT = {"steps": 1, "inner_steps": 1}
"""Steps of an optimizer that never ask the model need not be taken."""


@contextmanager
def sketched(
    name: TaskName, options: dict[str, Any], views: int = 20
) -> Iterator[tuple[Task, InMemoryImages | None]]:
    """A task with these options and with pictures that are only there to be counted.

    Prompts are chosen so that the model is asked as often as it can be.

    Args:
        name: of the task.
        options: of the task's own; None stands for one that is left out.
        views: of a scene.

    Raises:
        ValueError: no such task, or an option that it does not have.
    """
    if name not in _KINDS:
        raise ValueError(f"there is no task {name!r}: choose one of {', '.join(_KINDS)}")
    kind = _KINDS[name]
    chosen = {key: value for key, value in options.items() if value is not None}
    if name == "restore" and "num_images" in chosen:
        chosen["samples"] = chosen.pop("num_images")
    known = [field.name for field in fields(kind)]
    for key in chosen:
        if key not in known:
            raise ValueError(f"{name} has no {key}: leave it out")
    if name == "reconstruct":
        with tempfile.TemporaryDirectory() as folder:
            scene = MakeScene(views=views, held_out=0, size=_SIDE // 2)
            path = Path(folder) / "scene"
            scene.save(path)
            light = {**_SLIGHT, "resolution": 8, "turntable": 0}
            yield Reconstruct(path, prompt="a toy", **light, **chosen), None
        return
    yield _of_picture(name, chosen), _pictures()


def _of_picture(name: str, chosen: dict[str, Any]) -> Any:
    if name == "edit":
        source = None if chosen.get("preset") in ("ledits", "paper") else "a cat"
        return Edit("picture", "a dog", source, **chosen)
    if name == "inpaint":
        return Inpaint("picture", ("a dog",), mask_image=(Path("mask"),), **chosen)
    if name == "restore":
        return Restore("picture", chosen.pop("operator", "blur(sigma=2)"), prompt="a dog", **chosen)
    return Vectorize("picture", prompt="a dog", paths=4, **_SLIGHT, **chosen)


def _pictures() -> InMemoryImages:
    """A picture with something in it, and a mask of its middle."""
    import numpy as np

    from dreamsampler.images.memory import picture_of

    y, x = np.mgrid[:_SIDE, :_SIDE]
    ramp = np.stack([3 * x, 3 * y, 255 - 3 * x], -1).astype(np.uint8)
    middle = (abs(x - _SIDE // 2) < _SIDE // 4) & (abs(y - _SIDE // 2) < _SIDE // 4)
    return {"picture": picture_of(ramp), "mask": picture_of((255 * middle).astype(np.uint8))}
