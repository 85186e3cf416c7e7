"""Tasks on placeholder pictures: what a plan counts when there is no picture yet."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

from dreamsampler.files import InputError
from dreamsampler.methods.registry import methods_of
from dreamsampler.tasks import MODEL_TASKS, MakeScene
from dreamsampler.tasks.base import Task
from dreamsampler.tasks.options import options_of

PlannedTask: TypeAlias = Literal["edit", "inpaint", "restore", "vectorize", "reconstruct"]
_SIDE = 64
_SLIGHT = {"fit_steps": 1, "update_steps": 1}
"""Optimizer steps that never ask the model need not be taken."""


@contextmanager
def placeholder_task(name: PlannedTask, options: dict[str, Any], views: int = 20) -> Iterator[Task]:
    """A task with these options and with pictures that are only there to be counted.

    Prompts are chosen so that the model is asked as often as it can be.

    Args:
        options: of the task's own; None stands for one that is left out.

    Raises:
        ValueError: no such task, or an option that it does not have.
    """
    kinds = {kind.name(): kind for kind in MODEL_TASKS}
    if name not in kinds:
        raise InputError(f"there is no task {name!r}: choose one of {', '.join(kinds)}")
    chosen = {key: value for key, value in options.items() if value is not None}
    for key in chosen:
        if key not in options_of(kinds[name]):
            raise InputError(f"{name} has no {key}: leave it out")
    with tempfile.TemporaryDirectory() as folder:
        yield kinds[name](**{**_placeholders(name, chosen, views, Path(folder)), **chosen})


def _placeholders(name: str, chosen: dict[str, Any], views: int, folder: Path) -> dict[str, Any]:
    if name == "reconstruct":
        scene = MakeScene(views=views, held_out=0, size=_SIDE // 2)
        scene(progress=False).run.save(folder / "scene")
        light = {**_SLIGHT, "resolution": 8, "turntable": 0}
        return {"image": folder / "scene", "prompt": "a toy", **light}
    image, mask = _pictures()
    if name == "edit":
        known = methods_of("edit").get(chosen.get("method", "default"))
        source = "a cat" if known is None or known.source_prompt != "unused" else None
        return {"image": image, "prompt": "a dog", "source_prompt": source}
    if name == "inpaint":
        return {"image": image, "prompt": "a dog", "mask_image": mask}
    if name == "restore":
        return {"image": image, "operator": "blur(sigma=2)", "prompt": "a dog"}
    return {"image": image, "prompt": "a dog", "paths": 4, "loss": 0.0, **_SLIGHT}


def _pictures() -> tuple[Any, Any]:
    """A picture with something in it, and a mask of its middle."""
    import numpy as np

    y, x = np.mgrid[:_SIDE, :_SIDE]
    ramp = np.stack([3 * x, 3 * y, 255 - 3 * x], -1).astype(np.uint8)
    middle = (abs(x - _SIDE // 2) < _SIDE // 4) & (abs(y - _SIDE // 2) < _SIDE // 4)
    return ramp, (255 * middle).astype(np.uint8)
